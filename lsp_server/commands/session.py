"""A completer without an editor, for commands that ask for suggestions in this process."""

from __future__ import annotations

import asyncio

from inference.worker import Status
from lsp_server.completer import Completer
from lsp_server.model_host import ModelHost
from lsp_server.settings import Settings


async def ready_completer(settings: Settings) -> tuple[Completer | None, Status]:
    """A completer whose model has been loaded, or None with the status that says in one sentence why not."""
    host, status = await ready_host(settings)
    return (Completer(host, settings) if host else None), status


async def ready_host(settings: Settings, host: ModelHost | None = None) -> tuple[ModelHost | None, Status]:
    """The model, loaded, in `host` if there is one already; None with the status that says why not in one sentence."""
    host = host or ModelHost()
    loop = asyncio.get_running_loop()
    settled = asyncio.Event()

    def hear(status: Status) -> None:
        if status.phase in {"ready", "failed"}:
            loop.call_soon_threadsafe(settled.set)

    host.worker.subscribe(hear)
    host.use(settings.model)
    await settled.wait()
    status = host.status
    return (host if status.phase == "ready" else None), status
