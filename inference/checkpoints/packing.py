"""Threads that pack a model's matrices while it is being put together.

FBGEMM packs a matrix with one thread, which is half of what a start from the cache of rows takes: two at a time are
ready nearly twice as soon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import final

_AHEAD = 2
"""Matrices that wait, for each thread. Not many: a process that ends waits for them, and a failure should show soon."""


@final
class Packing:
    """Work on matrices, `at_once` of them at a time; a context manager, so that none goes on behind a failure."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="packing")
        self._most = at_once * _AHEAD
        self._begun: deque[Future[None]] = deque()

    def __enter__(self) -> Packing:
        return self

    def __exit__(self, *failure: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._begun.clear()  # a failure in one of them holds on to the whole model

    def start(self, work: Callable[[], None]) -> None:
        """Do `work` soon; raises what earlier work has raised."""
        while len(self._begun) >= self._most:
            self._begun.popleft().result()
        self._begun.append(self._threads.submit(work))

    def finish(self) -> None:
        """Wait until all is done; raises what any of it has raised."""
        while self._begun:
            self._begun.popleft().result()
