"""Which pieces of other files to show a model that writes at a place. Pure; the same for the same texts.

Definitions of what is imported come first, nearest to the cursor first; then what follows places that look like this
one (Zhang et al. 2023, arXiv:2303.12570, take such windows too). What stands around the cursor helps nobody twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from lsp_server.context import imports
from lsp_server.context.index import STRIDE, WINDOW, Indexed, is_written_by_a_program
from lsp_server.context.source import Piece, Source, family, folder, path_of, short_path
from lsp_server.context.words import LONGEST_LINE, likeness, mask, words

NEAR_CHARS = 3000
"""Text before the cursor in which a name counts as used here."""

_AROUND_CHARS = 6000
"""Text on each side of the cursor that a piece must not repeat: about what models see of it."""

_LEAST_LIKENESS = 0.12
"""Of a window to the lines before the cursor: below it, two pieces of one program are like any others."""

_LEAST_COMMON = 6
"""Words that a window must have in common with them: of few words, two by chance are many."""

_MOST_COMPARED = 5
"""Windows that are compared word by word, not only by their bits."""

_REPEATED = 0.5
"""Share of a piece's lines that may stand elsewhere already."""

_SHORTEST_LINE = 8
"""Characters; shorter lines, such as `else:` or `}`, say nothing of whether two pieces are the same."""

_FOLLOWING = STRIDE
"""Lines behind a similar window that are taken with its second half: there is what will be written here."""

_MOST_NAMES = 24
"""Imported names whose definitions are looked at."""

_WORD = re.compile(r"[^\W\d][\w$]*")


