"""How pieces of other files stand in a prompt: behind a family's own separators, under its headers, or as comments.

Knows formats and tokens; which pieces, and whether any, has been decided before. Comments are what models that learnt
from single files have seen in front of code (as Zhang et al. 2023, arXiv:2303.12570, show pieces to them).
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.formats import InfillFormat
from inference.request import ContextPiece, Request
from inference.tokenizer import TextTokenizer

_HASH = ("py", "pyi", "pyw", "ipynb", "rb", "sh", "bash", "zsh", "fish", "pl", "r", "jl", "ex", "exs", "ps1", "nix")
_HASH_TOO = ("yml", "yaml", "toml", "cfg", "ini", "conf", "mk", "cmake", "dockerfile", "makefile")
_COMMENTS = {
    **dict.fromkeys((*_HASH, *_HASH_TOO), ("# ", "")),
    **dict.fromkeys(("sql", "lua", "hs", "elm", "adb", "ads", "vhd"), ("-- ", "")),
    **dict.fromkeys(("html", "xml", "md", "svg", "vue"), ("<!-- ", " -->")),
    **dict.fromkeys(("css", "c", "h"), ("/* ", " */")),
    **dict.fromkeys(("ml", "mli"), ("(* ", " *)")),
    **dict.fromkeys(("el", "lisp", "clj", "scm"), ("; ", "")),
    **dict.fromkeys(("tex", "erl", "m"), ("% ", "")),
}
_USUAL_COMMENT = ("// ", "")
_FEWEST_TOKENS = 16
"""Where there is room for fewer, another piece would not be worth its header."""


@dataclass(frozen=True, slots=True)
class OtherFiles:
    """Token ids of pieces, and of the header of the file itself, by where they belong."""

    in_front: tuple[int, ...] = ()
    """In front of the whole prompt [n]."""

    before_prefix: tuple[int, ...] = ()
    """In front of the text before the gap [n]."""

    def __len__(self) -> int:
        return len(self.in_front) + len(self.before_prefix)


def write(row: InfillFormat, tokenizer: TextTokenizer, request: Request, room: int) -> OtherFiles:
    """As many pieces of `request.context` as `room` tokens hold, the most useful next to the file itself.

    Without any, the path of the file itself, for families that learnt to find it there. Pieces are plain text: a
    control token's name in them stays text. The last that fits may be cut at a line's end.
    """
    separator = tokenizer.token_id(row.file_separator) if row.file_separator else None
    own = f"{row.file_header}{request.path}\n" if request.path and (row.file_header or separator is not None) else ""
    header = tokenizer.encode(own)
    left = room - len(header) - (separator is not None)
    blocks: list[list[int]] = []
    for piece in request.context:
        marks = [] if separator is None else [separator]
        comments = None if separator is not None or row.file_header else _comments(request.path or piece.path)
        block = _fitting(tokenizer, f"{row.file_header}{piece.path}", piece, left - len(marks), comments)
        if not block:
            break
        blocks.append([*marks, *block])
        left -= len(blocks[-1])
    if not blocks:
        if separator is None or not row.is_path_infilled or not header or left < 0:
            return OtherFiles()
        return OtherFiles((separator,), tuple(header))
    pieces = [identifier for block in reversed(blocks) for identifier in block]
    if separator is None:
        return OtherFiles(before_prefix=(*pieces, *header))
    if row.is_path_infilled:
        return OtherFiles((*pieces, separator), tuple(header))
    return OtherFiles((*pieces, separator, *header))


def _fitting(
    tokenizer: TextTokenizer, header: str, piece: ContextPiece, room: int, comments: tuple[str, str] | None
) -> list[int]:
    """The piece's first lines that `room` tokens hold, under its header; empty where that is not worth it."""
    lines = piece.text.split("\n")
    while lines and room >= _FEWEST_TOKENS:
        plain = [header, *lines, ""]
        text = "\n".join(plain if comments is None else _commented([f"{header}:", *lines], *comments))
        ids = tokenizer.encode(text)
        if len(ids) <= room:
            return ids
        lines = lines[: min(len(lines) - 1, len(lines) * room // len(ids))]
    return []


def _comments(path: str) -> tuple[str, str]:
    """What begins and ends a comment on a line of its own in files like `path`."""
    suffix = path.rpartition("/")[2].rpartition(".")[2].lower()
    return _COMMENTS.get(suffix, _USUAL_COMMENT)


def _commented(lines: list[str], before: str, behind: str) -> list[str]:
    """Lines as comments, with a blank line behind them."""
    return [*(f"{before}{line}{behind}".rstrip() for line in lines), "", ""]
