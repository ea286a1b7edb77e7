"""Which names a file imports, and from which of some other files. Knows texts and addresses only, never the disk.

A module's name is compared with the end of each file's path, so that it does not matter which folder a language looks
in first. What is written inside of strings is taken for an import too: at worst, a piece more is looked at.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from lsp_server.context.source import Source, family, folder, path_of, stem

MOST_CHARS = 16_000
"""How much of a file is searched: imports stand at its beginning."""

_MOST_IMPORTS = 200
_LONGEST_LIST = 4000
"""Imports that are looked at, and characters of one in brackets."""


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a file imports."""

    module: str
    """Path of the other file without its suffix, or the end of it; absolute where the import is relative."""

    name: str = ""
    """What is imported; empty for the module itself, or for everything in it."""

    alias: str = ""
    """What it is called here; empty where the module's names need no name before them."""


Modules = dict[str, list[Source]]
"""See `modules`."""

_PYTHON = re.compile(
    rf"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]{{0,{_LONGEST_LIST}}}|[^\n#;]+)|import[ \t]+([^\n#;]+))",
    re.MULTILINE,
)
_SCRIPT = re.compile(
    rf"\bimport\s+(?:type\s+)?([^'\";]{{1,{_LONGEST_LIST}}}?)\s*\bfrom\s*['\"]([^'\"\n]+)['\"]"
    r"|\b(?:const|let|var)\s+(\{[^}]{1,4000}\}|[\w$]+)\s*=\s*(?:await\s+)?(?:require|import)\(\s*['\"]([^'\"\n]+)['\"]"
)
_JAVA = re.compile(r"^[ \t]*(?:import|using)[ \t]+(?:static[ \t]+)?([\w.]+)", re.MULTILINE)
_RUST = re.compile(rf"^[ \t]*(?:pub[ \t]+)?use[ \t]+((?:\w+::)+)(\{{[^;]{{0,{_LONGEST_LIST}}}|\w+|\*)", re.MULTILINE)
_GO = re.compile(r"^[ \t]*(?:import[ \t]+)?(?:([\w.]+)[ \t]+)?\"([\w./~-]+)\"[ \t]*$", re.MULTILINE)
_C = re.compile(r"^[ \t]*#[ \t]*include[ \t]*[\"<]([^\">\n]+)[\">]", re.MULTILINE)
_RENAMED = re.compile(r"\s+as\s+|\s*:\s*")


def imports(uri: str, text: str) -> list[Import]:
    """What the file at `uri` imports by the beginning of its text, in its order."""
    find = _FINDERS.get(family(uri))
    return [*islice(find(uri, text[:MOST_CHARS]), _MOST_IMPORTS)] if find else []


def modules(sources: Sequence[Source]) -> Modules:
    """Sources by the last part of the name that they are imported by."""
    found: Modules = {}
    for source in sources:
        found.setdefault(_last(stem(source.uri)), []).append(source)
    return found


def resolve(one: Import, among: Modules, uri: str) -> tuple[Source, str] | None:
    """The source that `one`, an import of the file at `uri`, means, and the name in it; empty for all of it.

    Where several match, the one with most of its path in common with the file's.
    """
    below = f"{one.module}/{one.name}".lstrip("/") if one.name else ""  # a name that is a module itself
    for module, name in ((below, ""), (one.module, one.name)):
        candidates = [
            source
            for source in among.get(_last(module), ())
            if module and f"/{stem(source.uri)}".endswith(f"/{module}") and family(source.uri) == family(uri)
        ]
        if candidates:
            own = path_of(uri)
            return max(candidates, key=lambda source: len(posixpath.commonprefix([own, path_of(source.uri)]))), name
    return None


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _names(listed: str) -> Iterator[tuple[str, str]]:
    """Names and what they are called here, out of `a, b as c` or `{a, b: c}`."""
    for part in re.sub(r"#[^\n]*|//[^\n]*", "", listed).strip("(){} \t\n").split(","):
        name, *alias = _RENAMED.split(part.strip().removeprefix("type "), maxsplit=1)
        if name := name.strip("(){} \t\n\\"):
            yield name, alias[0].strip() if alias else name


def _relative(uri: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder(uri), path))


def _python(uri: str, text: str) -> Iterator[Import]:
    for module, listed, plain in _PYTHON.findall(text):
        for name, alias in _names(plain):
            yield Import(name.replace(".", "/"), "", alias)
        if not plain:
            dots = len(module) - len(module.lstrip("."))
            path = module[dots:].replace(".", "/")
            path = _relative(uri, "../" * (dots - 1) + path) if dots else path
            for name, alias in _names(listed):
                yield Import(path) if name == "*" else Import(path, name, alias)


def _script(uri: str, text: str) -> Iterator[Import]:
    for clause, named, assigned, required in _SCRIPT.findall(text):
        path = re.sub(r"\.(?:[cm]?[jt]sx?|vue|svelte)$", "", named or required)
        module = _relative(uri, path) if path.startswith(".") else path.removeprefix("@/").removeprefix("~/")
        outside, _, braced = (clause or assigned).partition("{")
        for name, alias in _names(outside):
            yield Import(module, "" if name == "*" or assigned else name, alias)
        for name, alias in _names(braced):
            yield Import(module, name, alias)


def _java(uri: str, text: str) -> Iterator[Import]:
    del uri
    for path in _JAVA.findall(text):
        module = path.strip(".").replace(".", "/")
        yield Import(module, module.rpartition("/")[2], module.rpartition("/")[2])


def _rust(uri: str, text: str) -> Iterator[Import]:
    for path, listed in _RUST.findall(text):
        parts = [part for part in path.split("::") if part]
        below = [part for part in parts if part not in {"crate", "self", "super"}]
        module = "/".join(below) or folder(uri)
        for name, alias in _names(listed):
            yield Import(module) if name in {"*", "self"} else Import(module, name.rpartition("::")[2], alias)


def _c(uri: str, text: str) -> Iterator[Import]:
    for path in _C.findall(text):
        yield Import(re.sub(r"\.\w+$", "", posixpath.normpath(path)).lstrip("./"))
    yield Import(stem(uri))  # the header of the same name


_FINDERS: dict[str, Callable[[str, str], Iterator[Import]]] = {
    "python": _python,
    "javascript": _script,
    "java": _java,
    "rust": _rust,
    "c": _c,
}


def folder_packages(uri: str, text: str) -> dict[str, str]:
    """Go's imports: the name of each package, and what it is called here; empty in other languages."""
    if family(uri) != "go":
        return {}
    found = islice(_GO.findall(text[:MOST_CHARS]), _MOST_IMPORTS)
    return {path.rpartition("/")[2]: alias or path.rpartition("/")[2] for alias, path in found}


def is_sibling(uri: str, other: str) -> bool:
    """Whether two files see each other's names without an import, as the files of a package do in Java and Go."""
    return family(uri) == family(other) in {"java", "go"} and folder(uri) == folder(other)
