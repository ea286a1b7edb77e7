"""What is shown of what the model wrote: written as buffer with cursor, completion, and what is left of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.formats import control_names
from lsp_server.trimming import STEPS, trim
from tests.marked import cursor_at


def check(marked: str, completion: str, shown: str, *, is_cut: bool = False, language: str = "python") -> None:
    assert trim(completion, cursor_at(marked, language), is_cut=is_cut) == shown


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("x = ‸\n", "1", "1"),
        ("x = ‸\n", "1   ", "1"),
        ("x = ‸\n", "   ", ""),
        ("def f():‸\n", "\n    return 1  \n", "\n    return 1"),
        ("def f():‸\n", "\n    a = 1\t\n\n    return 1\n\n\n", "\n    a = 1\n\n    return 1"),
    ],
)
def test_trailing_blanks(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("print(‸)", "x)", "x"),
        ("print(‸)", "x))", "x"),
        ("print(‸)", "f(x)", "f(x)"),
        ("print(‸)", "f(x))", "f(x)"),
        ("x = [‸]", "1, 2]", "1, 2"),
        ("s = '‸'", "abc'", "abc"),
        ('s = f("‸")', 'abc")', "abc"),
        ("if (‸):", "x > 1):", "x > 1"),
        ("x = ‸ + offset", "start + offset", "start"),
        ("x = ‸ + offset", "start + offset * 2", "start"),
        ("x = ‸ + offset", "start + off", "start"),
        ("x = ‸ + offset", "start", "start"),
        ("x = ‸ + offset", "+ offset", ""),
        ("x = ‸ foo", "food(bar)", "food(bar)"),
        ("x = ‸ foo", "a if foo else b", "a if"),
        ("f(‸)", "x)\ng()", "x"),
        ("x = ‸  # why\n", "1  # why", "1"),
        ("return ‸ if x else None", "value if x else None", "value"),
        ("let x = ‸;", "f(1);", "f(1)"),
        ("x = {a: ‸,\n}", "f(1),", "f(1)"),
        ("if ‸:", "x == 1:", "x == 1"),
        ("[‸, 2]", "x,", "x"),
        ("x = ‸  # note", "value  # mine", "value"),
        ("x = ‸  # note", "'a # b'  # mine", "'a # b'"),
        ("<img‸ />", ' src="a" />', ' src="a"'),
        ("if (‸) {", "a == 1) {", "a == 1"),
        ("for ‸ {", "i := range x {", "i := range x"),
        ("let x: Vec<‸>;", "u8>", "u8"),
        ("let x: Vec<‸>;", "Vec<u8>", "Vec<u8>"),
        ("def f(‸) -> int:", "a, b) -> int:", "a, b"),
        ("f(a, ‸c)", "b, ", "b, "),
    ],
)
def test_what_already_follows_is_not_repeated(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown.rstrip())


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("na‸me = 1", "me = 1", ""),
        ("na‸me = 1", "me", ""),
        ("na‸me = 1", "me_of", "me_of"),
        ("na‸me = 1", "tiona", "tiona"),
        ("na‸me = 1", "tioname", "tiona"),
        ("x.ap‸pend(1)", "pend(value)", ""),
        ("x.ap‸", "pend(value)", "pend(value)"),
    ],
)
def test_in_the_middle_of_an_identifier_its_rest_is_not_repeated(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("a = 1\n‸\nreturn a\n", "b = 2\nreturn a", "b = 2"),
        ("a = 1\n‸\nreturn a\n", "return a", ""),
        ("a = 1\n‸\n\n\nreturn a\n", "return a", ""),
        ("f(\n    ‸\n)\n", "x,\n    y,", "x,\n    y,"),
        ("a = 1\nret‸\nreturn a\n", "urn a", ""),
        ("a = 1\nret‸\nreturn a\n", "urn a\nb = 2", ""),
        ("‸\nreturn a\n", "\n\nreturn a", ""),
        ("def f():\n    ‸\n    return a\n", "if a:\n        return a", "if a:\n        return a"),
        ("def f():\n    ‸\n    return a\n", "if a:\n        b()\n    return a\n    c()", "if a:\n        b()"),
    ],
)
def test_the_next_line_is_not_repeated(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("if (x) {‸\n}\n", "\n  y();\n}", "\n  y();"),
        ("  if (x) {‸\n}\n", "\n    y();\n  }", "\n    y();\n  }"),
        ("a = 1\n‸\nb = 2\nc = 3\n", "x = 0\nb = 2\nc = 3", "x = 0"),
        ("a = 1\n‸\nb = 2\n\nc = 3\n", "x = 0\nb = 2\nc = 3", "x = 0"),
        ("f(‸\n)\ng()\n", "\n    a,\n)\ng()", "\n    a,"),
        ("x = [\n    ‸\n]\n", "1,\n]", "1,"),
        ("class A {\n  f() {\n    ‸\n  }\n}\n", "return 1;\n  }\n}", "return 1;"),
        ("a = 1\n‸\nb = 2\n", "x = 0\nc = 3", "x = 0\nc = 3"),
    ],
)
def test_lines_that_follow_are_not_repeated(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown, language="javascript")


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("x = ‸", "foo(bar, foo(bar, foo(bar, ", ""),
        ("x = ‸", "a or bcd or bcd or bcd or bcd or", ""),
        ("    ‸", "go(a)\n    x = a or bcd or bcd or bcd or bcd", "go(a)"),
        ("x = ‸", "here.parent.parent.parent", "here.parent.parent.parent"),
        ("a, b, c, d = ‸", "None, None, None, None", "None, None, None, None"),
        ("x: tuple[‸]", "int, int, int, int", "int, int, int, int"),
        ("‸", "x = read()\nx = read()", "x = read()"),
        ("‸", "a = read()\nb = a\na = read()\nb = a\na =", "a = read()\nb = a"),
        ("    ‸", "go(a)\n    go(a)\n    go(a)", "go(a)"),
        ("    ‸", "go(a)\ngo(a)", "go(a)\ngo(a)"),
        ("def f():‸", "\n    go(1)\n    go(1)\n    go(1)", "\n    go(1)"),
        ("x = ‸", "[0, 0, 0, 0, 0, 0, 0]", "[0, 0, 0, 0, 0, 0, 0]"),
        ("x = ‸", "a[0][0][0]", "a[0][0][0]"),
        ("x = ‸", "0, 0, 0, 0, 0, 0, 0, 0", "0, 0, 0, 0, 0, 0, 0, 0"),
        ("# ‸", "----------------------", "----------------------"),
        ("‸", "    end\n  end\nend", "    end\n  end\nend"),
        ("x = ‸", "very very good", "very very good"),
    ],
)
def test_circles_are_cut_after_the_first_round(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("x.append(1)\n‸", "x.append(1)", ""),
        ("x.append(1)\nx.ap‸", "pend(1)", ""),
        ("x.append(1)‸\n", "\nx.append(1)", ""),
        ("a = 1\nb = 2\n‸", "a = 1\nb = 2", ""),
        ("a = 1\nbcd = 2\n\n‸", "bcd = 2", ""),
        ("    x.append(1)\n‸", "x.append(1)", "x.append(1)"),
        ("x.append(1)\n‸", "x.append(1)\nx.append(2)", "x.append(1)\nx.append(2)"),
        ("}\n‸", "}", "}"),
        ("x.append(1)\n‸", "x.append(2)", "x.append(2)"),
    ],
)
def test_a_repetition_of_the_lines_above_is_no_suggestion(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


TABS = "def f():\n\tif x:\n\t\treturn 1\n\n"
TWO = "def f():\n  if x:\n    return 1\n\n"
FOUR = "def f():\n    if x:\n        return 1\n\n"


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        (TABS + "def g():‸", "\n    return 1", "\n\treturn 1"),
        (TABS + "def g():‸", "\n  if y:\n    return 1", "\n\tif y:\n\t\treturn 1"),
        (TABS + "def g():\n\tif x:‸", "\n        return 1", "\n\t\treturn 1"),
        (TABS + "def g():\n\tif x:‸", "\n\t\treturn 1", "\n\t\treturn 1"),
        (TABS + "def g():\n\t‸", "a = 1\n    return a", "a = 1\n\treturn a"),
        (TWO + "def g():‸", "\n    return 1", "\n  return 1"),
        (TWO + "def g():‸", "\n    if y:\n        z()\n    return 1", "\n  if y:\n    z()\n  return 1"),
        (TWO + "def g():\n  ‸", "if y:\n      z()\n  return 1", "if y:\n    z()\n  return 1"),
        (TWO + "def g():‸", "\n\tif y:\n\t\tz()", "\n  if y:\n    z()"),
        (FOUR + "def g():‸", "\n  return 1", "\n    return 1"),
        (FOUR + "def g():‸", "\n    return 1", "\n    return 1"),
        (FOUR + "def g():‸", "\n\treturn 1", "\n    return 1"),
        (TWO + "def g():\n  ‸", "x = f(a,\n        b)", "x = f(a,\n        b)"),
        ("def g():‸", "\n  return 1", "\n  return 1"),
        (TABS + "def g():‸", '\n    """A.\n\n        B.\n    """\n    x()', '\n\t"""A.\n\n        B.\n    """\n\tx()'),
        (TABS + 'S = """‸\n"""', "\n    text\n        more", "\n    text\n        more"),
    ],
)  # fmt: skip
def test_the_files_own_indentation(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


def test_a_label_is_no_deeper_than_what_it_belongs_to() -> None:
    go = "func f(x int) int {\n\tif x {\n\t\tg()\n\t}\n\t‸\n}\n"
    text = "switch x {\n    case 1:\n        return 1\n    }"
    check(go, text, "switch x {\n\tcase 1:\n\t\treturn 1\n\t}", language="go")
    text = "if x {\n        return 1\n    }"
    check(go, text, "if x {\n\t\treturn 1\n\t}", language="go")


@pytest.mark.parametrize("name", sorted(control_names() - {"<s>", "</s>"}))
def test_a_control_token_that_was_spelled_out_ends_the_text(name: str) -> None:
    check("x = ‸", f"1{name}2", "1")
    check(f"# {name}\nx = ‸", f'"{name}"', f'"{name}"')


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("x = ‸", "1<|endoftext|>\ny", "1"),
        ("x = ‸", "<fim_middle>x", ""),
        ("x = ‸", "1<fim_mi", "1"),
        ("x = ‸", "a <| b", "a <| b"),
        ("x = ‸", "a < b | c > d", "a < b | c > d"),
        ("x = ‸", "List<String>()", "List<String>()"),
        ("x = ‸", "'<s>bold</s>'", "'<s>bold</s>'"),
        ("print(‸", "'usage: cat <filename>')", "'usage: cat <filename>')"),
        ('x = "‸', '<unk>", "<pad>"]', '<unk>", "<pad>"]'),
        ("print(‸", "'a')<filename>b", "'a')"),
        ("x = '‸", "a<|endoftext|>b", "a"),
    ],
)
def test_spelled_control_tokens_and_what_looks_like_them(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("def f():‸", "\n    a = 1\n    return fo", "\n    a = 1"),
        ("def f():‸", "\n    a = 1\n    return foo()", "\n    a = 1"),
        ("x = ‸", "foo(bar, ba", "foo(bar"),
        ("x = ‸", "foo(ba", "foo"),
        ("x = ‸", "foo(bar)", "foo(bar)"),
        ("x = ‸", "fo", ""),
        ("# this ‸", "gives the val", "gives the"),
        ("def f():‸", "\n    return fo", "\n    return"),
        ("x = ‸", "", ""),
    ],
)
def test_what_the_token_limit_has_cut_through_is_left_out(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown, is_cut=True)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("def f():‸", "\n    a = 1\n    if a:\n        retu", "\n    a = 1"),
        ("def f():‸", "\n    a = g(\n        1,\n        2,\n        3", "\n    a = g(\n        1,\n        2,"),
        ("def f():‸", "\n    b()\n    a = g(\n        1,\n        2", "\n    b()"),
        ("def f():‸", "\n    b()\n    a = 1 + \\\n        2", "\n    b()"),
        ("def f():\n    ‸", "if a:\n        retu", "if a:"),
        ("def f():\n    ‸", "if a:\n        b()\n    else:\n        retu", "if a:\n        b()"),
        ("def f():‸", "\n    with a as b:\n        retu", "\n    with a as b:"),
        ("‸\n", "# Copyright 2024\n# All rights", "# Copyright 2024"),
        ("def f():\n    ‸", "for a in b:\n        c(a)\n", "for a in b:\n        c(a)"),
        ("def f():\n    ‸", "a = 1\n    b = [\n        1,\n    ]\n    ", "a = 1\n    b = [\n        1,\n    ]"),
        ("def f():\n    ‸", "a = b(1)\n    c = b(2)\n    # then we ha", "a = b(1)\n    c = b(2)"),
        ("x = {\n    ‸\n}", '"a": 1,\n    "b": 2,\n    "c": 3', '"a": 1,\n    "b": 2,'),
        (
            "def f():\n    ‸",
            "a()\n    m = d[(b + c) // 2]\n    n = 1\n    retu",
            "a()\n    m = d[(b + c) // 2]\n    n = 1",
        ),
        ("class A:\n    ‸", "@property\n    def b(self):\n        retu", "@property\n    def b(self):"),
    ],
)
def test_the_token_limit_leaves_whole_statements(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown, is_cut=True)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("def f():\n    ‸", "a = 1\n        return a", "a = 1"),
        ("def f():\n    ‸", "a = 1  # b:\n        return a", "a = 1  # b:"),
        ("def f():\n    ‸", "a = (1 +\n         2)\n    return a", "a = (1 +\n         2)\n    return a"),
        ("def f():\n    ‸", "a = 1 + \\\n        2\n    return a", "a = 1 + \\\n        2\n    return a"),
        ("def f():\n    ‸", 'a = """\n  b\n"""\n    return a', 'a = """\n  b\n"""\n    return a'),
        ("def f():\n    ‸", "if a:\n        b()\n    else:\n        c()", "if a:\n        b()\n    else:\n        c()"),
        ("def f():\n    ‸", "if a:\n        b()\n      c()", "if a:\n        b()"),
        ("def f():\n    ‸", "if a:\n    b()", "if a:"),
        ("def f():\n    ‸", "a()\n    if b:\n    c()", "a()"),
        ("def f():\n    ‸", "a()\n    if b:", "a()"),
        ("def f():\n    ‸", "a()\n    if b:\n        # why", "a()"),
        ("def f():\n    ‸\n        b()", "a()\n    if b:", "a()\n    if b:"),
        ("    if a:\n        ‸", "b()\n    c()", "b()\n    c()"),
        ("def f():‸", "\n    a()", "\n    a()"),
        ("class A:\n    def f(self,\n          ‸", "a):\n        b()", "a):\n        b()"),
        ("def f(a,\n      b):‸", "\n    return a", "\n    return a"),
        ("if a and \\\n        b:‸", "\n    return a", "\n    return a"),
        (
            "def f(\n    a,\n):‸",
            "\n    x = g(\n        a\n            .b()\n    )\n    c()",
            "\n    x = g(\n        a\n            .b()\n    )\n    c()",
        ),
        (
            "def f():\n    ‸",
            "with a as b, \\\n            c as d:\n        e()",
            "with a as b, \\\n            c as d:\n        e()",
        ),
        ("def f():\n    ‸", 'for a in b(" #"):\n        c()', 'for a in b(" #"):\n        c()'),
        ("def f():\n    ‸", "if a:#b\n        c()", "if a:#b\n        c()"),
        ("def f():‸", "\n    with a as b:", "\n    with a as b:"),
        ("class A:\n    ‸", "def f(self):\n        a()\n\n    @b\n    def c(self):", "def f(self):\n        a()"),
        ("class A:\n    ‸", "@b\n    def c(self):", "@b\n    def c(self):"),
        ("def f():\n    ‸", "try:\n        a()\n    except B:", "try:\n        a()\n    except B:"),
        ("def f():\n    ‸", "a()\n    m = d[(b + c) // 2]\n    if m:", "a()\n    m = d[(b + c) // 2]"),
        ("x = [\n    ‸\n]", '"a"\n        "b",\n    "c",', '"a"\n        "b",\n    "c",'),
        (
            "x = [\n" + 200 * '    "a long entry",\n' + "    ‸\n]",
            '"a"\n        "b",\n    "c",',
            '"a"\n        "b",\n    "c",',
        ),
        (
            "def f():\n    ‸",
            "try:\n        a()\n    except B:\n        c()\n    finally:",
            "try:\n        a()\n    except B:\n        c()",
        ),
        ("def f():\n    ‸", "a()\n    exceptions:", "a()"),
        ("def f(x):\n    if ‸", "x:\n        for a in x:", "x:"),
        ("class A:‸", "\n    def b(self):", "\n    def b(self):"),
        ("x = [\n    a‸", "\n        .b()\n        .c(),\n]", "\n        .b()\n        .c(),\n]"),
        ("def f():\n    a = 1\n    ‸", "\n        return a", ""),
        ("def f():\n    a = 1\n    ‸", "    return a\n    b()", ""),
        ("def f():\n    if a:\n        ‸", "b()\n      c()", "b()"),
        ("def f():\n    if a:\n        ‸", "b()\n    c()", "b()\n    c()"),
    ],
)
def test_blocks_are_whole(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


def test_blocks_of_other_languages_are_left_alone() -> None:
    text = "a();\n      b();\n  if (c) {"
    check("function f() {\n  ‸", text, text, language="javascript")


PIECES = st.lists(
    st.sampled_from([
        "x", "(", ")", "'", '"', " ", "\n", "    ", "\t", "é", "😀", "return", ")]}", "x = 1\n", "<fim_middle>", ":",
        "{", "{\n", "  ", '"""', ", ",
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@given(before=PIECES, after=PIECES, completion=PIECES, is_cut=st.booleans())
def test_trimming_only_ever_removes_but_for_white_space(before: str, after: str, completion: str, is_cut: bool) -> None:
    shown = trim(completion, cursor_at(f"{before}‸{after}"), is_cut=is_cut)
    left = iter("".join(completion.split()))
    assert all(character in left for character in "".join(shown.split())), "a subsequence of what the model wrote"
    assert shown == "" or shown.strip()


