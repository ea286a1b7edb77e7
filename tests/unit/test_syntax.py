"""What kind of place the cursor stands at, in the languages that have a grammar and in those that have none."""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import inspect
import io
import itertools
import pydoc
import random
import re
import textwrap
import time
import tokenize
import typing
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server import grammars, syntax
from lsp_server.grammars import GRAMMARS, grammar_of, parser_of
from lsp_server.parsing import WindowParser
from lsp_server.syntax import Place, is_indented, line_limit, place_at
from tests.marked import cursor_at

COMMENT, STRING, ARGUMENTS = Place.COMMENT, Place.STRING, Place.ARGUMENTS
OPENING, EMPTY_LINE, STATEMENT = Place.OPENING, Place.EMPTY_LINE, Place.STATEMENT

PLACES: dict[str, list[tuple[str, Place]]] = {
    "python": [
        ("def f():‸\n", OPENING),
        ("def f(a,\n      b):‸\n\nx = 1\n", OPENING),
        ("def f(\n    a,\n) -> int:‸\n", OPENING),
        ("class A:\n    def f(self):‸\n\n    def g(self):\n        pass\n", OPENING),
        ("def f():‸\n    return 1\n", STATEMENT),
        ("if x:\n    pass\nelse:‸\n", OPENING),
        ("try:‸\n", OPENING),
        ("with open(x) as f:‸  \n", OPENING),
        ("x = {‸\n", OPENING),
        ("x = [‸\n", OPENING),
        ("x = f(‸\n", ARGUMENTS),
        ("x = f(a, ‸)\n", ARGUMENTS),
        ("x = f(\n    a,\n    ‸\n)\ny = 1\n", ARGUMENTS),
        ("x = f(\n    a,\n    ‸\n\ny = 1\n", ARGUMENTS),
        ("x = f(  # why\n    ‸\n)\n", ARGUMENTS),
        ("def f(\n    ‸\n):\n    pass\n", ARGUMENTS),
        ("x = y[‸\n", ARGUMENTS),
        ("x = {\n    'a': 1,\n    ‸\n}\n", EMPTY_LINE),
        ("f({\n    'a': 1,\n    ‸\n})\n", EMPTY_LINE),
        ("def f():\n    a = 1\n    ‸\n    return a\n", EMPTY_LINE),
        ("def f():\n    ‸\n", EMPTY_LINE),
        ("‸", EMPTY_LINE),
        ("import os\n\n‸\n", EMPTY_LINE),
        ("f(a)\n‸\ng(b)\n", EMPTY_LINE),
        ("x = 1 + \\\n    ‸\n", STATEMENT),
        ("x = ‸\n", STATEMENT),
        ("retu‸\n", STATEMENT),
        ("x: ‸\n", STATEMENT),
        ("x:‸\n", STATEMENT),
        ("x = lambda y:‸\n", STATEMENT),
        ("x = {'a':‸\n", STATEMENT),
        ("for x in ‸ y:\n", STATEMENT),
        ("# a comment ‸\nx = 1\n", COMMENT),
        ("x = 1  # why‸\n", COMMENT),
        ("# one\n‸\n# two\n", EMPTY_LINE),
        ("x = 'abc‸'\n", STRING),
        ("x = '‸'\n", STRING),
        ("x = 'abc‸\ny = 1\n", STRING),
        ("x = 'abc'‸\n", STATEMENT),
        ("f('a‸')\n", STRING),
        ('def f():\n    """Do.\n\n    ‸\n    """\n    return 1\n', STRING),
        ("x = f'{a‸}'\n", ARGUMENTS),
        ("x = f'a{b}c‸'\n", STRING),
        ("x = 'it\\'s ‸'\n", STRING),
        ("match x:\n    case 1:‸\n", OPENING),
        ("if a and (\n    b\n):‸\n", OPENING),
        ("x = (\n    ‸\n", ARGUMENTS),
        ("def f():\n    x = foo(\n\n    ‸\n    return 1\n", ARGUMENTS),
        ("x = '''abc\n‸\n", STRING),
        ("assert x, f'{a}‸\n", STRING),
        ("x = r'a‸\n", STRING),
        ("d = {\n    'a': [\n        1,\n        ‸\n", EMPTY_LINE),
    ],
    "javascript": [
        ("function f() {‸\n", OPENING),
        ("function f() {‸\n}\n", OPENING),
        ("function f() {‸\n  return 1;\n}\n", STATEMENT),
        ("const f = () => {‸\n};\n", OPENING),
        ("g(function () {‸\n});\n", OPENING),
        ("g(\n  ‸\n);\n", ARGUMENTS),
        ("g(a, ‸\n", ARGUMENTS),
        ("function f() {\n  const a = 1;\n  ‸\n}\n", EMPTY_LINE),
        ("function f() {\n  const a =\n    ‸\n}\n", STATEMENT),
        ("function f() {‸\n\nfunction g() {\n  return 1;\n}\n", OPENING),
        ("class A {\n  f() {‸\n\n  g() {\n    return 1;\n  }\n}\n", OPENING),
        ("class A {\n  f() {\n    ‸\n\n  g() {\n    return 1;\n  }\n}\n", EMPTY_LINE),
        ("foo(a,\n  ‸\n\nfunction g() {\n  return 1;\n}\n", ARGUMENTS),
        ("return (\n  ‸\n);\n", ARGUMENTS),
        ("switch (x) {\n  case 1:‸\n}\n", OPENING),
        ("import {‸\n} from 'x';\n", ARGUMENTS),
        ("const x = ‸;\n", STATEMENT),
        ("// a ‸\nf();\n", COMMENT),
        ("/* a\n * ‸\n */\nf();\n", COMMENT),
        ("f(); /* a */ ‸\n", STATEMENT),
        ("const s = `a ‸`;\n", STRING),
        ("const s = `a ${b‸} c`;\n", ARGUMENTS),
        ("const s = 'a‸';\n", STRING),
    ],
    "typescript": [
        ("interface A {‸\n}\n", OPENING),
        ("class A {\n  f(a: string): void {‸\n  }\n}\n", OPENING),
        ("let a: string‸\n", STATEMENT),
        ('const s = "a‸";\n', STRING),
    ],
    "typescriptreact": [("const A = () => <b>{x}</b>;\nfunction f(): void {‸\n}\n", OPENING)],
    "java": [
        ("class A {\n  void f() {‸\n  }\n}\n", OPENING),
        ("class A {\n  void f() {\n    ‸\n  }\n}\n", EMPTY_LINE),
        ("class A {\n  void f() {\n    g(a,\n      ‸\n    );\n  }\n}\n", ARGUMENTS),
        ("class A {\n  // why ‸\n}\n", COMMENT),
        ("class A {\n  /** why ‸ */\n  int a;\n}\n", COMMENT),
        ('class A {\n  String s = "a‸";\n}\n', STRING),
        ("class A {\n  int a = ‸;\n}\n", STATEMENT),
    ],
    "c": [
        ("int f(void) {‸\n}\n", OPENING),
        ("int f(void) {\n  if (x) {‸\n\n  return 1;\n}\n", OPENING),
        ("int f(void) {\n  g(a,\n    ‸\n}\n", ARGUMENTS),
        ("int f(void) {\n  ‸\n  return 1;\n}\n", EMPTY_LINE),
        ("void f() {\n    if (a) {‸\n\nint g() {\n  return 1;\n}\n", OPENING),
        ("void f() {\n    foo(a,\n    ‸\n\nint g() {\n  return 1;\n}\n", ARGUMENTS),
        ("#define X(a) \\\n  ‸\n", STATEMENT),
        ("struct a {‸\n};\n", OPENING),
        ("int x = 1; // why ‸\n", COMMENT),
        ('char *s = "a‸";\n', STRING),
        ("char c = '‸';\n", STRING),
    ],
    "cpp": [
        ("class A {\npublic:‸\n};\n", OPENING),
        ("namespace a {\nint f() {‸\n}\n}\n", OPENING),
        ("auto x = f(‸);\n", ARGUMENTS),
        ('std::string s = "a‸";\n', STRING),
    ],
    "go": [
        ("package a\n\nfunc f() {‸\n}\n", OPENING),
        ("package a\n\nfunc f() {\n\tif err != nil {‸\n\t}\n}\n", OPENING),
        ("package a\n\nfunc f() {\n\tg(\n\t\t‸\n\t)\n}\n", ARGUMENTS),
        ("package a\n\nfunc f() {\n\t‸\n}\n", EMPTY_LINE),
        ("type A struct {\n\t‸\n}\n", EMPTY_LINE),
        ("package a\n\n// f ‸\nfunc f() {}\n", COMMENT),
        ('package a\n\nvar s = "a‸"\n', STRING),
        ("package a\n\nvar s = `a\n‸\n`\n", STRING),
    ],
    "rust": [
        ("fn f() {‸\n}\n", OPENING),
        ("impl A {\n    fn f<'a>(x: &'a str) {‸\n    }\n}\n", OPENING),
        ("fn f() {\n    g(\n        ‸\n    );\n}\n", ARGUMENTS),
        ("fn f() {\n    ‸\n}\n", EMPTY_LINE),
        ("fn f() {\n    match x {\n        ‸\n    }\n}\n", EMPTY_LINE),
        ("use a::{‸\n};\n", ARGUMENTS),
        ("println!(‸\n", ARGUMENTS),
        ("/// Docs ‸\nfn f() {}\n", COMMENT),
        ("/// Docs\n‸\nfn f() {}\n", EMPTY_LINE),
        ('let s = "a‸";\n', STRING),
    ],
    "ruby": [
        ("def f(a)‸\nend\n", OPENING),
        ("x.each do |y|‸\nend\n", OPENING),
        ("x.each do‸\nend\n", OPENING),
        ("def f\n  ‸\nend\n", EMPTY_LINE),
        ("f(a,\n  ‸\n)\n", ARGUMENTS),
        ("# why ‸\n", COMMENT),
        ('s = "a‸"\n', STRING),
        ('s = "a#{b‸}"\n', ARGUMENTS),
    ],
    "csharp": [
        ("class A {\n    void F() {‸\n    }\n}\n", OPENING),
        ("class A {\n    void F() {\n        G(\n            ‸\n        );\n    }\n}\n", ARGUMENTS),
        ("class A {\n    // why ‸\n}\n", COMMENT),
        ('class A {\n    string s = "a‸";\n}\n', STRING),
    ],
    "php": [
        ("<?php\nfunction f() {‸\n}\n", OPENING),
        ("<?php\nf(\n    ‸\n);\n", ARGUMENTS),
        ("<?php\n// why ‸\n", COMMENT),
        ("<?php\n$s = 'a‸';\n", STRING),
        ('<?php\n$s = "a‸";\n', STRING),
    ],
    "shellscript": [
        ("for x in a b; do‸\ndone\n", OPENING),
        ("if true; then‸\nfi\n", OPENING),
        ("f() {‸\n}\n", OPENING),
        ("f() {\n  ‸\n}\n", EMPTY_LINE),
        ("cat <<EOF\nfoo ‸\nEOF\n", STRING),
        ("# why ‸\n", COMMENT),
        ('echo "a‸"\n', STRING),
        ("echo 'a‸'\n", STRING),
    ],
    "no grammar": [
        ("when (x) {‸\n", OPENING),
        ("when (x) {‸\n    y\n}\n", STATEMENT),
        ("f(‸\n", STATEMENT),
        ("  ‸\n", EMPTY_LINE),
        ("x = ‸\n", STATEMENT),
        ("# x {‸}\n", STATEMENT),
    ],
}  # fmt: skip


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right does not depend on how slow a machine is."""
    monkeypatch.setattr(syntax, "_WINDOWS", tuple((before, after, 5.0) for before, after, _ in syntax._WINDOWS))


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("language", "marked", "place"),
    [(language, marked, place) for language, places in PLACES.items() for marked, place in places],
)
def test_places(language: str, marked: str, place: Place) -> None:
    assert place_at(cursor_at(marked, language)) is place


@pytest.mark.parametrize(
    ("marked", "lines"),
    [
        ("def f():‸\n", 5),
        ("def f():‸\n    pass\n", 1),
        ("    ‸\n", 5),
        ("‸", 5),
        ("x = {‸", 5),
        ("x = ‸\n", 1),
        ("f(‸)\n", 1),
        ("f(‸\n", 1),
        ("f(\n    ‸\n)\n", 1),
        ("return‸\n", 1),
        ("# def f():‸\n", 1),
        ('"""Do.\n\n‸\n"""\n', 1),
    ],
)
def test_several_lines_only_where_a_block_starts_or_goes_on(marked: str, lines: int) -> None:
    assert line_limit(place_at(cursor_at(marked)), 5) == lines


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.languages[0])
def test_every_grammar_is_installed(grammar: grammars.Grammar) -> None:
    assert parser_of(grammar)
    assert all(grammar_of(language) is grammar for language in grammar.languages)


def test_without_its_wheel_a_language_is_judged_as_one_without_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    parser_of.cache_clear()
    syntax._place.cache_clear()
    try:
        assert place_at(cursor_at("# why {‸\n")) is OPENING
    finally:
        parser_of.cache_clear()
        syntax._place.cache_clear()


FILLER = "def g(a, b):\n    '''Do ({[ it.'''\n    return a(b)  # don't\n\n\n"


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(("marked", "place"), PLACES["python"])
def test_a_long_file_is_judged_by_the_text_around_the_cursor(marked: str, place: Place) -> None:
    assert place_at(cursor_at(FILLER * 200 + marked + "\n\n" + FILLER * 100)) is place


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("language", "opener", "closer", "place"),
    [
        ("python", '"""', '"""', STRING),
        ("python", "x = r'''", "'''", STRING),
        ("javascript", "x = `", "`", STRING),
        ("javascript", "/*", "*/", COMMENT),
        ("java", "/**", "*/", COMMENT),
        ("go", "x = `", "`", STRING),
        ("ruby", "=begin\n", "\n=end", COMMENT),
    ],
)
def test_a_window_knows_the_long_text_that_it_begins_in(language: str, opener: str, closer: str, place: Place) -> None:
    prose = "Some words (of a text)\n  that is indented: it goes on.\n" * 200
    assert place_at(cursor_at(f"{opener}{prose}and ‸ so on\n{prose}{closer}\nx = 1\n", language)) is place
    assert place_at(cursor_at(f"{opener}{prose}{closer}\nx = ‸\n", language)) is STATEMENT


@pytest.mark.usefixtures("unhurried")
def test_quotes_hide_what_looks_like_the_beginning_of_a_long_text() -> None:
    line = "x = line == '\"\"\"' or line == '\"\"\"' or y[:4] == r'\"\"\"'  # not '''\n"
    assert place_at(cursor_at(line * 201 + "y = ‸\n")) is STATEMENT
    assert place_at(cursor_at(line * 201 + "y = '‸'\n")) is STRING


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("module", [argparse, ast, difflib, inspect, pydoc, textwrap, typing])
def test_comments_and_strings_are_what_pythons_tokenizer_says(module: ModuleType) -> None:
    text = inspect.getsource(module)
    starts = list(itertools.accumulate((len(line) for line in text.splitlines(keepends=True)), initial=0))
    spans = [
        (starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1], token.type)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    ]
    comments = [(start, end) for start, end, kind in spans if kind == tokenize.COMMENT]
    strings = [(start, end) for start, end, kind in spans if kind == tokenize.STRING]
    rng = random.Random(1)
    for offset in (rng.randrange(len(text)) for _ in range(60)):
        line = text[text.rfind("\n", 0, offset) + 1 : text.find("\n", offset)]
        if re.search(r"\b[a-zA-Z]{1,2}['\"]", line):
            continue  # prefixes; and later versions of the tokenizer take f-strings to pieces
        place = place_at(cursor_at(f"{text[:offset]}‸{text[offset:]}"))
        around = text[max(0, offset - 60) : offset]
        assert (place is COMMENT) == any(start < offset <= end for start, end in comments), around
        assert (place is STRING) == any(start < offset < end for start, end in strings), around


def test_what_takes_too_long_to_parse_is_given_up_and_the_next_text_is_parsed() -> None:
    grammar = grammar_of("python")
    parser = parser_of(grammar) if grammar else None
    assert parser
    assert parser.parse(b"x = 1\n", 1.0)
    assert parser.parse(b"x = 1\n" * 2000, 0.0) is None
    assert parser.parse(b"x = 1\n" * 2001, 1.0), "once may be bad luck"


def test_texts_that_take_too_long_again_and_again_are_spared_for_a_while() -> None:
    grammar = grammar_of("python")
    kept = parser_of(grammar) if grammar else None
    assert kept
    parser = WindowParser(kept._parser)
    for count in range(2000, 2003):
        assert parser.parse(b"x = 1\n" * count, 0.0) is None
    assert parser.parse(b"x = 1\n", 1.0), "another one"
    assert parser.parse(b"x = 1\n" * 2001, 1.0) is None, "much like those that took too long"
    for _ in range(30):
        parser.parse(b"x = 1\n" * 2001, 1.0)
    assert parser.parse(b"x = 1\n" * 2001, 1.0), "tried again after a while"


EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 12),
        st.sampled_from(
            ["", "x", " ", "\n", "\n    ", "(", ")", "]", "{", "'", '"""', "# ", "def f(a):\n", "é漢", "=="]
        ),
    ),
    max_size=12,
)


