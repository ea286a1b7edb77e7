"""The `fimd` command as a person or a script runs it: output, exit status, and one clear line for each mistake."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference.checkpoints.source import find
from inference.formats import control_names
from lsp_server.commands import ask
from lsp_server.commands.demo import demo
from lsp_server.settings import Settings
from tests.model import layouts

SOURCE = Path(queue.__file__)
LINE = (
    next(number for number, line in enumerate(SOURCE.read_text().splitlines(), 1) if "def _put(self, item)" in line) + 1
)


def fimd(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command; no traceback may ever show."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", *arguments],
        input=stdin, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120, env=environment,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_complete_prints_json_for_a_script(tmp_path: Path) -> None:
    lines = SOURCE.read_text().split("\n")
    lines[LINE - 1] = "        self."
    path = tmp_path / "queue.py"
    path.write_text("\n".join(lines))
    done = fimd("complete", f"{path}:{LINE}:14", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    keys = {"text", "range", "model", "prompt_tokens", "reused_tokens", "generated_tokens", "latency_ms"}
    assert set(answer) == keys
    assert answer["text"]
    assert answer["range"]["start"] == answer["range"]["end"] == {"line": LINE - 1, "character": 13}
    assert answer["prompt_tokens"] > 100
    assert answer["generated_tokens"] > 0
    assert answer["latency_ms"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch has another OpenMP than GNU's")
@pytest.mark.parametrize(("told", "expected"), [({}, "10000"), ({"GOMP_SPINCOUNT": "77"}, "77")])
def test_idle_threads_of_the_model_sleep_soon_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, str], expected: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    printed = fimd("complete", "-:1:5", stdin="x = \n").stderr
    if "GOMP_SPINCOUNT" not in printed:
        pytest.skip("this torch has another OpenMP than GNU's")
    assert f"GOMP_SPINCOUNT = '{expected}'" in printed


def test_complete_reads_standard_input() -> None:
    text = "class A:\n    def __init__(self, name):\n        self.name ="
    end, place = (json.loads(fimd("complete", where, "--json", stdin=text).stdout) for where in ("-", "-:3:20"))
    assert end["text"] == place["text"] != ""
    assert end["range"] == place["range"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("complete", "x.py"), "FILE:LINE:COL"),
        (("complete", "--jsn"), "no option --jsn"),
        (("complete", "x.py:0:1"), "from 1"),
        (("complete", "x.py:00:1"), "from 1"),
        (("complete", "x.py:²:1"), "from 1"),
        (("complete", "/no/such/file.py:1:1"), "can't read"),
        (("complete", "/project/.env:1:1"), "never read"),
        (("complete", f"{SOURCE}:1:1", "--model", "/nonexistent"), "no model '/nonexistent'"),
        (("complete", f"{SOURCE}:1:1", "--config", "/no/config.toml"), "does not exist"),
        (("doctor", "--model", "/nonexistent"), "no model '/nonexistent'"),
        (("doctor", "--model", "embeded"), "did you mean embedded?"),
        (("demo", "--model", "/nonexistent"), "no model '/nonexistent'"),
        (("serve", "--tcp", "nowhere"), "HOST:PORT"),
        (("serve", "--log-file", "/no/such/folder/log"), "can't write the log"),
    ],
)
def test_mistakes_are_one_line_and_a_status(arguments: tuple[str, ...], words: str) -> None:
    done = fimd(*arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unknown_options_are_a_usage_error() -> None:
    assert fimd("serve", "--no-such-option").returncode == 2


def test_a_settings_file_with_a_mistake(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[completion]\nmax_token = 3\n", encoding="utf-8")
    done = fimd(
        "complete", "-", "--config", str(config), stdin="class A:\n    def __init__(self, name):\n        self.name ="
    )
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "did you mean 'completion.max_tokens'?" in done.stderr


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes("é = 1".encode("latin-1"))
    done = fimd("complete", f"{path}:1:1")
    assert (done.returncode, "not UTF-8" in done.stderr) == (2, True)


def test_doctor_says_that_it_works() -> None:
    done = fimd("doctor", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["ok"]
    assert result["prefill_tokens_per_s"] > result["decode_tokens_per_s"] > 0
    assert fimd("doctor").stdout.strip().endswith("It works.")


def test_the_demo_shows_and_accepts_ghost_text_in_a_pipe() -> None:
    done = fimd("demo")
    assert done.returncode == 0
    shown = [line for line in done.stdout.splitlines() if " ms  " in line and not line.endswith("‸")]
    assert shown
    assert "accepted" in done.stdout


def test_the_demo_is_recorded_as_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    assert fimd("demo", "--record", str(picture)).returncode == 0
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert "does not exist" in fimd("demo", "--record", str(tmp_path / "none" / "demo.svg")).stderr


def test_version_and_help() -> None:
    assert fimd("--version").stdout.startswith("fimd ")
    assert all(command in fimd("--help").stdout for command in ("serve", "complete", "demo", "doctor"))


def test_the_demo_says_so_when_the_daemon_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lsp_server.commands.editor.OURS", ("false",))
    with pytest.raises(SystemExit):
        demo(None, None)
    assert "the daemon did not start" in capsys.readouterr().err


@pytest.mark.parametrize("family", layouts.FAMILIES)
def test_each_family_is_served_by_doctor_and_complete(tmp_path: Path, family: str) -> None:
    maker = [sys.executable, str(Path(__file__).parents[1] / "make_checkpoint.py"), family, str(tmp_path)]
    model = subprocess.run(maker, capture_output=True, text=True, check=True).stdout.strip()
    with ThreadPoolExecutor() as both:  # each takes some seconds to start
        later = both.submit(fimd, "complete", f"{SOURCE}:{LINE}:14", "--model", model, "--json")
        doctor = fimd("doctor", "--model", model, "--json")
        done = later.result()
    assert doctor.returncode == 0, doctor.stderr
    findings = json.loads(doctor.stdout)
    assert findings["ok"]
    expected = {"gguf": "santacoder", "gpteacher": "starcoder", "santacoder-mha": "santacoder"}
    assert findings["format"] == expected.get(family, "left-to-right" if family.endswith("no-fim") else family)
    assert done.returncode == 0
    assert not any(token in json.loads(done.stdout)["text"] for token in control_names())


def test_doctor_names_a_swapped_token_and_fails(tmp_path: Path) -> None:
    folder = layouts.starcoder(tmp_path)
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace("<fim_suffix>", "<suffix>"), encoding="utf-8")
    done = fimd("doctor", "--model", str(folder))
    assert done.returncode == 2
    assert "<fim_suffix>" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_ask_answers_and_marks_a_model_that_was_not_tuned_for_it() -> None:
    done = fimd("ask", f"{SOURCE}:{LINE}-{LINE + 2}", "What does this code do?", "--max-tokens", "40")
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "not an instruction model" in done.stderr


def test_ask_needs_no_file_and_reads_standard_input() -> None:
    with ThreadPoolExecutor() as both:
        later = both.submit(fimd, "ask", "-", "Explain this.", stdin="x = 1\n")
        alone = fimd("ask", "Write a Python function: add two numbers", "--max-tokens", "20")
        piped = later.result()
    assert (alone.returncode, bool(alone.stdout.strip())) == (0, True)
    assert piped.returncode == 0


def test_ask_marks_no_model_that_was_tuned(tmp_path: Path) -> None:
    repository = find("starcoder-gpteacher").repository.rpartition("/")[2]
    tuned = fimd("ask", "Say something.", "--max-tokens", "5", "--model", str(layouts.gpteacher(tmp_path / repository)))
    assert tuned.returncode == 0
    assert "not an instruction model" not in tuned.stderr
    assert "cut after 5 tokens" in tuned.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", "a", "b", "c"), "one instruction in quotes"),
        (("ask", " "), "one instruction in quotes"),
        (("ask", "/no/such/file.py", "explain"), "can't read"),
        (("ask", f"{SOURCE}:9-2", "explain"), "FILE:L1-L2"),
        (("ask", f"{SOURCE}:0", "explain"), "FILE:L1-L2"),
        (("ask", f"{SOURCE}:999999", "explain"), "no line 999999"),
        (("ask", "/project/.env", "explain"), "never read"),
        (("ask", "hello", "--model", "/nonexistent"), "no model '/nonexistent'"),
        (("ask", "/dev/null", "explain"), "nothing but white space"),
        (("doctor", "--model", str(SOURCE.parent), "--revision", "main"), "no revision 'main'"),
        (("doctor", "--device", "cuda"), "no CUDA device"),
        (("doctor", "--device", "mps"), "no MPS device"),
    ],
)
def test_mistakes_in_new_commands_are_one_line(arguments: tuple[str, ...], words: str) -> None:
    done = fimd(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_precision_is_what_was_asked_for() -> None:
    findings = json.loads(fimd("doctor", "--precision", "int8", "--json").stdout)
    assert findings["precision"] == "int8"
    assert fimd("doctor", "--precision", "int3").returncode == 2


def test_ask_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    command = f"{sys.executable} -m lsp_server ask 'Write a Python function: count' | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name in ("ask", "complete"):
        place = (str(loop), "explain") if name == "ask" else (f"{loop}:1:1",)
        assert fimd(name, *place).returncode == 2


def test_ask_counts_lines_as_editors_do(tmp_path: Path) -> None:
    path = tmp_path / "a:3"
    path.write_bytes(b"one\x0c = 1\r\ntwo = 2\r\nthree = 3\r\n")
    settings = Settings()
    assert ask._code(f"{path}:2", settings) == "two = 2\n"
    assert ask._code(f"{path}:2-3", settings) == "two = 2\nthree = 3\n"
    assert ask._code(str(path), settings) == "one\x0c = 1\ntwo = 2\nthree = 3\n"
