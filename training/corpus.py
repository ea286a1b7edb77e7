"""Collects permissively licensed Python from this environment and splits it by package.

Sources are the standard library and the distributions installed beside this file. A distribution is taken only when its
metadata names licences that all stand in `PERMISSIVE`. The split is by package, never by file, because files of one
package resemble each other and would inflate every held-out figure (Allamanis 2019, "The adverse effects of code
duplication").

Knows nothing of tokens or models: it reads files and writes `train.jsonl`, `heldout.jsonl`, `files.tsv` and
`CORPUS.md`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from platform import python_version
from typing import Any

from lsp_server.evaluation.sources import HELD_OUT_ONE_IN, is_held_out

PERMISSIVE = {
    *("0BSD", "APACHE", "APACHE-2.0", "APACHE 2.0", "APACHE LICENSE 2.0", "APACHE LICENSE, VERSION 2.0"),
    *("APACHE SOFTWARE LICENSE", "APACHE 2.0 LICENSE", "BSD", "BSD LICENSE", "BSD-2-CLAUSE", "BSD-3-CLAUSE"),
    *("3-CLAUSE BSD LICENSE", "NEW BSD LICENSE", "CC0-1.0", "HPND", "ISC", "ISC LICENSE (ISCL)", "MIT", "MIT LICENSE"),
    *("PSF-2.0", "PYTHON SOFTWARE FOUNDATION LICENSE", "UNLICENSE", "ZLIB"),
    *("BSL-1.0", "LLVM-EXCEPTION", "MIT-CMU"),
}
"""Licence names (upper case) as SPDX, trove classifiers and the free `License` field spell them."""

MAX_PACKAGE_CHARS = 12_000_000
"""More of one package than this would drown the rest."""

MAX_FILE_CHARS = 200_000
SKIPPED_FOLDERS = {
    "test",
    "tests",
    "testing",
    "idlelib",
    "lib2to3",
    "site-packages",
    "__pycache__",
    "_vendor",
    "vendor",
    "vendored",
    "node_modules",
    "_click",
}
DUPLICATE_LINE_SHARE = 0.6


@dataclass(frozen=True)
class SourceFile:
    """One file: `package` is what the split goes by; `name` is the path below its root, with forward slashes."""

    package: str
    version: str
    licence: str
    name: str
    text: str


def build(out: Path, report: Path) -> None:
    """Write the corpus below `out` and its description to `report`.

    Raises:
        OSError: `out` or `report` cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    kept = list(_capped(_deduplicated(_readable(sorted(_all_files(), key=_seeded_order)))))
    for split in ("train", "heldout"):
        rows = [file for file in kept if is_held_out(file.package) == (split == "heldout")]
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"package": f.package, "path": f.name, "text": f.text}) + "\n" for f in rows)
    listing = sorted(f"{f.package}\t{f.version}\t{f.licence}\t{f.name}\t{len(f.text)}\n" for f in kept)
    (out / "files.tsv").write_text("package\tversion\tlicence\tfile\tcharacters\n" + "".join(listing), encoding="utf-8")
    report.write_text(_report(kept), encoding="utf-8")


def _all_files() -> Iterator[SourceFile]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in root.rglob("*.py"):
        name = path.relative_to(root)
        if not SKIPPED_FOLDERS.intersection(name.parts):
            yield SourceFile(
                f"stdlib/{name.parts[0].removesuffix('.py')}", python_version(), "PSF-2.0", name.as_posix(), _read(path)
            )
    for distribution in distributions():
        if (licence := _permissive_licence(distribution)) is None:
            continue
        for entry in distribution.files or []:
            if entry.suffix == ".py" and ".." not in entry.parts and not SKIPPED_FOLDERS.intersection(entry.parts):
                text = _read(Path(str(distribution.locate_file(entry))))
                yield SourceFile(distribution.name.lower(), distribution.version, licence, entry.as_posix(), text)


