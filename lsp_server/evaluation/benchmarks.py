"""Holes of published benchmarks, from files that a person has: one JSON object a line, `.jsonl` or `.jsonl.gz`.

HumanEval-Infilling (Bavarian et al. 2022, arXiv:2207.14255) has `task_id`, `prompt`, `suffix`, `canonical_solution`,
`test` and `entry_point`; SantaCoder's FIM task (Ben Allal et al. 2023, arXiv:2301.03988) has `name`, `language`,
`prompt`, `suffix` and `canonical_solution`. The second's rule is that stripped texts are equal, the first's that the
tests pass, which means to run what a model has written: only with `--run-tests`.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from lsp_server.evaluation.holes import Hole
from lsp_server.evaluation.scores import Filled
from lsp_server.evaluation.sources import Source

_LANGUAGES = {"py": "python", "python": "python", "js": "javascript", "java": "java"}
_TEST_S = 10.0
"""Longest that a task's tests may run."""


class UnreadableError(ValueError):
    """A file is no benchmark that is known here; the message is one sentence."""


def is_benchmark(path: Path) -> bool:
    """Whether a file is named like one."""
    return path.name.endswith((".jsonl", ".jsonl.gz"))


def read(path: Path) -> list[Hole]:
    """The holes of a benchmark's file.

    Raises:
        UnreadableError: it can't be read, or its lines lack the fields.
    """
    try:
        return [_hole(path, number, row) for number, row in enumerate(_rows(path), 1)]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UnreadableError(f"can't read {path}: {error}") from error


def passed(filled: list[Filled]) -> list[bool] | None:
    """Whether each one's tests pass, for holes that have some; runs what was written, each in a process of its own."""
    with_tests = [one for one in filled if one.hole.tests]
    if not with_tests:
        return None
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(_passes, with_tests))


def _passes(one: Filled) -> bool:
    program = one.hole.prefix + one.text + one.hole.suffix + one.hole.tests
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", program],
            capture_output=True,
            timeout=_TEST_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return False
    return done.returncode == 0


def _rows(path: Path) -> Iterator[Any]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for number, line in enumerate(raw.decode("utf-8").split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise UnreadableError(f"{path}, line {number} is no JSON: {error}") from error


def _hole(path: Path, number: int, row: Any) -> Hole:
    fields = ("prompt", "suffix", "canonical_solution")
    values = cast(dict[str, Any], row) if isinstance(row, dict) else {}
    if not all(isinstance(values.get(name), str) for name in fields):
        raise UnreadableError(f"{path}, line {number} lacks one of the texts {', '.join(fields)}")
    prefix, suffix, truth = values["prompt"], values["suffix"], values["canonical_solution"]
    kept = truth.rstrip("\n")  # the line's end is not the person's to type: it stands there
    language = _LANGUAGES.get(str(values.get("language", "python")).lower(), "python")
    name = str(values.get("task_id") or values.get("name") or number)
    source = Source(path.name, path.with_name(name.replace("/", "_")), language, prefix + truth + suffix)
    tests = (
        f"\n{values['test']}\ncheck({values['entry_point']})\n" if "test" in values and "entry_point" in values else ""
    )
    return Hole("task", "", source, prefix, kept, truth[len(kept) :] + suffix, tests)
