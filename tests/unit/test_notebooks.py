"""Notebooks as one text: cells before, cells behind, in one language."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lsp_server import cursor as cursors
from lsp_server.documents import Documents, Position
from lsp_server.notebooks import Cell, Notebooks

URI = "file:///w/book.ipynb"


def notebook(*cells: tuple[str, str, str]) -> tuple[Documents, Notebooks]:
    """Cells `c0`, `c1` and so on, each given by its kind, language and text."""
    documents = Documents()
    notebooks = Notebooks(documents)
    for number, (_, language, text) in enumerate(cells):
        documents.open(f"c{number}", language, 1, text)
    notebooks.open(URI, [Cell(f"c{number}", kind == "code") for number, (kind, _, _) in enumerate(cells)])
    return documents, notebooks


def split(documents: Documents, notebooks: Notebooks, uri: str, line: int, character: int) -> tuple[str, str]:
    document = documents.get(uri)
    assert document is not None
    cursor = cursors.split(notebooks.snapshot(document, Position(line, character)))
    return cursor.prefix, cursor.suffix


BOOK = (
    ("code", "python", "import os\n"),
    ("markup", "markdown", "# Title"),
    ("code", "python", "x = os\ny = 2"),
    ("code", "sql", "select 1"),
    ("code", "python", "print(x)\r\n"),
)


def test_the_context_of_a_cell_is_the_code_of_the_others_in_its_language() -> None:
    documents, notebooks = notebook(*BOOK)
    assert split(documents, notebooks, "c2", 0, 6) == ("import os\n\nx = os", "\ny = 2\n\nprint(x)")
    assert split(documents, notebooks, "c0", 0, 9) == ("import os", "\n\n\nx = os\ny = 2\n\nprint(x)")
    assert split(documents, notebooks, "c3", 0, 8) == ("select 1", "")


def test_a_cell_that_is_moved_is_read_where_it_is_now() -> None:
    documents, notebooks = notebook(*BOOK)
    notebooks.splice(URI, 0, 1, [])
    assert split(documents, notebooks, "c2", 0, 0)[0] == ""
    assert split(documents, notebooks, "c0", 0, 9) == ("import os", "\n"), "it stands nowhere now"
    notebooks.splice(URI, 4, 0, [Cell("c0", is_code=True)])
    assert split(documents, notebooks, "c0", 0, 0)[0] == "x = os\ny = 2\n\nprint(x)\n\n"


def test_a_cell_that_becomes_text_is_left_out() -> None:
    documents, notebooks = notebook(*BOOK)
    notebooks.update(Cell("c0", is_code=False))
    notebooks.update(Cell("unknown", is_code=False))
    assert split(documents, notebooks, "c2", 0, 0)[0] == ""


def test_unknown_notebooks_and_cells_are_ignored() -> None:
    documents, notebooks = notebook(*BOOK)
    notebooks.close("file:///unknown")
    notebooks.splice("file:///unknown", 0, 1, [Cell("c0", is_code=True)])
    documents.close("c0")
    assert split(documents, notebooks, "c2", 0, 0)[0] == ""
    notebooks.close(URI)
    assert notebooks.notebook_of("c2") is None
    assert split(documents, notebooks, "c2", 0, 0) == ("", "x = os\ny = 2")


def test_a_notebook_is_one_of_the_other_files_and_never_of_its_own() -> None:
    documents, notebooks = notebook(*BOOK)
    documents.open("file:///w/main.py", "python", 1, "z = 1\n")
    documents.open("file:///w/secret.py", "python", 1, "z = 1\n")
    others = notebooks.others("file:///w/main.py", lambda document: "secret" not in document.uri)
    assert [(source.uri, source.text) for source in others] == [(URI, "import os\n\nx = os\ny = 2\n\nprint(x)")]
    assert [source.uri for source in notebooks.others("c0", lambda document: True)] == [
        "file:///w/main.py",
        "file:///w/secret.py",
    ]


def test_context_of_far_cells_is_left_out() -> None:
    documents, notebooks = notebook(
        ("code", "python", "a = 1\n" * 10_000), ("code", "python", "b = 1\n" * 10_000), ("code", "python", "c")
    )
    assert split(documents, notebooks, "c2", 0, 1)[0] == "b = 1\n" * 10_000 + "\nc"


@given(
    cells=st.lists(
        st.tuples(st.sampled_from(["code", "markup"]), st.sampled_from(["python", "r"]), st.text(max_size=20)),
        max_size=6,
    ),
    splices=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 3)), max_size=6),
)
def test_after_any_changes_a_cells_context_holds_its_own_text(
    cells: list[tuple[str, str, str]], splices: list[tuple[int, int, int]]
) -> None:
    documents, notebooks = notebook(*cells)
    for start, count, added in splices:
        notebooks.splice(URI, start, count, [Cell(f"c{number}", is_code=True) for number in range(added)])
    for number in range(len(cells)):
        document = documents.get(f"c{number}")
        assert document is not None
        snapshot = notebooks.snapshot(document, Position(0, 0))
        assert snapshot.text == cells[number][2]
        assert (snapshot.before, snapshot.behind) == ("", "") or notebooks.notebook_of(document.uri) == URI