@given(before=PIECES, after=PIECES, completion=PIECES, is_cut=st.booleans())
def test_trimming_is_idempotent(before: str, after: str, completion: str, is_cut: bool) -> None:
    cursor = cursor_at(f"{before}‸{after}")
    shown = trim(completion, cursor, is_cut=is_cut)
    assert trim(shown, cursor) == shown


@given(before=PIECES, after=PIECES, completion=PIECES)
def test_what_trimming_leaves_is_not_what_follows(before: str, after: str, completion: str) -> None:
    cursor = cursor_at(f"{before}‸{after}")
    shown = trim(completion, cursor)
    rest = cursor.line_suffix.strip()
    assert not (len(rest) >= 3 and shown.split("\n")[0].endswith(rest))
    assert not any(line != line.rstrip() for line in shown.split("\n"))


@given(
    before=st.text(max_size=60).filter(lambda text: "‸" not in text),
    after=st.text(max_size=60).filter(lambda text: "‸" not in text),
    completion=st.text(max_size=120),
    language=st.sampled_from(["python", "javascript", "c", "unknown"]),
)
def test_trimming_never_raises(before: str, after: str, completion: str, language: str) -> None:
    trim(completion, cursor_at(f"{before}‸{after}", language), is_cut=True)


def test_every_step_leaves_empty_text_empty() -> None:
    for step in STEPS:
        assert not step("", cursor_at("a‸b"))


@pytest.mark.parametrize(
    "marked",
    ["x = 1\n" * 50_000 + "x = ‸\n" + "y = 1\n" * 50_000, "(" * 10**6 + "‸" + ")" * 10**6, "‸" + "\n" * 10**6],
    ids=["lines", "brackets", "blank lines"],
)
def test_trimming_takes_no_longer_in_a_large_file(marked: str) -> None:
    cursor = cursor_at(marked)
    text = "value(a, b)\n    c = d(e)\n" * 12
    trim(text, cursor)  # loads what is needed
    started = time.thread_time()
    trim(text, cursor)
    assert time.thread_time() - started < 0.2
