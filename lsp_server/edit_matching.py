r"""What an edit did at the place of a suggestion: wrote it, or a part of it, or something else. Pure.

The same change reaches us in several forms. Clients replace a range where they could insert; those that find edits by
comparing texts tell a line inserted at the end of another as one inserted before the next; many indent what they insert
anew, and put closing brackets behind the cursor. Knows nothing of suggestions' fate.
"""

from __future__ import annotations

from collections.abc import Callable

from lsp_server.documents import Edit

PAIRS = frozenset({"()", "[]", "{}", '""', "''", "``"})
"""What editors write for the first character of each."""


def plain(text: str) -> str:
    r"""The text with `\n` for every line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def smallest(edit: Edit) -> Edit:
    """The same change without what it removes only to write it again."""
    shorter = min(len(edit.removed), len(edit.text))
    front = _longest(shorter, lambda size: edit.removed[:size] == edit.text[:size])
    removed, text = edit.removed[front:], edit.text[front:]
    back = _longest(shorter - front, lambda size: removed[len(removed) - size :] == text[len(text) - size :])
    return Edit(edit.start + front, removed[: len(removed) - back], text[: len(text) - back])


def inserted_at(edit: Edit, place: int, after: str) -> str | None:
    """What the edit puts at index `place`, in front of `after`; None where it changes another place.

    Between two places with `after[:n]` between them, the same change can be told as an insertion at either: `a‸)` with
    `b)` inserted at the cursor, and with `)b` inserted behind the bracket.
    """
    shift = edit.start - place
    if shift == 0:
        return edit.text
    if edit.removed or not 0 < shift <= len(after):
        return None
    between = after[:shift]
    both = between + edit.text
    return both[: len(edit.text)] if both[len(edit.text) :] == between else None


def reached(text: str, done: int, inserted: str) -> int | None:
    r"""How far into `text` one gets with `inserted` from index `done` on, or None where it says something else.

    Behind a line end in `inserted`, its indentation may be another one than that of `text`. Line ends are `\n`.
    """
    at, is_indentation = done, False
    for character in inserted:
        if text[at : at + 1] == character:
            at += 1
            is_indentation = character == "\n" or (is_indentation and character in " \t")
        elif not is_indentation:
            return None
        elif character not in " \t":
            while text[at : at + 1] in {" ", "\t"}:
                at += 1
            if text[at : at + 1] != character:
                return None
            at += 1
            is_indentation = character == "\n"
    return at


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest size up to `most` that fits, where all smaller ones do too; few comparisons, of whole slices."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if fits(middle):
            least = middle
        else:
            most = middle - 1
    return least
