"""Where a completion ends, judged from the text so far. Pure; knows no language, only lines, indentation, brackets."""

from __future__ import annotations

import re
from functools import lru_cache

_TAB_WIDTH = 8
_OPENERS = (":", "{", "(", "[")
_BRACKETS = frozenset(")]}")
CLOSERS = _BRACKETS | frozenset(">;,")
"""A line of nothing else only closes what is open."""

_LOOP_TURNS = 4
_SHORTEST_TURN = 4
"""In characters; rows of zeros, dashes or quotes shorter than four times this are code."""

_SHORTEST_LINE = 3
"""In characters; a shorter line that stands below the cursor, such as `}` or `);`, may well be written once more."""

_LOOKED_AT = 2000
"""Characters of the cursor's line, and of what follows it, that are looked at: this is asked at every token."""

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"""|\'\'\''
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![^\W_])(?<!_)[rbfuRBFU]{0,2}'(?!'')(?:\\.|[^'\\\n])*'"
    r"|`[^`]*`"
    r"|^[ \t]*(?://|\#(?!\w+[^\n]*\{$))[^\n]*|(?<=\s)\#(?!\w+[^\n]*\{$)[^\n]*|(?<=[;{},)] )//[^\n]*"
    r"|[()\[\]{}\n\"'`]",
    re.DOTALL | re.MULTILINE,
)
"""Strings, comments, and what counts outside them: brackets, line ends, and quotes that are not closed yet.

`#main {` is CSS, and `#size() {` a private method of JavaScript.
"""

_LONG_STRINGS = ('"""', "'''", "`")
"""What strings of several lines are between."""

_NEWLINE = re.compile("\n")
_SEARCHED = 20_000
"""Characters above the cursor in which long strings are counted."""

_FOLLOWING = re.compile(r"\n([^\n]*\S[^\n]*)")
_FIRST = re.compile(r"\s*(\S)")


def completion_end(text: str, prefix: str, max_lines: int, insist: bool = False, suffix: str = "") -> int | None:
    """Index in `text` (decoded so far, cursor at its start) at which the completion ends, or None to go on decoding.

    With `max_lines` 1 that is the end of the line. With more, lines are taken while they belong to the block at the
    cursor: not beyond a blank line, not beyond a line indented less than the block, except one that only closes it, not
    beyond the bracket that closes what encloses the cursor, and not beyond the line that closes what was opened on the
    cursor's. Never beyond a line that is the next one of `suffix`, or a bracket that `suffix` closes with.

    Blank lines in front are passed over. With `insist`, so is the end of the cursor's own line, and the first line
    after it may leave the block. 0 means that nothing is worth showing.
    """
    if looping := loop(text):
        return _end_before(text, text.rfind("\n", 0, looping[0]))
    line_prefix = _line_prefix(prefix)
    is_block = max_lines > 1
    if is_block:
        end = _end_of_block(text, prefix, max_lines, insist, following_line(suffix))
    else:
        end = _found(text.find("\n", len(text) - len(text.lstrip()) if insist else 0))
    scope = _end_of_scope(text, line_prefix, "" if is_block and not insist else _first_character(suffix), is_block)
    if scope is None or (end is not None and end <= scope):
        return end
    return scope


def following_line(suffix: str) -> str:
    """The next line of `suffix` behind the cursor's that is not blank, without its trailing white space; else empty."""
    found = _FOLLOWING.search(suffix, 0, _LOOKED_AT)
    return found[1].rstrip() if found else ""


def _line_prefix(prefix: str) -> str:
    return prefix[max(prefix.rfind("\n") + 1, len(prefix) - _LOOKED_AT) :]


def _end_of_block(text: str, prefix: str, max_lines: int, insist: bool, following: str) -> int | None:
    lines = text.split("\n")
    line_prefix = _line_prefix(prefix)
    inside = _starts_in_strings(prefix, text)
    floor = _block_indentation(line_prefix)
    if not line_prefix.strip() and lines[0].strip():
        floor = _columns(line_prefix + lines[0])  # the cursor's line may not have been indented yet
    start = taken = 0
    for number, line in enumerate(lines):
        is_complete = number < len(lines) - 1
        if number > 0 and start in inside and taken < max_lines:
            pass  # a blank line of a docstring ends nothing, nor does a line that is indented less
        elif number > 0:
            is_first = not text[:start].strip()
            if is_first and insist and line.strip():
                floor = min(floor, _columns(line))
            if taken >= max_lines or (_leaves_block(line, floor, is_complete) and (line.strip() or not is_first)):
                return _end_before(text, start - 1)
        whole = line if number else line_prefix + line
        if is_complete and line.strip() and len(following.strip()) >= _SHORTEST_LINE and whole.rstrip() == following:
            return _end_before(text, start - 1)
        taken += bool(line.strip())
        start += len(line) + 1
    return None


def _starts_in_strings(prefix: str, text: str) -> frozenset[int]:
    """Indexes at which lines of `text` begin within a string of several lines, closed or not.

    None where the text itself seems to begin in one.
    """
    line_prefix = _line_prefix(prefix)
    whole = line_prefix + text
    above = prefix[: len(prefix) - len(line_prefix)][-_SEARCHED:]
    if not any(quotes in whole for quotes in _LONG_STRINGS) or any(above.count(one) % 2 for one in _LONG_STRINGS):
        return frozenset()
    found: list[int] = []
    for piece in _PIECE.finditer(whole):
        first, last = piece.span()
        if piece[0] in _LONG_STRINGS:
            last = len(whole)
        elif not piece[0].startswith(_LONG_STRINGS):
            continue
        found += [line.end() - len(line_prefix) for line in _NEWLINE.finditer(whole, first, last)]
        if last == len(whole):
            break
    return frozenset(found)


def _end_of_scope(text: str, line_prefix: str, closer: str, is_block: bool) -> int | None:
    """Where `text` closes a bracket that neither it nor `line_prefix` has opened; None if nowhere.

    Only the bracket `closer`, unless that is empty. Of a block, also the end of the line on which all brackets of
    `line_prefix` are closed.
    """
    own = depth = _open_brackets(line_prefix)
    for piece in _PIECE.finditer(text):
        found, place = piece[0], piece.start()
        if found in {"(", "[", "{"}:
            depth += 1
        elif found in {")", "]", "}"}:
            depth -= 1
            if depth < 0:
                return _end_in_front(text, place) if not closer or found == closer else None
        elif found == "\n":
            if is_block and own and depth == 0:
                return place
        elif found in {'"""', "'''", "`"} or (found in {'"', "'"} and "\n" not in text[place:]):
            return None  # a string that is still being written
    return None


