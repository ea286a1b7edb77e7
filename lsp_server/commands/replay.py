"""Types passages of real files into a real daemon, as a person in an editor would, and times what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsp_server.commands.editor import OURS, Editor, Ghost
from lsp_server.typing_trace import Key, Passage, Typist

_PAIRS = {"(": ")", "[": "]", "{": "}"}
"""Brackets that editors close by themselves."""

_JUMP_S = 1.5
"""Time to go to another place."""

_PATIENCE_S = 60.0
"""Nobody waits longer; an answer that has not come by then counts with this time."""

_SHORTEST_ACCEPTED = 3
"""Shorter suggestions are not worth the key that accepts them."""


@dataclass(slots=True)
class Tally:
    """What happened, key by key. A request that no key follows counts nowhere.

    Now and then the person stops typing until ghost text comes: what that takes is in `awaited_ms`, and nowhere else.
    Where nothing comes, it is in `awaited_empty_ms`, and the person stops again after the next key.
    """

    keys: int = 0
    requests: int = 0
    awaited_ms: list[float] = field(default_factory=list[float])
    """From the last key to new ghost text, when the person waited for it."""

    awaited_empty_ms: list[float] = field(default_factory=list[float])
    """From the last key to the answer that there is nothing, when the person waited for it."""

    shown_ms: list[float] = field(default_factory=list[float])
    """From the key to ghost text that was not there before, where it came before the next key."""

    typed_along: int = 0
    """Requests answered with the rest of what was shown already; many editors would not even ask."""

    empty: int = 0
    """Requests answered with nothing."""

    overtaken_ms: list[float] = field(default_factory=list[float])
    """How long a request had been waited for when the next key came."""

    accepted: int = 0
    accepted_characters: int = 0
    initialize_s: float = 0.0
    ready_s: float = 0.0
    before: dict[str, Any] = field(default_factory=dict[str, Any])
    """The daemon's own counts before the first key; see `lsp_server.statistics`."""

    after: dict[str, Any] = field(default_factory=dict[str, Any])


class ReplayError(Exception):
    """The daemon, or the files, could not be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be typed, and into what."""

    files: tuple[Path, ...]
    keys: int = 400
    """About so many, spread over the files."""

    seed: int = 1
    command: tuple[str, ...] = OURS
    """Starts the daemon."""


async def replay(plan: Plan, on_key: Callable[[int], None]) -> Tally:
    """Type what is planned; `on_key` hears how many keys were pressed.

    Raises:
        ReplayError: the daemon does not start, or the text that it was sent is not the file's in the end.
    """
    texts = [file.read_text(encoding="utf-8") for file in plan.files]
    typist, tally = Typist(plan.seed), Tally()
    each = plan.keys / len(texts)
    count = max(1, round(each / 160))
    passages = [typist.passages(text, count, min(160, round(each / count))) for text in texts]
    if not any(passages):
        raise ReplayError(f"{plan.files[0]} has no place to type into (indented code, far apart): give longer files")
    editor = Editor(plan.files[0], "", 0)
    try:
        if not await editor.start(command=plan.command, settings={"statistics": False}):  # nobody's suggestions
            raise ReplayError(editor.message)
        tally.initialize_s, tally.ready_s = editor.initialize_s, editor.ready_s
        tally.before = await editor.statistics()
        hands = _Hands(editor, typist, tally)
        for number, (file, text) in enumerate(zip(plan.files, texts, strict=True)):
            editor.open(file.with_name(f"bench-{number}-{file.name}"), _without(text, passages[number]), 0)
            for place, passage in enumerate(passages[number]):
                await asyncio.sleep(_JUMP_S)
                typist.begin(1000 * number + place)
                await hands.type_in(passage, lambda: on_key(tally.keys))
            if editor.text != text:
                raise ReplayError(f"what was typed into {file.name} is not what the file says: the replay is wrong")
        tally.after = await editor.statistics()
    except RuntimeError as error:
        raise ReplayError(f"the daemon has failed during the replay ({error}): see its log") from error
    finally:
        with suppress(Exception):
            await editor.stop()
    return tally


def _without(text: str, passages: list[Passage]) -> str:
    for passage in reversed(passages):
        text = text[: passage.start] + text[passage.start + len(passage.text) :]
    return text


