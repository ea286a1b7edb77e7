"""Where a completion ends, judged from the text so far. Pure."""

from __future__ import annotations

_TAB_WIDTH = 8
_CLOSERS = frozenset(")]}>;,")
_LOOP_TURNS = 4
_SHORTEST_LOOP = 16
"""In characters; rows of zeros, dashes or quotes shorter than this are code."""


def completion_end(text: str, prefix: str, max_lines: int) -> int | None:
    """Index in `text` (decoded so far, cursor at its start) at which the completion ends, or None to go on decoding.

    With `max_lines` 1 that is the end of the line. With more, lines are taken while they belong to the block at the
    cursor: not beyond a blank line, not beyond a line indented less than the block, except one that only closes it.
    """
    if _loops(text):
        return 0
    if max_lines <= 1:
        return _found(text.find("\n"))
    floor = _block_indentation(prefix[prefix.rfind("\n") + 1 :])
    start = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        is_complete = number < len(lines) - 1
        if number >= max_lines or (number > 0 and _leaves_block(line, floor, is_complete)):
            return start - 1
        start += len(line) + 1
    return None


def _loops(text: str) -> bool:
    """Whether the text ends in one piece four times over, as greedy decoding of a small model does when it is lost.

    Nothing of such a text is worth showing, so the completion ends at its start.
    """
    for period in range(1, len(text) // _LOOP_TURNS + 1):
        size = period * _LOOP_TURNS
        piece = text[-period:]
        if size >= _SHORTEST_LOOP and piece.strip() and text.endswith(piece * _LOOP_TURNS):
            return True
    return False


def _block_indentation(line_prefix: str) -> int:
    """Least indentation, in columns, of lines that belong to the block at the cursor."""
    body = line_prefix.lstrip()
    return _columns(line_prefix) + (1 if body else 0)


def _leaves_block(line: str, floor: int, is_complete: bool) -> bool:
    body = line.strip()
    if not body:
        return is_complete
    closes = all(character in _CLOSERS for character in body)
    return _columns(line) < floor - (1 if closes else 0)


def _columns(line: str) -> int:
    """Width of the line's leading white space, in columns."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB_WIDTH))


def _found(index: int) -> int | None:
    return index if index >= 0 else None
