"""Cuts holes where a person's cursor would be. Pure; knows nothing of models.

*line*: the cursor stands where somebody pauses, and the rest of its line is not there yet. *word*: it stands in an
identifier, either with the rest of the line not there yet (`word-end`), or with code behind the identifier
(`word-inline`). *block*: the rest of a function's body is not there yet (Python only, whose parser is at hand).
*new-file*: as line, in a file that has just been begun: some lines before the cursor, nothing behind it.
"""

from __future__ import annotations

import ast
import keyword
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Literal

from lsp_server.evaluation.code_mask import COMMENT, IN_STRING, closing, masked
from lsp_server.evaluation.sources import Source

Kind = Literal["line", "word-end", "word-inline", "block", "new-file", "task"]
"""A `task` is a hole of a published benchmark; see `benchmarks`."""

KINDS: tuple[Kind, ...] = ("line", "word-end", "word-inline", "block", "new-file")

TRIGGERS: Mapping[str, re.Pattern[str]] = {
    "(": re.compile(r"\((?=[^)\s])"),
    "(…)": re.compile(r"[(\[{](?=[^)\]}\s])"),
    ".": re.compile(r"(?<=[\w)\]])\.(?=[A-Za-z_])"),
    "=": re.compile(r"(?<![=!<>:+*/%&|^-])=(?!=) ?(?=\S)"),
    "return": re.compile(r"\breturn (?=\S)"),
    ",": re.compile(r", ?(?=[^\s)\]}])"),
    "keyword": re.compile(
        r"\b(?:import|from|if|elif|while|for|in|not|and|or|raise|yield|with|as|assert|else|lambda|await|new|throw|case"
        r"|const|let|var|func|fn|typeof|instanceof|extends|implements) (?=\S)"
    ),
    "newline": re.compile(rf"^[ \t]*(?=[^\s{IN_STRING}{COMMENT}'\"])", re.MULTILINE),
}
"""Where line holes begin: behind what, with the blank that follows it. `(…)` has its closing bracket already."""

_IDENTIFIER = re.compile(r"[^\W\d]\w{3,}")
"""Shorter ones are typed before anybody looks up."""

_TYPED = 2
"""Characters of an identifier that are typed before anything is expected: one says next to nothing."""

_NO_NAMES = frozenset(keyword.kwlist) | {"self", "this", "const", "function", "public", "private", "static", "void"}
_LONGEST_CHARS = 160
_BLOCK_LINES = 6
"""Longest rest of a body, in lines: what a suggestion may have by default."""

_NEW_FILE_LINES = 12
"""Most lines of a file that has just been begun."""

_BEGINNING = re.compile(rf"(?:\A|\n\n)(?=[^\s)\]}}{IN_STRING}])")
"""In front of what may begin a file: it is not indented, and stands behind a blank line."""

_TRIES = 40
"""Draws for each hole that is wanted: some files have none of a kind."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A cursor in a text, and what stands there in the real file."""

    kind: Kind
    trigger: str
    """What stands before the cursor, for line holes; else empty."""

    source: Source
    prefix: str
    truth: str
    suffix: str
    tests: str = ""
    """Python to be run behind the filled text, where a benchmark has some."""


_Cutter = Callable[[Source, random.Random], Hole | None]


def cut(sources: list[Source], counts: Mapping[Kind, int], seed: int) -> list[Hole]:
    """`counts` holes of each kind, fewer where the files don't have them; the same ones for the same `seed`.

    Line holes have each trigger equally often. Packages count by the square root of their size, files within them by
    their size, and no place is taken twice.
    """
    found: list[Hole] = []
    for kind, count in counts.items():
        if kind == "line":
            cutters: dict[str, _Cutter] = {trigger: partial(_line_hole, trigger) for trigger in TRIGGERS}
        else:
            cutters = {kind: _CUTTERS[kind]}
        for place, (name, cutter) in enumerate(cutters.items()):
            share = count // len(cutters) + (place < count % len(cutters))
            found += _drawn(sources, cutter, share, random.Random(f"{seed}:{kind}:{name}"))
    return found


