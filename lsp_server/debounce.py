"""How long to wait after a keystroke before the model is asked. Pure.

Waiting saves the work for places that the next key leaves behind, and costs time at the others. A cancelled request
stops computing at its next step, and what it has prefilled serves the next one: what waiting can save is decoding only.
So there is no wait at all where the answer comes before the next key, or right after something that is rarely followed
by a quick key: a bracket, a dot, a space, a new line.
"""

from __future__ import annotations

_LONGEST_PAUSE_S = 1.0
"""A longer time between two keys is no rhythm but a rest."""

_USUAL_INTERVAL_S = 0.24
"""Mean time between two keys, of 168,000 people (Dhakal et al. 2018, "Observations on Typing from 136 Million
Keystrokes", CHI)."""

_NEWEST_WEIGHS = 0.2
_INTERVAL_SHARE = 0.5
_LONGEST_WAIT_S = 0.15


class Debounce:
    """Learns how fast one person types and one model answers."""

    def __init__(self) -> None:
        self._interval_s = _USUAL_INTERVAL_S
        self._latency_s = 0.0
        self._last_key_s: float | None = None

    def typed(self, now_s: float) -> None:
        """Learn that a key was pressed."""
        last, self._last_key_s = self._last_key_s, now_s
        if last is not None and now_s - last <= _LONGEST_PAUSE_S:
            self._interval_s += _NEWEST_WEIGHS * (now_s - last - self._interval_s)

    def answered(self, latency_s: float) -> None:
        """Learn how long the model took for an answer, without the wait before it."""
        weight = _NEWEST_WEIGHS if self._latency_s else 1.0
        self._latency_s += weight * (latency_s - self._latency_s)

    def delay_s(self, line_prefix: str) -> float:
        """The wait, in seconds, at a cursor with `line_prefix` before it."""
        if self._latency_s <= self._interval_s * _INTERVAL_SHARE:
            return 0.0
        if not line_prefix or not (line_prefix[-1].isalnum() or line_prefix[-1] == "_"):
            return 0.0
        return min(self._interval_s * _INTERVAL_SHARE, _LONGEST_WAIT_S)
