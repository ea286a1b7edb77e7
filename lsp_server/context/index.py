"""What is known of each other file: the words of its windows, and the names that it defines.

Built a few lines at a time, so that nobody has to wait for it: `Index.work` goes on until it is told that it is enough.
What is known of an earlier text of a file serves until the new one has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from lsp_server.context.definitions import Definition, definition_at, shortened
from lsp_server.context.source import Source, family
from lsp_server.context.words import LONGEST_LINE, mask, words

STRIDE = 10
"""Lines between the beginnings of two windows."""

WINDOW = 20
"""Lines of a window: with more, few places are alike, with fewer, too many."""

MOST_CHARS = 400_000
"""Of one file that are read, some 10,000 lines; what follows is as if it were not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """A file that has been read. It is equal to no other, not even of the same text."""

    source: Source
    lines: tuple[str, ...]
    masks: tuple[int, ...]
    """For each window, see `words.mask`; it begins at `STRIDE` times its number."""

    definitions: dict[str, Definition]
    """By name; of several, the outermost and first."""

    _short: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def short(self, name: str) -> list[str]:
        """The short form of one of the definitions; worked out once."""
        if name not in self._short:
            self._short[name] = shortened(self.lines, self.definitions[name])
        return self._short[name]


class Index:
    """The files beside the one at the cursor, as far as they have been read."""

    def __init__(self) -> None:
        self._known: dict[str, Indexed] = {}
        self._reading: tuple[Source, Generator[None, None, Indexed]] | None = None
        self._sources: tuple[Source, ...] = ()

    def update(self, sources: Sequence[Source], uri: str = "") -> None:
        """Take in which files there are now, the most related last: it is read first. Costs no reading.

        What is known of the file at `uri`, the cursor's own, is kept for when the cursor is elsewhere.
        """
        self._sources = tuple(sources)
        present = {uri, *(source.uri for source in sources)}
        self._known = {known: one for known, one in self._known.items() if known in present}

    def work(self, is_enough: Callable[[], bool]) -> bool:
        """Read what has not been read yet, until `is_enough`; returns whether more is left to do."""
        while (source := self._next()) is not None:
            if is_enough():
                return True
            if self._reading is None or self._reading[0] != source:
                self._reading = source, _read(source)
            try:
                next(self._reading[1])
            except StopIteration as done:
                self._known[source.uri], self._reading = done.value, None
        return False

    def known(self) -> list[Indexed]:
        """All that has been read, in the order of the sources."""
        return [self._known[source.uri] for source in self._sources if source.uri in self._known]

    def _next(self) -> Source | None:
        for source in reversed(self._sources):
            known = self._known.get(source.uri)
            if known is None or known.source.text != source.text:
                return source
        return None


def _read(source: Source) -> Generator[None, None, Indexed]:
    """Read a file, with a pause after every few lines."""
    lines = tuple(source.text[:MOST_CHARS].replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    own = family(source.uri)
    strides: list[int] = []
    definitions: dict[str, Definition] = {}
    for start in range(0, len(lines), STRIDE):
        strides.append(mask(words(lines[start : start + STRIDE])))
        for number in range(start, min(start + STRIDE, len(lines))):
            if (found := definition_at(lines, number, own)) is not None:
                known = definitions.get(found.name)
                if known is None or found.indent < known.indent:
                    definitions[found.name] = found
        yield
    count = max(1, len(strides) - WINDOW // STRIDE + 1)
    masks = tuple(strides[at] | (strides[at + 1] if at + 1 < len(strides) else 0) for at in range(count))
    return Indexed(source, lines, masks, definitions)


def is_written_by_a_program(lines: Sequence[str]) -> bool:
    """Whether there are lines that nobody writes by hand: minified code, data."""
    return any(len(line) > LONGEST_LINE for line in lines)
