"""The open notebooks: which cells each has, in which order, and what stands before and behind a cell.

A cell is a document of its own, at its own address; for a model, the code cells of one language are one text. Markdown
and cells in other languages are left out: a model would take them for code. Knows nothing of pygls or of JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lsp_server.context.source import Source
from lsp_server.documents import Document, Documents, Position, Snapshot

_BETWEEN = "\n\n"
_MOST_CHARS = 100_000
"""Of the cells on each side of one; those beyond are left out as a whole."""

_MOST_OTHERS = 20
"""Other files that are looked at, for one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's place in its notebook."""

    uri: str
    """Address of the document that has its text."""

    is_code: bool


class Notebooks:
    """The open notebooks by address. The cells' texts are in `documents`."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._cells: dict[str, list[Cell]] = {}
        self._notebook_of: dict[str, str] = {}

    def open(self, uri: str, cells: Sequence[Cell]) -> None:
        """Start (or start again) to keep a notebook."""
        self.close(uri)
        self._cells[uri] = [*cells]
        self._notebook_of.update(dict.fromkeys((cell.uri for cell in cells), uri))

    def close(self, uri: str) -> None:
        """Forget a notebook; unknown ones are ignored. Its cells' documents stay until they are closed."""
        for cell in self._cells.pop(uri, []):
            self._notebook_of.pop(cell.uri, None)

    def splice(self, uri: str, start: int, delete_count: int, cells: Sequence[Cell]) -> None:
        """Replace `delete_count` cells from `start` on, both clamped; moving cells is taking them out and in again."""
        if uri in self._cells:
            kept = [*self._cells[uri]]
            kept[start : start + delete_count] = cells
            self.open(uri, kept)

    def update(self, cell: Cell) -> None:
        """Take in that a cell has become code, or has ceased to be."""
        if (uri := self._notebook_of.get(cell.uri)) is not None:
            self._cells[uri] = [cell if one.uri == cell.uri else one for one in self._cells[uri]]

    def cells(self, uri: str) -> tuple[Cell, ...]:
        """The cells of a notebook, in their order; none for unknown ones."""
        return tuple(self._cells.get(uri, ()))

    def notebook_of(self, cell_uri: str) -> str | None:
        """The address of the notebook that a document is a cell of, if it is one."""
        return self._notebook_of.get(cell_uri)

    def snapshot(self, document: Document, position: Position) -> Snapshot:
        """A document's text with the cursor at `position`, and what is around it in its notebook if it is a cell."""
        before, behind = self.around(document)
        return replace(document.snapshot(position), before=before, behind=behind)

    def others(self, uri: str, is_readable: Callable[[Document], bool]) -> tuple[Source, ...]:
        """The files beside the document at `uri`, the one changed last at the end; a notebook is one file."""
        seen = {self.notebook_of(uri)}
        sources: list[Source] = []
        for document in reversed(self._documents.others(uri)):
            notebook = self.notebook_of(document.uri)
            if len(sources) == _MOST_OTHERS or not is_readable(document) or (notebook and notebook in seen):
                continue
            seen.add(notebook)
            text = self.text(notebook, document.language) if notebook else document.text
            sources.append(Source(notebook or document.uri, text))
        return tuple(reversed(sources))

    def around(self, cell: Document) -> tuple[str, str]:
        r"""What stands before and behind a document as a cell: the code of its notebook in its language, or nothing.

        Both end, or begin, with the blank line that separates cells; line ends are `\\n`.
        """
        uri = self._notebook_of.get(cell.uri)
        uris = [one.uri for one in self._cells.get(uri or "", ())]
        if uri is None or cell.uri not in uris:
            return "", ""
        at = uris.index(cell.uri)
        before = _nearest([*self._code(uri, cell.language, uris[:at])][::-1])[::-1]
        behind = _nearest([*self._code(uri, cell.language, uris[at + 1 :])])
        return "".join(text + _BETWEEN for text in before), "".join(_BETWEEN + text for text in behind)

    def text(self, uri: str, language: str) -> str:
        """The code of a whole notebook in one language."""
        return _BETWEEN.join(self._code(uri, language, [cell.uri for cell in self.cells(uri)]))

    def _code(self, uri: str, language: str, wanted: Sequence[str]) -> Iterator[str]:
        """Texts of those of a notebook's cells that are wanted, code, not empty, and in a language."""
        among = set(wanted)
        for cell in self._cells.get(uri, ()):
            document = self._documents.get(cell.uri) if cell.is_code and cell.uri in among else None
            if document is not None and document.language == language and document.text.strip():
                yield document.text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def _nearest(texts: Sequence[str]) -> list[str]:
    """The first of some texts, as many as are looked at."""
    kept: list[str] = []
    left = _MOST_CHARS
    for text in texts:
        left -= len(text)
        if left < 0:
            break
        kept.append(text)
    return kept
