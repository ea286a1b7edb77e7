"""Gives freed memory back to the system, where the C library would keep it for itself."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


def release() -> None:
    """Return what has been freed to the system, which glibc does by itself only for the end of its heap.

    Loading makes and frees many tensors; without this, a quarter or more of what they took stays with the process.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """Glibc's `malloc_trim(3)`, or None where the C library is another."""
    if sys.platform != "linux":
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl
        return None
