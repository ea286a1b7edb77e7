"""What can be asked about a place in a document: its block explained, its comment written as code. Pure.

Works on the lines of a document without their ends; knows nothing of LSP.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HASH = {
    "python", "ruby", "shellscript", "perl", "r", "yaml", "toml", "makefile", "dockerfile", "julia",
    "powershell", "nim", "coffeescript", "tcl", "php", "terraform", "bash", "sh", "zsh", "fish", "cmake", "graphql",
    "make", "elixir", "crystal", "starlark",
}  # fmt: skip
_DASHES = {"lua", "sql", "haskell", "elm", "ada", "vhdl"}
_SEMICOLON = {"lisp", "clojure", "scheme", "emacs-lisp", "elisp", "commonlisp", "asm", "ini"}
_PERCENT = {"latex", "tex", "matlab", "erlang", "prolog"}
_SLASHES = {
    "c", "cpp", "objective-c", "objective-cpp", "csharp", "java", "javascript", "javascriptreact", "typescript",
    "typescriptreact", "go", "rust", "swift", "kotlin", "scala", "dart", "groovy", "zig", "d", "php", "less", "scss",
}  # fmt: skip
_BLOCKS = _SLASHES | {"css"}
"""Languages with comments between slash-star and star-slash."""

_CLOSERS = frozenset(")]}>;, ")
_FENCE = re.compile(r"^```[^\n]*\n?(.*?)(?:^```|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lines:
    """A range of whole lines, from 0, `last` included."""

    first: int
    last: int

    def text(self, lines: Sequence[str]) -> str:
        """Their text."""
        return "\n".join(lines[self.first : self.last + 1])


def block_at(lines: Sequence[str], line: int) -> Lines | None:
    """The block that `line` opens or lies in, by indentation; at the outermost level the lines up to empty ones.

    None on an empty line.
    """
    if line >= len(lines) or not lines[line].strip():
        return None
    own = _indentation(lines[line])
    following = next((text for text in lines[line + 1 :] if text.strip()), "")
    head = line
    if _indentation(following) <= own:
        if own == 0:
            return _paragraph(lines, line)
        head = next(
            (
                number
                for number in range(line - 1, -1, -1)
                if lines[number].strip() and _indentation(lines[number]) < own
            ),
            line,
        )
    return _body(lines, head)


def comment_at(lines: Sequence[str], line: int, language: str) -> tuple[Lines, str] | None:
    """The comment that `line` belongs to, over all its lines, and its text without marks; None where there is none."""
    if line >= len(lines):
        return None
    if language in _BLOCKS and (block := _block_comment(lines, line)):
        return block
    marker = _marker(language)
    if marker is None or not marker.match(lines[line]):
        return None
    first = last = line
    while first > 0 and marker.match(lines[first - 1]):
        first -= 1
    while last + 1 < len(lines) and marker.match(lines[last + 1]):
        last += 1
    text = " ".join(filter(None, (marker.sub("", one).strip() for one in lines[first : last + 1])))
    return (Lines(first, last), text) if text else None


def _block_comment(lines: Sequence[str], line: int) -> tuple[Lines, str] | None:
    """The comment between slash-star and star-slash around `line`, if nothing else stands on its lines."""
    first = next((number for number in range(line, -1, -1) if lines[number].lstrip().startswith("/*")), None)
    if first is None:
        return None
    last = next((number for number in range(first, len(lines)) if "*/" in lines[number]), None)
    if last is None or last < line or not lines[last].rstrip().endswith("*/"):
        return None
    inner = " ".join(re.sub(r"^\s*(/\*+|\*(?!/))|\*+/\s*$", "", one).strip() for one in lines[first : last + 1])
    text = " ".join(inner.replace("*/", " ").split())
    return (Lines(first, last), text) if text else None


def code_in(answer: str) -> str:
    """The code in a model's answer: what stands in its first fence, or else all of it."""
    plain = answer.replace("\r\n", "\n").replace("\r", "\n")
    fenced = _FENCE.search(plain)
    return (fenced[1] if fenced else plain).strip("\n").rstrip()


def indented(code: str, indentation: str) -> str:
    """`code` with its least indentation replaced by `indentation`."""
    lines = code.split("\n")
    least = min((_leading(line) for line in lines if line.strip()), key=len, default="")
    return "\n".join(indentation + line.removeprefix(least) if line.strip() else "" for line in lines)


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _indentation(line: str) -> int:
    return len(_leading(line).expandtabs(8))


def _paragraph(lines: Sequence[str], line: int) -> Lines:
    first = last = line
    while first > 0 and lines[first - 1].strip():
        first -= 1
    while last + 1 < len(lines) and lines[last + 1].strip():
        last += 1
    return Lines(first, last)


def _body(lines: Sequence[str], head: int) -> Lines:
    """`head` with all deeper lines below it, and the line that only closes them."""
    own = _indentation(lines[head])
    last = head
    for number in range(head + 1, len(lines)):
        text = lines[number]
        if not text.strip():
            continue
        if _indentation(text) <= own:
            closes = _indentation(text) == own and all(character in _CLOSERS for character in text.strip())
            return Lines(head, number if closes else last)
        last = number
    return Lines(head, last)


def _marker(language: str) -> re.Pattern[str] | None:
    """What a comment line of a language begins with; None where it is not known."""
    for mark, languages in (
        (r"#+(?!!)", _HASH),
        ("//+", _SLASHES),
        ("--+", _DASHES),
        (";+", _SEMICOLON),
        ("%+", _PERCENT),
    ):
        if language in languages:
            return re.compile(rf"\s*{mark}")
    return None
