"""What became of suggestions, told from edits of a real document: every suggestion gets exactly one outcome."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.documents import Document, Edit, Position
from lsp_server.edit_matching import inserted_at, reached, smallest
from lsp_server.feedback import Feedback
from lsp_server.position_encoding import PositionEncoding
from lsp_server.shown import Offer, Outcome, Verdict
from tests.marked import MARK

URI = "file:///a.py"
SHARED = "def f():\n    "


class Person:
    """Types into a document that shows suggestions."""

    def __init__(self, marked: str) -> None:
        before, after = marked.split(MARK)
        self.document = Document(URI, "python", 1, before + after, PositionEncoding.UTF32)
        self.cursor = len(before)
        self.outcomes: list[Outcome] = []
        self.feedback = Feedback(self.outcomes.append)
        self.now_s = 0.0

    def see(self, text: str, *others: str, language: str = "python") -> None:
        """Ghost text appears at the cursor."""
        self.feedback.asked(URI, self.cursor, self.now_s)
        offer = Offer(URI, language, self.document.text, self.cursor, self.cursor, text, others=others)
        self.feedback.shown(offer, self.now_s)

    def edit(self, *changes: tuple[int, int, str]) -> None:
        """Replace from one index to another, in one notification; the cursor goes behind the last change."""
        edits: list[Edit] = []
        for start, end, text in changes:
            edits.append(self.document.replace(self._at(start), self._at(end), text))
            self.cursor = start + len(text)
        self.feedback.edited(URI, edits, self.now_s)

    def type(self, *texts: str) -> None:
        """Insert each text at the cursor, one notification each."""
        for text in texts:
            self.edit((self.cursor, self.cursor, text))

    def backspace(self, count: int = 1) -> None:
        self.edit((self.cursor - count, self.cursor, ""))

    def would_see(self, text: str) -> bool:
        """Whether an automatic request at the cursor would be answered with this text."""
        before, after = self.document.text[: self.cursor], self.document.text[self.cursor :]
        return not self.feedback.is_rejected(URI, before, after, text, self.now_s)

    def verdicts(self) -> list[str]:
        """The verdicts of all suggestions, after the session has ended."""
        self.feedback.ended(self.now_s)
        return [outcome.verdict.value for outcome in self.outcomes]

    def saved(self) -> int:
        self.feedback.ended(self.now_s)
        return sum(outcome.saved_characters for outcome in self.outcomes)

    def _at(self, index: int) -> Position:
        return self.document.position_at(index)


def person(marked: str, text: str) -> Person:
    """A person who has just been shown `text` at the mark."""
    one = Person(marked)
    one.see(text)
    return one


@pytest.mark.parametrize("others", [("second(2)", "first(3)"), ("third", "second(2)")])
def test_another_one_of_those_offered_is_accepted(others: tuple[str, str]) -> None:
    one = Person("x = ‸\n")
    one.see("first(1)", *others)
    one.type("second(2)")
    one.now_s = 20
    assert one.verdicts() == ["accepted"]
    assert one.saved() == len("second(2)") - 1
    assert not one.feedback.is_rejected(URI, "x = ", "\n", "first(1)", 20)


def test_another_one_is_accepted_word_by_word() -> None:
    one = Person("x = ‸\n")
    one.see("first(1)", "first(a + b)", "second")
    one.type("first(")
    one.see("1)", "a + b)")
    one.type("a +")
    one.type(" b)")
    assert one.verdicts() == ["accepted"]
    assert one.saved() == len("first(a + b)") - 3


def test_another_one_is_accepted_after_a_key_that_both_begin_with() -> None:
    one = Person("x = ‸\n")
    one.see("first(1)", "first(a + b)")
    one.type("f")
    one.see("irst(1)")
    one.type("irst(a + b)")
    assert one.verdicts() == ["accepted"]


def test_keys_choose_none_of_those_offered() -> None:
    one = Person("x = ‸\n")
    one.see("first(1)", "second(2)", "()")
    one.type("s", "e", "t", "u", "p")
    assert one.verdicts() == ["rejected"]
    assert one.feedback.is_rejected(URI, "x = ", "\n", "first(1)", 0)
    assert not one.feedback.is_rejected(URI, "x = ", "\n", "second(2)", 0)


def test_accepted_as_a_whole_in_one_edit() -> None:
    one = person("x = ‸\n", "value + 1")
    one.type("value + 1")
    assert not one.outcomes, "it may still be undone"
    one.now_s += 11
    one.type(" ")
    assert one.outcomes == [Outcome(Verdict.ACCEPTED, "python", 8)]


@pytest.mark.parametrize(
    ("marked", "text", "change"),
    [
        ("os.pa‸\n", "th.join(", (3, 5, "path.join(")),  # a word replaced, as popups do
        ("x = ‸\n", "value", (0, 4, "x = value")),  # the line replaced up to the cursor
        ("x = ‸\ny", "value", (0, 6, "x = value\ny")),  # lines replaced
        ("def f():‸\nx\n", "\n    return 1", (9, 9, "    return 1\n")),  # lines compared, as Neovim does
        ("f(‸)\n", "g(1)", (2, 3, "g(1))")),
        ("if x:‸\n", "\n    a = 1\n    b = 2", (5, 5, "\n\ta = 1\n\tb = 2")),  # indented by the editor
        ("    if x:‸\n", "\n    a = 1", (9, 9, "\n        a = 1")),
        ("    if x:‸\n", "\n        a()\n\n        b()", (9, 9, "\n    a()\n\n    b()")),
        ("def f():‸\r\nx\r\n", "\r\n    return 1", (8, 8, "\r\n    return 1")),
        ("def f():‸\r\nx\r\n", "\r\n    return 1", (8, 8, "\n    return 1")),
    ],
)
def test_accepted_in_whatever_form_the_client_tells_it(marked: str, text: str, change: tuple[int, int, str]) -> None:
    one = person(marked, text)
    one.edit(change)
    assert one.verdicts() == ["accepted"]


def test_accepted_with_an_import_added_above_in_the_same_notification() -> None:
    one = person("\nx = ‸\n", "json.loads(text)")
    one.edit((0, 0, "import json\n"), (17, 17, "json.loads(text)"))
    assert one.document.text == "import json\n\nx = json.loads(text)\n"
    assert one.verdicts() == ["accepted"]


def test_the_rest_accepted_after_its_start_was_typed_and_shown_again() -> None:
    one = person("x = ‸", "value")
    one.type("v")
    one.see("alue")
    one.type("a")
    one.see("lue")
    one.type("lue")
    assert (one.verdicts(), one.saved()) == (["accepted"], 2)


def test_words_and_lines_accepted_one_after_the_other_are_one_suggestion() -> None:
    one = person("‸\n", "value = compute(1)\nreturn value")
    one.type("value ")
    one.see("= compute(1)\nreturn value")
    one.type("= compute(1)")
    one.see("\nreturn value")
    one.type(")")
    one.type("oops")
    assert (one.verdicts(), one.saved()) == (["partly_accepted"], 5 + 11)


def test_parts_accepted_to_the_end_are_the_whole() -> None:
    one = person("‸\n", "value = compute(1)")
    one.type("value", " = ", "compute(1)")
    assert (one.verdicts(), one.saved()) == (["accepted"], 4 + 9)


def test_typed_key_by_key_to_its_end() -> None:
    one = person("x = ‸", "value")
    one.type(*"value")
    assert (one.verdicts(), one.saved()) == (["typed_through"], 0)


def test_what_is_typed_quickly_and_told_at_once_is_typed() -> None:
    one = person("x = ‸", "value")
    one.type("va", "lu", "e")
    assert one.verdicts() == ["typed_through"]


def test_keys_of_one_notification_are_keys() -> None:
    """As Neovim 0.12 tells what is typed within 150 ms."""
    one = person("x = ‸\ny", "value")
    one.edit(*((4 + index, 4 + index, key) for index, key in enumerate("value")))
    assert one.verdicts() == ["typed_through"]


def test_a_new_line_with_its_indentation_is_one_key() -> None:
    one = person("def f():‸\n", "\n    return 1")
    one.type("\n    ", "r", *"eturn 1")
    assert one.verdicts() == ["typed_through"]


@pytest.mark.parametrize(("typed", "verdict"), [("val", "typed_through"), ("va", "rejected")])
def test_more_than_half_of_it_typed_counts_as_typed(typed: str, verdict: str) -> None:
    one = person("x = ‸", "value")
    one.type(*typed)
    one.type("***")
    assert one.verdicts() == [verdict]


def test_brackets_that_the_editor_closes_are_typed_along() -> None:
    one = person("f‸\n", "(a, b)")
    one.edit((1, 1, "()"))
    one.cursor = 2
    one.see("a, b")
    one.type("a, b")
    assert one.verdicts() == ["accepted"]


def test_a_bracket_that_the_editor_closes_in_an_edit_of_its_own() -> None:
    one = person("f‸\n", "(a, b)")
    one.type("(")
    one.edit((2, 2, ")"))
    one.cursor = 2
    one.see("a, b")
    one.type("a, b")
    assert one.verdicts() == ["accepted"]


def test_a_pair_of_brackets_is_one_key() -> None:
    one = person("f‸\n", "()")
    one.type("()")
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.TYPED_THROUGH]


def test_a_closing_bracket_typed_over_is_typed_along() -> None:
    one = person("f‸\n", "() + 1")
    one.edit((1, 1, "()"))
    one.cursor = 2
    one.feedback.asked(URI, 2, one.now_s)
    one.cursor = 3
    one.see(" + 1")
    one.type(" + 1")
    assert one.verdicts() == ["accepted"]


def test_a_backspace_at_it_rejects() -> None:
    one = person("x = ‸", "value")
    one.backspace()
    assert one.outcomes == [Outcome(Verdict.REJECTED, "python", 0)]


@pytest.mark.parametrize("typed", [("1", "2", "3"), ("pasted",), ("1", "pasted")])
def test_other_text_typed_over_it_rejects(typed: tuple[str, ...]) -> None:
    one = person("x = ‸", "value")
    one.type(*typed)
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.REJECTED]


@pytest.mark.parametrize("what", ["asked elsewhere", "closed", "edited elsewhere"])
def test_other_text_typed_over_it_and_left_rejects(what: str) -> None:
    one = person("x = ‸\ny", "value")
    one.type("1")
    one.feedback.asked(URI, 5, one.now_s)
    assert not one.outcomes, "it may be a typing error"
    if what == "asked elsewhere":
        one.feedback.asked(URI, 0, one.now_s)
    elif what == "closed":
        one.feedback.forgotten(URI, one.now_s)
    else:
        one.edit((7, 7, "z"))
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.REJECTED]


def test_a_typing_error_that_is_corrected_leaves_it_as_it_was() -> None:
    one = person("x = ‸", "value")
    one.type("v", "q")
    one.see("uux")
    one.backspace()
    assert one.would_see("alue")
    one.see("alue")
    one.type("alue")
    assert one.verdicts() == ["rejected", "accepted"], "the one shown behind the error, and the one it was made in"


@pytest.mark.parametrize("place", [(0, 0, "y"), (7, 7, "y"), (0, 1, "")])
def test_an_edit_elsewhere_rejects(place: tuple[int, int, str]) -> None:
    one = person("x = ‸\n\nend", "value")
    one.edit(place)
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.REJECTED]


def test_white_space_changed_elsewhere_by_the_editor_says_nothing() -> None:
    one = person("a  \nx = ‸\n\n\n", "value")
    one.edit((1, 3, ""), (9, 9, "  "))
    one.cursor = 6
    one.see("value")
    one.type("value")
    assert one.verdicts() == ["accepted"]


def test_typing_with_several_cursors_is_typing() -> None:
    one = person("x = ‸\ny = ", "value")
    for index in range(5):
        one.edit((4 + index, 4 + index, "value"[index]), (10 + 2 * index, 10 + 2 * index, "value"[index]))
    assert one.document.text == "x = value\ny = value"
    assert one.verdicts() == ["typed_through"]


def test_what_stands_behind_the_place_may_change_while_it_is_shown() -> None:
    one = person("x = ‸;\n  \ny", "\n\nz")
    one.edit((4, 5, ""))
    one.edit((5, 7, ""))
    one.edit((6, 6, "z\n\n"))  # told behind the two line ends that were there
    assert one.document.text == "x = \n\nz\n\ny"
    assert one.verdicts() == ["accepted"]


def test_a_cursor_that_goes_over_text_has_not_typed_it() -> None:
    one = person("x = ‸value2\n", "value")
    one.feedback.asked(URI, 7, one.now_s)
    assert one.verdicts() == ["rejected"]


def test_a_request_elsewhere_rejects_and_one_at_the_place_does_not() -> None:
    one = person("x = ‸\ny = ", "value")
    one.feedback.asked(URI, 4, 0.0)
    assert not one.outcomes
    one.feedback.asked(URI, 9, 0.0)
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.REJECTED]
    other = person("x = ‸", "value")
    other.feedback.asked("file:///b.py", 4, 0.0)
    assert other.verdicts() == ["rejected"]


def test_an_edit_in_another_document_says_nothing() -> None:
    one = person("x = ‸", "value")
    one.feedback.edited("file:///output", [Edit(0, "", "log line\n")], one.now_s)
    one.type("value")
    assert one.verdicts() == ["accepted"]


def test_what_is_closed_replaced_or_exchanged_is_unknown() -> None:
    one = person("x = ‸", "value")
    one.see("other")
    one.feedback.forgotten(URI, 0.0)
    one.see("third")
    assert one.verdicts() == ["unknown"] * 3


def test_another_choice_in_the_popup_is_another_suggestion() -> None:
    one = Person("os.jn‸\n")
    offer = Offer(URI, "python", one.document.text, 3, 5, "join(a)", len("join"))
    one.feedback.shown(offer, 0.0)
    one.type("x")
    one.feedback.shown(Offer(URI, "python", one.document.text, 3, 6, "jnx(a)", len("jnx")), 0.0)
    one.edit((3, 6, "jnx(a)"))
    assert one.verdicts() == ["unknown", "accepted"]
    assert one.saved() == len("(a)") - 1, "the choice is the popup's"


def test_a_key_in_a_word_that_the_popup_would_replace_leaves_its_suggestion_behind() -> None:
    one = Person("os.pa‸zz\n")
    one.feedback.shown(Offer(URI, "python", one.document.text, 3, 7, "path.join(", len("path")), 0.0)
    one.type("t")
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.UNKNOWN]


def test_the_same_words_at_another_place_are_another_suggestion() -> None:
    one = Person("os.jn‸\n")
    one.feedback.shown(Offer(URI, "python", one.document.text, 3, 5, "join(a)", len("join")), 0.0)
    one.see("oin(a)")
    one.type("oin(a)")
    assert one.verdicts() == ["unknown", "accepted"]


def test_a_popups_choice_is_not_saved_by_us() -> None:
    one = Person("os.pa‸\n")
    one.feedback.shown(Offer(URI, "python", one.document.text, 3, 5, "path.join(", len("path")), 0.0)
    one.edit((3, 5, "path.join("))
    assert (one.verdicts(), one.saved()) == (["accepted"], len(".join(") - 1)


@pytest.mark.parametrize(("wait_s", "verdict"), [(5.0, "rejected"), (11.0, "accepted")])
def test_undone_soon_after_it_was_accepted_is_rejected(wait_s: float, verdict: str) -> None:
    one = person("x = ‸\n", "value")
    one.type("value")
    one.now_s += wait_s
    one.edit((4, 9, ""))
    assert one.verdicts() == [verdict]
    assert one.saved() == (0 if verdict == "rejected" else 4)


def test_undone_together_with_what_was_typed_before_and_after_it() -> None:
    one = person("x = ‸\n", "value")
    one.type("va", "lue", "\n", "y")
    one.edit((4, 11, ""))
    assert one.verdicts() == ["rejected"]


def test_an_edit_within_what_was_accepted_keeps_it() -> None:
    one = person("x = ‸\n", "value")
    one.type("value")
    one.edit((6, 7, "L"))
    one.edit((4, 9, ""))
    assert one.verdicts() == ["accepted"]


def test_a_part_undone_is_rejected_and_a_part_corrected_is_kept() -> None:
    undone, corrected = (person("x = ‸\n", "value + 1") for _ in range(2))
    undone.type("value")
    undone.backspace(5)
    assert (undone.verdicts(), undone.saved()) == (["rejected"], 0)
    corrected.type("value")
    corrected.backspace(1)
    assert (corrected.verdicts(), corrected.saved()) == (["partly_accepted"], 4)


def test_what_was_undone_stays_away_from_where_it_was_accepted() -> None:
    one = person("x = ‸\ny = 1\n", "value")
    one.type("va", "lue")
    one.edit((0, 0, "# what it is\n"))
    one.edit((19, 22, ""))
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.REJECTED]
    assert not one.would_see("lue")
    one.type("lu")
    assert one.would_see("e")


def test_what_was_accepted_and_replaced_by_other_text_was_accepted() -> None:
    one = person("x = ‸\n", "value")
    one.type("value")
    one.edit((4, 9, "other"))
    assert [outcome.verdict for outcome in one.outcomes] == [Verdict.ACCEPTED]


@pytest.mark.parametrize(("wait_s", "verdict"), [(5.0, "rejected"), (11.0, "partly_accepted")])
def test_a_part_is_undone_only_soon_after_it_was_accepted(wait_s: float, verdict: str) -> None:
    one = person("  \nx = ‸\n", "value + 1")
    one.type("value")
    one.edit((0, 2, ""))  # the editor trims a line above
    one.now_s += wait_s
    one.edit((5, 10, ""))
    assert one.verdicts() == [verdict]


def test_a_rejected_suggestion_stays_away_for_two_minutes() -> None:
    one = person("def f():\n    ‸\n\n\nx = 1\n", "return None")
    one.backspace()
    assert not one.would_see("return None"), "before the place"
    one.type(" ")
    assert not one.would_see("return None")
    assert one.would_see("return 1"), "another one is welcome"
    one.now_s += 119.9
    assert not one.would_see("return None")
    one.now_s += 0.2
    assert one.would_see("return None")


@pytest.mark.parametrize("changed", ["above", "below", "both"])
def test_a_rejection_survives_a_change_next_to_it(changed: str) -> None:
    one = person("def f():\n    ‸\nx = 1\n", "return None")
    one.backspace(4)
    one.type("    ")
    if changed != "above":
        one.edit((14, 15, "yy"))
    if changed != "below":
        one.edit((4, 5, "g"))
    one.cursor = 13
    assert one.would_see("return None") == (changed == "both")


def test_a_rejection_survives_edits_elsewhere_but_says_nothing_of_other_places() -> None:
    one = person("a = 1\n\ndef f():\n    ‸\n\n\ndef g():\n    \n", "return None")
    one.backspace(4)
    one.type("    ")
    place = one.cursor
    one.edit((0, 0, "import os\nimport re\n"))
    one.cursor = place + 20
    assert not one.would_see("return None")
    one.cursor = len(one.document.text) - 1
    assert one.would_see("return None")
    one.cursor = place + 20
    one.type(*"re")
    assert one.would_see("turn None"), "typed towards it since"


def test_what_was_asked_for_again_may_be_shown_again() -> None:
    one = person("x = ‸", "value")
    one.backspace()
    one.type(" ")
    assert not one.would_see("value")
    one.see("value")  # an explicit request
    assert one.would_see("value")


@pytest.mark.parametrize("end", ["type", "backspace"])
def test_a_rejection_of_the_popups_continuation_is_known_without_the_popup(end: str) -> None:
    one = Person("os.pa‸\n")
    one.feedback.shown(Offer(URI, "python", one.document.text, 3, 5, "path.join(", len("path")), 0.0)
    if end == "type":
        one.type("x", "y", "z")
        one.backspace(3)
    else:
        one.backspace()
        one.type("a")
    assert one.verdicts() == ["rejected"]
    one.type("th")
    assert not one.would_see(".join(")


LETTERS = "ab()\n é"


@given(st.text(LETTERS), st.integers(0, 9), st.integers(0, 9), st.text(LETTERS, max_size=6))
def test_the_smallest_edit_is_the_same_change(text: str, start: int, size: int, new: str) -> None:
    start = min(start, len(text))
    edit = Edit(start, text[start : start + size], new)
    less = smallest(edit)
    assert text[: edit.start] + edit.text + text[edit.end :] == text[: less.start] + less.text + text[less.end :]
    assert text[less.start : less.end] == less.removed
    for one, other in ((less.removed, less.text), (less.removed[::-1], less.text[::-1])):
        assert not (one and other and one[0] == other[0])


POSITIONS = st.builds(Position, st.integers(0, 5), st.integers(0, 6))


@given(st.text("a😀\r\n", max_size=12), POSITIONS, POSITIONS, st.text("b\r\n", max_size=4))
def test_a_document_tells_what_an_edit_did(text: str, start: Position, end: Position, new: str) -> None:
    document = Document(URI, "python", 1, text, PositionEncoding.UTF16)
    edit = document.replace(start, end, new)
    assert text[edit.start : edit.end] == edit.removed
    assert document.text == text[: edit.start] + edit.text + text[edit.end :]


@given(st.text("ab\n", max_size=12), st.integers(0, 12), st.integers(0, 12), st.text("ab\n", min_size=1, max_size=4))
def test_an_insertion_told_elsewhere_is_the_same_change(text: str, place: int, at: int, new: str) -> None:
    place, at = min(place, len(text)), min(at, len(text))
    moved = inserted_at(Edit(at, "", new), place, text[place:])
    result = text[:at] + new + text[at:]
    same = at >= place and result.startswith(text[:place]) and result.endswith(text[place:])
    assert (moved is not None) == same
    if moved is not None:
        assert text[:place] + moved + text[place:] == result


def test_lines_of_blanks_may_come_without_them() -> None:
    assert reached("a\n    \n    b", 1, "\n\nb") == 12
    assert reached("a\n    b", 1, "\nc") is None


@given(st.text("ab \n", max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_text_reaches_as_far_as_it_was_written(text: str, start: int, size: int) -> None:
    start = min(start, len(text))
    assert reached(text, start, text[start : start + size]) == min(len(text), start + size)


STEPS = st.one_of(
    st.tuples(st.just("see"), st.sampled_from(["value", "\n    return 1", "a, b)", "()", "x", "é\r\n\tz"])),
    st.tuples(st.just("along"), st.integers(1, 6)),
    st.tuples(st.just("edit"), st.integers(0, 40), st.integers(0, 4), st.sampled_from(["", "v", "()", ")", "\r\n"])),
    st.tuples(st.just("type"), st.sampled_from(["v", "(", "()", ")", "\n", "\n    ", "value", "  "])),
    st.tuples(st.just("choose"), st.integers(1, 12)),
    st.tuples(st.just("backspace"), st.integers(1, 3)),
    st.tuples(st.just("go"), st.integers(0, 40)),
    st.tuples(st.just("replace"), st.just(SHARED)),
    st.tuples(st.just("wait"), st.sampled_from([1, 11, 130])),
)  # fmt: skip


class Scripted(Person):
    """Does what one step after the other says, and notes the language of each suggestion shown."""

    def __init__(self, marked: str) -> None:
        super().__init__(marked)
        self.shown: list[str] = []
        self._rest = self._other = ""

    def step(self, name: str, *what: Any) -> None:
        getattr(self, f"step_{name}")(*what)

    def step_see(self, text: str) -> None:
        self.shown.append(f"language{len(self.shown)}")
        self._rest = f"{len(self.shown)}{text}"  # no two begin alike, so none is another one sent again
        self._other = f"other{self._rest}"
        self.see(self._rest, self._other, language=self.shown[-1])

    def step_along(self, count: int) -> None:
        """Accept or type a part of what was shown last, and see the rest again."""
        self.type(self._rest[:count])
        self._rest = self._rest[count:]
        self.feedback.asked(URI, self.cursor, self.now_s)

    def step_choose(self, count: int) -> None:
        """Accept a part of what was offered beside it."""
        self.type(self._other[:count])

    def step_edit(self, start: int, size: int, text: str) -> None:
        start = min(start, len(self.document.text))
        self.edit((start, min(start + size, len(self.document.text)), text))

    def step_type(self, text: str) -> None:
        self.type(text)

    def step_backspace(self, count: int) -> None:
        self.backspace(min(count, self.cursor))

    def step_go(self, index: int) -> None:
        self.cursor = min(index, len(self.document.text))
        self.feedback.asked(URI, self.cursor, self.now_s)

    def step_replace(self, text: str) -> None:
        self.document.replace_all(text)
        self.cursor = len(text)
        self.feedback.forgotten(URI, self.now_s)

    def step_wait(self, seconds: int) -> None:
        self.now_s += seconds


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_any_sequence_of_suggestions_and_edits_ends_with_one_outcome_each(steps: list[tuple[Any, ...]]) -> None:
    one = Scripted(f"{SHARED}‸\r\nrest()\n")
    for name, *what in steps:
        one.step(name, *what)
        assert isinstance(one.would_see("value"), bool)
        assert len(one.outcomes) <= len(one.shown)
    verdicts = one.verdicts()
    assert len(verdicts) == len(one.shown)
    assert sorted(outcome.language for outcome in one.outcomes) == sorted(one.shown)
    accepted = {Verdict.ACCEPTED, Verdict.PARTLY_ACCEPTED}
    assert all((outcome.saved_characters > 0) == (outcome.verdict in accepted) for outcome in one.outcomes)
    assert all(outcome.saved_characters >= 0 for outcome in one.outcomes)
