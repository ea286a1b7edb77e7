"""How people type: keys with the pauses before them, typing errors, and jumps. Pure, and the same for the same seed.

Pauses between keys are log-normal with a mean of 0.24 s, as found in 136 million keystrokes (Dhakal et al. 2018,
"Observations on Typing from 136 Million Keystrokes", CHI), and a spread that gives a long tail: at least 0.1 s in 85 %
of gaps, 0.25 s in 35 %, 0.5 s in 7 %. At the end of a line people stop to think now and then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

_MEDIAN_S, _SPREAD = 0.194, 0.65
_THINKING_S, _THINKING_SPREAD, _THINKING_SHARE = 1.2, 0.5, 0.3
_ERROR_SHARE = 0.02
"""Of keys; about what is found to be corrected at once."""

_WRONG = "asdfjkl;"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a file that is typed in again."""

    start: int
    """Index into the file's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Key:
    """One press: wait, delete so many characters before the cursor, insert the text."""

    pause_s: float
    text: str
    deletes: int = 0


class Typist:
    """One person."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)

    def begin(self, number: int) -> None:
        """Type passage `number` as always: what happened in those before it changes nothing."""
        self._random = random.Random(f"{self._seed}, {number}")

    def passages(self, text: str, count: int, size: int = 160) -> list[Passage]:
        """At most `count` places of a file where about `size` characters are typed in: indented code, far apart."""
        starts: list[int] = []
        offset = 0
        for line in text.splitlines(keepends=True):
            indentation = len(line) - len(line.lstrip(" \t"))
            is_code = line.strip() and not line.lstrip().startswith(("#", '"', "'", ">>>"))
            if indentation and is_code and line.isascii():
                starts.append(offset + indentation)
            offset += len(line)
        chosen: list[Passage] = []
        for start in sorted(self._random.sample(starts, min(len(starts), 4 * count))):
            end = text.find("\n", start + size)
            free = not chosen or start > chosen[-1].start + len(chosen[-1].text) + 4 * size
            is_code = text.count('"""', 0, start) % 2 == 0 and '"""' not in text[start:end]
            if free and is_code and 0 < end < len(text) - size and text[start:end].isascii():
                chosen.append(Passage(start, text[start:end]))
        return chosen[:count]

    def keys(self, target: str) -> Iterator[Key]:
        """The presses for the next character of `target` (a line's end comes with the next line's indentation)."""
        text = target[: 1 + _indentation(target)] if target[0] == "\n" else target[0]
        if text.isalpha() and self._random.random() < _ERROR_SHARE:
            yield Key(self.pause_s(text), self._random.choice(_WRONG))
            yield Key(self.pause_s("\b"), "", deletes=1)
        yield Key(self.pause_s(text), text)

    def pause_s(self, text: str) -> float:
        """The wait before a key."""
        if text[0] == "\n" and self._random.random() < _THINKING_SHARE:
            return self._random.lognormvariate(0, _THINKING_SPREAD) * _THINKING_S
        return self._random.lognormvariate(0, _SPREAD) * _MEDIAN_S

    def burst(self) -> int:
        """How many keys are pressed before the person stops and waits for a suggestion."""
        return self._random.randint(4, 16)

    def reading_s(self) -> float:
        """How long a suggestion is looked at before it is taken: from a quarter of a second on."""
        return 0.25 + self._random.expovariate(1 / 0.25)


def _indentation(target: str) -> int:
    """Blanks after the line end at the start of `target`."""
    rest = target[1:]
    return len(rest) - len(rest.lstrip(" \t"))
