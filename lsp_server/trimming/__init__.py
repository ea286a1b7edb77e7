"""What a person is shown of what the model wrote: a list of small text → text steps. Pure.

Each step takes the text so far and the cursor and returns the text to go on with; the empty string means that nothing
is shown. All but `indentation` only remove something. What the model should not have written at all is none of their
business: `inference.stopping` ends it while it is written.
"""

from __future__ import annotations

from collections.abc import Callable

from lsp_server.cursor import Cursor
from lsp_server.trimming.ends import without_control_tokens, without_trailing_blanks, without_unfinished_end
from lsp_server.trimming.indentation import in_the_files_indentation, with_whole_blocks
from lsp_server.trimming.overlap import (
    without_following_lines,
    without_identifier_rest,
    without_line_suffix,
    without_next_line,
)
from lsp_server.trimming.repetition import unlike_the_lines_above, without_circles

Trim = Callable[[str, Cursor], str]

STEPS: tuple[Trim, ...] = (
    without_control_tokens,
    without_identifier_rest,
    without_line_suffix,
    without_trailing_blanks,
    without_circles,
    with_whole_blocks,
    without_following_lines,
    without_next_line,
    unlike_the_lines_above,
)
"""The steps that only remove, in order."""


_MOST_ROUNDS = 20
"""Two or three are usual."""


def trim(text: str, cursor: Cursor, *, is_cut: bool = False) -> str:
    """What is left of `text` after all steps; empty where nothing worth showing is left.

    `is_cut` says that the model was stopped in the middle. Trimming what has been trimmed changes nothing.
    """
    if is_cut:
        text = without_unfinished_end(text, cursor)
    for _ in range(_MOST_ROUNDS):  # what one step leaves may be for another one that has had its turn
        before, text = text, in_the_files_indentation(text, cursor)
        for step in STEPS:
            text = step(text, cursor) if text else ""
        if text == before:
            break
    return text
