"""What kind of place the cursor stands at, told from a syntax tree of the text around it. Pure, but for a small cache.

Knows nothing of models and requests. Only a window around the cursor is parsed, however long the file: it begins at a
line of least indentation. Where it begins in the middle of a string or a comment that is longer than itself, the answer
may be wrong. Languages without a grammar are judged by the ends of the cursor's line, and by indentation.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from lsp_server.cursor import Cursor

if TYPE_CHECKING:
    from tree_sitter import Node

    from lsp_server.grammars import Grammar

_BEFORE, _AFTER = 6000, 1500
"""Characters of the window before and behind the cursor: about 150 and 40 lines, which take a parser 1 to 3 ms."""

_MOST_LEVELS = 60
"""Tree nodes around the cursor that are looked at; code of people is nested less deeply."""

_TAB_WIDTH = 8
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

_LINE = re.compile(r"^([ \t]*)(?=\S)", re.MULTILINE)
_DEFINITION = re.compile(
    r"(?:@|#include|#define|(?:def|class|async|import|from|export|function|const|let|var|public|private|protected|"
    r"internal|static|package|namespace|module|using|use|fn|impl|pub|mod|struct|enum|union|func|type|typedef|interface|"
    r"trait|abstract|final|void|int|template|extern|require|describe|if|for|while|return)\b)"
)


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
    """What kind of place `cursor` is. Takes about 2 ms, and nothing when asked again; never raises."""
    head, tail = cursor.prefix[-_BEFORE:], cursor.suffix[:_AFTER]
    if len(cursor.suffix) > _AFTER and "\n" in tail:
        tail = tail[: tail.rfind("\n") + 1]
    if len(cursor.prefix) > _BEFORE:
        if "\n" not in head:
            return Place.STATEMENT  # a line longer than the window: nobody has written it
        head = _from_least_indentation(head[head.index("\n") + 1 :])
    return _place(head, tail, cursor.language)


def line_limit(cursor: Cursor, max_lines: int) -> int:
    """How many lines a suggestion may have.

    `max_lines` where a block is being opened or the cursor stands on an empty line of a body, else 1.
    """
    return max_lines if place_at(cursor) in {Place.OPENING, Place.EMPTY_LINE} else 1


def _from_least_indentation(head: str) -> str:
    """`head` from a line of least indentation on, if possible from one that defines something."""
    lines = [(len(line[1].expandtabs(_TAB_WIDTH)), line.end()) for line in _LINE.finditer(head)]
    if not lines:
        return head
    least = min(lines)[0]
    starts = [start for width, start in lines if width == least]
    begin = next((start for start in starts if _DEFINITION.match(head, start)), starts[0])
    return head[head.rfind("\n", 0, begin) + 1 :]


@lru_cache(maxsize=32)
def _place(before: str, after: str, language: str) -> Place:
    from lsp_server.grammars import grammar_of, parser_of

    grammar = grammar_of(language)
    parser = parser_of(grammar) if grammar else None
    if grammar is None or parser is None:
        return _place_without_grammar(before, after)
    source = before.encode("utf-8", "replace")
    root = parser.parse(source + after.encode("utf-8", "replace")).root_node
    return _text_at(root, before, len(source), grammar) or _code_at(root, before, after, grammar)


def _place_without_grammar(before: str, after: str) -> Place:
    line = _line_before(before)
    if _line_behind(after).strip():
        return Place.STATEMENT
    if not line.strip():
        return Place.EMPTY_LINE
    is_open = line.rstrip().endswith(_FALLBACK_OPENERS) and not _has_body(_columns(line), after)
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
    line, quote = _line_before(before), ""
    place = 0
    while place < len(line):
        character = line[place]
        if quote:
            place += character == "\\"
            quote = "" if character == quote else quote
        elif character in quotes and not (character == "'" and line[:place][-1:].isalnum()):
            quote = character
        place += 1
    return Place.STRING if quote else None


def _code_at(root: Node, before: str, after: str, grammar: Grammar) -> Place:
    line = _line_before(before)
    is_empty = not line.strip() and not _line_behind(after).strip()
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
    if _line_behind(after).strip() or not _opens_block(leaf, line, grammar, enclosing):
        return Place.STATEMENT
    return Place.STATEMENT if _has_body(_columns_of(leaf, line), after) else Place.OPENING


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
    return all(_columns(line) > _columns(lines[0]) for line in lines[1:] if line.strip()) and (
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
    return parent.start_point.column if is_head and parent is not None else _columns(line)


def _has_body(columns: int, after: str) -> bool:
    """Whether the next line is indented more than that many columns: then the block is there already."""
    following = next((line for line in after.split("\n")[1:] if line.strip()), "")
    return _columns(following) > columns


def _columns(line: str) -> int:
    return len(line[: len(line) - len(line.lstrip())].expandtabs(_TAB_WIDTH))


def _line_before(before: str) -> str:
    return before[before.rfind("\n") + 1 :]


def _line_behind(after: str) -> str:
    return after.split("\n", 1)[0]
