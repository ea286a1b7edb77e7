"""Whether a text still parses with a suggestion in it. Pure, but for the parsers.

What breaks a text that is whole without it is nearly always wrong: a bracket too many, half a string, prose. Only a
window around the cursor is parsed, in bounded time; where that is broken already, it must not be broken in more places.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lsp_server.cursor import Cursor, closers
from lsp_server.parsing import Window, WindowParser, columns, has_body, line_behind, window
from lsp_server.python_lines import statements
from lsp_server.trimming.indentation import with_whole_blocks

if TYPE_CHECKING:
    from lsp_server.grammars import Grammar

_WINDOWS = ((3000, 800), (800, 200))
"""Characters before and behind the cursor; the second where the first takes too long.

The same as for telling what kind of place it is: what was parsed for that is only edited.
"""

_BUDGET_S = 0.0015
"""Of processor time, for each parse."""

_MOST_ERRORS = 20
"""With as many there is nothing to be told, if it is so without the text too: no code, or not of this language."""

_MOST_KNOWN = 32
_INSTEAD: dict[tuple[bool, bool], tuple[str | None, ...]] = {
    (True, False): (None, "pass", "x"),
    (True, True): (None, "if x:", "f(", "[", "{", "def f(", "f(f("),
    (False, False): (None, ";"),
    (False, True): (None, "{", "f(", "[", "f(function () {"),
}
"""What may stand in place of a line, None for nothing at all; by whether it is Python, and whether the next line is
indented more. Where the text is no whole without the line, that shows what the line has to open. (What it has to close
is left to the person, who may be about to write more lines.)"""

_OPENERS = "([{"
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_CLOSING = re.compile(r"[)\]]+;?\s*")
_FUNCTION = re.compile(r"(?:=>|\)|\|) *\{$")
"""What may be written within a call's brackets before it has a body."""

_FIRST_WORD = re.compile(r"\s*(\w+)")
_DECORATOR = re.compile(r"(?:\A|\n)[ \t]*@[^\n]*\Z")


def parsing_part(text: str, cursor: Cursor) -> str:
    """`text`, or what of it the file parses with; else nothing.

    That is as many whole lines as it does with, or of one line what stands before a bracket that it leaves open.
    """
    text_parses = _parses_with(cursor, text)
    if text_parses is None or text_parses:
        return text
    if "\n" in text:
        lines = text.split("\n")
        parts = ["\n".join(lines[:count]).rstrip() for count in range(len(lines) - 1, 0, -1)]
        # Nobody takes a head without its body for the whole of it, nor a decorator.
        parts = [part for part in parts if with_whole_blocks(part, cursor) == part and not _DECORATOR.search(part)]
    else:
        parts = [text[: _unclosed(text)].rstrip()]
    return next((part for part in parts if part.strip() and _parses_with(cursor, part)), "")


def _parses_with(cursor: Cursor, text: str) -> bool | None:
    """Whether the window parses with `text` at the cursor; None where that can't be told."""
    from lsp_server.grammars import grammar_of, parser_of

    grammar = grammar_of(cursor.language)
    parser = parser_of(grammar) if grammar else None
    if grammar is None or parser is None:
        return None
    for most_before, most_after in _WINDOWS:
        around = window(cursor, grammar, most_before, most_after)
        if around is None:
            return None
        errors = _errors(parser, around.before + text + around.after)
        if errors is None:
            continue
        if errors == 0:
            return True
        without = _errors_without_the_line(parser, around, errors, "python" in grammar.languages)
        if without is None or errors <= without:
            return None if without is None else True
        ends: Iterable[str] = _ends(cursor, text, around, grammar) if errors < _MOST_ERRORS else ()
        return any(_errors(parser, f"{around.before}{text}{end}") == 0 for end in ends)
    return None


def _errors(parser: WindowParser, source: str) -> int | None:
    """How many places of `source` are no code; None where that takes too long to find out."""
    tree = parser.parse(source.encode("utf-8", "replace"), _BUDGET_S)
    if tree is None:
        return None
    count = 0
    nodes = [tree.root_node]
    while nodes and count < _MOST_ERRORS:
        node = nodes.pop()
        count += node.is_error or node.is_missing
        nodes += [child for child in node.children if child.has_error]
    return min(count, _MOST_ERRORS)


