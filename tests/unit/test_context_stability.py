"""Pieces stay the same while a person types, and choosing them takes no time that a person could notice."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.choice import Limits, Place, choose
from lsp_server.context.chooser import Chooser
from lsp_server.context.index import Index
from lsp_server.context.source import Piece, Source
from tests.unit.test_context_choice import FILLER, GEOMETRY, HANDLER, known, place

LIMITS = Limits()
OTHERS = known(
    ("geometry.py", GEOMETRY),
    ("customers.py", FILLER + HANDLER.format("customer") + FILLER),
    ("invoices.py", FILLER[:2000] + HANDLER.format("invoice") + FILLER),
)
SESSION = (
    "from geometry import Circle, area_of_rectangle\n"
    + HANDLER.format("order")
    + "\ndef page(width, height):\n    total = area_of_rectangle(width, height)\n    return Circle(total).scaled(2)\n"
)


def typed(text: str, rest_every: int) -> Iterator[tuple[str, bool]]:
    """The text after each key, and whether the person rests there."""
    for end in range(1, len(text) + 1):
        yield text[:end], end % rest_every == 0


def changes(rest_every: int) -> tuple[int, int]:
    """How often the pieces change over a session, at a rest and between."""
    chooser = Chooser()
    previous: tuple[Piece, ...] = ()
    counts = [0, 0]
    for text, rested in typed(SESSION, rest_every):
        pieces = chooser.pieces(Place("file:///w/main.py", text, "\n"), OTHERS, LIMITS, rested=rested)
        counts[rested] += pieces != previous
        previous = pieces
    return counts[1], counts[0]


def test_context_changes_rarely_while_typing_and_only_at_rests() -> None:
    """A session of some 770 keys with a rest every 25 keys, which is once in five seconds."""
    at_rest, between = changes(rest_every=25)
    assert at_rest <= 8, "of some 30 rests"
    assert between <= 3


def test_context_without_any_rest_follows_the_cursor_at_last() -> None:
    chooser = Chooser()
    chosen: list[tuple[Piece, ...]] = []
    for text, _ in typed(SESSION, 10**9):
        chosen.append(chooser.pieces(Place("file:///w/main.py", text, "\n"), OTHERS, LIMITS, rested=False))
    assert any("geometry" in piece.path for piece in chosen[-1])
    assert sum(before != after for before, after in itertools.pairwise(chosen)) <= 4
    assert chooser.choices <= len(SESSION) / 30


def test_context_is_chosen_anew_where_the_cursor_goes_elsewhere() -> None:
    chooser = Chooser()
    begun = HANDLER.format("order").split("    record.update")[0]
    first = chooser.pieces(place(f"{begun}    ‸\n"), OTHERS, LIMITS, rested=False)
    second = chooser.pieces(place("from geometry import Circle\n\nprint(Circle(‸))\n"), OTHERS, LIMITS, rested=False)
    assert first[0].path.endswith(("customers.py", "invoices.py"))
    assert [piece.path for piece in second] == ["w/geometry.py"]


def test_context_is_chosen_anew_where_its_file_was_edited_and_not_for_other_files() -> None:
    index, chooser = Index(), Chooser()
    here = place("from geometry import Circle\n\nprint(Circle(‸))\n")

    def pieces(geometry: str, other: str) -> tuple[Piece, ...]:
        index.update([Source("file:///w/other.py", other), Source("file:///w/geometry.py", geometry)])
        assert not index.work(lambda: False)
        return chooser.pieces(here, index.known(), LIMITS, rested=False)

    first = pieces(GEOMETRY, FILLER)
    assert pieces(GEOMETRY, FILLER + "x = 1\n") is first
    assert chooser.choices == 1
    assert "radius: int" in pieces(GEOMETRY.replace("radius: float", "radius: int"), FILLER)[0].text
    assert pieces("", FILLER) == ()


def test_context_keeps_its_order_where_a_rest_brings_the_same_pieces() -> None:
    chooser = Chooser()
    one, two = (HANDLER.format(name) for name in ("customer", "invoice"))
    others = known(("customers.py", one + FILLER), ("geometry.py", GEOMETRY), ("invoices.py", two + FILLER))
    text = "from geometry import Circle\nfrom customers import handle_customer\nCircle(‸"
    first = chooser.pieces(place(text), others, LIMITS, rested=False)
    later = ")\nquite = other.words(among_them)\nhandle_customer(‸"
    second = chooser.pieces(place(text.replace("‸", later)), others, LIMITS, rested=True)
    assert choose(place(text.replace("‸", later)), others, LIMITS) == first[::-1]
    assert chooser.choices == 2
    assert second is first
    assert len(first) == 2


def test_the_context_of_a_name_that_was_just_typed_comes_with_the_next_rest() -> None:
    chooser = Chooser()
    begun = HANDLER.format("order") + "\ndef page(width, height):\n    total = "
    text = f"from geometry import Circle, area_of_rectangle\n{begun}‸"

    def definitions(marked: str, *, rested: bool) -> list[bool]:
        found = "\n".join(piece.text for piece in chooser.pieces(place(marked), others, limits, rested=rested))
        return [name in found for name in ("class Circle", "def area_of_rectangle")]

    limits = Limits(characters=500)
    others = known(("geometry.py", GEOMETRY))
    assert definitions(text.replace("total = ", "total = Circle("), rested=True) == [True, False]
    called = text.replace("total = ", "total = area_of_rectangle(")
    assert definitions(called, rested=False) == [True, False]
    assert definitions(called, rested=True)[1]
    assert definitions(called.replace("‸", "width‸"), rested=True)[1]


def test_new_limits_count_at_once() -> None:
    chooser = Chooser()
    here = place("from geometry import Circle\n\nprint(Circle(‸))\n")
    assert chooser.pieces(here, OTHERS, LIMITS, rested=False)
    assert chooser.pieces(here, OTHERS, Limits(pieces=0), rested=False) == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.booleans()), max_size=20))
def test_the_context_of_any_edits_is_among_the_files_that_are_known(edits: list[tuple[str, bool]]) -> None:
    chooser = Chooser()
    text = SESSION
    for piece_of_text, rested in edits:
        text = text[: -len(piece_of_text) or None] + piece_of_text[::-1]
        for piece in chooser.pieces(Place("file:///w/main.py", text, ""), OTHERS, LIMITS, rested=rested):
            assert piece.path in {"w/geometry.py", "w/customers.py", "w/invoices.py"}


def large_files(count: int, lines: int) -> list[Source]:
    rng = random.Random(1)
    names = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(3000)]

    def line() -> str:
        first, second, third, fourth = (rng.choice(names) for _ in range(4))
        return rng.choice(
            [f"def {first}_{second}({third}, {fourth}):", f"    {first}.{second} = {third}({fourth})", ""]
        )

    return [Source(f"file:///w/part{number}.py", "\n".join(line() for _ in range(lines))) for number in range(count)]


def test_the_context_of_twenty_long_files_takes_two_milliseconds() -> None:
    """The figures of the issue: 20 files of 2,000 lines, p95 over a request at each key.

    Measured without other load: 0.1 ms; 3 ms where pieces are chosen anew, which is at one key in a hundred.
    """
    sources = large_files(20, 2000)
    index, chooser = Index(), Chooser()
    own = "from part3 import something\n" + sources[7].text[5000:9000]
    took: list[float] = []
    for end in itertools.chain(range(2000, 2400), range(3000, 3400)):
        started = time.perf_counter()
        index.update(sources)
        limit = time.perf_counter() + 0.0005
        index.work(lambda limit=limit: time.perf_counter() >= limit)
        chooser.pieces(Place("file:///w/main.py", own[:end], ""), index.known(), LIMITS, rested=end % 20 == 0)
        took.append(time.perf_counter() - started)
    assert len(index.known()) == 20
    # Three times the bound: other things run on machines that run tests.
    assert sorted(took)[int(len(took) * 0.95)] < 0.006


def test_context_of_a_line_of_a_megabyte_and_of_binary_text_costs_little() -> None:
    started = time.perf_counter()
    others = known(
        ("long.py", "x" * 1_000_000), ("binary.py", "\x00\ufffd(" * 100_000), ("deep.py", "def f(:\n " * 50_000)
    )
    Chooser().pieces(place("import long\nlong.‸"), others, LIMITS, rested=False)
    Chooser().pieces(Place("file:///w/main.py", "from (" * 200_000, "(" * 500_000), others, LIMITS, rested=False)
    assert time.perf_counter() - started < 2
