"""What a file imports, and which of the other files that is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.imports import Import, folder_packages, imports, is_sibling, modules, resolve
from lsp_server.context.source import Source, family, short_path, stem

SUFFIXES = {"python": "py", "javascript": "ts", "java": "java", "rust": "rs", "c": "c", "go": "go"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "from pkg.mod import one, two as second\n",
            [Import("pkg/mod", "one", "one"), Import("pkg/mod", "two", "second")],
        ),
        (
            "from pkg import (\n    one,  # first\n    two,\n)\n",
            [Import("pkg", "one", "one"), Import("pkg", "two", "two")],
        ),
        ("from .mod import one\n", [Import("/w/app/mod", "one", "one")]),
        ("from ..core.mod import one\n", [Import("/w/core/mod", "one", "one")]),
        ("from . import mod\n", [Import("/w/app", "mod", "mod")]),
        ("from pkg.mod import *\n", [Import("pkg/mod")]),
        ("import pkg.mod as m, other\n", [Import("pkg/mod", "", "m"), Import("other", "", "other")]),
        ("    import late\n", [Import("late", "", "late")]),
        ("important = 1\nfrom_ = 2\n", []),
        ("from pkg import (one,\n", [Import("pkg", "one", "one")]),
    ],
)
def test_context_imports_of_python(text: str, expected: list[Import]) -> None:
    assert imports("file:///w/app/main.py", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import {a, b as c} from './x'\n", [Import("/w/app/x", "a", "a"), Import("/w/app/x", "b", "c")]),
        ("import D, {e} from '../y.js'\n", [Import("/w/y", "D", "D"), Import("/w/y", "e", "e")]),
        ("import * as ns from '@/lib/z'\n", [Import("lib/z", "", "ns")]),
        ('import type {\n  T,\n} from "./types";\n', [Import("/w/app/types", "T", "T")]),
        ("const {a, b: c} = require('./x')\n", [Import("/w/app/x", "a", "a"), Import("/w/app/x", "b", "c")]),
        ("const x = require('./x.cjs')\n", [Import("/w/app/x", "", "x")]),
        ("import './side-effect'\n", []),
    ],
)
def test_context_imports_of_javascript(text: str, expected: list[Import]) -> None:
    assert imports("file:///w/app/main.ts", text) == expected


@pytest.mark.parametrize(
    ("uri", "text", "expected"),
    [
        ("file:///w/A.java", "import a.b.C;\n", [Import("a/b/C", "C", "C")]),
        (
            "file:///w/a.rs",
            "use crate::store::{Item, load as read};\n",
            [
                Import("store", "Item", "Item"),
                Import("store", "load", "read"),
            ],
        ),
        ("file:///w/a.rs", "use crate::store::*;\n", [Import("store")]),
        ("file:///w/a.c", '#include "lib/list.h"\n', [Import("lib/list"), Import("/w/a")]),
        ("file:///w/a.txt", "import a\n", []),
    ],
)
def test_context_imports_of_other_languages(uri: str, text: str, expected: list[Import]) -> None:
    assert imports(uri, text) == expected


def test_context_packages_of_go() -> None:
    text = 'import (\n\t"fmt"\n\tst "example.org/app/store"\n)\n'
    assert folder_packages("file:///w/main.go", text) == {"fmt": "fmt", "store": "st"}
    assert folder_packages("file:///w/main.py", text) == {}
    assert is_sibling("file:///w/a.go", "file:///w/b.go")
    assert not is_sibling("file:///w/a.go", "file:///w/x/b.go")
    assert not is_sibling("file:///w/a.py", "file:///w/b.py")


def resolved(one: Import, *uris: str, uri: str = "file:///w/app/main.py") -> tuple[str, str] | None:
    found = resolve(one, modules([Source(other, "") for other in uris]), uri)
    return (found[0].uri, found[1]) if found else None


def test_a_context_module_is_found_by_the_end_of_its_path() -> None:
    assert resolved(Import("pkg/mod", "one"), "file:///a/pkg/mod.py", "file:///a/pkg/mode.py") == (
        "file:///a/pkg/mod.py",
        "one",
    )
    assert resolved(Import("pkg/mod", "one"), "file:///a/xpkg/mod.py") is None
    assert resolved(Import("pkg", "one"), "file:///a/pkg/__init__.py") == ("file:///a/pkg/__init__.py", "one")


def test_a_context_name_that_is_a_module_means_the_module() -> None:
    assert resolved(Import("pkg", "mod"), "file:///a/pkg/__init__.py", "file:///a/pkg/mod.py") == (
        "file:///a/pkg/mod.py",
        "",
    )


def test_of_two_context_modules_of_a_name_the_nearer_is_meant() -> None:
    assert resolved(Import("util", "one"), "file:///other/util.py", "file:///w/app/util.py") == (
        "file:///w/app/util.py",
        "one",
    )


def test_a_context_module_is_of_the_same_language() -> None:
    assert resolved(Import("util", "one"), "file:///w/util.js") is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///w/pkg/mod.py", "/w/pkg/mod"),
        ("file:///w/pkg/__init__.py", "/w/pkg"),
        ("file:///w/ui/index.tsx", "/w/ui"),
        ("file:///w.d/Makefile", "/w.d/Makefile"),
        ("untitled:Untitled-1", "Untitled-1"),
    ],
)
def test_context_stems(uri: str, expected: str) -> None:
    assert stem(uri) == expected


def test_a_context_path_shows_no_more_than_tells_files_apart() -> None:
    assert short_path("file:///home/somebody/project/app/my%20file.py") == "project/app/my file.py"
    assert short_path("vscode-notebook-cell:/home/w/nb.ipynb#X12") == "home/w/nb.ipynb"
    assert short_path("file:///a%0Ab.py") == "a b.py"


@given(text=st.text(max_size=300), name=st.sampled_from(sorted(SUFFIXES)))
def test_context_imports_of_any_text_are_none_or_some(text: str, name: str) -> None:
    uri = f"file:///w/a.{SUFFIXES[name]}"
    assert family(uri) == name
    for one in imports(uri, f"import {text} from '{text}'\nfrom {text} import ({text}\nuse a::{{{text}}};\n"):
        found = resolve(one, modules([Source("file:///w/b.py", "")]), uri)
        assert found is None or name == "python"


@given(st.text(max_size=50))
def test_any_context_address_has_a_path(uri: str) -> None:
    assert "\n" not in short_path(uri)
    assert isinstance(family(uri) + stem(uri), str)
