"""Which pieces of other files are chosen for a place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.choice import Limits, Place, choose, query
from lsp_server.context.index import Index, Indexed
from lsp_server.context.source import Source
from lsp_server.context.words import likeness, mask, words

LIMITS = Limits()
GEOMETRY = '''"""Shapes."""


def area_of_rectangle(width: float, height: float, *, unit: str = "m") -> float:
    """The area of a rectangle."""
    return width * height


class Circle:
    """A round thing."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def circumference(self) -> float:
        """The way around it."""
        return 2 * 3.14159 * self.radius

    def scaled(self, factor: float) -> Circle:
        """A larger or smaller one."""
        return Circle(self.radius * factor)
'''


def known(*sources: tuple[str, str]) -> list[Indexed]:
    index = Index()
    index.update([Source(f"file:///w/{path}", text) for path, text in sources])
    assert not index.work(lambda: False)
    return index.known()


def place(marked: str, path: str = "main.py") -> Place:
    return Place(f"file:///w/{path}", *marked.split("‸"))


def chosen(
    marked: str, *sources: tuple[str, str], path: str = "main.py", limits: Limits = LIMITS
) -> list[tuple[str, str]]:
    return [(piece.path, piece.text) for piece in choose(place(marked, path), known(*sources), limits)]


def test_the_context_of_a_call_is_the_definition_that_was_imported() -> None:
    [(path, text)] = chosen(
        "from shapes.geometry import area_of_rectangle\n\nprint(area_of_rectangle(‸)\n",
        ("shapes/geometry.py", GEOMETRY),
    )
    assert path == "w/shapes/geometry.py"
    assert text == GEOMETRY.split("\n\n\n")[1]


def test_without_the_import_there_is_no_such_context() -> None:
    assert chosen("print(area_of_rectangle(‸)\n", ("shapes/geometry.py", GEOMETRY)) == []


def test_the_context_of_a_class_tells_its_methods() -> None:
    [(_, text)] = chosen("from geometry import Circle\n\none = Circle(2)\none.‸", ("geometry.py", GEOMETRY))
    assert "def circumference(self) -> float:" in text
    assert "def scaled(self, factor: float) -> Circle:" in text
    assert "3.14159" not in text


def test_the_context_behind_a_modules_name_is_what_the_module_defines() -> None:
    [(_, text)] = chosen("from shapes import geometry\n\nprint(geometry.‸)\n", ("shapes/geometry.py", GEOMETRY))
    assert "def area_of_rectangle" in text
    assert "class Circle:" in text
    [(_, text)] = chosen("import geometry as g\n\nprint(g.area_of_rectangle(‸))\n", ("geometry.py", GEOMETRY))
    assert "class Circle:" not in text


def test_context_for_javascript_go_and_c() -> None:
    script = "export function area(width, height) {\n  return width * height;\n}\n"
    assert chosen("import {area} from './lib';\n\narea(‸", ("lib.js", script), path="main.ts")[0][0] == "w/lib.js"
    go = "package store\n\nfunc Load(id int) (Item, error) {\n\treturn Item{}, nil\n}\n"
    main = 'package main\n\nimport (\n\t"example.org/store"\n)\n\nfunc main() {\n\tstore.Load(‸'
    assert chosen(main, ("store/store.go", go), path="main.go")[0][1].startswith("func Load(id int)")
    header = "int list_find(struct list *self, int key);\n"
    assert chosen('#include "list.h"\nint x = list_find(‸', ("list.h", header), path="main.c")[0][1] == header.strip()


def test_a_java_file_sees_the_classes_of_its_package() -> None:
    text = "package a;\n\npublic class Item {\n    public Item(int id, String name) {\n    }\n}\n"
    assert (
        "Item(int id, String name)"
        in chosen("class Main { Item one = new Item(‸", ("Item.java", text), path="Main.java")[0][1]
    )


HANDLER = '''
def handle_{0}(request, database):
    """Handle {0} requests."""
    user = authenticate(request.headers, database.users)
    payload = parse_payload(request.body, schema={0}_schema)
    record = database.{0}s.find(payload.identifier)
    record.update(payload.fields, changed_by=user)
    audit_log.write(user, record.identifier)
    return render_response(record, status=200)

