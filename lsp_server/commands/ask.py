"""`fimd ask`: an instruction about a piece of code, answered on standard output as it is written."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from inference.request import CancelToken, Instruction, Step
from lsp_server.commands.complete import read_text
from lsp_server.commands.options import effective_settings, fail
from lsp_server.commands.session import ready_host
from lsp_server.exclusions import is_excluded
from lsp_server.settings import Layer, Settings


def ask(words: list[str], overrides: Layer, config: Path | None, max_tokens: int) -> int:
    """Print the answer; returns the exit status."""
    settings = effective_settings(overrides, config)
    if len(words) > 2 or not words[-1].strip():
        fail('give one instruction in quotes, after a file if it is about one: fimd ask queue.py:1-20 "explain this"')
    code = _code(words[0], settings) if len(words) == 2 else ""
    asyncio.run(_answer(Instruction(words[-1], code, max_tokens), settings))
    return 0


async def _answer(instruction: Instruction, settings: Settings) -> None:
    host, status = await ready_host(settings)
    if host is None:
        fail(status.message)
    if not status.follows_instructions:
        name = settings.model.name
        print(f"fimd: {name} is not an instruction model: expect little of its answer", file=sys.stderr)
    shown = ""

    def show(step: Step) -> None:
        nonlocal shown
        text = step.text.lstrip()
        if step.phase == "decode" and text.startswith(shown):
            print(text[len(shown) :], end="", flush=True)
            shown = text

    completion = await asyncio.wrap_future(host.worker.answer(instruction, CancelToken(), show))
    rest = completion.text[len(shown) :] if completion and completion.text.startswith(shown) else ""
    print(rest)
    if completion is None or not completion.text:
        print("fimd: the model had no answer", file=sys.stderr)
    elif completion.is_cut:
        print(f"fimd: cut after {completion.generated_tokens} tokens: --max-tokens allows more", file=sys.stderr)


def _code(place: str, settings: Settings) -> str:
    """The lines of a file that `FILE[:L1-L2]` names."""
    match = re.fullmatch(r"(.+):(\d+)(?:-(\d+))?", place)
    path, first, last = (match[1], int(match[2]), int(match[3] or match[2])) if match else (place, 1, sys.maxsize)
    if path != "-" and is_excluded(Path(path).resolve().as_uri(), settings.files.exclude):
        fail(f"{path} is among the files that are never read (files.exclude)")
    lines = read_text(path).splitlines(keepends=True)
    if not 1 <= first <= last:
        fail(f"{place} is not FILE:L1-L2 with lines from 1: give for example setup.py:12-20")
    if first > len(lines):
        fail(f"{path} has {len(lines)} lines, so there is no line {first}: check {place}")
    return "".join(lines[first - 1 : last])
