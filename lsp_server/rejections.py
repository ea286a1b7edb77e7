"""Which suggestions a person did not want, and where: they don't come back there for a while. Pure; time is passed in.

A place is known by what stands around it, so that it survives edits elsewhere in the file.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_SECONDS = 120.0
"""How long a rejection holds."""

_CAPACITY = 64
"""Rejections that are kept; nobody makes more in two minutes."""

_BEFORE, _AFTER, _NEIGHBOUR = 2000, 400, 40
"""Characters that are looked at before the place and behind it, and compared of the lines above and below."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a suggestion stood, and the line that it would have made."""

    uri: str
    line_prefix: str
    line: str
    """Without its indentation."""

    above: str
    below: str

    @staticmethod
    def of(uri: str, prefix: str, suffix: str, text: str) -> Place:
        r"""The place between `prefix` and `suffix`, with `text` suggested there; line ends are `\n`."""
        earlier, _, line_prefix = prefix[-_BEFORE:].rpartition("\n")
        first = re.match(r"\s*[^\n]*", text)
        line = line_prefix + (first[0] if first else "")
        later = suffix[:_AFTER].split("\n")[1:]
        below = next((line for line in later if line.strip()), "")
        above = earlier.rstrip().rpartition("\n")[2]
        return Place(uri, line_prefix, line.strip(), above[-_NEIGHBOUR:], below[:_NEIGHBOUR])

    def is_at(self, rejected: Place) -> bool:
        """Whether this is the same suggestion where it was rejected, or before it; one typed further along is not.

        A line above or below may have been changed, but not both.
        """
        if (self.uri, self.line) != (rejected.uri, rejected.line):
            return False
        above, below = self.above == rejected.above, self.below == rejected.below
        is_near = (above and below) or (above and bool(self.above)) or (below and bool(self.below))
        return is_near and rejected.line_prefix.startswith(self.line_prefix)


class Rejections:
    """Of one session, the newest ones."""

    def __init__(self) -> None:
        self._rejected: deque[tuple[float, Place]] = deque(maxlen=_CAPACITY)

    def add(self, place: Place, now_s: float) -> None:
        """Remember a rejection."""
        self._rejected.append((now_s, place))

    def has(self, place: Place, now_s: float) -> bool:
        """Whether a suggestion was rejected there not long ago."""
        while self._rejected and now_s - self._rejected[0][0] >= _SECONDS:
            self._rejected.popleft()
        return any(place.is_at(rejected) for _, rejected in self._rejected)

    def lift(self, place: Place) -> None:
        """Forget what was rejected there: the person has asked for it again."""
        kept = [entry for entry in self._rejected if not place.is_at(entry[1])]
        self._rejected = deque(kept, maxlen=_CAPACITY)
