"""`fimd ask`: an instruction about a piece of code, answered on standard output as it is written."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
from pathlib import Path

from inference.request import CancelToken, Instruction, Step
from lsp_server.commands.complete import read_text
from lsp_server.commands.options import effective_settings, fail, file_uri
from lsp_server.commands.session import ready_host
from lsp_server.documents import split_lines
from lsp_server.exclusions import is_excluded
from lsp_server.settings import Layer, Settings


def ask(words: list[str], overrides: Layer, config: Path | None, max_tokens: int) -> int:
    """Print the answer; returns the exit status."""
    settings = effective_settings(overrides, config)
    if len(words) > 2 or not words[-1].strip():
        fail('give one instruction in quotes, after a file if it is about one: fimd ask queue.py:1-20 "explain this"')
    code = _code(words[0], settings) if len(words) == 2 else ""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack characters that the model has
    try:
        asyncio.run(_answer(Instruction(words[-1], code, max_tokens), settings))
    except BrokenPipeError:  # `fimd ask … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _answer(instruction: Instruction, settings: Settings) -> None:
    host, status = await ready_host(settings)
    if host is None:
        fail(status.message)
    for notice in status.notices[1:]:  # the first says where it runs
        print(f"fimd: {notice}", file=sys.stderr)
    if not status.follows_instructions:
        name = settings.model.name
        print(f"fimd: {name} is not an instruction model: expect little of its answer", file=sys.stderr)
    loop = asyncio.get_running_loop()
    texts: asyncio.Queue[str | None] = asyncio.Queue()

    def hear(step: Step) -> None:
        if step.phase == "decode":
            loop.call_soon_threadsafe(texts.put_nowait, step.text)

    answering = asyncio.wrap_future(host.worker.answer(instruction, CancelToken(), hear))
    answering.add_done_callback(lambda _: texts.put_nowait(None))
    shown = ""
    while (text := await texts.get()) is not None:
        shown = _shown(shown, text)
    try:
        completion = await answering
    except Exception as error:
        fail(f"the model failed to answer ({error}): see fimd doctor")
    text = completion.text if completion else ""
    _shown(shown, text)
    print()
    if completion is None or not any(map(str.isprintable, text)):
        fail("the model had no answer: try another instruction, or another model")
    if completion.is_cut:
        print(f"fimd: cut after {completion.generated_tokens} tokens: --max-tokens allows more", file=sys.stderr)


def _shown(shown: str, text: str) -> str:
    """Print what is new in `text`; returns all that has been printed."""
    if not text.startswith(shown):
        return shown
    print(text[len(shown) :], end="", flush=True)
    return text


def _code(place: str, settings: Settings) -> str:
    """The lines of a file that `FILE[:L1-L2]` names, as editors count them."""
    exists = os.path.exists(place)  # noqa: PTH110  # Path.exists raises for links in a circle
    match = None if exists else re.fullmatch(r"(.+):(\d+)(?:-(\d+))?", place)
    path, first, last = (match[1], int(match[2]), int(match[3] or match[2])) if match else (place, 1, sys.maxsize)
    if path != "-" and is_excluded(file_uri(path), settings.files.exclude):
        fail(f"{path} is among the files that are never read (files.exclude)")
    lines = split_lines(read_text(path).replace("\r\n", "\n").replace("\r", "\n"))
    if not 1 <= first <= last:
        fail(f"{place} is not FILE:L1-L2 with lines from 1: give for example setup.py:12-20")
    if first > len(lines):
        fail(f"{path} has {len(lines)} lines, so there is no line {first}: check {place}")
    if not (code := "".join(lines[first - 1 : last])).strip():
        fail(f"there is nothing but white space in {place}: name lines with code")
    return code
