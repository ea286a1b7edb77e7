"""What this machine, and this process on it, are up to."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil

_VALID_S = 30.0
_known: tuple[float, bool] = (-_VALID_S, False)


def on_battery() -> bool:
    """Whether the machine runs on its battery, as of half a minute ago at most; one without a battery never does."""
    global _known  # noqa: PLW0603  # one answer for all windows
    now = time.monotonic()
    if now - _known[0] >= _VALID_S:
        sensors = getattr(psutil, "sensors_battery", None)
        try:
            battery = sensors() if sensors else None
        except (OSError, RuntimeError, ValueError):  # what some machines' batteries report can't be read
            battery = None
        _known = now, battery is not None and battery.power_plugged is False
    return _known[1]


def peak_bytes() -> int:
    """Most memory that this process has had resident."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    try:  # Linux's own count in `resource` goes on from the process that started this one
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
