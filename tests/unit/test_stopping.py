"""Where completions end."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.endings import Ending
from inference.healing import Tail
from inference.request import Request
from inference.stopping import completion_end, loop


def check(prefix: str, text: str, kept: str | None, max_lines: int = 5, insist: bool = False, suffix: str = "") -> None:
    """`kept` is what stands before the end, or None where decoding goes on."""
    end = completion_end(text, prefix, max_lines, insist, suffix)
    assert (None if end is None else text[:end]) == kept


@pytest.mark.parametrize(("text", "kept"), [("a b", None), ("a\nb", "a"), ("\n", ""), ("", None)])
def test_one_line(text: str, kept: str | None) -> None:
    check("x = ", text, kept, max_lines=1)


@pytest.mark.parametrize(
    ("prefix", "text", "kept"),
    [
        ("def f():", "\n    return 1\n", None),
        ("def f():", "\n    return 1\n\n", "\n    return 1"),
        ("def f():", "\n    return 1\ndef", "\n    return 1"),
        ("def f():", "\n    return 1\nd", "\n    return 1"),
        ("    if x:", "\n        y()\n    else", "\n        y()"),
        ("    ", "a = 1\n    b = 2\nc", "a = 1\n    b = 2"),
        ("function f() {", "\n  return 1\n}\n\n", "\n  return 1\n}"),
        ("x = {", "\n    1,\n}\ny", "\n    1,\n}"),
        ("\tif x:", "\n\t\ty()\n\tz", "\n\t\ty()"),
        ("", "a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\ne"),
        ("def f():", "\n\n    x", None),
        ("def f():", "\n\n    x\n\n", "\n\n    x"),
        ("def f():", "\nx", ""),
        ("    x = 1", "\n    y = 2\n  z", "\n    y = 2"),
        ("def f():", '\n    """A.\n\n    B.\n    """\n    x\n\n', '\n    """A.\n\n    B.\n    """\n    x'),
        ("def f():", '\n    """A.\n\n    B.\n', None),
        ("", 'a = """\nb\n\n"""\nc\n\n', 'a = """\nb\n\n"""\nc'),
        ("    ", 'a = """\nb\n"""\nc\n', 'a = """\nb\n"""'),
        ("  ", "const a = `\nb\n\n`;\n  c\n\n", "const a = `\nb\n\n`;\n  c"),
        ("", 'a = """\n1\n2\n3\n4\n5\n"""', 'a = """\n1\n2\n3\n4'),
        ("    ", "q = f'''\nSELECT\n'''\n    run(q)\n\ndef", "q = f'''\nSELECT\n'''\n    run(q)"),
        ("```sh\n", "pip install fimd\n```\n\nMore", "pip install fimd\n```"),
        ("  ", "#size() {\n    return 1;\n  }\n}", "#size() {\n    return 1;\n  }"),
        ("  ", "# if {\n  a = 1\n}", "# if {\n  a = 1"),
    ],
)
def test_blocks(prefix: str, text: str, kept: str | None) -> None:
    check(prefix, text, kept)


def test_the_end_never_moves_back_as_text_grows() -> None:
    text = "\n    a = 1\n    if a:\n        b()\n    return a\n\nx = 1"
    ends = [completion_end(text[:length], "def f():", 10) for length in range(len(text) + 1)]
    found = [end for end in ends if end is not None]
    assert len(set(found)) == 1
    assert ends[ends.index(found[0]) :] == found


@pytest.mark.parametrize("text", ["set_set_set_set_", "a" * 16, "f(os.path, os.path, os.path, os.path, "])
def test_a_decoder_that_loops_has_nothing_to_say(text: str) -> None:
    check("x = ", text, "", max_lines=1)
    check("x = ", text, "")


