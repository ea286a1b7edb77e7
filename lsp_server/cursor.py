"""From a snapshot to what the model is asked: prefix and suffix, and where suggestions make sense. Pure.

Looks at the characters around the cursor only; what they mean in the file's language is told in `syntax.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lsp_server.documents import Snapshot

_QUOTES = frozenset("\"'`")
_CLOSING = re.compile(r"[)\]}\"'`]{0,32}")
_NO_CODE = re.compile(r"[\s)\]}\"'`;,:]*")
_NO_CODE_EITHER = re.compile(
    r"/?>[\s)\]}>;,]*\{?\s*"  # the end of a tag, of a type's arguments
    r"|(?:=>\s*)?\{\s*|=>\s*|->[^\n]{1,100}\{\s*"  # what opens a block, or says what a function returns
)
_NO_CODE_EITHER_IN_PYTHON = re.compile(r"->[^\n]{1,100}:\s*")
"""What may end the line behind that: editors and snippets put it there before the person comes to it."""

WITH_HASH = frozenset({"python", "ruby", "shellscript", "bash", "yaml", "toml", "perl", "r", "makefile", "dockerfile"})
"""Languages, by LSP id, whose comments begin with `#`."""

_LONGEST_END = 400
_LINE_END = re.compile(r"\r\n|\n|\r")
_WORD = re.compile(r"\w*")
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Control characters of ASCII that no text has. Those beyond, and U+FFFD, stand in texts opened in a wrong encoding."""

_NEAR = 1000
_MOST_NO_TEXT = 20
"""Characters that are looked at before the cursor, and how many of them may be no text: a literal may hold some."""


@dataclass(frozen=True, slots=True)
class Cursor:
    r"""The buffer split at the cursor. Line ends are `\\n` here; `newline` is what the file uses."""

    prefix: str
    suffix: str
    newline: str
    language: str = ""
    """LSP language id."""

    @property
    def line_prefix(self) -> str:
        """Text of the cursor's line before the cursor."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_suffix(self) -> str:
        """Text of the cursor's line after the cursor."""
        return self.suffix.split("\n", 1)[0]


def split(snapshot: Snapshot) -> Cursor:
    """Split the snapshot at its cursor, with the line ends that models know, and what else a model should read."""
    before, after = snapshot.text[: snapshot.offset], snapshot.text[snapshot.offset :]
    newline = "\n"
    if "\r" in snapshot.text:
        newline = _newline(before, after)
        before, after = (text.replace("\r\n", "\n").replace("\r", "\n") for text in (before, after))
    return Cursor(snapshot.before + before, after + snapshot.behind, newline, snapshot.language)


def _newline(before: str, after: str) -> str:
    """The line end nearest before the cursor, else the first behind it: files may mix them."""
    end = max(before.rfind("\n"), before.rfind("\r"))
    if end >= 0:
        return "\r\n" if before[max(0, end - 1) : end + 1] == "\r\n" else before[end]
    found = _LINE_END.search(after)
    return found[0] if found else "\n"


def may_suggest(cursor: Cursor) -> bool:
    """Whether an automatic suggestion makes sense here: see `is_free`, `completes_identifier` and `is_binary`."""
    return (is_free(cursor) or completes_identifier(cursor)) and not is_binary(cursor)


def is_binary(cursor: Cursor) -> bool:
    """Whether the cursor stands in data that an editor was made to open: nothing that follows could be of use."""
    return len(_NO_TEXT.findall(cursor.prefix[-_NEAR:])) > _MOST_NO_TEXT


def is_free(cursor: Cursor) -> bool:
    """Whether nothing but closing brackets, quotes and punctuation stands to the right, what opens a block, a comment.

    Ghost text in front of code that is already written is nearly always wrong, and hides it.
    """
    line = cursor.line_suffix
    found = _NO_CODE.match(line)
    end = found.end() if found else 0
    rest = line[end : end + _LONGEST_END]
    if not rest:
        return True
    if line[end - 1 : end].isspace() and rest.startswith("#" if cursor.language in WITH_HASH else ("//", "/*")):
        before = cursor.line_prefix[-_NEAR:] + line[:end]
        return not any(before.count(quote) % 2 for quote in _QUOTES)  # in a string, it is no comment
    either = _NO_CODE_EITHER_IN_PYTHON if cursor.language == "python" else _NO_CODE_EITHER
    return bool(end or rest[0] in "/>") and either.fullmatch(rest) is not None


def completes_identifier(cursor: Cursor) -> bool:
    """Whether the cursor stands right behind the beginning of an identifier, with code behind it on the line.

    Then a suggestion may complete the identifier, and nothing more: see `identifier_part`.
    """
    return not is_free(cursor) and _is_word(cursor.prefix[-1:]) and not _is_word(cursor.suffix[:1])


def splits_identifier(cursor: Cursor) -> bool:
    """Whether identifier characters stand on both sides of the cursor."""
    return _is_word(cursor.prefix[-1:]) and _is_word(cursor.suffix[:1])


def identifier_part(text: str) -> str:
    """The beginning of `text` that goes on with an identifier; may be empty."""
    found = _WORD.match(text)
    return found[0] if found else ""


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def closers(cursor: Cursor) -> str:
    """Brackets, and a string's end, right behind the cursor: put there by the editor, or long before.

    Empty where code follows, or where a quote begins a string.
    """
    found = _CLOSING.match(cursor.line_suffix)
    if found is None or not is_free(cursor):
        return ""
    is_open = all(cursor.line_prefix.count(quote) % 2 for quote in set(found[0]) & _QUOTES)
    return found[0] if is_open else ""


def unclosed(cursor: Cursor) -> Cursor:
    """The same place as it would be if nothing stood closed behind it."""
    return replace(cursor, suffix=cursor.suffix[len(closers(cursor)) :])


def less_closed(cursor: Cursor) -> Iterator[Cursor]:
    """The same place with fewer closers, as it was before the editor put these there."""
    for count in range(1, len(closers(cursor)) + 1):
        yield replace(cursor, suffix=cursor.suffix[count:])


def with_selection(snapshot: Snapshot, start: int, end: int, text: str) -> Snapshot:
    """The snapshot as it would be after the popup's choice `text` has replaced `snapshot.text[start:end]`."""
    return replace(
        snapshot, text=snapshot.text[:start] + text + snapshot.text[max(start, end) :], offset=start + len(text)
    )
