"""A text to take pieces from, a piece, and what their addresses tell. Knows no language's syntax."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

_FAMILIES = {
    "python": ("py", "pyi", "pyw", "ipynb"),
    "javascript": ("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte"),
    "java": ("java", "kt", "kts", "scala", "groovy", "cs"),
    "go": ("go",),
    "rust": ("rs",),
    "c": ("c", "h", "cc", "hh", "cpp", "hpp", "cxx", "hxx", "m", "mm", "cu"),
    "css": ("css", "scss", "sass", "less"),
    "elixir": ("ex", "exs"),
    "html": ("html", "htm", "xhtml"),
    "markdown": ("md", "markdown"),
    "ocaml": ("ml", "mli"),
    "yaml": ("yaml", "yml"),
}
_FAMILY_OF = {suffix: family for family, suffixes in _FAMILIES.items() for suffix in suffixes}

_FOLDERS_OWN = {"python": "__init__", "javascript": "index", "rust": "mod"}
"""Name of the file that is imported by the name of its folder."""

_PARTS_SHOWN = 3
"""Of a path: enough to tell files apart, and nothing of where a person keeps them."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one other file, as the editor has it or had it."""

    uri: str
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of another file that are worth to be read before the file at the cursor."""

    path: str
    """The file's path, shortened; see `short_path`."""

    text: str
    """Whole lines, without a line end at the end; never empty."""


@lru_cache(maxsize=1024)
def path_of(uri: str) -> str:
    """The path in an address, which may be anything: what can't be parsed is a path without folders."""
    try:
        return unquote(urlsplit(uri).path)
    except ValueError:  # such as "file://[": brackets that hold no address
        return uri.replace("/", " ")


def short_path(uri: str) -> str:
    """The last parts of an address's path, in one line."""
    return " ".join("/".join(path_of(uri).split("/")[-_PARTS_SHOWN:]).split()).lstrip("/")


@lru_cache(maxsize=1024)
def family(uri: str) -> str:
    """Languages that import each other, by a file's suffix: `javascript` also for TypeScript.

    Another suffix stands for itself: Ruby is not like Markdown. Empty where there is none.
    """
    _, dot, suffix = path_of(uri).rpartition(".")
    return _FAMILY_OF.get(suffix.lower(), suffix.lower()) if dot and "/" not in suffix else ""


@lru_cache(maxsize=1024)
def stem(uri: str) -> str:
    """The path by which a file is imported: without its suffix, and without the name that stands for its folder."""
    path, dot, suffix = path_of(uri).rpartition(".")
    path = path if dot and "/" not in suffix else path_of(uri)
    folder, _, name = path.rpartition("/")
    return folder if folder and name == _FOLDERS_OWN.get(family(uri)) else path


def folder(uri: str) -> str:
    """The path of the folder that a file is in."""
    return path_of(uri).rpartition("/")[0]
