"""Giving up a forward pass between two of its layers, so that a cancel need not wait for the pass to end.

A pass of a large model takes up to a third of a second on a CPU. Who runs a computation says in `interruptible` what
would make it pointless; decoders ask between layers. A cache is extended when the last layer is done, so a pass that
was given up leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

Asked = Callable[[], bool]
"""Whether what is being computed has become pointless; called often, from the inference thread."""

_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


class Interrupted(BaseException):  # no error: who catches those must let it pass
    """A forward pass was given up because nobody wants its result any more."""


@contextmanager
def interruptible(asked: Asked) -> Generator[None, None, None]:
    """Let passes of this thread raise `Interrupted` as soon as `asked` is true."""
    before = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(before)


def asked() -> Asked | None:
    """What was given to the `interruptible` around the caller, if there is one."""
    return _asked.get()
