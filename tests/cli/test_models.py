"""`fimd models` and `fimd models pull`, against a hub on loopback: download, resume, check, licence, refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from tests.fake_hub import FakeHub, serving
from tests.model import layouts

STARCODER = "bigcode/starcoderbase-1b"
SANTACODER = "bigcode/santacoder"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Two repositories and a GGUF one, as on the hub."""

    def contents(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    base = tmp_path_factory.mktemp("hub")
    both = {**contents(layouts.starcoder(base / "starcoder")), "pytorch_model.bin": b"the same again"}
    gguf = layouts.santacoder_gguf(base / "gguf")
    return {
        STARCODER: both,
        SANTACODER: contents(layouts.santacoder(base / "santacoder")),
        "prashrex/Santacoder-gguf": {"README.md": b"", gguf.name: gguf.read_bytes()},
        "nobody/nothing": {"README.md": b"", "model.onnx": b"x"},
    }


@pytest.fixture
def hub(files: dict[str, dict[str, bytes]]) -> Iterator[FakeHub]:
    with serving(files) as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def fimd(hub: FakeHub | None, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "0" if hub else "1",
        "HF_ENDPOINT": hub.address if hub else "http://127.0.0.1:1",
        "HF_HOME": str(home / "hf"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "5",
    }
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", *arguments],
        capture_output=True, text=True, check=False, timeout=120, env=environment,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_the_table_has_the_five_systems_and_their_relatives(home: Path) -> None:
    done = fimd(None, home, "models")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    for name in (
        "santacoder",
        "starcoderbase-1b",
        "santacoder-q4_k",
        "codegen25-7b-multi",
        "starcoder-gpteacher",
        "embedded",
    ):
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert len([line for line in lines if " GB " in line]) >= 16
    assert "OpenRAIL" in done.stdout or "bigcode-openrail-m" in done.stdout
    assert "attribution" in done.stdout


def test_the_table_for_a_script(home: Path) -> None:
    rows = json.loads(fimd(None, home, "models", "--json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert by_name["embedded"]["state"] == "in the package"
    assert by_name["starcoderbase-1b"]["gated"] is True
    assert by_name["santacoder"]["memory_gb"]["fp32"] == pytest.approx(4.48)
    assert all(row["context"] > 0 and row["licence"] and row["languages"] for row in rows)


def test_pull_gets_what_is_needed_checks_it_and_prints_the_licence(hub: FakeHub, home: Path) -> None:
    done = fimd(hub, home, "models", "pull", "starcoderbase-1b")
    assert done.returncode == 0, done.stderr
    assert "OpenRAIL" in done.stdout
    assert "attribution" in done.stdout
    got = [line for line in hub.requests if line.startswith("GET") and "/resolve/" in line]
    assert any("model.safetensors" in line for line in got)
    assert not any("pytorch_model.bin" in line or ".py" in line for line in got)
    states = {row["name"]: row["state"] for row in json.loads(fimd(None, home, "models", "--json").stdout)}
    assert states["starcoderbase-1b"] == "on disk"
    asked = len(hub.requests)
    assert fimd(hub, home, "complete", "-", "--model", "starcoderbase-1b").returncode == 0
    assert len(hub.requests) == asked, "what is on disk is not asked for again"
    assert fimd(None, home, "doctor", "--model", STARCODER).returncode == 0, "nor needed"


def test_pull_goes_on_where_it_broke_off(hub: FakeHub, home: Path) -> None:
    weights = {**load(hub.repositories[STARCODER]["model.safetensors"]), "padding": torch.zeros(5 * MIB)}
    hub.repositories[STARCODER] = {**hub.repositories[STARCODER], "model.safetensors": save(weights)}
    hub.breaks_after = 15 * MIB  # the client writes 10 MiB at a time
    first = fimd(hub, home, "models", "pull", STARCODER)
    second = fimd(hub, home, "models", "pull", STARCODER)
    assert second.returncode == 0, first.stderr + second.stderr
    resumed = [line for line in hub.requests if re.search(rf"model\.safetensors bytes={10 * MIB}-$", line)]
    assert resumed, "only the rest was asked for"


def test_a_file_that_arrives_damaged_is_removed_and_got_again(hub: FakeHub, home: Path) -> None:
    hub.damaged = {"model.safetensors"}
    first = fimd(hub, home, "models", "pull", STARCODER)
    assert first.returncode == 2
    assert "model.safetensors arrived damaged" in first.stderr
    hub.damaged = set()
    assert fimd(hub, home, "models", "pull", STARCODER).returncode == 0


def test_pickles_are_got_where_there_is_nothing_else_and_converted_at_once(hub: FakeHub, home: Path) -> None:
    done = fimd(hub, home, "models", "pull", "santacoder")
    assert done.returncode == 0, done.stderr
    assert list((home / "cache/fimd/converted").glob("santacoder-*/model-*.safetensors"))
    assert not any(line.endswith(".py") for line in hub.requests)


def test_a_branch_is_got_by_revision(hub: FakeHub, home: Path) -> None:
    hub.branches.add("mha")
    done = fimd(hub, home, "models", "pull", "santacoder", "--revision", "mha")
    assert done.returncode == 0, done.stderr
    missing = fimd(hub, home, "models", "pull", "santacoder", "--revision", "nope")
    assert missing.returncode == 2
    assert "no revision 'nope'" in missing.stderr


@pytest.mark.parametrize("name", ["santacoder-q4_k", "hf:prashrex/Santacoder-gguf:santacoder-q4_k.gguf"])
def test_one_gguf_file_of_a_repository(hub: FakeHub, home: Path, name: str) -> None:
    assert fimd(hub, home, "models", "pull", name).returncode == 0
    assert fimd(None, home, "doctor", "--model", name).returncode == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody/nothing", "neither safetensors nor"),
        ("nobody/at-all", "no public model"),
        ("prashrex/Santacoder-gguf", "hf:prashrex/Santacoder-gguf:santacoder-q4_k.gguf"),
        ("hf:prashrex/Santacoder-gguf:other.gguf", "no file other.gguf"),
        ("santacodr", "did you mean santacoder?"),
    ],
)
def test_what_can_not_be_got_is_one_line(hub: FakeHub, home: Path, name: str, words: str) -> None:
    done = fimd(hub, home, "models", "pull", name)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_gated_model_says_which_page_to_visit_and_what_to_run(hub: FakeHub, home: Path) -> None:
    hub.gated.add(STARCODER)
    for command in (("models", "pull", "starcoderbase-1b"), ("doctor", "--model", "starcoderbase-1b")):
        done = fimd(hub, home, *command)
        assert done.returncode == 2
        assert f"https://huggingface.co/{STARCODER}" in done.stderr
        assert "hf auth login" in done.stderr


def test_offline_it_is_one_line(home: Path) -> None:
    done = fimd(None, home, "models", "pull", "starcoderbase-1b")
    assert done.returncode == 2
    assert "check name and network" in done.stderr


def test_what_is_here_already_needs_no_pull(home: Path) -> None:
    done = fimd(None, home, "models", "pull", "embedded")
    assert done.returncode == 0
    assert "on this machine" in done.stderr