def _drawn(sources: list[Source], cutter: _Cutter, count: int, rng: random.Random) -> Iterator[Hole]:
    if not sources:
        return
    sizes: dict[str, int] = {}
    for source in sources:
        sizes[source.package] = sizes.get(source.package, 0) + len(source.text)
    weights = list(accumulate(len(source.text) / sizes[source.package] ** 0.5 for source in sources))
    taken: set[tuple[str, int]] = set()
    for source in rng.choices(sources, cum_weights=weights, k=_TRIES * count):
        if len(taken) == count:
            return
        hole = cutter(source, rng)
        if hole is not None and (place := (str(source.path), len(hole.prefix))) not in taken:
            taken.add(place)
            yield hole


def _line_hole(trigger: str, source: Source, rng: random.Random) -> Hole | None:
    code = masked(source.text, source.language)
    places = [match.end() for match in TRIGGERS[trigger].finditer(code)]
    rng.shuffle(places)
    for at in places[:_TRIES]:
        end = _line_end(code, at)
        if COMMENT in code[at:end]:
            continue
        if trigger != "(…)":
            return _hole("line", trigger, source, at, end)
        length = closing(code[at:end], code[at - 1])
        if length:  # the editor has put the closing bracket there, and nothing else yet
            closed = _hole("line", trigger, source, at, at + length)
            return closed and replace(closed, suffix=source.text[at + length] + source.text[end:])
    return None


def _word_end(source: Source, rng: random.Random) -> Hole | None:
    if (place := _in_identifier(source, rng)) is None:
        return None
    at, _, end = place
    return _hole("word-end", "", source, at, end)


def _word_inline(source: Source, rng: random.Random) -> Hole | None:
    if (place := _in_identifier(source, rng)) is None:
        return None
    at, word_end, end = place
    follows = source.text[word_end:end].strip()
    return _hole("word-inline", "", source, at, word_end) if follows.strip(")]}\"'`;,:") else None


def _in_identifier(source: Source, rng: random.Random) -> tuple[int, int, int] | None:
    """A place in an identifier, with that identifier's end and the line's."""
    code = masked(source.text, source.language)
    names = [match for match in _IDENTIFIER.finditer(code) if match[0] not in _NO_NAMES]
    rng.shuffle(names)
    for name in names[:_TRIES]:
        end = _line_end(code, name.start())
        if COMMENT not in code[name.start() : end]:
            return rng.randrange(name.start() + _TYPED, name.end()), name.end(), end
    return None


def _block_hole(source: Source, rng: random.Random) -> Hole | None:
    if source.language != "python":
        return None
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    rng.shuffle(functions)
    lines = source.text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    for function in functions[:_TRIES]:
        last = function.body[-1].end_lineno or 0
        rests = [
            statement
            for statement in function.body[int(ast.get_docstring(function) is not None) :]
            if 2 <= last - statement.lineno + 1 <= _BLOCK_LINES
            and not lines[statement.lineno - 1][: statement.col_offset].strip()  # it begins its line
        ]
        if rests:
            first, end = rng.choice(rests), starts[last] - 1
            return _hole("block", "", source, starts[first.lineno - 1] + first.col_offset, end)
    return None


def _new_file_hole(source: Source, rng: random.Random) -> Hole | None:
    """A line hole in a file of its own, which begins where some piece of `source` does and ends with the line."""
    code = masked(source.text, source.language)
    starts = [match.end() for match in _BEGINNING.finditer(code)]
    if not starts:
        return None
    start = rng.choice(starts)
    begun = replace(source, text="".join(source.text[start:].splitlines(keepends=True)[:_NEW_FILE_LINES]))
    if masked(begun.text, source.language) != code[start : start + len(begun.text)]:
        return None  # that ends within a string, and is no file
    hole = _line_hole(rng.choice([*TRIGGERS]), begun, rng)
    if hole is None:
        return None
    closed = hole.suffix.split("\n")[0]
    return replace(hole, kind="new-file", trigger="", suffix=closed[:1] + "\n" if hole.trigger == "(…)" else "\n")


_CUTTERS: Mapping[Kind, _Cutter] = {
    "word-end": _word_end,
    "word-inline": _word_inline,
    "block": _block_hole,
    "new-file": _new_file_hole,
}


def _hole(kind: Kind, trigger: str, source: Source, at: int, end: int) -> Hole | None:
    """The hole from `at` to `end`; None where it is not worth filling."""
    truth = source.text[at:end].rstrip()
    if not truth.strip() or (kind != "block" and len(truth) > _LONGEST_CHARS):
        return None
    return Hole(kind, trigger, source, source.text[:at], truth, source.text[end:])


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
