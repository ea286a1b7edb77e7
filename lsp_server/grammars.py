"""Tree-sitter grammars by LSP language id, loaded when a file of their language is first looked at.

Knows where grammars come from, and the few words in which languages differ that open blocks with words instead of
braces; what a place in a tree means is told in `syntax.py`. Only grammars that the tree-sitter organisation keeps
itself, with wheels for the stable ABI of all three systems, are here: they outlive a Python version.
"""

from __future__ import annotations

import functools
import importlib
import logging
from dataclasses import dataclass

from tree_sitter import Language, Parser

from lsp_server.parsing import WindowParser

log = logging.getLogger(__name__)

_TEMPLATES = (("/*", "*/"), ("`", "`"))
_C_LABELS = frozenset({"case", "default", "public", "private", "protected"})


@dataclass(frozen=True, slots=True)
class Grammar:
    """One language."""

    languages: tuple[str, ...]
    """LSP language ids, also those that editors send instead of the ones in the specification."""

    module: str
    """The wheel's module."""

    function: str = "language"
    """What gives the grammar in it."""

    heads: frozenset[str] = frozenset()
    """First words of lines whose last `:` opens a block."""

    openers: frozenset[str] = frozenset()
    """Tokens beside `{` behind which a block begins."""

    block_ends: tuple[str, ...] = ()
    """What closes a block that a word opens, behind a body of nothing."""

    quotes: str = "\"'`"
    """What may begin a string."""

    comment: str = "//"
    """What begins a comment that ends with the line."""

    long_texts: tuple[tuple[str, str], ...] = (("/*", "*/"),)
    """What strings and comments of several lines are between, the usual ones first."""

    ends_lines: bool = False
    """Whether a line end always ends a statement outside brackets, so that an operator before it continues none."""


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        ("python",),
        "tree_sitter_python",
        heads=frozenset(
            "async def class if elif else for while with try except finally match case".split()  # noqa: SIM905
        ),
        long_texts=(('"""', '"""'), ("'''", "'''")),
        comment="#",
        ends_lines=True,
    ),
    Grammar(
        ("javascript", "javascriptreact", "js", "jsx"), "tree_sitter_javascript", heads=_C_LABELS, long_texts=_TEMPLATES
    ),
    Grammar(
        ("typescript", "ts"), "tree_sitter_typescript", "language_typescript", heads=_C_LABELS, long_texts=_TEMPLATES
    ),
    Grammar(
        ("typescriptreact", "tsx"), "tree_sitter_typescript", "language_tsx", heads=_C_LABELS, long_texts=_TEMPLATES
    ),
    Grammar(("java",), "tree_sitter_java", heads=_C_LABELS),
    Grammar(("c",), "tree_sitter_c", heads=_C_LABELS),
    Grammar(("cpp", "c++", "cuda-cpp", "objective-cpp"), "tree_sitter_cpp", heads=_C_LABELS),
    Grammar(("go",), "tree_sitter_go", heads=_C_LABELS, long_texts=_TEMPLATES),
    Grammar(("rust",), "tree_sitter_rust", quotes='"'),
    Grammar(
        ("ruby",),
        "tree_sitter_ruby",
        openers=frozenset({"do", "then", "else", "begin", "ensure", "method_parameters"}),
        block_ends=("\nend", "\nwhen 1\nend"),
        comment="#",
        long_texts=(("=begin\n", "\n=end\n"),),
    ),
    Grammar(("csharp", "c-sharp", "cs"), "tree_sitter_c_sharp", heads=_C_LABELS),
    Grammar(("php",), "tree_sitter_php", "language_php_only", heads=_C_LABELS),
    Grammar(
        ("shellscript", "bash", "sh"),
        "tree_sitter_bash",
        openers=frozenset({"do", "then", "else"}),
        block_ends=("\n:\ndone", "\n:\nfi", "\nx) ;;\nesac"),
        long_texts=(),
        comment="#",
        ends_lines=True,
    ),
)

_BY_LANGUAGE = {language: grammar for grammar in GRAMMARS for language in grammar.languages}


def grammar_of(language: str) -> Grammar | None:
    """The grammar of an LSP language id, or None where there is none."""
    return _BY_LANGUAGE.get(language.lower())


@functools.cache
def keywords_of(language: str) -> tuple[str, ...]:
    """The keywords of an LSP language id, as its grammar spells them (with some words that only the grammar knows).

    Nothing where there is no grammar.
    """
    grammar = grammar_of(language)
    if grammar is None or parser_of(grammar) is None:
        return ()
    known = _language(grammar)
    literal = (number for number in range(known.node_kind_count) if not known.node_kind_is_named(number))
    spelled = {known.node_kind_for_id(number) or "" for number in literal}
    return tuple(sorted(word for word in spelled if len(word) > 1 and word.isalpha()))


def _language(grammar: Grammar) -> Language:
    pointer: object = getattr(importlib.import_module(grammar.module), grammar.function)()
    return Language(pointer)


@functools.cache
def parser_of(grammar: Grammar) -> WindowParser | None:
    """A parser of the grammar, or None where its wheel is missing or was built for another tree-sitter."""
    try:
        return WindowParser(Parser(_language(grammar)))
    except (ImportError, AttributeError, TypeError, ValueError, OSError) as error:
        log.warning("%s files are read without a grammar: %s", grammar.languages[0], error)
        return None
