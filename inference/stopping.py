"""Where a completion ends, judged from the text so far. Pure."""

from __future__ import annotations

_TAB_WIDTH = 8
_OPENERS = (":", "{", "(", "[")
_CLOSERS = frozenset(")]}>;,")
_LOOP_TURNS = 4
_SHORTEST_LOOP = 16
"""In characters; rows of zeros, dashes or quotes shorter than this are code."""


def completion_end(text: str, prefix: str, max_lines: int, insist: bool = False) -> int | None:
    """Index in `text` (decoded so far, cursor at its start) at which the completion ends, or None to go on decoding.

    With `max_lines` 1 that is the end of the line. With more, lines are taken while they belong to the block at the
    cursor: not beyond a blank line, not beyond a line indented less than the block, except one that only closes it.
    Blank lines in front are passed over. With `insist`, so is the end of the cursor's own line, and the first line
    after it may leave the block. 0 means that nothing is worth showing.
    """
    if looping := loop(text):
        return _end_before(text, text.rfind("\n", 0, looping[0]))
    if max_lines <= 1:
        return _found(text.find("\n", len(text) - len(text.lstrip()) if insist else 0))
    floor = _block_indentation(prefix[prefix.rfind("\n") + 1 :])
    start = taken = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number > 0:
            is_first = not text[:start].strip()
            if is_first and insist and line.strip():
                floor = min(floor, _columns(line))
            is_complete = number < len(lines) - 1
            if taken >= max_lines or (_leaves_block(line, floor, is_complete) and (line.strip() or not is_first)):
                return _end_before(text, start - 1)
        taken += bool(line.strip())
        start += len(line) + 1
    return None


def _end_before(text: str, end: int) -> int:
    """`end`, or 0 where nothing but white space stands before it."""
    return end if end > 0 and text[:end].strip() else 0


def loop(text: str) -> tuple[int, int] | None:
    """Where, and in pieces of what length, the text begins to end in one piece four times over.

    Greedy decoding of a small model does that when it is lost.
    """
    for period in range(1, len(text) // _LOOP_TURNS + 1):
        size = period * _LOOP_TURNS
        piece = text[-period:]
        if size >= _SHORTEST_LOOP and piece.strip() and text.endswith(piece * _LOOP_TURNS):
            return len(text) - size, period
    return None


def _block_indentation(line_prefix: str) -> int:
    """Least indentation, in columns, of lines that belong to the block at the cursor."""
    return _columns(line_prefix) + (1 if line_prefix.rstrip().endswith(_OPENERS) else 0)


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
