"""Identifiers that the one at the cursor may become: names of the open files, and the language's own.

Inside a line nearly every identifier has been written before: plain copying completes 85 % of them. The model only has
to choose, which it does better among names that exist than among all letters.
"""

from __future__ import annotations

import builtins
import io
import keyword
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from lsp_server.cursor import WITH_HASH
from lsp_server.standard_library import offered_to

_TYPED = re.compile(r"[^\W\d]\w+\Z")
"""At least two characters: one tells too little, and is found too often."""

_WORD = re.compile(r"\w*")
_MOST, _MOST_FOUND = 200, 2000
_AROUND_CHARS = 100_000
"""How much of the text on either side is looked through: a few tenths of a millisecond."""

_OTHERS, _OTHER_CHARS = 8, 25_000
"""How many other files, the most related ones, and how much of each."""

_DOCSTRING = '"""'
_LONGEST_LINE, _LONGEST_NAME = 500, 100

_OWN = (*keyword.kwlist, *keyword.softkwlist, *dir(builtins))
"""Python's names that are known without being written anywhere."""

_KINDS = (str, bytes, list, dict, set, tuple, int, float, Exception, property, io.TextIOWrapper, io.BufferedReader)
_ATTRIBUTES = tuple(sorted({name for kind in _KINDS for name in dir(kind) if not name.startswith("_")}))
"""Those behind a dot: what strings, lists, open files and so on have."""


def beginning_as_typed(prefix: str, suffix: str, others: Iterable[str], language: str) -> tuple[str, ...]:
    """Names, the most frequent first, that begin with the identifier at the end of `prefix`, or are it.

    Args:
        prefix: the text before the cursor.
        suffix: the text behind it.
        others: texts of other files.
        language: LSP language id.
    """
    typed = _TYPED.search(prefix[-_LONGEST_NAME:])
    if typed is None:
        return ()
    before = prefix[: len(prefix) - len(typed[0])]
    texts = _Texts(
        before[-_AROUND_CHARS:],
        suffix[:_AROUND_CHARS],
        tuple(other[:_OTHER_CHARS] for other in list(others)[-_OTHERS:]),
        language,
    )
    names = list(islice(_WRITTEN.beginning_with(typed[0], texts), _MOST))
    if not names and language != "python":
        return ()  # keywords alone would be no choice
    own = (name for name in _known(before, prefix, language) if name.startswith(typed[0]))
    return tuple(dict.fromkeys((*names, *own)))


def _known(before: str, prefix: str, language: str) -> tuple[str, ...]:
    """What need not be written anywhere to be known behind `before`."""
    is_attribute = before.endswith(".")
    if language == "python":
        return (*(_ATTRIBUTES if is_attribute else _OWN), *offered_to(prefix))
    from lsp_server.grammars import keywords_of

    return () if is_attribute else keywords_of(language)


class _Texts(NamedTuple):
    """What is looked through."""

    before: str
    """Without the identifier at the cursor: so that it stays the same while that is typed."""

    behind: str
    others: tuple[str, ...]
    language: str


class _Written:
    """The names of the newest texts: those that begin with "abc" are among those that begin with "ab"."""

    def __init__(self) -> None:
        self._texts: _Texts | None = None
        self._start: str = ""
        self._names: list[str] = []
        self._is_complete = False
        """Whether nothing was left out for being too much: only then are a longer beginning's names among them."""

    def beginning_with(self, start: str, texts: _Texts) -> Iterator[str]:
        """Names that begin with `start`, not empty, the most frequent first."""
        is_narrower = self._is_complete and bool(self._start) and start.startswith(self._start)
        if not (is_narrower or start == self._start) or texts != self._texts:
            self._texts, self._start = texts, start
            counts, self._is_complete = _counted(start, texts)
            self._names = [name for name, _ in counts.most_common()]
        return (name for name in self._names if name.startswith(start))


_WRITTEN = _Written()


def _counted(start: str, texts: _Texts) -> tuple[Counter[str], bool]:
    """How often each name that begins with `start` is written, and whether all of the texts was looked through."""
    counts: Counter[str] = Counter()
    is_complete = True
    within = texts.before.count(_DOCSTRING) % 2 if texts.language == "python" else 0
    for text, starts_within in ((texts.before, 0), (texts.behind, within), *((other, 0) for other in texts.others)):
        found = list(islice(_written_in(text, start, texts.language, starts_within), _MOST_FOUND))
        counts.update(found)
        is_complete = is_complete and len(found) < _MOST_FOUND
    return counts, is_complete


def _written_in(text: str, start: str, language: str, starts_within: int) -> Iterator[str]:
    """Identifiers of `text` that begin with `start`, but for words of docstrings and comments.

    `starts_within` is 1 where the text begins in a docstring, else 0.
    """
    quotes: list[int] = []
    comment = "#" if language in WITH_HASH else "//"
    at = text.find(_DOCSTRING) if language == "python" else -1
    while at >= 0:
        quotes.append(at)
        at = text.find(_DOCSTRING, at + len(_DOCSTRING))
    at = text.find(start)
    while at >= 0:
        found = _WORD.match(text, at)
        name = found[0] if found else start
        if (
            not (text[at - 1 : at].isalnum() or text[at - 1 : at] == "_")
            and not (bisect(quotes, at) + starts_within) % 2
        ):
            line = text[max(text.rfind("\n", 0, at), at - _LONGEST_LINE) + 1 : at]
            if comment not in line.replace("://", ""):
                yield name
        at = text.find(start, at + len(name))
