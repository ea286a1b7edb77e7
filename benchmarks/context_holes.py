"""Whether the pieces chosen from other files hold what a hole needs: `python benchmarks/context_holes.py FOLDER …`.

A hole is the rest of a line behind `name(`, or from `name` on, where `name` is a function or class that the file
imports from another file of the folder. No model is asked. Told are the share of holes for which the definition's first
line is among the pieces (without pieces it is for none), and the share of the answer's words that a model can see,
without and with them.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.context.choice import Limits, Place, choose
from lsp_server.context.imports import imports, modules, resolve
from lsp_server.context.index import Index
from lsp_server.context.source import Source

_OPEN_FILES = 20
_SEEN_BEFORE, _SEEN_BEHIND = 2100, 900
"""Characters around the cursor in a prompt of 1,024 tokens with pieces of other files."""

_MOST_HOLES = 12
"""Of one file."""

_WORD = re.compile(r"[^\W\d]\w{2,}")


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a file, what stands there, and the line that defines what is called."""

    kind: str
    """`call` in front of the name, `arguments` behind it."""

    place: Place
    answer: str
    definition: str


def main() -> None:
    """Print one line a folder, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--characters", type=int, default=1000, help="of pieces that the prompt holds")
    parser.add_argument("--chosen", type=int, default=Limits().characters, help="of pieces that are chosen")
    options = parser.parse_args()
    for folder in options.folders:
        found = measured(folder, options.characters, Limits(characters=options.chosen))
        if options.json:
            print(json.dumps(found))
        else:
            print(", ".join(f"{key} {value}" for key, value in found.items()))


def measured(folder: Path, characters: int, limits: Limits) -> dict[str, object]:
    """The figures of one folder, where the prompt holds so many characters of the pieces; shares in percent."""
    sources = [
        Source(path.resolve().as_uri(), path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(folder.rglob("*.py"))
    ]
    words = seen_without = seen_with = 0
    retrieved: dict[str, list[bool]] = {"call": [], "arguments": []}
    took: list[float] = []
    for source in sources:
        others = opened(source, sources)
        index = Index()
        index.update(others)
        index.work(lambda: False)
        for hole in holes_of(source, others):
            started = time.process_time()
            pieces = choose(hole.place, index.known(), limits)
            took.append(time.process_time() - started)
            shown = "\n".join(piece.text for piece in pieces)[:characters]
            around = hole.place.prefix[-_SEEN_BEFORE:] + hole.place.suffix[:_SEEN_BEHIND]
            answer = set(_WORD.findall(hole.answer))
            retrieved[hole.kind].append(hole.definition in shown)
            words += len(answer)
            seen_without += len(answer & set(_WORD.findall(around)))
            seen_with += len(answer & set(_WORD.findall(around + "\n" + shown)))
    took.sort()
    return {
        "folder": folder.name,
        "files": len(sources),
        "holes": sum(map(len, retrieved.values())),
        **{
            f"{kind}: definition among the pieces, %": round(100 * sum(found) / max(len(found), 1), 1)
            for kind, found in retrieved.items()
        },
        "words seen without, %": round(100 * seen_without / max(words, 1), 1),
        "words seen with, %": round(100 * seen_with / max(words, 1), 1),
        "choice p95, ms": round(1000 * took[int(len(took) * 0.95)], 2) if took else 0.0,
    }


def opened(source: Source, sources: list[Source]) -> list[Source]:
    """Twenty files that a person may have open: some of those that the file imports, and any others."""
    rng = random.Random(source.uri.rpartition("/")[2])
    among = modules(sources)
    imported = {found[0].uri for one in imports(source.uri, source.text) if (found := resolve(one, among, source.uri))}
    others = [one for one in sources if one.uri != source.uri]
    rng.shuffle(others)
    others.sort(key=lambda one: one.uri not in imported)
    return others[:_OPEN_FILES]


def holes_of(source: Source, others: list[Source]) -> Iterator[Hole]:
    """Calls, on one line, of what is imported from one of the other files; the import itself stays in the text."""
    try:
        tree = ast.parse(source.text)
    except SyntaxError:
        return
    definitions: dict[str, str] = {}
    for one in imports(source.uri, source.text):
        if (found := resolve(one, modules(others), source.uri)) and found[1]:
            head = re.search(rf"^(?:async )?(?:def|class) {re.escape(found[1])}\b.*$", found[0].text, re.MULTILINE)
            if head:
                definitions[one.alias] = head[0].rstrip()
    lines = source.text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    count = 0
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in definitions):
            continue
        number, column = node.func.lineno - 1, node.func.col_offset
        answer = lines[number].encode()[column:].decode(errors="replace")
        if node.end_lineno != number + 1 or len(answer) < len(node.func.id) + 4 or count == _MOST_HOLES:
            continue
        count += 1
        for kind, rest in (("call", answer), ("arguments", answer[len(node.func.id) + 1 :])):
            end = starts[number] + len(lines[number])
            place = Place(source.uri, source.text[: end - len(rest)], source.text[end:])
            yield Hole(kind, place, rest, definitions[node.func.id])


if __name__ == "__main__":
    main()