def test_lines_before_a_loop_are_kept() -> None:
    check("def f():", "\n    return x\n    " + "set_" * 4, "\n    return x")


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\nb", "a"), ("\n\n    b = 1\nc", "\n\n    b = 1"), ("\n\n", None), ("\n    b", None)],
)
def test_whoever_insists_at_the_end_of_a_line_gets_the_next_one(text: str, kept: str | None) -> None:
    check("x = 1", text, kept, max_lines=1, insist=True)


@pytest.mark.parametrize("text", ["1, 1, 1, 1", "x[0][0][0]", " " * 40, "'-' * 4", "a" * 15])
def test_short_repetition_is_code(text: str) -> None:
    check("x = ", text, None)


@pytest.mark.parametrize(
    ("prefix", "text", "kept"),
    [
        ("        return x", "\n\n    def g(self):\n        pass\n\n", "\n\n    def g(self):\n        pass"),
        ("        return x", "\n    y\nz", "\n    y"),
        ("    ", "\n\nx = 1\n\n", "\n\nx = 1"),
    ],
)
def test_whoever_insists_may_be_led_out_of_the_block(prefix: str, text: str, kept: str) -> None:
    check(prefix, text, kept, insist=True)
    check(prefix, text, "")


@pytest.mark.parametrize(
    ("marked", "text", "kept"),
    [
        ("a = 1\n‸\nreturn a\n", "b = 2\nreturn a\n", "b = 2"),
        ("a = 1\n‸\nreturn a\n", "b = 2\nreturn a", None),
        ("a = 1\n‸\nreturn a\n", "b = 2\nreturn a + 1\n", None),
        ("a = 1\n‸\n\n\nreturn a\n", "return a\n", ""),
        ("a = 1\nret‸\nreturn a\n", "urn a\n", ""),
        ("def f():\n    ‸\n    return a\n", "if a:\n        return a\n", None),
        ("def f():\n    ‸\n    return a\n", "if a:\n        b()\n    return a\n", "if a:\n        b()"),
        ("f {‸\n}\n", "\n  a\n}\n", "\n  a\n}"),
    ],
)
def test_stops_in_front_of_the_line_that_follows(marked: str, text: str, kept: str | None) -> None:
    prefix, suffix = marked.split("‸")
    check(prefix, text, kept, suffix=suffix)


@pytest.mark.parametrize(
    ("prefix", "text", "kept"),
    [
        ("f(function () {", "\n  a();\n});\nb();", "\n  a();\n});"),
        ("void f() {", "\n a();\n}\nb", "\n a();\n}"),
        ("void f() {", "\n a(')');\n", None),
        ("void f() {", "\n a('", None),
        ("void f() {", "\n a(')", None),
        ("void f() {", "\n if (a) {\n b();\n }\n c", None),
        ("void f() {\n", "a();\n}\nb", "a();"),
        ("void f() {\n", "if (a) { b(); } }", "if (a) { b(); } "),
        ("", "it's (a) b)\n", "it's (a) b"),
        ("x = {", "\n 1: a,\n}\ny", "\n 1: a,\n}"),
        ("def f():\n", "    return 1\nx = 2", "    return 1"),
        ("void f() {\n", "a(); // b)\nc();", None),
        ("if x {", "\n  a()\n} else {\n  b()\n}\nc", "\n  a()\n} else {\n  b()\n}"),
    ],
)
def test_blocks_end_with_their_brackets(prefix: str, text: str, kept: str | None) -> None:
    check(prefix, text, kept, max_lines=9)


@pytest.mark.parametrize(
    ("marked", "text", "kept"),
    [
        ("f(\n    ‸\n)\n", "a)", "a"),
        ("f(\n    ‸\n)\n", "g(a)", None),
        ("f(\n    ‸\n)\n", "a]", None),
        ("f(\n    ‸\n", "a)", None),
        ("f(\n    b, ‸\n)\n", ")", ""),
        ("f(\n    b, ‸\n)\n", "a()[0], ']))', c)", "a()[0], ']))', c"),
    ],
)
def test_a_line_ends_in_front_of_the_bracket_that_follows_below(marked: str, text: str, kept: str | None) -> None:
    prefix, suffix = marked.split("‸")
    check(prefix, text, kept, max_lines=1, suffix=suffix)
    check(prefix, text, kept, max_lines=1, suffix=suffix, insist=True)


