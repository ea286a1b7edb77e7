"""Whether this machine runs on its battery."""

from __future__ import annotations

import time

import psutil

_VALID_S = 30.0
_known: tuple[float, bool] = (-_VALID_S, False)


def on_battery() -> bool:
    """Whether it does, as of half a minute ago at most; a machine without a battery never does."""
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
