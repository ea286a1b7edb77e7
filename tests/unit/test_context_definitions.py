"""Definitions, and the short form in which they are shown."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.definitions import definition_at, shortened
from lsp_server.context.source import family


def short(text: str, name: str, kind: str = "python") -> str:
    """The short form of what `text` defines as `name`."""
    lines = dedent(text).strip("\n").split("\n")
    found = [definition_at(lines, number, kind) for number in range(len(lines))]
    return "\n".join(shortened(lines, next(one for one in found if one and one.name == name)))


BODY = "".join(f"    step_{number}()\n" for number in range(12))


@pytest.mark.parametrize(
    ("uri", "line", "name"),
    [
        ("a.py", "    async def run(self) -> None:", "run"),
        ("a.py", "class Tree(Base):", "Tree"),
        ("a.py", "LIMIT: int = 3", "LIMIT"),
        ("a.py", "x == 3", None),
        ("a.py", "else: x = 3", None),
        ("a.py", "    local = 3", None),
        ("a.ts", "export default async function load<T>(a: T) {", "load"),
        ("a.ts", "export interface Item {", "Item"),
        ("a.ts", "  const inner = () => {", "inner"),
        ("a.ts", "constant = 3", None),
        ("a.java", "  public static final class Node<T> {", "Node"),
        ("a.kt", "    suspend fun fetch(id: Int): Item {", "fetch"),
        ("a.go", "func (s *Store) Load(id int) (Item, error) {", "Load"),
        ("a.go", "type Store struct {", "Store"),
        ("a.rs", "    pub(crate) async fn load(&self) -> Item {", "load"),
        ("a.rs", "pub trait Store {", "Store"),
        ("a.c", "static struct node *list_find(struct list *self, int key)", "list_find"),
        ("a.h", "#define MAX_ITEMS 3", "MAX_ITEMS"),
        ("a.c", "    if (list_find(self, key))", None),
        ("a.txt", "def run():", None),
    ],
)
def test_context_definitions_by_language(uri: str, line: str, name: str | None) -> None:
    found = definition_at([line], 0, family(uri))
    assert (found.name if found else None) == name


def test_a_small_context_definition_is_shown_whole_with_its_decorators() -> None:
    text = """
        @cache
        def area(width: int, height: int) -> int:
            return width * height

        other = 1
        """
    assert short(text, "area") == "@cache\ndef area(width: int, height: int) -> int:\n    return width * height"


def test_of_a_long_context_function_the_signature_and_the_docstring_are_shown() -> None:
    text = 'def run(\n    first: int,\n) -> None:\n    """Take the steps.\n\n    All of them.\n    """\n' + BODY
    assert short(text, "run") == 'def run(\n    first: int,\n) -> None:\n    """Take the steps."""\n    ...'


def test_of_a_context_class_the_members_are_shown() -> None:
    text = (
        'class Tree:\n    """A tree.\n\n    word in the docstring\n    """\n\n    size: int\n\n'
        "    def insert(\n        self, key: int\n    ) -> None:\n"
        + "".join(f"        step_{number}()\n" for number in range(9))
        + "\n    @property\n    def depth(self) -> int:\n        return 1\n"
    )
    assert short(text, "Tree").split("\n") == [
        "class Tree:",
        '    """A tree."""',
        "    size: int",
        "    def insert(",
        "        self, key: int",
        "    ) -> None:",
        "    @property",
        "    def depth(self) -> int:",
    ]


def test_a_context_definition_in_braces_is_closed() -> None:
    text = "export function run(\n  first: number,\n): void {\n" + BODY + "}\n\nexport const x = 1\n"
    assert short(text, "run", "javascript") == "export function run(\n  first: number,\n): void {\n}"


def test_a_context_definition_ends_where_its_indentation_does() -> None:
    assert short("def one():\n    return 1\ndef two():\n    return 2\n", "one") == "def one():\n    return 1"


@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=40),
            st.sampled_from(
                ["def f(", "class A:", "    def g(self):", '    """Text', ") -> None:", "", "    x: int", "{", "}"]
            ),
        ),
        min_size=1,
        max_size=40,
    ),
    kind=st.sampled_from(["python", "javascript", "java", "go", "rust", "c", ""]),
)
def test_any_lines_have_context_definitions_of_their_own_lines_only(lines: list[str], kind: str) -> None:
    for number in range(len(lines)):
        if found := definition_at(lines, number, kind):
            shown = shortened(lines, found)
            assert lines[number].rstrip() in {line.rstrip() for line in shown}
            assert len(shown) <= 220
