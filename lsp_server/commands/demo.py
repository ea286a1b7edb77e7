"""`fimd demo`: the real daemon, a real file, real keystrokes, and what a person would see.

The file is `queue.py` of the standard library, which was held out of the embedded model's training. Its last lines are
taken away and typed in again; a suggestion is accepted when it is what the file really says, as a person would.
"""

from __future__ import annotations

import asyncio
import queue
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from lsp_server.commands.editor import Editor, Ghost
from lsp_server.commands.options import fail
from lsp_server.shown import continues

_ANCHOR = "class LifoQueue(Queue):"
_TYPED_FROM = "    def _put("
_ACCEPTED = 2
"""The demo ends with the last of so many accepted suggestions."""

_PATIENCE_KEYS = 60
"""After so many keys without a right suggestion any is accepted: the demo is to end by accepting one."""

_FEWEST_ACCEPTED = 5
"""Shorter suggestions are not worth the key that accepts them."""

_CONTEXT_LINES = 6
_KEY_PAUSE_S = 0.12
"""About the pace of a quick typist; none where nobody watches."""


@dataclass(frozen=True, slots=True)
class _Scene:
    path: Path
    before: str
    typed: str
    after: str


def demo(model: str | None, record: Path | None) -> int:
    """Play the demo; returns 0 when at least one suggestion was shown."""
    if record is not None and not record.parent.is_dir():
        fail(f"can't save the picture to {record}: the folder does not exist")
    console = Console(record=record is not None, highlight=False, width=90 if record else None)
    shown = asyncio.run(_play(_scene(), model, console))
    if record is not None:
        console.save_svg(str(record), title="fimd demo")
    return 0 if shown else 1


def _scene() -> _Scene:
    path = Path(queue.__file__)
    text = path.read_text(encoding="utf-8")
    start = text.find(_TYPED_FROM, text.find(_ANCHOR))
    end = text.find("\n\n\n", start)
    if start < 0 or end < 0:
        fail(f"{path} is not the queue.py this demo knows: try `fimd complete FILE:LINE:COL` instead")
    return _Scene(path, text[:start], text[start:end], text[end:])


async def _play(scene: _Scene, model: str | None, console: Console) -> int:
    """Type until enough suggestions are accepted; returns how many were shown."""
    client = Editor(scene.path, scene.before + scene.after, len(scene.before))
    console.print(f"[bold]fimd demo[/bold]: starting the daemon and opening {scene.path.name} of the standard library")
    if not await client.start(*(["--model", model] if model else [])):
        await client.stop()
        fail(client.message.removeprefix("fimd: "))
    tally = _Tally()
    typed = 0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while typed < len(scene.typed) and tally.accepted < _ACCEPTED:
            key = scene.typed[typed]
            ghost = await client.type(key)
            typed += 1
            tally.saw(ghost, key)
            if console.is_terminal:
                live.update(_frame(client, ghost), refresh=True)
                await asyncio.sleep(_KEY_PAUSE_S)
            elif not console.record:  # a picture shows the frames only
                console.print(_plain(client, ghost), markup=False, soft_wrap=True)
            is_right = scene.typed.startswith(ghost.text, typed)
            is_due = not tally.accepted and typed > _PATIENCE_KEYS
            if len(ghost.text) >= _FEWEST_ACCEPTED and (is_right or is_due):
                _accept(client, ghost, console)
                tally.took()
                typed += len(ghost.text)
    await client.stop()
    console.print(tally.summary(), soft_wrap=True)
    return tally.shown


@dataclass(slots=True)
class _Tally:
    """What was seen, counted as `fimd stats` counts it: what is only typed along is the same suggestion."""

    shown: int = 0
    accepted: int = 0
    latencies_ms: list[float] = field(default_factory=list[float])
    _rest: str = ""
    """What is left of the suggestion on the screen."""

    def saw(self, ghost: Ghost, key: str) -> None:
        """Ghost text, or none, after a key."""
        self._rest = self._rest[len(key) :] if self._rest.startswith(key) else ""
        if ghost.text:
            self.shown += not continues(self._rest, ghost.text)
            self.latencies_ms.append(ghost.latency_ms)
            self._rest = ghost.text

    def took(self) -> None:
        """The ghost text was accepted."""
        self.accepted += 1
        self._rest = ""

    def summary(self) -> str:
        """The last line of the demo."""
        if not self.shown:
            return "no suggestion was shown"
        typical, longest = median(self.latencies_ms), max(self.latencies_ms)
        times = f"{typical:.0f} ms median, {longest:.0f} ms at most"
        counts = f"{self.shown} suggestion{'s' * (self.shown > 1)} shown, {self.accepted} accepted"
        return f"{counts}; from keystroke to ghost text: {times}"


def _accept(client: Editor, ghost: Ghost, console: Console) -> None:
    """Insert the ghost text in one edit, as editors do; what comes after that is asked for with the next key."""
    console.print(_frame(client, ghost))
    client.replace(client.cursor, client.cursor, ghost.text)
    console.print(Text(f"Tab: accepted {ghost.text!r}", style="bold green"))
    console.print(_frame(client, Ghost("", 0.0)))


def _plain(client: Editor, ghost: Ghost) -> str:
    """One line for a pipe: milliseconds, the line typed so far, and the ghost text behind the cursor mark."""
    line = client.text[: client.cursor].rsplit("\n", 1)[-1]
    return (
        f"{ghost.latency_ms:6.1f} ms  {line}‸{ghost.text!r}" if ghost.text else f"{ghost.latency_ms:6.1f} ms  {line}‸"
    )


def _frame(client: Editor, ghost: Ghost) -> Padding:
    """The lines around the cursor, with the ghost text in grey."""
    before, after = client.text[: client.cursor], client.text[client.cursor :]
    first = max(0, before.count("\n") - _CONTEXT_LINES)
    picture = Text()
    picture.append("\n".join(before.split("\n")[first:]))
    picture.append("▏", style="bold")
    picture.append(ghost.text, style="bright_black italic")
    picture.append("\n".join(after.split("\n")[:4]))
    if ghost.text:
        picture.append(f"\n{ghost.latency_ms:.0f} ms", style="cyan")
    return Padding(picture, (1, 0, 1, 4))