'''
FILLER = "".join(f"def unrelated_{number}():\n    return lookup_table_{number}[{number}]\n\n" for number in range(40))


def test_a_context_snippet_is_what_follows_a_similar_place() -> None:
    begun = HANDLER.format("order").split("    record.update")[0]
    [(path, text)] = chosen(
        f"{begun}    ‸\n", ("customers.py", FILLER + HANDLER.format("customer") + FILLER), ("filler.py", FILLER)
    )
    assert path == "w/customers.py"
    assert "record.update(payload.fields, changed_by=user)" in text


def test_context_that_stands_around_the_cursor_already_is_left_out() -> None:
    whole = HANDLER.format("order")
    assert chosen(whole + "\n‸\n" + whole, ("copy.py", whole)) == []
    assert chosen(f"from geometry import Circle\n{GEOMETRY}\nCircle(‸", ("geometry.py", GEOMETRY)) == []


def test_context_that_is_chosen_already_is_not_chosen_again() -> None:
    begun = HANDLER.format("order").split("    record.update")[0]
    other = FILLER + HANDLER.format("customer")
    assert len(chosen(f"{begun}    ‸\n", ("one.py", other), ("two.py", other))) == 1


def test_another_version_of_the_file_itself_is_no_context() -> None:
    begun = HANDLER.format("order").split("    record.update")[0]
    index = Index()
    index.update([Source("git:/w/main.py?HEAD", FILLER + HANDLER.format("customer"))])
    index.work(lambda: False)
    assert choose(place(f"{begun}    ‸\n"), index.known(), LIMITS) == ()


def test_context_of_another_language_is_left_out() -> None:
    begun = HANDLER.format("order").split("    record.update")[0]
    assert chosen(f"{begun}    ‸\n", ("customers.md", HANDLER.format("customer"))) == []


def test_minified_context_is_left_out() -> None:
    begun = HANDLER.format("order").split("    record.update")[0]
    packed = HANDLER.format("customer").replace("schema=", "schema=" + "x" * 400)
    assert chosen(f"{begun}    ‸\n", ("customers.py", packed)) == []


def test_a_context_file_that_was_edited_serves_as_it_was_until_it_is_read_again() -> None:
    index = Index()
    index.update([Source("file:///a.py", "def one():\n    return 1\n")])
    assert not index.work(lambda: False)
    index.update([Source("file:///a.py", "def two():\n    return 2\n")])
    assert index.work(lambda: True), "no time at all"
    assert set(index.known()[0].definitions) == {"one"}
    assert not index.work(lambda: False)
    assert set(index.known()[0].definitions) == {"two"}
    index.update([])
    assert index.known() == []


def test_context_is_not_read_again_where_the_cursor_goes_from_file_to_file() -> None:
    index = Index()
    one, two = Source("file:///one.py", "x = 1\n"), Source("file:///two.py", "y = 2\n")
    index.update([two], one.uri)
    assert not index.work(lambda: False)
    index.update([one], two.uri)
    assert not index.work(lambda: False)
    index.update([two], one.uri)
    assert not index.work(lambda: True), "nothing is left to do"
    assert [known.source for known in index.known()] == [two]


def test_context_is_read_a_few_lines_at_a_time() -> None:
    index = Index()
    index.update([Source("file:///a.py", "value = 1\n" * 1000)])
    answers = iter([False] * 20 + [True])
    assert index.work(lambda: next(answers))
    assert index.known() == []
    assert not index.work(lambda: False)
    assert len(index.known()) == 1


LINE = st.sampled_from(
    [
        *GEOMETRY.split("\n"),
        *HANDLER.split("\n"),
        "from a import area_of_rectangle, Circle",
        "import b",
        "",
        "}",
        "x" * 500,
    ]
)
TEXT = st.one_of(st.text(max_size=300), st.lists(LINE, max_size=60).map("\n".join))


@settings(max_examples=150, deadline=None)
@given(
    before=TEXT,
    after=TEXT,
    others=st.lists(TEXT, max_size=4),
    suffix=st.sampled_from(["py", "ts", "go", "rs", "c", "java", "txt"]),
    limits=st.builds(Limits, st.integers(0, 5), st.integers(0, 3000)),
)
def test_any_texts_have_context_within_the_limits(
    before: str, after: str, others: list[str], suffix: str, limits: Limits
) -> None:
    sources = known(*((f"{'abcd'[number]}.{suffix}", text) for number, text in enumerate(others)))
    at = Place(f"file:///w/main.{suffix}", before, after)
    pieces = choose(at, sources, limits)
    assert pieces == choose(at, sources, limits)
    assert len(pieces) <= limits.pieces
    assert sum(len(piece.text) for piece in pieces) <= limits.characters
    assert len({piece.text for piece in pieces}) == len(pieces)
    for piece in pieces:
        assert piece.text.strip()
        assert piece.text not in before[-3000:]


@given(st.frozensets(st.text(max_size=8)), st.frozensets(st.text(max_size=8)))
def test_context_words_as_bits_never_miss_a_common_word(first: frozenset[str], second: frozenset[str]) -> None:
    assert (mask(first) & mask(second)).bit_count() >= (mask(first & second)).bit_count()
    assert 0 <= likeness(first, second) <= 1
    assert likeness(first, first) == bool(first)


def test_context_words_are_those_within_identifiers() -> None:
    assert words(["parse_header(HTTPServer, maxLineCount2)  # größer"]) >= {
        "parse",
        "header",
        "http",
        "server",
        "max",
        "line",
        "count",
    }
    assert words(["def f(self): return None"]) == set()


def test_the_context_query_is_about_the_lines_before_the_cursor() -> None:
    lines = "\n".join(f"word{chr(97 + number)}{chr(97 + number)} = 1" for number in range(26))
    assert "wordzz" in query(Place("file:///a.py", lines, ""))
    assert "wordaa" not in query(Place("file:///a.py", lines, ""))