@pytest.mark.parametrize("language", ["python", "javascript", "rust"])
@settings(max_examples=150, deadline=None)
@given(edits=EDITS)
def test_parsing_what_was_edited_gives_the_tree_of_parsing_it_anew(language: str, edits: list[Any]) -> None:
    grammar = grammar_of(language)
    kept = parser_of(grammar) if grammar else None
    assert kept
    source = FILLER * 8 if language == "python" else "function f(a) { return [a, 'b'] }\n" * 20
    for where, removed, inserted in edits:
        at = int(where * len(source))
        source = source[:at] + inserted + source[at + removed :]
        anew = present(WindowParser(kept._parser).parse(source.encode(), 5.0)).root_node
        is_whole, tree = not anew.has_error, str(anew)
        edited = present(kept.parse(source.encode(), 5.0)).root_node
        assert edited.has_error != is_whole
        assert str(edited) == tree or not is_whole  # what is made of errors may differ


def present(tree: Any) -> Any:
    assert tree is not None
    return tree


@pytest.mark.usefixtures("unhurried")
def test_in_a_long_class_the_window_begins_at_a_method() -> None:
    methods = "    def f(self):\n        '''Do\n    this.\n        '''\n        return 1\n\n" * 200
    assert place_at(cursor_at("class A:\n" + methods + "    def g(self):‸\n")) is OPENING
    assert place_at(cursor_at("class A:\n" + methods + "    def g(self):\n        # why ‸\n")) is COMMENT