def _permissive_licence(distribution: Distribution) -> str | None:
    """The licence expression of a distribution when every part of it is permissive, else None."""
    metadata: Any = distribution.metadata  # an email.message.Message, whose `get` the stubs leave out
    every: list[str] = metadata.get_all("Classifier") or []
    classifiers = [name.split(" :: ")[-1] for name in every if name.startswith("License ::")]
    stated = metadata.get("License-Expression")
    free_text = metadata.get("License")
    for candidate in (stated, " AND ".join(c for c in classifiers if c != "OSI Approved"), free_text):
        if candidate and "\n" not in candidate:
            parts = [part.strip(" ()") for part in re.split(r"\s+(?:AND|OR|WITH)\s+", candidate)]
            return candidate if all(part.upper() in PERMISSIVE for part in parts) else None
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _readable(files: list[SourceFile]) -> Iterator[SourceFile]:
    """Files that a person wrote: no data tables, no generated code, nothing huge or tiny."""
    for file in files:
        lines = file.text.splitlines()
        if not 200 <= len(file.text) <= MAX_FILE_CHARS or max(map(len, lines)) > 1000:
            continue
        head = file.text[:2000].lower()
        digits = sum(character.isdigit() for character in file.text)
        if "generated by" in head or "do not edit" in head or digits > len(file.text) / 5:
            continue
        yield file


def _deduplicated(files: Iterator[SourceFile]) -> Iterator[SourceFile]:
    """Drop files most of whose lines were seen already: exact copies and near copies alike, in one pass.

    Only lines of 20 or more characters count; shorter ones are shared by unrelated files.
    """
    seen: set[bytes] = set()
    for file in files:
        lines = {line.strip() for line in file.text.splitlines() if len(line.strip()) >= 20}
        keys = {hashlib.blake2b(line.encode(), digest_size=8).digest() for line in lines}
        if keys and len(keys & seen) <= DUPLICATE_LINE_SHARE * len(keys):
            seen |= keys
            yield file


def _capped(files: Iterator[SourceFile]) -> Iterator[SourceFile]:
    taken: Counter[str] = Counter()
    for file in files:
        taken[file.package] += len(file.text)
        if taken[file.package] <= MAX_PACKAGE_CHARS:
            yield file


def _seeded_order(file: SourceFile) -> bytes:
    """Random but repeatable: which files of a capped package are kept must not depend on the disk's order."""
    return hashlib.sha256(f"{file.package}/{file.name}".encode()).digest()


def _report(kept: list[SourceFile]) -> str:
    rows: dict[tuple[bool, str, str, str], list[int]] = defaultdict(list)
    for file in kept:
        shown = file.package.split("/")[0] if not is_held_out(file.package) else file.package
        rows[(is_held_out(file.package), shown, file.version, file.licence)].append(len(file.text))
    lines = [
        "# Corpus of the embedded model",
        "",
        "Written by `python -m training corpus`; single files are listed in `build/training/files.tsv`. Only the",
        "standard library and installed distributions whose metadata names permissive licences; test folders, vendored",
        f"copies, generated files, data tables and near copies (over {DUPLICATE_LINE_SHARE:.0%} lines known) are",
        f"left out; at most {MAX_PACKAGE_CHARS:,} characters a package. Held out: one package in {HELD_OUT_ONE_IN},",
        "by a hash of its name (each top-level module of the standard library is a package).",
        "",
    ]
    for held_out, title in ((False, "Training"), (True, "Held out")):
        chosen = {key: sizes for key, sizes in rows.items() if key[0] == held_out}
        total = sum(map(sum, chosen.values()))
        lines += [f"## {title}: {sum(map(len, chosen.values())):,} files, {total:,} characters", ""]
        lines += ["| package | version | licence | files | characters |", "|---|---|---|---:|---:|"]
        lines += [
            f"| {p} | {v} | {licence} | {len(s):,} | {sum(s):,} |" for (_, p, v, licence), s in sorted(chosen.items())
        ]
        lines.append("")
    return "\n".join(lines)
