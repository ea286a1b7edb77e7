"""What a person is shown of what the model wrote: a list of small text → text steps. Pure.

Each step takes the text so far and the cursor and returns the text to go on with; the empty string means that nothing
is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from lsp_server.cursor import Cursor

Trim = Callable[[str, Cursor], str]

_SMALLEST_OVERLAP = 3
"""Shorter agreements with the suffix are chance, except brackets and quotes that the editor has closed already."""


def trim(text: str, cursor: Cursor) -> str:
    """Apply all steps in order; empty where nothing worth showing is left."""
    for step in STEPS:
        if not text:
            break
        text = step(text, cursor)
    return text


def without_trailing_blanks(text: str, cursor: Cursor) -> str:
    """Drop white space at the end of every line; text of nothing but white space is no suggestion."""
    if not text.strip():
        return ""
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")


def without_line_suffix(text: str, cursor: Cursor) -> str:
    """Cut what the rest of the cursor's line already says: `print(‸)` must not become `print(x))`."""
    rest = cursor.line_suffix.rstrip()
    if not rest:
        return text
    first, newline, others = text.partition("\n")
    for length in range(min(len(first), len(rest)), 0, -1):
        closes = not any(character.isalnum() for character in rest[:length])
        if first.endswith(rest[:length]) and (length >= _SMALLEST_OVERLAP or (closes and not _balances(first))):
            return first[:-length]
    return first if newline and others else text


def without_next_line(text: str, cursor: Cursor) -> str:
    """Cut at the first line that repeats the next non-empty line of the file.

    A lone closing bracket is no repetition.
    """
    following = next((line.strip() for line in cursor.suffix.split("\n")[1:] if line.strip()), "")
    if len(following) < _SMALLEST_OVERLAP:
        return text
    lines = text.split("\n")
    whole = [cursor.line_prefix + lines[0], *lines[1:]]
    repeated = next((number for number, line in enumerate(whole) if line.strip() == following), len(lines))
    kept = "\n".join(lines[:repeated])
    return kept if kept.strip() else ""


def _balances(line: str) -> bool:
    """Whether every bracket and quote that closes in `line` was opened in it."""
    depth = {")": 0, "]": 0, "}": 0}
    for character in line:
        if character in "([{":
            depth[{"(": ")", "[": "]", "{": "}"}[character]] += 1
        elif character in depth:
            depth[character] -= 1
            if depth[character] < 0:
                return False
    return line.count('"') % 2 == 0 and line.count("'") % 2 == 0


STEPS: tuple[Trim, ...] = (without_line_suffix, without_trailing_blanks, without_next_line)
