"""Steps that cut what already stands behind the cursor: on its own line, and on those below. Pure."""

from __future__ import annotations

import re

from lsp_server.cursor import WITH_HASH, Cursor, identifier_part, splits_identifier
from lsp_server.parsing import opens_string

_SMALLEST_OVERLAP = 3
"""Shorter agreements with the suffix are chance, except brackets and quotes that the editor has closed already."""

_LOOKED_AT = 4000
"""Characters of the suffix that are compared with a suggestion, which is shorter."""

_NEVER_TWICE = frozenset(",;:{")
"""No code has one of them twice at the end of what was inserted: `x = ‸;` must not become `x = 1;;`."""

_ANGLE = re.compile(r"(?<![-=])>|<")

_PAIRS = {")": "(", "]": "[", "}": "{"}
_LINE_WITH_TEXT = re.compile(r"\n([^\n]*\S[^\n]*)")


def without_identifier_rest(text: str, cursor: Cursor) -> str:
    """In the middle of an identifier, cut where its rest is repeated: `na‸me` must not become `nameme`."""
    if not splits_identifier(cursor):
        return text
    written, rest = identifier_part(text), identifier_part(cursor.suffix[:_LOOKED_AT])
    return written.removesuffix(rest) if written.endswith(rest) else text


def without_line_suffix(text: str, cursor: Cursor) -> str:
    """Cut what the rest of the cursor's line already says: `print(‸)` must not become `print(x))`."""
    rest = cursor.line_suffix[:_LOOKED_AT].strip()
    if not rest:
        return text
    first = text.split("\n", 1)[0]
    if rest.startswith(mark := "#" if cursor.language in WITH_HASH else "//"):
        first = _without_comment(first, mark)
    if len(rest) >= _SMALLEST_OVERLAP and any(map(str.isalnum, rest)):
        # As whole words: `foo` is not repeated in `food`.
        begin, end = (r"(?<!\w)" if _is_word(rest[0]) else ""), (r"(?!\w)" if _is_word(rest[-1]) else "")
        if whole := re.search(begin + re.escape(rest) + end, first):
            return first[: whole.start()]
    is_balanced: bool | None = None
    for length in range(min(len(first), len(rest)), 0, -1):
        if not first.endswith(rest[:length]):
            continue
        is_balanced = _is_balanced(first) if is_balanced is None else is_balanced
        closes = not any(map(str.isalnum, rest[:length]))
        is_twice = set(rest[:length]) <= _NEVER_TWICE or (rest[:length] in {">", "/>"} and _closes_angle(first))
        if length >= _SMALLEST_OVERLAP or is_twice or (closes and not is_balanced):
            return first[:-length]
    return first


def without_following_lines(text: str, cursor: Cursor) -> str:
    """Cut lines at the end that are, in this order and just as indented, the next ones of the file.

    Also a lone closing bracket: as it is indented, it already closes what the text opens.
    """
    lines = text.split("\n")
    following = _following_lines(cursor, len(lines))
    for start in range(len(lines)):
        if start == 0 and (cursor.line_suffix.strip() or len(lines[0].strip()) < _SMALLEST_OVERLAP):
            continue
        end = [line.rstrip() for line in _whole(lines, cursor)[start:] if line.strip()]
        if end and end == following[: len(end)]:
            return _up_to(lines, start)
    return text


def without_next_line(text: str, cursor: Cursor) -> str:
    """Cut at the first line that repeats the next non-empty line of the file.

    A lone closing bracket is no repetition, and neither is a line indented otherwise.
    """
    following = next(iter(_following_lines(cursor, 1)), "")
    if len(following.strip()) < _SMALLEST_OVERLAP:
        return text
    lines = text.split("\n")
    for number, line in enumerate(_whole(lines, cursor)):
        if line.rstrip() == following:
            return _up_to(lines, number)
    return text


def _without_comment(line: str, mark: str) -> str:
    """What stands before a comment of its own: the line has one already."""
    at = line.find(f" {mark}")
    while at >= 0 and opens_string(line[:at], "\"'`"):
        at = line.find(f" {mark}", at + 1)
    return line[:at].rstrip() if at >= 0 else line


def _closes_angle(line: str) -> bool:
    """Whether more angle brackets close in `line` than open: `Vec<‸>` must not become `Vec<u8>>`."""
    found: list[str] = _ANGLE.findall(line)
    return found.count(">") > found.count("<")


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _whole(lines: list[str], cursor: Cursor) -> list[str]:
    """The lines of a text with what stands before the first of them."""
    return [cursor.line_prefix[-_LOOKED_AT:] + lines[0], *lines[1:]]


def _up_to(lines: list[str], number: int) -> str:
    kept = "\n".join(lines[:number])
    return kept if kept.strip() else ""


def _following_lines(cursor: Cursor, count: int) -> list[str]:
    """The next lines below the cursor's that are not blank, without their trailing white space."""
    found: list[str] = []
    for line in _LINE_WITH_TEXT.finditer(cursor.suffix, 0, _LOOKED_AT):
        found.append(line[1].rstrip())
        if len(found) == count:
            break
    return found


def _is_balanced(line: str) -> bool:
    """Whether every bracket and quote that closes in `line` was opened in it."""
    opened: dict[str, int] = dict.fromkeys(_PAIRS.values(), 0)
    for character in line:
        if character in opened:
            opened[character] += 1
        elif character in _PAIRS:
            opened[_PAIRS[character]] -= 1
            if opened[_PAIRS[character]] < 0:
                return False
    return line.count('"') % 2 == 0 and line.count("'") % 2 == 0
