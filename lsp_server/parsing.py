"""A syntax tree of the text around the cursor, in bounded time. Pure, but for what is kept from key to key.

Knows languages by their grammar only; what a place in the tree means is told in `syntax.py`. Only a window around the
cursor is parsed, however long the file: it begins at a line of least indentation. Where that is within a long string or
comment, the window is parsed with the beginning of one in front.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsp_server.cursor import Cursor

if TYPE_CHECKING:
    from tree_sitter import Parser, Point, Tree

    from lsp_server.grammars import Grammar

TAB_WIDTH = 8

_LINE = re.compile(r"^([ \t]*)(?=\S)", re.MULTILINE)
_DEFINITION = re.compile(
    r"(?:@|#include|#define|from\s+[\w.]+\s+import|(?:def|class|async|import|export|function|const|var|public|private|"
    r"protected|internal|package|namespace|module|fn|impl|pub|mod|struct|enum|union|func|type|typedef|interface|trait|"
    r"abstract|void|template|extern)\b)"
)
_APOSTROPHE = re.compile(r"(?<!\b[rbfuRBFU])(?<!\b[rbfRBF]{2})(?<=\w)$")
"""What stands in front of a single quote that begins no string: a word, unless it is the prefix of one."""

_DEFINITION_LINE = re.compile(rf"^{_DEFINITION.pattern}", re.MULTILINE)


_MOST_SEARCHED = 100_000
"""Characters in front of a window that are searched for the beginning of a string or a comment: 2,500 lines."""

_MISSES, _SPARED = 3, 20
"""Where so many texts in turn took too long that are half the same, how many more like them are not tried.

That is a few keys' worth. One alone may have had bad luck: a grammar that was still on the disk, say.
"""

_MOST_LONG_TEXTS, _LONGEST_LINE = 300, 120
"""How many beginnings are looked at among them, and characters of the line in front of each: more is noise."""


@dataclass(frozen=True, slots=True)
class Window:
    """The text around a cursor, as much of it as is looked at."""

    before: str
    after: str


def window(cursor: Cursor, grammar: Grammar, most_before: int, most_after: int) -> Window | None:
    """The window of at most so many characters before the cursor's line, and behind the cursor, of whole lines.

    None where the cursor's line alone is longer.
    """
    after = cursor.suffix[:most_after]
    if len(cursor.suffix) > most_after and "\n" in after:
        after = after[: after.rfind("\n") + 1]
    line = cursor.prefix.rfind("\n") + 1
    if len(cursor.prefix) - line > most_before:
        return None
    opener, start = _BEGINNINGS.of(cursor.prefix[:line], grammar, most_before)
    before = opener + cursor.prefix[start:]
    _, closer = _open_text(before + after, len(before) + len(after), grammar)
    return Window(before, after + closer)


class _Beginnings:
    """Where windows begin, for the newest text above the cursor's line: it stays the same while a line is typed."""

    def __init__(self) -> None:
        self._above = ""
        self._known: dict[tuple[Grammar, int], tuple[str, int]] = {}

    def of(self, above: str, grammar: Grammar, most: int) -> tuple[str, int]:
        """The beginning of the long text that the window is in, if it is, and the index in `above` where it begins."""
        if above != self._above:  # compared, not hashed: of a long text that takes a tenth of the time
            self._above = above
            self._known.clear()
        if (known := self._known.get((grammar, most))) is None:
            start = 0
            if len(above) > most:
                near = above[-most:]
                start = len(above) - len(_from_least_indentation(near[near.index("\n") + 1 :]))
            known = (_open_text(above, start, grammar)[0] if start else "", start)
            self._known[grammar, most] = known
        return known


_BEGINNINGS = _Beginnings()


