"""What kind of place the cursor stands at, told from a syntax tree of the text around it. Pure, but for a small cache.

Knows nothing of models and requests. Text that takes too long to parse, as C++ full of macros or no code at all, gets a
smaller window; what is still too slow, and languages without a grammar, are judged by the cursor's line and by
indentation.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from lsp_server.cursor import Cursor
from lsp_server.parsing import Window, columns, has_body, line_behind, opens_string, window
from lsp_server.python_lines import before, levels, statements

if TYPE_CHECKING:
    from tree_sitter import Node

    from lsp_server.grammars import Grammar

_WINDOWS = ((3000, 800, 0.002), (800, 200, 0.001))
"""Characters before and behind the cursor, and the seconds of processor time in which they must be parsed.

The first is about 80 and 20 lines, and takes 0.5 ms for code without errors in most languages, up to 20 ms for noise.
"""

_MOST_LEVELS = 60
"""Tree nodes around the cursor that are looked at; code of people is nested less deeply."""

_FALLBACK_OPENERS = (":", "{", "[", "=>", "->", " do", " then")
_OPENING = frozenset({"(", "[", "{", "${", "#{", "$(", "(("})
_CLOSING = frozenset({")", "]", "}", "))"})
_NO_BODIES = frozenset({
    "named_imports", "export_clause", "object_pattern", "use_list", "interpolation", "template_substitution",
    "struct_pattern", "using_directive", "format_expression", "expansion",
})  # fmt: skip
"""What braces may enclose that is written on one line: names, or an expression within a string."""

_CONTINUED = frozenset("= + - * / % & | && || ?? . , == === != !== < <= >= += -= *= /= |> -> => \\".split())  # noqa: SIM905
"""Tokens behind which a statement goes on in the next line."""


class Place(Enum):
    """What kind of place the cursor stands at."""

    COMMENT = "comment"
    STRING = "string"
    ARGUMENTS = "arguments"
    """Within round brackets or an index: a call's arguments, a function's parameters, a condition."""

    OPENING = "opening"
    """At the end of a line behind which a block begins that is still empty, or a list or mapping."""

    EMPTY_LINE = "empty line"
    """On a line of nothing but white space, in a body, a list, a mapping or at the file's top."""

    STATEMENT = "statement"
    """Anywhere else: in or at the end of a line that has begun."""


def place_at(cursor: Cursor) -> Place:
    """What kind of place `cursor` is. Takes about 1 ms, at most 5, and nothing when asked again; never raises."""
    from lsp_server.grammars import grammar_of

    grammar = grammar_of(cursor.language)
    for most_before, most_after, budget_s in _WINDOWS if grammar else ():
        text = window(cursor, grammar, most_before, most_after) if grammar else None
        if text is None:
            break  # nobody has written such a line
        if grammar and (place := _place(text, grammar, budget_s)):
            return place
    most_before, most_after, _ = _WINDOWS[0]
    return _place_without_grammar(cursor.prefix[-most_before:], cursor.suffix[:most_after])


def is_indented(cursor: Cursor, place: Place) -> bool:
    """Whether a line of Python begins right at the cursor: one that is indented more makes no sense there."""
    above = before(cursor) if place is Place.EMPTY_LINE else None
    if above is None:
        return False
    lines = statements(above)
    if not lines:
        return len(above) == len(cursor.prefix)  # the file's first statement
    if lines[-1].opens_block or not lines[-1].is_whole:
        return False
    width = columns(cursor.line_prefix + ".")
    return width in levels(lines) and (width > 0 or lines[-1].width == 0)


def line_limit(place: Place, max_lines: int) -> int:
    """How many lines a suggestion may have.

    `max_lines` where a block is being opened or the cursor stands on an empty line of a body, else 1.
    """
    return max_lines if place in {Place.OPENING, Place.EMPTY_LINE} else 1


@lru_cache(maxsize=32)
def _place(text: Window, grammar: Grammar, budget_s: float) -> Place | None:
    """What kind of place is within a window; None where it can't be parsed, or not in time."""
    from lsp_server.grammars import parser_of

    parser = parser_of(grammar)
    before = text.before.encode("utf-8", "replace")
    tree = parser.parse(before + text.after.encode("utf-8", "replace"), budget_s) if parser else None
    if tree is None:
        return None
    root = tree.root_node
    return _text_at(root, text.before, len(before), grammar) or _code_at(root, text.before, text.after, grammar)


def _place_without_grammar(before: str, after: str) -> Place:
    line = _line_before(before)
    if line_behind(after).strip():
        return Place.STATEMENT
    if not line.strip():
        return Place.EMPTY_LINE
    is_open = line.rstrip().endswith(_FALLBACK_OPENERS) and not has_body(columns(line), after)
    return Place.OPENING if is_open else Place.STATEMENT


def _text_at(root: Node, before: str, at: int, grammar: Grammar) -> Place | None:
    """Whether byte `at` is in a comment or a string; None for code."""
    if at == 0:
        return None
    node = root.descendant_for_byte_range(at - 1, at)
    for _ in range(_MOST_LEVELS):
        if node is None:
            break
        if node.type in _NO_BODIES and node.start_byte < at < node.end_byte:
            return None  # an expression within a string
        if "comment" in node.type and node.is_named and (at < node.end_byte or _is_open_comment(before)):
            return Place.COMMENT
        if _is_string(node) and node.start_byte < at < node.end_byte:
            return Place.STRING
        node = node.parent
    return _unclosed(before, grammar.quotes) if root.has_error else None


