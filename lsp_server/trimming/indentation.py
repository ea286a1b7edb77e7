"""The step that gives a suggestion the file's own indentation: tabs, or as many spaces as the file uses. Pure."""

from __future__ import annotations

import re
from collections import Counter

from lsp_server.cursor import Cursor
from lsp_server.parsing import has_body
from lsp_server.python_lines import Statement, before, levels, statements
from lsp_server.syntax import Place, place_at

_ABOVE, _BELOW = 4000, 2000
"""Characters of the file around the cursor that tell how it is indented."""

_WIDTHS = (4, 2, 8, 3)
"""Usual widths of a level, the likeliest first."""

_BLOCK_OPENERS = (":", "{")
_HANDLER = re.compile(r"\s*(?:except|finally)\b")
_LONG_STRING = re.compile(r'"""(?:\\.|[^\\])*?(?:"""|\Z)|\'\'\'(?:\\.|[^\\])*?(?:\'\'\'|\Z)|`[^`]*(?:`|\Z)', re.DOTALL)
_INDENTED = re.compile(r"\n[ \t]")


def in_the_files_indentation(text: str, cursor: Cursor) -> str:
    """Turn the indentation of all lines but the first into the file's; as it is where that is not sure.

    Lines that begin in a string stay as they are, and so do lines aligned with something above.
    """
    if not _INDENTED.search(text):
        return text
    unit = indentation_unit(cursor)
    if not unit or place_at(cursor) in {Place.STRING, Place.COMMENT}:
        return text
    lines = text.split("\n")
    first = cursor.line_prefix[-_ABOVE:] + lines[0]
    in_strings = _lines_in_strings(text)
    code = [number for number in range(1, len(lines)) if lines[number].strip() and number not in in_strings]
    indents = {number: _indent(lines[number]) for number in code}
    opened = _first_opened([first, *lines[1:]], code)
    if unit == "\t":
        closes = bool(code) and opened is not None and opened[0] == 0 and lines[code[-1]].lstrip()[0] in ")]}"
        changed = _in_tabs(indents, first, opened, closes=closes)
    else:
        changed = _in_spaces(indents, first, opened, len(unit))
    for number, indent in changed.items():
        lines[number] = indent + lines[number].lstrip(" \t")
    return "\n".join(lines)


def with_whole_blocks(text: str, cursor: Cursor) -> str:
    """Cut Python where a line is indented as none may be, and a line at the end behind which a block would begin.

    That is: more, though nothing was opened; less, but to no open block; or as much as a line that opens one. What is
    left may be one such line, as a person would write it first.
    """
    above = before(cursor) if "\n" in text else None
    if above is None:
        return text
    whole = above + text
    lines = statements(whole)
    own = next((number for number, line in enumerate(lines) if line.first >= len(above)), len(lines))
    if (own and not lines[own - 1].is_whole) or place_at(cursor) in {Place.STRING, Place.COMMENT}:
        return text  # in brackets, indentation says nothing
    kept = own
    if own < len(lines) and lines[own].start <= len(above) and not text[0].isspace():
        kept += 1  # its indentation is the person's
    while kept < len(lines) and _fits(lines[:kept], lines[kept]):
        kept += 1
    end = lines[kept].start if kept < len(lines) else len(whole)
    # Where the text goes on with a line that the person has begun, that is its first.
    least = own + (own < len(lines) and not text[: max(0, lines[own].start - len(above))].strip())
    while least < kept and lines[least - 1].code.lstrip().startswith("@"):
        least += 1
    while kept > least and _needs_more(lines[:kept], cursor):
        kept -= 1
        end = lines[kept].start
    return text if end == len(whole) else whole[:end].rstrip()[len(above) :]


def _fits(above: list[Statement], line: Statement) -> bool:
    """Whether a statement may be indented as it is."""
    if above and above[-1].opens_block:
        return line.width > above[-1].width
    known = levels(above)
    return not known or line.width in known or line.width < known[0]


