"""Which characters of a text are code, by one scan for strings and comments. Pure.

Good enough to place cursors in real files of many languages; what a parser would know better is not needed there.
"""

from __future__ import annotations

import re

IN_STRING, COMMENT = "\x00", "\x01"
"""What stands for characters between a string's quotes, and for those of a comment."""

_STRINGS = r'"""(?:\\[\s\S]|[^\\])*?"""|\'\'\'(?:\\[\s\S]|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_HASH = re.compile(rf"(?P<comment>#[^\n]*)|{_STRINGS}")
_SLASHES = re.compile(rf"(?P<comment>//[^\n]*|/\*[\s\S]*?\*/)|{_STRINGS}|`(?:\\[\s\S]|[^`\\])*`")
_WITH_HASH = frozenset({"python", "ruby", "shellscript"})
_OTHER = re.compile(r"[^\n]")


def masked(text: str, language: str) -> str:
    """`text` with strings' insides and comments blotted out; line ends and all places stay where they are."""
    pattern = _HASH if language in _WITH_HASH else _SLASHES

    def blot(match: re.Match[str]) -> str:
        found = match[0]
        if match["comment"] is not None:
            return _OTHER.sub(COMMENT, found)
        quotes = 3 if found.startswith(('"""', "'''")) else 1
        return found[:quotes] + _OTHER.sub(IN_STRING, found[quotes:-quotes]) + found[-quotes:]

    return pattern.sub(blot, text)


def closing(code: str, opener: str) -> int | None:
    """Index in masked `code`, which begins behind `opener`, of the bracket that closes it; None if it is not there."""
    closer = {"(": ")", "[": "]", "{": "}"}[opener]
    depth = 0
    for place, character in enumerate(code):
        depth += (character == opener) - (character == closer)
        if depth < 0:
            return place
    return None