@dataclass(frozen=True, slots=True)
class Place:
    r"""The file at `uri`, split at the cursor; line ends are `\\n`."""

    uri: str
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be chosen."""

    pieces: int = 4
    characters: int = 1500
    """Of all pieces together: somewhat more than a prompt of 1,024 tokens holds."""


def query(place: Place) -> frozenset[str]:
    """The words of the lines before the cursor, which similar windows are found by."""
    lines = [line for line in place.prefix[-NEAR_CHARS:].split("\n") if line.strip()]
    return words(lines[-WINDOW:])


def choose(place: Place, known: Sequence[Indexed], limits: Limits) -> tuple[Piece, ...]:
    """Pieces of the files that have been read, the most useful first."""
    others = [one for one in known if path_of(one.source.uri) != path_of(place.uri)]  # such as its version under git
    seen = _telling(f"{place.prefix[-_AROUND_CHARS:]}\n{place.suffix[:_AROUND_CHARS]}".split("\n"))
    pieces: list[Piece] = []
    left = limits.characters
    for uri, lines in [*_definitions(place, others, seen, limits.characters // 2), *_similar(place, others)]:
        own = _telling(lines)
        if len(pieces) == limits.pieces or _repeats(own, seen):
            continue
        if text := _within(lines, left):
            pieces.append(Piece(short_path(uri), text))
            left -= len(text)
            seen |= own
    return tuple(pieces)


def _definitions(
    place: Place, others: Sequence[Indexed], seen: set[str], characters: int
) -> Iterator[tuple[str, list[str]]]:
    """Short forms of what the file imports, a file at a time: the one with the name nearest to the cursor first.

    Of each file at most so many characters, in the file's own order.
    """
    by_uri = {one.source.uri: one for one in others}
    wanted: dict[str, list[str]] = {}
    for source, name in _wanted(place, others):
        wanted.setdefault(source.uri, []).append(name)
    for uri, names in wanted.items():
        one, left = by_uri[uri], characters
        shown: dict[int, list[str]] = {}
        for name in names:
            short = one.short(name)
            left -= sum(len(line) + 1 for line in short)
            if shown and left < 0:
                break
            if not _repeats(_telling(short), seen) and not is_written_by_a_program(short):
                shown[one.definitions[name].start] = short
        if shown:
            yield uri, [line for start in sorted(shown) for line in shown[start]]


def _wanted(place: Place, others: Sequence[Indexed]) -> list[tuple[Source, str]]:
    """Names of other files that the file uses or may use here, the likeliest first."""
    near = place.prefix[-NEAR_CHARS:]
    last_use = {found[0]: found.start() for found in _WORD.finditer(near)}
    used = sorted(last_use, key=lambda name: -last_use[name])
    counted = Counter(_WORD.findall(place.prefix[: imports.MOST_CHARS]))
    rated: dict[tuple[Source, str], float] = {}

    def rate(source: Source, name: str, alias: str) -> None:
        # A name that is imported and not used yet is about to be.
        chance = last_use.get(alias, -1) + 1 or (0.5 if counted[alias] <= 1 else 0.0)
        rated[source, name] = max(chance, rated.get((source, name), 0.0))

    among = imports.modules([one.source for one in others])
    by_uri = {one.source.uri: one for one in others}
    for one in imports.imports(place.uri, place.prefix):
        if (found := imports.resolve(one, among, place.uri)) is None:
            continue
        source, name = found
        if name in by_uri[source.uri].definitions:
            rate(source, name, one.alias)
        else:
            for inner in _used_of(by_uri[source.uri], one.alias, near, used):
                rate(source, inner, inner)
    packages = imports.folder_packages(place.uri, place.prefix)
    for other in others:
        package = packages.get(folder(other.source.uri).rpartition("/")[2])
        if package is not None or imports.is_sibling(place.uri, other.source.uri):
            for inner in _used_of(other, package or "", near, used):
                rate(other.source, inner, inner)
    ranked = sorted(rated.items(), key=lambda item: (-item[1], item[0][0].uri, item[0][1]))
    return [wanted for wanted, _ in ranked[:_MOST_NAMES]]


def _used_of(other: Indexed, alias: str, near: str, used: Sequence[str]) -> Iterable[str]:
    """Names of a module that are used near the cursor, after its own name where it has one."""
    if alias:
        used = list(dict.fromkeys(re.findall(rf"\b{re.escape(alias)}(?:\.|::|->)(\w+)", near)))[::-1]
    found = [name for name in used if name in other.definitions]
    if found or not alias or not re.search(rf"\b{re.escape(alias)}(?:\.|::|->)\w*$", near):
        return found[:_MOST_NAMES]
    # Right behind the module's name: any of its names may follow.
    public = (name for name, one in other.definitions.items() if one.indent == 0 and not name.startswith("_"))
    return islice(public, _MOST_NAMES)


def _similar(place: Place, others: Sequence[Indexed]) -> list[tuple[str, list[str]]]:
    """From each file what stands around the end of the window most like the lines before the cursor.

    The most alike first.
    """
    asked = query(place)
    bits = mask(asked)
    best: list[tuple[float, str, Indexed, int]] = []
    for one in others:
        if family(one.source.uri) == family(place.uri):
            counts = [(bits & window).bit_count() for window in one.masks]
            common = max(counts)
            at = counts.index(common)
            alike = common / max(1, bits.bit_count() + one.masks[at].bit_count() - common)
            if common >= _LEAST_COMMON and alike >= _LEAST_LIKENESS:
                best.append((-alike, one.source.uri, one, at * STRIDE))
    best.sort(key=lambda item: item[:2])
    found: list[tuple[float, str, list[str]]] = []
    for _, uri, one, start in best[:_MOST_COMPARED]:
        end = start + WINDOW + _FOLLOWING
        lines = [*(one.lines[start + STRIDE : end] or one.lines[start:end])]
        if not is_written_by_a_program(lines):
            found.append((-likeness(asked, words(one.lines[start : start + WINDOW])), uri, lines))
    return [(uri, lines) for _, uri, lines in sorted(found)]


def _telling(lines: Iterable[str]) -> set[str]:
    """The lines that tell one piece of code from another."""
    stripped = (line.strip() for line in lines if len(line) <= LONGEST_LINE)
    return {line for line in stripped if len(line) >= _SHORTEST_LINE}


def _repeats(own: set[str], seen: set[str]) -> bool:
    return not own or len(own & seen) > _REPEATED * len(own)


def _within(lines: Sequence[str], characters: int) -> str:
    """As many lines as there is room for, from the first on, without blank ones at either end."""
    kept: list[str] = []
    for line in lines:
        characters -= len(line) + 1
        if characters < 0:
            break
        kept.append(line.rstrip())
    return "\n".join(kept).strip("\n")