def _is_string(node: Node) -> bool:
    kind = node.type
    return node.is_named and (
        ("string" in kind and kind not in {"concatenated_string", "chained_string", "string_array"})
        or "heredoc_body" in kind
        or kind in {"char_literal", "character_literal", "rune_literal", "regex", "raw_text"}
    )


def _is_open_comment(before: str) -> bool:
    """Whether what stands right before the end of `before`, the end of a comment, lets the comment go on."""
    return not before.endswith(("*/", "\n", "=end", "-->"))


def _unclosed(before: str, quotes: str) -> Place | None:
    """What the cursor is in, where a string or a comment has been begun and no tree can be made of it."""
    if before.rfind("/*") > max(before.rfind("*/"), before.rfind("\n\n")):
        return Place.COMMENT
    return Place.STRING if opens_string(_line_before(before), quotes) else None


def _code_at(root: Node, before: str, after: str, grammar: Grammar) -> Place:
    line = _line_before(before)
    is_empty = not line.strip() and not line_behind(after).strip()
    leaf = _last_token(root, before)
    if leaf is None:
        return Place.EMPTY_LINE if is_empty else Place.STATEMENT
    enclosing = _enclosing(leaf, before)
    if enclosing and _is_one_line(*enclosing, before):
        return Place.ARGUMENTS
    if is_empty:
        is_continued = before.rstrip().endswith("\\") or (leaf.type in _CONTINUED and not grammar.ends_lines)
        in_list = enclosing is not None and leaf.type == ","
        return Place.STATEMENT if is_continued and not in_list else Place.EMPTY_LINE
    if line_behind(after).strip() or not _opens_block(leaf, line, grammar, enclosing):
        return Place.STATEMENT
    return Place.STATEMENT if has_body(_columns_of(leaf, line), after) else Place.OPENING


def _last_token(root: Node, before: str) -> Node | None:
    """The last token that ends before the cursor and is in no comment."""
    end = len(before.rstrip().encode("utf-8", "replace"))
    for _ in range(_MOST_LEVELS):
        if end == 0:
            return None
        leaf = root.descendant_for_byte_range(end - 1, end)
        comment = _comment_around(leaf)
        if comment is None:
            return leaf
        end = len(before.encode("utf-8", "replace")[: comment.start_byte].rstrip())
    return None


def _comment_around(node: Node | None) -> Node | None:
    """The outermost of the comments that `node` is, or is a part of; they have few levels."""
    comment = None
    for _ in range(4):
        if node is None:
            break
        if "comment" in node.type and node.is_named:
            comment = node
        node = node.parent
    return comment


def _enclosing(leaf: Node, before: str) -> tuple[Node, Node] | None:
    """The innermost bracket that is open behind `leaf`, with the node it belongs to."""
    end = leaf.end_byte
    node = leaf
    for _ in range(_MOST_LEVELS):
        parent = node.parent
        if parent is None:
            return None
        depth = 0
        for token, is_stray in _tokens_before(parent, end):
            if token.type in _CLOSING:
                depth += 1
            elif token.type in _OPENING:
                if depth:
                    depth -= 1
                elif not is_stray or _is_deeper(token, before):
                    return token, parent
        node = parent
    return None


def _tokens_before(parent: Node, end: int) -> list[tuple[Node, bool]]:
    """Children of `parent` that end at byte `end` or before, the last first; of broken ones, their children instead.

    With each goes whether it is one of those.
    """
    tokens: list[tuple[Node, bool]] = []
    for child in parent.children:
        if child.end_byte > end:
            break
        if child.is_error:
            tokens += [(token, True) for token in child.children if not token.is_missing]
        elif not child.is_missing:
            tokens.append((child, False))
    tokens.reverse()
    return tokens


def _is_deeper(token: Node, before: str) -> bool:
    """Whether all lines from a bracket to the cursor are indented more than the bracket's line."""
    lines = before.split("\n")[token.start_point.row :]
    return all(columns(line) > columns(lines[0]) for line in lines[1:] if line.strip()) and (
        len(lines) == 1 or bool(lines[-1]) or not lines[0][:1].isspace()
    )


def _is_one_line(bracket: Node, parent: Node, before: str) -> bool:
    """Whether what stands in `bracket` is written a line at a time: arguments, an index, names."""
    if bracket.type == "{":
        return parent.type in _NO_BODIES
    if bracket.type != "[":
        return True
    front = before.encode("utf-8", "replace")[: bracket.start_byte].decode("utf-8", "replace")[-1:]
    return front.isalnum() or front in {"_", ")", "]"}


def _opens_block(leaf: Node, line: str, grammar: Grammar, enclosing: tuple[Node, Node] | None) -> bool:
    """Whether a block begins behind `leaf`, the last token of the line."""
    if leaf.type in {"{", "["} or leaf.type in grammar.openers:
        return True
    parent = leaf.parent
    if parent is not None and (parent.type in grammar.openers or parent.type == "block_parameters"):
        return leaf.type in {")", "|"}
    if leaf.type != ":" or (enclosing and enclosing[0].type != "{"):
        return False
    if parent is not None and not parent.is_error and parent.children[0].type in grammar.heads:
        return True
    word = re.match(r"\s*([\w)]+)", line)
    return word is not None and (word[1] in grammar.heads or (grammar.ends_lines and word[1].startswith(")")))


def _columns_of(leaf: Node, line: str) -> int:
    """Indentation of the statement that opens a block with `leaf`, whose header may have several lines."""
    parent = leaf.parent
    is_head = leaf.type == ":" and parent is not None and not parent.is_error and parent.parent is not None
    return parent.start_point.column if is_head and parent is not None else columns(line)


def _line_before(before: str) -> str:
    return before[before.rfind("\n") + 1 :]
