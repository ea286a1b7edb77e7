"""`fimd eval` as a person runs it: on a folder, on a benchmark's file, with a mistake."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lsp_server.evaluation import benchmarks
from lsp_server.evaluation.holes import Hole
from lsp_server.evaluation.scores import Filled
from lsp_server.evaluation.sources import Source
from lsp_server.likelihood import FEATURES

MODULE = "\n\n".join(
    f"def area_{number}(width, height):\n    total = width * height\n    print(total)\n    return total + {number}\n"
    for number in range(30)
)
TASK = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "entry_point": "double",
    "prompt": "def double(value):\n",
    "suffix": "    return result\n",
    "canonical_solution": "    result = value * 2\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lsp_server", "eval", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


def test_a_folder_gives_raw_and_product_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "areas.py").write_text(MODULE, encoding="utf-8")
    done = run(str(tmp_path), "--holes", "24", "--json", "--ablate")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert set(report["by_kind"]) == {"raw", "memory", "model", "product"}
    assert {kind: count for kind, count in report["holes"].items() if kind != "line"} == dict.fromkeys(
        ("word-end", "word-inline", "block", "new-file"), 3
    )
    line = report["by_kind"]["product"]["line"]
    assert line["em1"]["count"] == report["holes"]["line"] >= 6, "not every trigger occurs"
    assert 0 <= line["em1"]["low"] <= line["em1"]["value"] <= line["em1"]["high"] <= 1
    assert line["em1"]["value"] > report["by_kind"]["raw"]["line"]["em1"]["value"], "the file repeats itself"
    assert line["p50_ms"] > 0


def test_a_benchmarks_file_is_scored_by_its_own_rule(tmp_path: Path) -> None:
    path = tmp_path / "HumanEval-SingleLineInfilling.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(TASK).encode()))
    done = run(str(path), "--json", "--run-tests")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["holes"] == {"task": 1}
    assert report["tests_passed"]["product"]["count"] == 1


def test_tests_tell_right_from_wrong(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(TASK) + "\n" + json.dumps({**TASK, "name": "x", "tests": ""}) + "\n", encoding="utf-8")
    hole = benchmarks.read(path)[0]
    assert (hole.truth, hole.suffix) == ("    result = value * 2", "\n    return result\n")
    texts = {hole.truth: True, "    result = value * 3": False, "    while True: pass": False, "    import": False}
    for text, expected in texts.items():
        assert benchmarks.passed([Filled(hole, text, 0.0)]) == [expected], text
    plain = Hole("line", "", Source("p", path, "python", ""), "", "x", "")
    assert benchmarks.passed([Filled(plain, "x", 0.0)]) is None


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bad.jsonl", b"{not json}\n", "line 1 is no JSON"),
        ("lacks.jsonl", b'{"prompt": "x"}\n', "lacks one of the texts"),
        ("list.jsonl", b"[1]\n", "lacks one of the texts"),
        ("cut.jsonl.gz", gzip.compress(b"{}")[:-4], "can't read"),
        ("binary.jsonl", b"\xff\xfe\n", "can't read"),
        ("empty.py", b"", "no holes can be cut"),
    ],
)
def test_files_that_are_no_use_get_one_sentence(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = run(str(tmp_path / name))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_path_that_is_not_there_gets_one_sentence() -> None:
    done = run("/no/such/folder")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_fitting_writes_a_threshold_with_its_provenance(tmp_path: Path) -> None:
    (tmp_path / "areas.py").write_text(MODULE, encoding="utf-8")
    into = tmp_path / "thresholds.json"
    into.write_text('{"other": 1}')
    done = run(str(tmp_path / "areas.py"), "--fit", "--holes", "140", "--thresholds", str(into))
    if done.returncode:  # nearly all of so regular a file may be right
        assert "too few" in done.stderr
        return
    table = json.loads(into.read_text())
    assert table["other"] == 1
    assert set(table["embedded"]["weights"]) == set(FEATURES)
    assert table["embedded"]["provenance"]["holes"] > 100