PIECES = ["(", ")", "{", "}", "[", "]", '"', "'", "`", '"""', "/*", "*/", "#", "//", "\n",
          "    ", "\t", ":", "x", "def f():", "\0"]  # fmt: skip


@given(
    before=st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES)).map("".join)),
    after=st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES)).map("".join)),
    language=st.sampled_from([grammar.languages[0] for grammar in GRAMMARS]),
)
def test_any_text_is_some_place(before: str, after: str, language: str) -> None:
    marked = f"{before.replace('‸', '')}‸{after.replace('‸', '')}"
    assert place_at(cursor_at(marked, language)) in Place


def test_half_a_surrogate_pair_is_read() -> None:
    assert place_at(cursor_at("x = '\ud83d‸'\n")) is STRING


def _unbalanced(seed: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(PIECES) for _ in range(60_000))


@pytest.mark.parametrize("language", ["python", "javascript", "cpp", "ruby", "rust"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FILLER * 10_000, FILLER * 10_000),
        ("x = '" + "y(" * 500_000, ")" * 500_000),
        ("(" * 100_000, "\n" + ")" * 100_000),
        ("(\n" * 50_000, "\n)" * 50_000),
        ("{\n[\n(\n" * 20_000, "\n"),
        (_unbalanced(1), _unbalanced(2)),
        ("\n" * 100_000, "\n" * 100_000),
    ],
    ids=["100,000 lines", "one line", "open", "open lines", "mixed", "unbalanced", "blank"],
)
def test_no_text_takes_long(language: str, before: str, after: str) -> None:
    place_at(cursor_at("‸", language))  # loads the grammar
    took: list[float] = []
    for number in range(3):  # the garbage of all other tests may be collected in one of them
        cursor = cursor_at(f"{before}{'x' * number}‸{after}", language)
        started = time.thread_time()
        place_at(cursor)
        took.append(time.thread_time() - started)
    assert min(took) < 0.2


