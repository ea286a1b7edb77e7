"""Steps about where a suggestion ends: blanks, control tokens, and what the token limit has cut through. Pure."""

from __future__ import annotations

import re

from lsp_server.cursor import Cursor
from lsp_server.parsing import opens_string
from lsp_server.python_lines import before, statements

_CONTROL_TOKEN = re.compile(
    r"<\|[\w▁]+\|>"  # <|endoftext|>, <|fim_middle|>, <|EOT|>
    r"|<｜[^｜\n]{1,40}｜>"  # noqa: RUF001  # DeepSeek's, as they are spelled
    r"|<fim[-_]\w+>|<\[(?:fim-\w+|end▁of▁sentence)\]>"
    r"|<(?:file_sep|reponame|repo_name|gh_stars|issue_\w+|jupyter_\w+|commit_\w+|empty_output|start_of_turn|end_of_turn)>"
    r"|(?P<word><(?:filename|mask_\d+|sep|eom|bos|eos|pad|unk)>)"
    r"|▁?<(?:PRE|SUF|MID|EOT)>|\[(?:PREFIX|SUFFIX|MIDDLE)\]"
    r"|<(?:fim[-_]\w*|\|(?:endoftext|fim)\w*\|?)\Z"
)
"""Spellings of the control tokens of all formats, and of some that begin at the end of the text. `<s>` is HTML too.

A `word` may as well stand in a text for people, `usage: cat <filename>`.
"""

_UNFINISHED_WORD = re.compile(r"\w+\Z")
_DANGLING = " \t,.([{=+-*/&|<>!:"
_WORD = re.compile(r"\w")


def without_control_tokens(text: str, cursor: Cursor) -> str:
    """Cut in front of a control token that a model has spelled out, unless the file holds it too."""
    for found in _CONTROL_TOKEN.finditer(text):
        is_words = found["word"] is not None and _ends_in_string(cursor.line_prefix + text[: found.start()])
        if not is_words and found[0] not in cursor.prefix and found[0] not in cursor.suffix:
            return text[: found.start()]
    return text


def _ends_in_string(before: str) -> bool:
    return opens_string(before[before.rfind("\n") + 1 :], "\"'`")


def without_trailing_blanks(text: str, cursor: Cursor) -> str:
    """Drop white space at the end of every line; text of nothing but white space is no suggestion."""
    if not text.strip():
        return ""
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")


def without_unfinished_end(text: str, cursor: Cursor) -> str:
    """Of text that the token limit has cut, the complete lines; of a single line, what stands before its last word.

    Of Python, the statements before the one that was cut, where there are any. In a single line, brackets, commas and
    operators that have nothing behind them then go too. Nothing is left of a single word: half of a name is worse than
    none.
    """
    lines, _, _ = text.rpartition("\n")
    if lines.strip():
        above = before(cursor)
        found = statements(above + text) if above is not None else []
        if above is None or not found or found[-1].end <= len(above + lines):
            return lines
        start = found[-1].start - len(above)
        return text[: start - 1] if text[: max(0, start)].strip() else lines
    kept = _UNFINISHED_WORD.sub("", text)
    if kept != text:
        kept = kept.rstrip(_DANGLING)
    return kept if _WORD.search(kept) else ""