@lru_cache(maxsize=16)
def _open_brackets(line_prefix: str) -> int:
    """How many brackets are open at the end of a line's beginning."""
    depth = 0
    for piece in _PIECE.finditer(line_prefix):
        depth = max(0, depth + (piece[0] in {"(", "[", "{"}) - (piece[0] in {")", "]", "}"}))
    return depth


def _first_character(suffix: str) -> str:
    """The first character of `suffix` that is no white space, where it is a closing bracket; else one that is none."""
    found = _FIRST.match(suffix, 0, _LOOKED_AT)
    return found[1] if found and found[1] in ")]}" else "\n"


def _end_in_front(text: str, place: int) -> int:
    """`place`, or where the line before ends if nothing else stands in front of it on its own."""
    start = text.rfind("\n", 0, place)
    return _end_before(text, start if start >= 0 and not text[start:place].strip() else place)


def _end_before(text: str, end: int) -> int:
    """`end`, or 0 where nothing but white space stands before it."""
    return end if end > 0 and text[:end].strip() else 0


def loop(text: str) -> tuple[int, int] | None:
    """Where, and in pieces of what length, the text begins to end in one piece four times over.

    Greedy decoding of a small model does that when it is lost.
    """
    if len(text) < _LOOP_TURNS * _SHORTEST_TURN:
        return None
    end = text[-_SHORTEST_TURN:]
    at = len(text) - _SHORTEST_TURN
    farthest = at - len(text) // _LOOP_TURNS
    while True:  # where the last characters stand once more, a turn may have ended
        at = text.rfind(end, farthest, at + len(end) - 1)
        if at < 0:
            return None
        period = len(text) - len(end) - at
        piece = text[-period:]
        if period >= _SHORTEST_TURN and piece.strip() and text.endswith(piece * _LOOP_TURNS):
            return len(text) - period * _LOOP_TURNS, period


def _block_indentation(line_prefix: str) -> int:
    """Least indentation, in columns, of lines that belong to the block at the cursor."""
    return _columns(line_prefix) + (1 if line_prefix.rstrip().endswith(_OPENERS) else 0)


def _leaves_block(line: str, floor: int, is_complete: bool) -> bool:
    body = line.strip()
    if not body:
        return is_complete
    closes = body[0] in _BRACKETS or all(character in CLOSERS for character in body)
    return _columns(line) < floor - (1 if closes else 0)


def _columns(line: str) -> int:
    """Width of the line's leading white space, in columns."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB_WIDTH))


def _found(index: int) -> int | None:
    return index if index >= 0 else None
