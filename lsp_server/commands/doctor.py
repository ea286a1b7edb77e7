"""`fimd doctor`: whether the daemon would work here, and how fast."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from inference import huge_pages
from inference.checkpoints.spec import ModelSpec
from inference.errors import FimdError
from lsp_server.commands.options import effective_settings, fail
from lsp_server.settings import Layer, Settings, user_file
from lsp_server.version import VERSION

if TYPE_CHECKING:  # imports torch
    from inference.engines.local import LocalEngine
    from inference.self_check import SelfCheck

_LIBRARIES = ("torch", "transformers", "tokenizers", "pygls", "lsprotocol")

_AS_YOU_TYPE_MS = 500
"""Later than this, people have typed on in 86 % of gaps between edits (simulated from published typing statistics)."""

_WHEN_YOU_PAUSE_MS = 2000


def doctor(overrides: Layer, config: Path | None, as_json: bool) -> int:
    """Print the findings; returns 0 when the daemon would serve this model."""
    settings = effective_settings(overrides, config)
    try:
        engine, result = _examine(settings)
    except FimdError as error:
        fail(str(error))
    answer_ms = _answer_ms(settings, result)
    if as_json:
        summary = {"version": VERSION, "model": engine.name, "ok": result.ok, "cold_answer_ms": round(answer_ms)}
        print(json.dumps({**summary, **asdict(result)}))
    else:
        _print(settings, config, engine, result, answer_ms)
    return 0 if result.ok else 1


def _examine(settings: Settings) -> tuple[LocalEngine, SelfCheck]:
    with Console(stderr=True).status("starting PyTorch") as status:
        from inference.checkpoints.load import load_engine
        from inference.self_check import check

        spec = ModelSpec(**settings.model.model_dump())
        engine = load_engine(spec, status.update)
        status.update("measuring")
        huge_pages.wait()  # what it times should not be disturbed
        return engine, check(engine)


def _answer_ms(settings: Settings, result: SelfCheck) -> float:
    """Time for a suggestion of a quarter of the most tokens allowed, after a prompt of which nothing is cached."""
    seconds = result.prompt_tokens / result.prefill_tokens_per_s
    return 1000 * (seconds + settings.completion.max_tokens / 4 / result.decode_tokens_per_s)


def _print(settings: Settings, config: Path | None, engine: LocalEngine, result: SelfCheck, answer_ms: float) -> None:
    file = config or user_file()
    shape = f"{result.format} format in {result.order} order, {result.context_tokens} tokens of context"
    names = " ".join(result.control_tokens)
    rows = [
        ("fimd", f"{VERSION} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)),
        ("settings", str(file) if file.exists() else f"defaults ({file} does not exist)"),
        ("model", f"{engine.name} in {result.precision} on {result.device}: {shape}"),
        ("control tokens", f"single ids: {names}" if names else "none: left to right only"),
        ("plain text", _text_finding(result)),
        ("canned infill", f"{result.infill_prompt!r} → {result.infill_text!r}"),
        ("end of infill", _end_finding(result)),
        ("prefill", f"{result.prefill_tokens_per_s:,.0f} tokens/s"),
        ("decode", f"{result.decode_tokens_per_s:,.0f} tokens/s"),
        ("the daemon will", _plan(settings, answer_ms)),
        *(("note", note) for note in (*engine.notes, *engine.notices)),
    ]
    console = Console(highlight=False)
    for label, value in rows:
        console.print(f"[bold]{label:>15}[/bold]  ", end="")
        console.print(value, markup=False, soft_wrap=True)
    console.print("[green]It works.[/green]" if result.ok else "[red]It would not work: see BROKEN above.[/red]")


def _text_finding(result: SelfCheck) -> str:
    if not result.text_is_plain:
        return "BROKEN: control tokens in a buffer act as such"
    return "stays text, and comes back as it was" if result.text_is_kept else "BROKEN: the tokenizer changes it"


def _end_finding(result: SelfCheck) -> str:
    if result.end_rank is None:
        return "the format has no end token"
    return f"after the right answer the end token is choice {result.end_rank:,} of {result.vocabulary_size:,}"


def _plan(settings: Settings, answer_ms: float) -> str:
    verdict = "too late to be useful inline, so choose a smaller model"
    if answer_ms < _AS_YOU_TYPE_MS:
        verdict = "as you type"
    elif answer_ms < _WHEN_YOU_PAUSE_MS:
        verdict = "when you pause"
    fixed = settings.completion.debounce_ms
    wait = (
        "wait after a key as your rhythm and its speed suggest" if fixed == "auto" else f"wait {fixed} ms after a key"
    )
    return f"{wait}, then answer a cold page in about {answer_ms:.0f} ms, a warm one sooner: {verdict}"
