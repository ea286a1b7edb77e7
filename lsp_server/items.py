"""What answers are made of: LSP's ranges and items, from places in the text and back. Pure."""

from __future__ import annotations

from lsprotocol import types

from lsp_server.documents import Document, Position, Snapshot


def popup_item(document: Document, snapshot: Snapshot, text: str) -> types.CompletionItem:
    """Popups filter by the word before the cursor, so the item replaces that word and begins with it."""
    start = snapshot.offset
    while start and (snapshot.text[start - 1].isalnum() or snapshot.text[start - 1] == "_"):
        start -= 1
    word = snapshot.text[start : snapshot.offset]
    label = (word + text.splitlines()[0]).strip()
    return types.CompletionItem(
        label=label,
        kind=types.CompletionItemKind.Text,
        detail="fimd",
        filter_text=label,
        text_edit=types.TextEdit(range_of(document, start, snapshot.offset), word + text),
    )


def range_of(document: Document, start: int, end: int) -> types.Range:
    """From indexes into the text: a position beyond the end that a client sent comes back clamped."""
    first, last = document.position_at(start), document.position_at(end)
    return types.Range(types.Position(first.line, first.character), types.Position(last.line, last.character))


def position_of(position: types.Position) -> Position:
    """What a client calls a place, not looked at yet."""
    return Position(position.line, position.character)
