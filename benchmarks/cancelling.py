"""How soon a cancelled request frees the inference thread: what `$/cancelRequest` sets off, without the pipe."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from lsp_server.commands.session import ready_completer
from lsp_server.documents import Snapshot
from lsp_server.settings import CompletionSettings, ModelSettings, Settings

_RUNS = 20


async def cancel_ms(model: str) -> float:
    """The longest of twenty waits, in milliseconds, from the cancel of a cold request to the thread being free.

    Cancels come after 10 to 400 ms, so that prefill and decoding are both hit. An empty `model` is the embedded one.
    """
    settings = Settings(
        model=ModelSettings(name=model, drafts="never") if model else ModelSettings(),
        completion=CompletionSettings(debounce_ms=0, warm_up="never"),
    )
    completer, status = await ready_completer(settings)
    if completer is None:
        raise SystemExit(status.message)
    text = Path(contextlib.__file__).read_text(encoding="utf-8")
    worst = 0.0
    for number in range(_RUNS):
        offset = 3000 + 900 * number % (len(text) - 4000)
        snapshot = Snapshot("file:///cancelled.py", "python", number, text, offset)
        asking = asyncio.ensure_future(completer.suggest(snapshot, invoked=True))
        await asyncio.sleep(0.01 + 0.02 * number)
        if asking.done():
            continue
        computation = completer.computations.running(snapshot.uri)
        asking.cancel()
        cancelled = time.perf_counter()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        if computation is not None:
            await computation.task  # done when the thread has let go of it
            worst = max(worst, time.perf_counter() - cancelled)
    return 1000 * worst