@pytest.mark.parametrize(
    ("marked", "indented"),
    [
        ("def f():\n    a = 1\n    ‸\n", True),
        ("def f():\n    for a in b:\n        c(a)\n    ‸\n", True),
        ("def f():\n    a = 1\n    # why:\n    ‸\n", True),
        ("a = 1\n‸\n", True),
        ("‸\n", True),
        ("# why:\n\n‸", True),
        ("def f():\n    ‸\n", False),
        ("def f():\n‸\n", False),
        ("def f():  # why\n    ‸\n", False),
        ("def f():  # why\n‸\n", False),
        ("a = [  # why\n    ‸\n]\n", False),
        ("def f():\n    a = ' #'  # why:\n    ‸\n", True),
        ("def f(a,\n      b):\n    ‸\n", False),
        ("def f(a,\n      b):\n    c()\n    ‸\n", True),
        ("def f():\n    a = 1\n  ‸\n", False),
        ("def f():\n    a = 1\n‸\n", False),
        ("a = f(\n    ‸\n)\n", False),
        ("a = [\n    1,\n    ‸\n]\n", False),
        ("def f():\n    a = b + \\\n    ‸\n", False),
        ("def f():\n    a = ‸\n", False),
        ('def f():\n    """A.\n\n    ‸\n    """\n', False),
    ],
)
def test_where_a_line_has_its_indentation_already(marked: str, indented: bool) -> None:
    cursor = cursor_at(marked)
    assert is_indented(cursor, place_at(cursor)) is indented
    other = cursor_at(marked, "javascript")
    assert not is_indented(other, place_at(other))
