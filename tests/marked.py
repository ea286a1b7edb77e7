"""Text with the cursor marked in it, `ret‸`, as tests of the pure core write it."""

from __future__ import annotations

from lsp_server.cursor import Cursor, split
from lsp_server.documents import Snapshot

MARK = "‸"


def snapshot_at(marked: str, uri: str = "file:///a.py", language: str = "python", version: int = 1) -> Snapshot:
    """The snapshot whose cursor is where the one mark stands."""
    before, after = marked.split(MARK)
    return Snapshot(uri, language, version, before + after, len(before))


def cursor_at(marked: str, language: str = "python") -> Cursor:
    """The split buffer whose cursor is where the one mark stands."""
    return split(snapshot_at(marked, language=language))
