"""A program in a terminal of its own, driven by keys."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TIMEOUT_S = 30
_ROWS, _COLUMNS = 30, 100


class Terminal:
    """What the program draws lands in a file, for whoever looks for a failure's reason."""

    def __init__(self, keys: int, drawn: Path) -> None:
        self._keys, self._drawn = keys, drawn

    def type(self, keys: str) -> None:
        """Send what a terminal sends for keys."""
        os.write(self._keys, keys.encode())

    def drawn(self, since: int = 0) -> str:
        """What was drawn from byte `since` on, with all that moves the cursor and sets colours."""
        return self._drawn.read_bytes()[since:].decode(errors="replace")

    @property
    def size(self) -> int:
        """How much was drawn, in bytes."""
        return self._drawn.stat().st_size


@contextmanager
def started(command: list[str], drawn: Path, environment: dict[str, str]) -> Generator[Terminal]:
    """A terminal in which `command` runs, with `environment` beside this process's own."""
    drawn.touch()
    process, keys = pty.fork()
    if process == 0:
        try:
            os.environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
            os.execv(command[0], command)  # noqa: S606  # no shell
        finally:
            os._exit(127)  # else this copy of the tests would go on
    fcntl.ioctl(keys, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    threading.Thread(target=_keep, args=(keys, drawn), daemon=True).start()
    try:
        yield Terminal(keys, drawn)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(keys)


def until(condition: Callable[[], Any], told: Callable[[], str]) -> Any:
    """The first true value of `condition`; what is `told` if none comes."""
    ends = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"it never came; {told()}")


def _keep(keys: int, drawn: Path) -> None:
    with suppress(OSError), drawn.open("wb") as screen:
        while some := os.read(keys, 65536):
            screen.write(some)
            screen.flush()