class _Hands:
    """Types into an editor and looks at its ghost text."""

    def __init__(self, editor: Editor, typist: Typist, tally: Tally) -> None:
        self._editor, self._typist, self._tally = editor, typist, tally
        self._asking: asyncio.Task[Ghost] | None = None
        self._asked_s = 0.0
        self._awaited = False
        self._expected = ""
        """The rest of the ghost text shown last, if it has only been typed along since."""

        self._until_stop = typist.burst()
        self._closers = 0
        """Brackets behind the cursor that the editor has put there."""

    async def type_in(self, passage: Passage, on_key: Callable[[], None]) -> None:
        """Type a passage where it is missing, accepting what is suggested where that is what the passage says."""
        self._editor.cursor = passage.start
        done = 0
        while done < len(passage.text):
            rest = passage.text[done:]
            typed = 0
            for key in self._typist.keys(rest):
                if typed := await self._wait(key, rest):
                    break
                self._press(key, rest)
                on_key()
                typed = len(key.text)
            done += typed
        await self._finish()

    async def _wait(self, key: Key, rest: str) -> int:
        """Let the pause before a key pass; returns how many characters of `rest` were accepted instead of it."""
        if self._asking is None:
            await asyncio.sleep(key.pause_s)
            return 0
        self._until_stop -= 1
        if self._until_stop <= 0 and not self._expected and await self._await_ghost(self._asking):
            self._until_stop = self._typist.burst()
        until = time.perf_counter() + key.pause_s
        await asyncio.wait({self._asking}, timeout=key.pause_s)
        if not self._asking.done():
            return 0
        ghost = self._seen(self._asking)
        self._asking = None
        left = until - time.perf_counter()
        if key.deletes == 0 and self._is_right(ghost.text, rest) and left > (reading := self._typist.reading_s()):
            await asyncio.sleep(reading)
            self._accept(ghost.text)
            return len(ghost.text)
        await asyncio.sleep(max(0.0, left))
        return 0

    async def _await_ghost(self, asking: asyncio.Task[Ghost]) -> bool:
        """Stop until an answer comes; whether it was ghost text, which is what people stop for."""
        await asyncio.wait({asking}, timeout=_PATIENCE_S)
        self._tally.requests -= 1  # it is counted here, and not among those that raced with a key
        self._awaited = True
        if not asking.done():
            self._tally.awaited_ms.append(1000 * _PATIENCE_S)
            return True
        ghost = asking.result()
        (self._tally.awaited_ms if ghost.text else self._tally.awaited_empty_ms).append(ghost.latency_ms)
        return bool(ghost.text)

    def _is_right(self, ghost: str, rest: str) -> bool:
        closes = self._closers and any(character in ")]}" for character in ghost)
        return len(ghost) >= _SHORTEST_ACCEPTED and rest.startswith(ghost) and not closes

    def _accept(self, text: str) -> None:
        self._asked_s = time.perf_counter()
        self._tally.accepted += 1
        self._tally.accepted_characters += len(text)
        self._expected = ""
        self._editor.replace(self._editor.cursor, self._editor.cursor, text)
        self._ask()

    def _press(self, key: Key, rest: str) -> None:
        """One key, with what an editor makes of it: brackets are closed, and closing ones typed over."""
        pressed = time.perf_counter()
        self._tally.keys += 1
        editor = self._editor
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
            if not self._awaited:
                self._tally.overtaken_ms.append(1000 * (pressed - self._asked_s))
            self._awaited = False
        follows = not key.deletes and self._expected.startswith(key.text)
        self._expected = self._expected[len(key.text) :] if follows else ""
        self._asked_s = pressed
        at_end = editor.text[editor.cursor : editor.cursor + 1] in {"", "\n", ")", "]", "}"}
        if key.deletes:
            editor.replace(editor.cursor - key.deletes, editor.cursor, "")
        elif self._closers and key.text == editor.text[editor.cursor : editor.cursor + 1]:
            editor.cursor += 1
            self._closers -= 1
        elif key.text in _PAIRS and at_end and _closes_on_line(key.text, rest):
            editor.replace(editor.cursor, editor.cursor, key.text + _PAIRS[key.text])
            editor.cursor -= 1
            self._closers += 1
        else:
            editor.replace(editor.cursor, editor.cursor, key.text)
        self._ask()

    def _ask(self) -> None:
        self._tally.requests += 1
        self._asking = asyncio.ensure_future(self._editor.ask(self._asked_s))

    def _seen(self, asking: asyncio.Task[Ghost]) -> Ghost:
        """Count an answer that came before the next key."""
        ghost = asking.result()
        if self._awaited:
            self._awaited = False
        elif not ghost.text:
            self._tally.empty += 1
        elif self._expected.startswith(ghost.text):  # all of it, or what of it fits into a bracket closed since
            self._tally.typed_along += 1
        else:
            self._tally.shown_ms.append(ghost.latency_ms)
        self._expected = ghost.text
        return ghost

    async def _finish(self) -> None:
        """Leave the passage: what is still asked for is no longer wanted."""
        if self._asking is not None:
            self._tally.requests -= not self._awaited  # no key follows it
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking
            self._asking = None
        self._expected, self._awaited = "", False


def _closes_on_line(opener: str, rest: str) -> bool:
    """Whether the bracket at the start of `rest` is closed before the line ends, so that it will be typed over."""
    depth = 0
    for character in rest.split("\n", 1)[0]:
        depth += (character == opener) - (character == _PAIRS[opener])
        if depth == 0:
            return True
    return False
