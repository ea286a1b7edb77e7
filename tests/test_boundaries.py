"""Who may import what: the invariants of docs/architecture.md, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("lsp_server/**/*.py"), *ROOT.glob("inference/**/*.py")])


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def importers_of(package: str) -> set[str]:
    """Source files, relative to the root, that import `package` or a part of it."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(name == package or name.startswith(package + ".") for name in imports(path))
    }


def test_inference_never_imports_the_server() -> None:
    assert not {path for path in importers_of("lsp_server") if path.startswith("inference/")}


def test_nothing_that_ships_imports_training_or_tests() -> None:
    assert not importers_of("training") | importers_of("tests")


def test_pygls_stays_at_the_edge() -> None:
    edge = {"server", "protocol", "transport", "load_progress", "assistant", "answer_progress", "commands/editor"}
    assert importers_of("pygls") == {f"lsp_server/{name}.py" for name in edge}


def test_only_the_bridge_and_the_commands_know_inference() -> None:
    bridge = {"completer", "computations", "foresight", "related_files", "statistics", "model_host", "load_progress"}
    bridge |= {"assistant", "answer_progress"}
    bridge |= {"likelihood", "evaluation/fill"}
    bridge |= {f"commands/{name}" for name in ("session", "doctor", "ask", "models")}
    assert {p for p in importers_of("inference") if p.startswith("lsp_server/")} == {
        f"lsp_server/{n}.py" for n in bridge
    }


def test_the_pure_core_imports_neither_protocol_nor_model() -> None:
    pure = [
        "position_encoding",
        "documents",
        "cursor",
        "syntax",
        "parsing",
        "grammars",
        "python_lines",
        "trimming/__init__",
        "trimming/ends",
        "trimming/indentation",
        "trimming/overlap",
        "trimming/repetition",
        "exclusions",
        "suggestion_cache",
        "edit_matching",
        "rejections",
        "shown",
        "feedback",
        "wire",
        "code_actions",
        "notebooks",
        *(f"context/{path.stem}" for path in ROOT.glob("lsp_server/context/*.py")),
    ]
    for name in pure:
        heavy = {"pygls", "lsprotocol", "torch", "transformers", "inference", "asyncio", "threading"}
        found = {module.split(".")[0] for module in imports(ROOT / f"lsp_server/{name}.py")}
        assert not heavy & found, name


@pytest.mark.parametrize("module", ["lsp_server.cli", "lsp_server.commands.serve", "lsp_server.server"])
def test_torch_is_not_imported_on_the_way_to_initialize(module: str) -> None:
    heavy = {"torch", "transformers", "tokenizers", "tree_sitter"}
    script = f"import sys, {module}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


def test_listing_models_needs_no_torch() -> None:
    script = "import sys, lsp_server.commands.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


def test_remote_code_is_never_allowed_and_pickles_hold_tensors_only() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text, path
        assert "pickle.load" not in text, path
        loads = [line for line in text.splitlines() if "torch.load(" in line]
        assert all("weights_only=True" in line for line in loads), path
