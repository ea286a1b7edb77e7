"""How alike two pieces of code are, by the words in them. Knows no language but a few keywords that all code has.

Identifiers are split into their words, so that `parse_header` and `headerParser` have one in common. Likeness is that
of Jaccard (1901): words in both over words in either. So that thousands of windows can be compared while a person
waits, a set of words is kept as an integer, one bit for each hash of a word: two words that share a bit are taken for
one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from zlib import crc32

BITS = 2048
"""Some twenty times as many as a window has words: few pairs of them share a bit."""

LONGEST_LINE = 300
"""Characters of a line that are looked at; longer ones are data, or written by a program."""

_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")
_COMMON = frozenset(
    {
        *("and", "as", "async", "await", "class", "const", "def", "do", "else", "end", "false", "final", "for", "from"),
        *(
            "func",
            "function",
            "if",
            "import",
            "in",
            "int",
            "is",
            "let",
            "new",
            "nil",
            "none",
            "not",
            "null",
            "of",
            "or",
        ),
        *(
            "private",
            "public",
            "return",
            "self",
            "static",
            "str",
            "string",
            "the",
            "then",
            "this",
            "to",
            "true",
            "type",
        ),
        *("val", "var", "void", "while", "with"),
    }
)
"""Words that say nothing about what code is for."""


def words(lines: Iterable[str]) -> frozenset[str]:
    """The words of `lines`, in lower case, without those that all code has."""
    found = set(_PART.findall("\n".join([line[:LONGEST_LINE] for line in lines])))
    return frozenset({word.lower() for word in found if len(word) > 1}) - _COMMON


def mask(of: Iterable[str]) -> int:
    """An integer with one bit set for each of some words; the same in every process."""
    result = 0
    for word in of:
        result |= _bit(word)
    return result


def likeness(first: frozenset[str], second: frozenset[str]) -> float:
    """Jaccard's index of two sets of words, 0 to 1; 0 where both are empty."""
    common = len(first & second)
    return common / (len(first) + len(second) - common) if common else 0.0


@lru_cache(maxsize=32_768)
def _bit(word: str) -> int:
    return 1 << crc32(word.encode("utf-8", "replace")) % BITS