PIECES = st.lists(
    st.sampled_from(
        ["x", " ", "\n", "    ", "(", ")", "{", "}", "'", '"', "'''", "a = 1\n", "#", "// ", ":", "\\", "`"]
    )
).map("".join)


@given(text=PIECES, prefix=PIECES, suffix=PIECES, max_lines=st.integers(1, 6), insist=st.booleans())
def test_the_end_lies_in_the_text_and_leaves_no_blanks_only(
    text: str, prefix: str, suffix: str, max_lines: int, insist: bool
) -> None:
    end = completion_end(text, prefix, max_lines, insist, suffix)
    assert end is None or 0 <= end <= len(text)
    if max_lines > 1 and end:
        assert text[:end].strip()


def test_looking_for_the_end_takes_no_longer_in_a_large_file() -> None:
    text = "\n    a = f(b, 'c')" * 5
    started = time.thread_time()
    for _ in range(100):
        completion_end(text, "(" * 10**6 + "{", 6, False, " " * 10**6 + "\n" * 10**6)
    assert time.thread_time() - started < 1


GROWING = st.lists(
    st.sampled_from(
        [*"abc x1.,:;()[]{}<>=#/`'\"\\\n\t", "    ", "\n    ", "\n\n", '"""', "//", "return", "x)", "é", "\n}", ");"]
    ),
    max_size=24,
)
LINES = st.sampled_from(
    ["", "    ", "x = ", "f(", "f(a, [", "def f():", "    if x {", "s = '", 's = """', "  # it's", "})", "\t"]
)


@settings(max_examples=600, deadline=None)
@given(
    pieces=GROWING,
    above=st.sampled_from(["", "class A:\n", "x = (\n"]),
    line=LINES,
    suffix=st.sampled_from(["", ")", "]\n", "\n    x)\n", "\nreturn\n", "\n}\n"]),
    closers=st.sampled_from(["", ")", "])", '"', "')", '"""', "}'", "`"]),
    max_lines=st.integers(1, 4),
    insist=st.booleans(),
    word_only=st.booleans(),
    tail=st.sampled_from(["", "ab", " x"]),
)
def test_looking_only_where_a_token_can_tell_finds_the_same_end(
    pieces: list[str],
    above: str,
    line: str,
    suffix: str,
    closers: str,
    max_lines: int,
    insist: bool,
    word_only: bool,
    tail: str,
) -> None:
    request = Request(
        prefix=above + line,
        suffix=suffix,
        closers=closers,
        max_tokens=64,
        max_lines=max_lines,
        insist=insist,
        word_only=word_only,
    )
    growing = Ending(request, Tail(tail, ()))
    text = tail
    for piece in ["", *pieces]:
        text += piece
        expected = Ending(request, Tail(tail, ()))(text)  # one that has seen nothing before looks at everything
        assert growing(text) == expected, text
        if expected[1]:
            break


def loop_by_trying(text: str) -> tuple[int, int] | None:
    for period in range(4, len(text) // 4 + 1):
        piece = text[-period:]
        if piece.strip() and text.endswith(piece * 4):
            return len(text) - 4 * period, period
    return None


@settings(max_examples=400, deadline=None)
@given(st.text("ab -\n", max_size=12), st.text("ab -\n", max_size=6), st.integers(0, 20), st.text("ab ", max_size=3))
def test_loops_are_found_wherever_they_are(before: str, piece: str, times: int, after: str) -> None:
    for text in (before + piece * times, before + piece * times + after):
        assert loop(text) == loop_by_trying(text)