def _needs_more(lines: list[Statement], cursor: Cursor) -> bool:
    """Whether the last of `lines` leaves a block without its body, or nothing to decorate."""
    last = lines[-1]
    if last.code.lstrip().startswith("@"):
        return True
    if not last.opens_block or has_body(last.width, cursor.suffix[:_BELOW]):
        return False
    return not (_HANDLER.match(last.code) and _is_only_handler(lines))


def _is_only_handler(lines: list[Statement]) -> bool:
    """Whether the `try` of the last line, a handler, has no other: without one it is no statement."""
    for line in reversed(lines[:-1]):
        if line.width < lines[-1].width:
            break
        if line.width == lines[-1].width and (_HANDLER.match(line.code) or line.code.lstrip().startswith("try")):
            return not _HANDLER.match(line.code)
    return True


def indentation_unit(cursor: Cursor) -> str:
    """One level of the file's indentation around the cursor: a tab or some spaces; empty where nothing is indented."""
    above = cursor.prefix[-_ABOVE:].split("\n")
    lines = [line for line in [*above[1:], *cursor.suffix[:_BELOW].split("\n")[1:-1]] if line.strip()]
    if len(cursor.prefix) <= _ABOVE:
        lines = [above[0], *lines]
    tabs = sum(line.startswith("\t") for line in lines)
    if cursor.line_prefix.startswith("\t") or tabs > sum(line.startswith(" ") for line in lines):
        return "\t"
    steps: Counter[int] = Counter()
    before = 0
    for line in lines:
        width = len(_indent(line))
        if width - before in _WIDTHS:
            steps[width - before] += 1
        before = width
    return " " * steps.most_common(1)[0][0] if steps else ""


def _in_tabs(indents: dict[int, str], first: str, opened: tuple[int, int] | None, *, closes: bool) -> dict[int, str]:
    """Tabs for the lines that a model has indented with spaces: as many as it has made levels.

    Where the last line `closes` what the first opened, they are of one level: Go's `case` is no deeper than `switch`.
    """
    widths = {number: len(indent) for number, indent in indents.items() if indent and not indent.strip(" ")}
    if not widths:
        return {}
    level = len(_indent(first)) if not _indent(first).strip("\t") else 0
    number = min(indents)
    expected = level + (opened is not None and opened[0] == 0)
    fitting = [width for width in _WIDTHS if all(found % width == 0 for found in widths.values())]
    likely = [width for width in fitting if widths.get(number, 0) == expected * width]
    alike = [width for width in fitting if closes and level and widths.get(max(indents), 0) == level * width]
    unit = next(iter([*alike, *likely, *fitting]), 0)
    return {number: "\t" * (width // unit) for number, width in widths.items()} if unit else {}


def _in_spaces(indents: dict[int, str], first: str, opened: tuple[int, int] | None, unit: int) -> dict[int, str]:
    """Spaces for tabs; and levels as wide as the file's where the first one that the text opens is not."""
    if any("\t" in indent for indent in indents.values()):
        return {number: indent.replace("\t", " " * unit) for number, indent in indents.items()}
    base = len(_indent(first))
    if opened is None or opened[1] == unit or opened[1] not in _WIDTHS or "\t" in _indent(first):
        return {}
    deeper = {number: len(indent) - base for number, indent in indents.items() if len(indent) > base}
    if any(width % opened[1] for width in deeper.values()):
        return {}
    return {number: " " * (base + width // opened[1] * unit) for number, width in deeper.items()}


def _first_opened(lines: list[str], code: list[int]) -> tuple[int, int] | None:
    """The number of the first line that opens a block, and how much more the next one is indented, in characters."""
    for above, number in zip([0, *code], code, strict=False):
        deeper = len(_indent(lines[number])) - len(_indent(lines[above]))
        if lines[above].rstrip().endswith(_BLOCK_OPENERS) and deeper > 0:
            return above, deeper
    return None


def _lines_in_strings(text: str) -> set[int]:
    """Numbers of the lines that begin in a string."""
    found: set[int] = set()
    for string in _LONG_STRING.finditer(text):
        begin = text.count("\n", 0, string.start())
        found.update(range(begin + 1, begin + 1 + string[0].count("\n")))
    return found


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
