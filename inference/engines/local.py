"""The engine that runs a model in this process: format → prompt → prefill → decode → stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from inference import instructions, prompt
from inference.decoding import PREFILL_CHUNK, Choice, greedy, prefill
from inference.engines.base import Steps
from inference.formats import InfillFormat
from inference.instructions import settled, tidied
from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel
from inference.request import Completion, Instruction, Request, Step
from inference.stopping import completion_end, loop
from inference.tokenizer import TextTokenizer

MAX_PROMPT_TOKENS = 1024
"""A prompt this long takes seconds to prefill on two cores at 1.1 B.

What a model could hold beyond it is not worth that wait.
"""

MAX_INSTRUCTION_TOKENS = 2048
"""A person waits longer for an answer than for ghost text, but not for ever."""

_MAX_CHARS_PER_TOKEN = 8
"""Longer code is cut before it is tokenised, which nothing could interrupt."""

_ANSWER_CHUNK = 64
"""Tokens a prefill step of an answer: a completion that comes meanwhile waits for one step."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a model beside how to run it."""

    notices: tuple[str, ...] = ()
    """Sentences for the log."""

    instruction_form: str = ""
    """`alpaca` for a model tuned to follow instructions in that form, else empty."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A prompt `ids` [n], how far to continue it, and where."""

    cache: KeyValueCache
    ids: list[int]
    max_tokens: int
    end: Callable[[str], tuple[str, bool]]
    """Takes the text so far; gives what of it counts, and whether that is all."""

    never_first: Sequence[int] = ()
    chunk: int = PREFILL_CHUNK


_UNKNOWN = About()


class LocalEngine:
    """A `CausalModel` with its tokenizer and format; implements `Engine`."""

    def __init__(
        self, name: str, model: CausalModel, tokenizer: TextTokenizer, row: InfillFormat, about: About = _UNKNOWN
    ) -> None:
        self.name = name
        self.notes: tuple[str, ...] = ()
        self.notices = about.notices
        self.instruction_form = about.instruction_form
        self.model = model
        self.tokenizer = tokenizer
        self.format = row
        self._cache = KeyValueCache()
        self._vocabulary = tokenizer.highest_id + 1
        stops = _known_ids(tokenizer, row.stop_tokens)
        self._forbidden = sorted((_known_ids(tokenizer, row.control_tokens) - stops) | tokenizer.padding_ids)
        self._stop_ids = sorted(stops | (tokenizer.control_ids - set(self._forbidden)))

    def prompt_ids(self, request: Request) -> list[int]:
        """The prompt [n] for `request`, with room left for its completion."""
        longest = self.model.context_length
        budget = min(max(longest - request.max_tokens, longest // 2), MAX_PROMPT_TOKENS)
        return prompt.build(self.format.templates[self.format.order], self.tokenizer, request, budget)

    def complete(self, request: Request) -> Steps:
        """Infill `request`; see `Engine.complete`."""
        ids = self.prompt_ids(request)
        if not ids:  # left to right, at the start of a file: nothing to continue
            return Completion("", self.name, 0, 0, 0, 0.0)

        def end(text: str) -> tuple[str, bool]:
            cut = completion_end(text, request.prefix, request.max_lines, request.insist)
            return (text, False) if cut is None else (text[:cut], True)

        never_first = self._stop_ids if request.insist else ()
        return (yield from self._write(_Task(self._cache, ids, request.max_tokens, end, never_first)))

    def answer(self, instruction: Instruction) -> Steps:
        """Answer `instruction`; see `Engine.answer`. It has a cache of its own, so that completions keep theirs."""
        ids, stop_texts = self.instruction_ids(instruction)

        def end(text: str) -> tuple[str, bool]:
            text, is_ended = settled(tidied(text), stop_texts)
            if looping := loop(text):
                return text[: sum(looping)], True  # what is repeated, once
            return text, is_ended

        task = _Task(KeyValueCache(), ids, instruction.max_tokens, end, chunk=_ANSWER_CHUNK)
        written = yield from self._write(task)
        return replace(written, text=tidied(written.text).rstrip())

    def instruction_ids(self, instruction: Instruction) -> tuple[list[int], tuple[str, ...]]:
        """The prompt [n] for `instruction`, its code cut at the end where it is too long; and what ends the answer."""
        longest = self.model.context_length
        budget = min(max(longest - instruction.max_tokens, longest // 2), MAX_INSTRUCTION_TOKENS)
        most = _MAX_CHARS_PER_TOKEN * budget
        instruction = replace(instruction, text=instruction.text[: most // 4], code=instruction.code[:most])
        while True:
            built = instructions.build(self.instruction_form, instruction)
            ids = self.tokenizer.encode(built.text)
            if len(ids) <= budget or not instruction.code:
                return ids[-budget:], built.stop_texts
            kept = int(len(instruction.code) * min(0.9, budget / len(ids)))
            instruction = replace(instruction, code=instruction.code[:kept])

    @property
    def follows_instructions(self) -> bool:
        """See `Engine.follows_instructions`."""
        return bool(self.instruction_form)

    def _write(self, task: _Task) -> Steps:
        """Continue a prompt until an end token, as many tokens as are allowed, or the task's own end."""
        cache, ids = task.cache, task.ids
        reused = cache.reusable(ids)
        computing = prefill(self.model, cache, ids, task.chunk)
        while True:
            try:
                next(computing)
            except StopIteration as done:
                logits = done.value
                break
            yield Step("prefill")
        most = min(task.max_tokens, self.model.context_length - len(ids))
        choice = Choice(self._forbidden, task.never_first, self._vocabulary)
        written: list[int] = []
        logprob = 0.0
        text = ""
        is_cut = False
        for token in greedy(self.model, cache, logits, choice):
            logprob += token.logprob
            written.append(token.id)
            if token.id in self._stop_ids:
                text = self.tokenizer.decode(written[:-1])
                break
            text, is_ended = task.end(self.tokenizer.decode(written))
            if is_ended:
                break
            if len(written) >= most:
                is_cut = True
                break
            yield Step("decode", text)
        return Completion(text, self.name, len(ids), reused, len(written), logprob / len(written), is_cut)


def _known_ids(tokenizer: TextTokenizer, names: Iterable[str]) -> set[int]:
    return {identifier for name in names if (identifier := tokenizer.token_id(name)) is not None}