class _Known:
    """How many errors the newest sources have: without the cursor's line, they stay the same while it is typed."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[WindowParser, str], int] = OrderedDict()

    def errors(self, parser: WindowParser, source: str) -> int | None:
        """See `_errors`."""
        if (known := self._known.get((parser, source))) is not None:
            return known
        if (count := _errors(parser, source)) is not None:
            self._known[parser, source] = count
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return count


_KNOWN = _Known()


def _ends(cursor: Cursor, text: str, around: Window, grammar: Grammar) -> Iterator[str]:
    """What may stand behind `text` once the person has gone on with the line, or with the block that it opens."""
    line, newline, others = around.after.partition("\n")
    for end in _line_ends(cursor, text, around, grammar):
        yield f"{line}{end}{newline}{others}"
    for end in _block_ends(cursor, text, line, grammar):
        yield f"{end}{around.after}"


def _line_ends(cursor: Cursor, text: str, around: Window, grammar: Grammar) -> list[str]:
    """How the line may go on behind the editor's own brackets, where nothing stands behind them yet.

    Behind a decorator, what it decorates may follow.
    """
    closed = closers(cursor)
    line = (cursor.line_prefix + text).rpartition("\n")[2]
    if line.lstrip().startswith("@") and "python" in grammar.languages:
        return [f"\n{line[: len(line) - len(line.lstrip())]}def f(): pass"]
    if not closed or line_behind(around.after).rstrip() != closed:
        return []
    word = _FIRST_WORD.match(cursor.line_prefix)
    is_head = word is not None and word[1] in grammar.heads
    has_block = has_body(columns(cursor.line_prefix), around.after)
    if "python" not in grammar.languages:
        block = [" {", " => {"] if has_block else [" {}", " => {}"]
        return [",", ";", *([":"] if is_head else []), *block]
    if is_head:
        return [":" if has_block else ": pass"]
    above = statements(around.before[: around.before.rfind("\n") + 1])
    return [",", ":", ": pass"] if above and not above[-1].is_whole else []  # else it is a statement, and whole


def _block_ends(cursor: Cursor, text: str, behind: str, grammar: Grammar) -> list[str]:
    """What may close the block that `text` opens, with `behind` on its line: its body is for the person to write."""
    is_free = not behind.strip() or (_CLOSING.fullmatch(behind) and _FUNCTION.search(text))
    if "\n" in text or "python" in grammar.languages or not is_free:
        return []
    ends = [*grammar.block_ends]
    if text.endswith("{"):
        open_now: list[str] = []
        for character in cursor.line_prefix + text:
            if character in _OPENERS:
                open_now.append(_CLOSER[character])
            elif character in ")]}" and open_now:
                open_now.pop()
        # What the line opens before its block may be closed behind it already, by the editor.
        ends += ["".join(reversed(open_now)), "}"]
    return ends


def _errors_without_the_line(parser: WindowParser, around: Window, enough: int, is_python: bool) -> int | None:
    """Errors of the window with the best that is found in place of the cursor's line; None where none can be told.

    Whatever has fewer than `enough` is good enough.
    """
    start = around.before.rfind("\n") + 1
    end = around.after.find("\n")
    above, behind = around.before[:start], around.after[end:] if end >= 0 else ""
    line = around.before[start:]
    indentation = line[: len(line) - len(line.lstrip())]
    least: int | None = None
    for instead in _INSTEAD[is_python, has_body(columns(line), around.after)]:
        source = above.rstrip("\n") + behind if instead is None else above + indentation + instead + behind
        count = _KNOWN.errors(parser, source)
        if count is not None and (least is None or count < least):
            least = count
            if least < enough:
                break
    return least


def _unclosed(text: str) -> int:
    """Index of the first bracket that `text` leaves open; 0 where there is none."""
    open_at: list[int] = []
    for place, character in enumerate(text):
        if character in _OPENERS:
            open_at.append(place)
        elif character in ")]}" and open_at:
            open_at.pop()
    return open_at[0] if open_at else 0