def columns(line: str) -> int:
    """Width of the line's leading white space, in columns."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(TAB_WIDTH))


def has_body(width: int, after: str) -> bool:
    """Whether the next line is indented more than `width` columns: then the block is there already."""
    following = next((line for line in after.split("\n")[1:] if line.strip()), "")
    return columns(following) > width


def line_behind(after: str) -> str:
    """What stands behind the cursor on its line."""
    return after.split("\n", 1)[0]


class WindowParser:
    """Parses one window after the other, each as the one before with an edit in it: most are.

    That gives the tree that parsing from the start gives, in a third of the time, in half where there are errors. (What
    is made of errors may depend on what was there before: in 3 of 1,000 random edits of text that is no code at all.)
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._source = b""
        self._tree: Tree | None = None
        self._too_slow = b""
        self._misses = self._spared = 0

    def parse(self, source: bytes, budget_s: float) -> Tree | None:
        """The tree of `source`, or None where it takes longer than `budget_s` seconds of this thread's processor time.

        It may not be used any more when the next one has been asked for.
        """
        if self._spared and self._is_like_what_was_too_slow(source):
            self._spared -= 1
            return None
        deadline = time.thread_time() + budget_s

        def read(offset: int, point: object) -> bytes:
            del point
            return source[offset:]

        def is_late(offset: int, has_error: bool) -> bool:
            del offset, has_error
            return time.thread_time() > deadline

        try:
            edited = self._edited(source)
            if edited:
                tree = self._parser.parse(read, edited, progress_callback=is_late)
            else:
                tree = self._parser.parse(read, progress_callback=is_late)
        except ValueError:
            self._parser.reset()
            self._source, self._tree = b"", None  # which has been told of an edit that came to nothing
            self._misses = self._misses + 1 if self._is_like_what_was_too_slow(source) else 1
            self._too_slow, self._spared = source, _SPARED if self._misses >= _MISSES else 0
            return None
        self._source, self._tree = source, tree
        return tree

    def _is_like_what_was_too_slow(self, source: bytes) -> bool:
        """Whether a source is about as long, and half the same: a smaller window may still be quick enough."""
        longest = max(len(self._too_slow), len(source))
        is_as_long = 10 * min(len(self._too_slow), len(source)) > 9 * longest
        return is_as_long and 2 * sum(_in_common(self._too_slow, source)) > longest

    def _edited(self, source: bytes) -> Tree | None:
        """The newest tree, told where `source` differs; None where too little is the same."""
        old, tree = self._source, self._tree
        same, behind = _in_common(old, source)
        if tree is None or same + behind < len(source) // 2:
            return None
        ends = len(old) - behind, len(source) - behind
        tree.edit(same, *ends, _point(old, same), _point(old, ends[0]), _point(source, ends[1]))
        return tree


def _in_common(old: bytes, new: bytes) -> tuple[int, int]:
    """How many bytes are the same at both beginnings, and how many of the rest at both ends."""
    same = _common(old, new)
    rest = min(len(old), len(new)) - same
    return same, _common(old[len(old) - rest :][::-1], new[len(new) - rest :][::-1])


def _common(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning are the same, found by halving: comparing slices costs nothing."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _point(source: bytes, at: int) -> Point | tuple[int, int]:
    """Row and column, in bytes, of an index."""
    return source.count(b"\n", 0, at), at - (source.rfind(b"\n", 0, at) + 1)


def opens_string(line: str, quotes: str, comment: str = "") -> bool:
    """Whether a string, or what `comment` begins, goes on at the end of a line's beginning."""
    quote = ""
    place = 0
    while place < len(line):
        character = line[place]
        if quote:
            place += character == "\\"
            quote = "" if character == quote else quote
        elif comment and line.startswith(comment, place):
            return True
        elif character in quotes and not (character == "'" and _APOSTROPHE.search(line, 0, place)):
            quote = character
        place += 1
    return bool(quote)


def _open_text(text: str, end: int, grammar: Grammar) -> tuple[str, str]:
    """How the long string or comment begins and ends in which `text[end]` is; two empty texts for code.

    Of a long text only the end is searched, from a line on that defines something.
    """
    place = (
        0  # where the search goes on; `code` is where code begins: in it, quotes may hide what looks like a beginning
    )
    if end > _MOST_SEARCHED:
        definition = _DEFINITION_LINE.search(text, end - _MOST_SEARCHED, end)
        place = definition.start() if definition else end - _MOST_SEARCHED
    code = place
    following = {pair: text.find(pair[0], place, end) for pair in grammar.long_texts}
    for _ in range(_MOST_LONG_TEXTS):
        for pair, at in following.items():
            if 0 <= at < place:
                following[pair] = text.find(pair[0], place, end)
        found = [(at, pair) for pair, at in following.items() if at >= 0]
        if not found:
            break
        at, (opener, closer) = min(found)
        line = text[max(code, text.rfind("\n", code, at) + 1) : at]
        place = at + len(opener)
        if not opens_string(line[-_LONGEST_LINE:], grammar.quotes.replace(opener, ""), grammar.comment):
            closed = text.find(closer, place, end)
            if closed < 0:
                return opener, closer
            code = place = closed + len(closer)
    return "", ""


def _from_least_indentation(head: str) -> str:
    """`head` from a line of least indentation on, if possible from one that defines something."""
    lines = [(columns(line[1] + "."), line.end()) for line in _LINE.finditer(head)]
    if not lines:
        return head
    least = min(lines)[0]
    starts = [start for width, start in lines if width == least]
    begin = next((start for start in starts if _DEFINITION.match(head, start)), starts[0])
    return head[head.rfind("\n", 0, begin) + 1 :]
