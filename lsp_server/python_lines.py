"""Statements of Python, told by lines, brackets and indentation alone: also of text that is not finished. Pure.

A tree tells more of what is whole; of what somebody is about to write it makes what it can, and forgives indentation
that Python does not.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lsp_server.cursor import Cursor
from lsp_server.parsing import columns, window

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"""|\Z)'
    r"|'''(?:\\.|[^\\])*?(?:'''|\Z)"
    r'|"(?:\\.|[^"\\\n])*"?'
    r"|'(?:\\.|[^'\\\n])*'?"
    r"|#[^\n]*|\\\n|[()\[\]{}\n]",
    re.DOTALL,
)
"""Strings, comments, continued lines, and what counts outside them: brackets and line ends."""


_LOOKED_AT = 3000
"""Characters before the cursor's line, as of those that a tree is made of."""


class Statement(NamedTuple):
    """A statement, or its header where it has a body. Comments by themselves are none."""

    start: int
    """Where its line begins."""

    end: int
    """Where it ends: in front of a line end, or with the text."""

    width: int
    """Its indentation, in columns."""

    code: str
    """Without a comment behind it."""

    is_whole: bool
    """Whether no bracket is open at its end, and no line goes on. A comma at its end says that it is a piece of a list
    that began before the text."""

    @property
    def first(self) -> int:
        """Where its first character that is no blank stands."""
        return self.start + len(self.code) - len(self.code.lstrip())

    @property
    def opens_block(self) -> bool:
        """Whether its body has to follow."""
        return self.is_whole and self.code.endswith(":")


def statements(text: str) -> list[Statement]:
    """The statements of `text`, which begins at the beginning of one."""
    found: list[Statement] = []
    start = depth = 0
    comment: int | None = None

    def add(end: int, *, is_whole: bool) -> None:
        code = text[start:comment].rstrip() if comment is not None else text[start:end].rstrip()
        if code.strip():
            found.append(Statement(start, end, columns(text[start:end]), code, is_whole and not code.endswith(",")))

    is_open = False
    for piece in _PIECE.finditer(text):
        kind = piece[0]
        is_open = piece.end() == len(text) and (kind == "\\\n" or _is_open_string(kind))
        if kind in "([{":
            depth += 1
        elif kind in ")]}":
            depth = max(0, depth - 1)
        elif kind[0] == "#" and depth == 0:
            comment = piece.start()
        elif kind == "\n" and depth == 0:
            add(piece.start(), is_whole=True)
            start, comment = piece.end(), None
    add(len(text), is_whole=depth == 0 and not is_open)
    return found


def _is_open_string(piece: str) -> bool:
    """Whether a piece of text is the beginning of a string of several lines."""
    quotes = piece[:3]
    return quotes in {'"""', "'''"} and (len(piece) < 2 * len(quotes) or not piece.endswith(quotes))


def levels(above: list[Statement]) -> list[int]:
    """Indentations, in columns, of the blocks that are open behind these statements; the outermost first."""
    open_now: list[int] = []
    for one in above:
        open_now = [width for width in open_now if width < one.width]
        open_now.append(one.width)
    return open_now


def before(cursor: Cursor) -> str | None:
    """The text before `cursor`, as much as is looked at: from the beginning of a statement on; None in other languages.

    Also None where nobody has written such a line.
    """
    from lsp_server.grammars import grammar_of

    grammar = grammar_of(cursor.language) if cursor.language == "python" else None
    around = window(cursor, grammar, _LOOKED_AT, 0) if grammar else None
    return around.before if around else None
