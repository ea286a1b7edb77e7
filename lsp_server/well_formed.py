"""Whether a text still parses with a suggestion in it. Pure, but for the parsers.

What breaks a text that is whole without it is nearly always wrong: a bracket too many, half a string, prose. Only a
window around the cursor is parsed, in bounded time; where that is broken already, it must not be broken in more places.
"""

from __future__ import annotations

from collections import OrderedDict

from lsp_server.cursor import Cursor, closers
from lsp_server.parsing import Window, WindowParser, window

_WINDOWS = ((3000, 800), (800, 200))
"""Characters before and behind the cursor; the second where the first takes too long.

The same as for telling what kind of place it is: what was parsed for that is only edited.
"""

_BUDGET_S = 0.0015
"""Of processor time, for each parse."""

_MOST_ERRORS = 20
"""With as many there is nothing to be told, if it is so without the text too: no code, or not of this language."""

_MOST_KNOWN = 8
_LINE_ENDS = (":", ": pass", ",", " {", ";")
_OPENERS = "([{"


def parsing_part(text: str, cursor: Cursor) -> str:
    """`text`, or what of it stands before a bracket that it leaves open, if the file parses with that; else nothing."""
    text_parses = _parses_with(cursor, text)
    if text_parses is None or text_parses:
        return text
    if "\n" not in text and (at := _unclosed(text)) and (part := text[:at].rstrip()) and _parses_with(cursor, part):
        return part
    return ""


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
        finished = _finished(cursor, around) if errors < _MOST_ERRORS else []
        if any(_errors(parser, before + text + after) == 0 for before, after in finished):
            return True  # the brackets behind the cursor are the editor's, and the line goes on behind them
        sources = _without_the_line(around, cursor.language)
        without = [count for source in sources if (count := _KNOWN.errors(parser, source)) is not None]
        return errors <= min(without) if without else None
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


def _finished(cursor: Cursor, around: Window) -> list[tuple[str, str]]:
    """What stands before and behind the cursor if the line goes on behind its brackets as it may."""
    if not closers(cursor):
        return []
    line, newline, others = around.after.partition("\n")
    return [(around.before, line + end + newline + others) for end in _LINE_ENDS]


def _without_the_line(around: Window, language: str) -> list[str]:
    """The window without the cursor's line, and with a statement that does nothing in its place."""
    start = around.before.rfind("\n") + 1
    end = around.after.find("\n")
    behind = around.after[end:] if end >= 0 else ""
    line = around.before[start:]
    nothing = line[: len(line) - len(line.lstrip())] + ("pass" if language == "python" else ";")
    return [around.before[:start].rstrip("\n") + behind, around.before[:start] + nothing + behind]


def _unclosed(text: str) -> int:
    """Index of the first bracket that `text` leaves open; 0 where there is none."""
    open_at: list[int] = []
    for place, character in enumerate(text):
        if character in _OPENERS:
            open_at.append(place)
        elif character in ")]}" and open_at:
            open_at.pop()
    return open_at[0] if open_at else 0
