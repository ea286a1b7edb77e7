"""Names that Python's standard library offers to a file that imports from it; read from this Python's own files.

Nothing is imported, and nothing of the person's is read.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from functools import cache, lru_cache
from pathlib import Path

_IMPORTED = re.compile(r"[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*))")
_IMPORTING = re.compile(r"[ \t]*(?:from|import)[ \t]")
_OFFERED = re.compile(r"^(?:(?:async )?def|class)[ \t]+([^\W\d_]\w*)|^([^\W\d_]\w*)[ \t]*(?::[^=\n]+)?=", re.MULTILINE)
_EXPORTED = re.compile(r"__all__[^\[(]*[\[(]([^\])]*)[\])]")
_QUOTED = re.compile(r"[\"'](\w+)[\"']")
_MOST_MODULES = 24
_HEAD_CHARS = 20_000
"""Where a file imports what it uses."""


def offered_to(text: str) -> tuple[str, ...]:
    """Names inside the modules of the standard library that `text` imports; of the modules, on a line that imports."""
    line = text.rfind("\n") + 1
    imports = _IMPORTING.match(text[line:])
    modules = sorted(sys.stdlib_module_names) if imports else ()
    # The cursor's line is left out where it can be, so that the same text comes again at the next key.
    return (*modules, *_offered_by_imports(text[: _HEAD_CHARS if imports else min(line, _HEAD_CHARS)]))


@lru_cache(maxsize=8)
def _offered_by_imports(head: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for line in head.split("\n"):
        if line.lstrip().startswith(("import", "from")) and (match := _IMPORTED.match(line)):
            for module in (match[1] or match[2]).split(","):
                found[module.strip()] = None
    known = [module for module in found if module.split(".")[0] in sys.stdlib_module_names][:_MOST_MODULES]
    return tuple(name for module in known for name in _names_in(module))


@cache
def _names_in(module: str) -> tuple[str, ...]:
    """Public names of a module's source; none where it has no source."""
    place = Path(sysconfig.get_path("stdlib")).joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        exported = [name for listed in _EXPORTED.findall(source) for name in _QUOTED.findall(listed)]
        return tuple(dict.fromkeys([*exported, *(one or other for one, other in _OFFERED.findall(source))]))
    return ()
