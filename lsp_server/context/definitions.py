"""Where the lines of a file define names, and the short form in which a definition helps elsewhere.

Goes by the first words of a line and by indentation, which is quick, and works on text that is just being edited. Knows
nothing of types and scopes: the outermost definition of a name, and of those the first, is taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from keyword import iskeyword

from lsp_server.context.words import LONGEST_LINE

_MODIFIERS = (
    r"(?:(?:public|protected|private|internal|static|final|abstract|sealed|override|open|data|partial|suspend|async"
    r"|virtual|readonly|export|default|declare|case)[ \t]+)*"
)
_HEADS = {
    "python": re.compile(
        r"(?P<indent>[ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+(?P<name>\w+)"
        r"|(?P<constant>[^\W\d]\w*)[ \t]*(?::[^=]*)?=(?!=)"
    ),
    "javascript": re.compile(
        rf"(?P<indent>[ \t]*){_MODIFIERS}"
        r"(?:function\b[ \t]*\*?[ \t]*|(?:class|interface|enum|type|const|let|var|namespace)[ \t]+)(?P<name>[\w$]+)"
    ),
    "java": re.compile(
        rf"(?P<indent>[ \t]*){_MODIFIERS}(?:class|interface|enum|record|object|struct|fun|def|trait)[ \t]+(?P<name>\w+)"
    ),
    "go": re.compile(r"(?P<indent>)(?:func[ \t]+(?:\([^)]*\)[ \t]*)?|(?:type|var|const)[ \t]+)(?P<name>\w+)"),
    "rust": re.compile(
        r"(?P<indent>[ \t]*)(?:pub(?:\([^)]*\))?[ \t]+)?(?:(?:async|unsafe|const|extern(?:[ \t]+\"C\")?)[ \t]+)*"
        r"(?:fn|struct|enum|trait|type|mod|const|static|union|macro_rules!)[ \t]+(?P<name>\w+)"
    ),
    "c": re.compile(
        r"(?P<indent>)(?:#[ \t]*define|(?:typedef[ \t]+)?(?:struct|class|enum(?:[ \t]+class)?|union|namespace))[ \t]+"
        r"(?P<name>\w+)|(?P<constant>)[^\W\d][\w \t*&:<>,]*[ \t*&](?P<function>\w+)[ \t]*\("
    ),
}
_DOCSTRING = re.compile(r"\s*[rRuU]?(\"\"\"|''')(.*)")
_MEMBER = re.compile(r"\s*(?:[^\W\d]|@|~)")
_CLASS = re.compile(r"\s*(?:[a-z]+\s+)*(?:class|interface|record|struct|trait|enum|object|namespace|impl)\b")

_QUOTES = ('"""', "'''")
_LONGEST = 300
"""Lines of a definition that are looked at."""

_SMALL = 8
"""Lines of a definition that is shown whole; of a longer one, its signature and the first line of its docstring."""

_LONGEST_HEAD = 10
_MOST_MEMBERS = 16
"""Lines of a signature, and members of a class, that are shown."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that is defined from line `start` on, counted from 0, at a depth of `indent` characters."""

    name: str
    start: int
    indent: int


def definition_at(lines: Sequence[str], number: int, family: str) -> Definition | None:
    """The definition whose first line is `lines[number]`, if there is one."""
    line = lines[number]
    head = _HEADS.get(family)
    found = head.match(line) if head and len(line) <= LONGEST_LINE else None
    if found is None:
        return None
    groups = found.groupdict()
    name = groups["name"] or groups.get("function") or groups.get("constant")
    if not name or iskeyword(name):  # such as `else: x = 1`
        return None
    return Definition(name, number, len(groups["indent"] or ""))


def shortened(lines: Sequence[str], definition: Definition) -> list[str]:
    """The lines of a definition that say how to use it: all if they are few, else signature, docstring and members."""
    start, end = definition.start, _end(lines, definition)
    while start and _is_decorator(lines[start - 1], definition.indent):
        start -= 1
    own = lines[start:end]
    head = definition.start - start + _head_length(lines[definition.start : end])
    if len(own) <= max(_SMALL, head):
        return [*own]
    shown = [*own[:head], *_first_of_docstring(own[head])]
    if _CLASS.match(lines[definition.start]):
        return [*shown, *_members(own[head:])]
    opener = own[head - 1].rstrip()
    if opener.endswith("{"):
        return [*shown, " " * definition.indent + "}"]
    return [*shown, f"{_indentation(own[head])}..."] if opener.endswith(":") else shown


def _end(lines: Sequence[str], definition: Definition) -> int:
    """The first line behind a definition: closing brackets at its own depth still belong to it."""
    end = definition.start + 1
    for at in range(end, min(len(lines), end + _LONGEST)):
        body = lines[at].lstrip()
        if not body:
            continue
        if len(lines[at]) - len(body) <= definition.indent and body[0] not in ")]}":
            break
        end = at + 1
    return end


def _head_length(own: Sequence[str]) -> int:
    """Lines of a signature: to the one where its brackets are closed."""
    depth = 0
    for count, line in enumerate(own[:_LONGEST_HEAD], start=1):
        depth += sum(line.count(mark) for mark in "([") - sum(line.count(mark) for mark in ")]")
        if depth <= 0:
            return count
    return 1


def _first_of_docstring(line: str) -> Iterator[str]:
    """The first line of a docstring, closed, if `line` is one."""
    if found := _DOCSTRING.match(line):
        mark, text = found.groups()
        yield line.rstrip() if text.rstrip().endswith(mark) else line.rstrip() + mark


def _members(body: Sequence[str]) -> Iterator[str]:
    """The signatures of a class's members: what begins with a name at the depth of the first that does."""
    inner, count, is_in_text = -1, 0, False
    for number, line in enumerate(body):
        if sum(line.count(quotes) for quotes in _QUOTES) % 2:
            is_in_text = not is_in_text
        elif not is_in_text and _MEMBER.match(line) and inner in {-1, _depth(line)}:
            inner, count = _depth(line), count + 1
            if count > _MOST_MEMBERS:
                return
            yield from (one.rstrip() for one in body[number : number + _head_length(body[number:])])


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_decorator(line: str, indent: int) -> bool:
    return line.startswith(("@", "#["), indent) and not line[:indent].strip()


def _indentation(line: str) -> str:
    return line[: _depth(line)] or "    "
