"""What the daemon tells a client of itself, for a status bar: the notification `fimd/status`.

Only to a client that asks for it with the capability `experimental.fimd.status`: others show people a warning at each
notification that they don't know (lsp-mode and eglot do).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from lsp_server.model_host import ModelHost
from lsp_server.settings import Settings

METHOD = "fimd/status"

_BUSY_AFTER_S = 0.25
"""What takes less is not worth a flicker in the status bar."""

_PHASES = {"idle": "loading", "loading": "loading", "ready": "ready", "failed": "error"}


class StatusReport:
    """One connection's view of the daemon.

    Args:
        host: the model.
        settings: gives those of the connection.
        send: sends a notification's parameters to the client.
    """

    def __init__(
        self, host: ModelHost, settings: Callable[[], Settings], send: Callable[[dict[str, str]], None]
    ) -> None:
        self._host, self.settings, self._send = host, settings, send
        self.is_wanted = False
        self._busy = 0
        self._told: dict[str, str] = {}

    def now(self) -> dict[str, str]:
        """`phase` (loading, ready, busy, off or error), `message` for a person, and the name of the `model`."""
        status, settings = self._host.status, self.settings()
        phase, message = _PHASES[status.phase], status.message
        if not settings.enabled:
            phase, message = "off", "suggestions are off"
        elif phase == "ready" and self._told.get("phase") == "busy" and self._busy:
            phase = "busy"
        return {"phase": phase, "message": message, "model": self._host.model_name or settings.model.name}

    def announce(self) -> None:
        """Tell the client, if it wants to know and something has changed."""
        report = self.now()
        if self.is_wanted and report != self._told:
            self._told = report
            self._send(report)

    @contextmanager
    def busy(self) -> Generator[None, None, None]:
        """The person waits for a suggestion; told where it takes long."""
        self._busy += 1
        timer = asyncio.get_running_loop().call_later(_BUSY_AFTER_S, self._still_busy) if self.is_wanted else None
        try:
            yield
        finally:
            self._busy -= 1
            if timer:
                timer.cancel()
            self.announce()

    def _still_busy(self) -> None:
        report = {**self.now(), "phase": "busy"}
        if self._host.status.phase == "ready" and self.settings().enabled and report != self._told:
            self._told = report
            self._send(report)
