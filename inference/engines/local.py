"""The engine that runs a model in this process: format → prompt → prefill → decode → stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from inference import instructions, prompt
from inference.cache_pool import CachePool
from inference.closing import before_closers, closing_end
from inference.decoding import Choice, Drafting, Tally, drafted, prefill, prefill_except_last
from inference.draft_model import DraftModel
from inference.drafting import CopyDrafter, Drafter, DraftLength, as_string
from inference.engines.base import Steps
from inference.formats import InfillFormat
from inference.instructions import settled, tidied
from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel
from inference.pace import PacedModel
from inference.request import Completion, Instruction, Request, Step
from inference.stopping import completion_end, loop
from inference.tokenizer import TextTokenizer

_T = TypeVar("_T")

MAX_PROMPT_TOKENS = 1024
"""A prompt this long takes seconds to prefill on two cores at 1.1 B.

What a model could hold beyond it is not worth that wait.
"""

MAX_INSTRUCTION_TOKENS = 2048
"""A person waits longer for an answer than for ghost text, but not for ever."""

_MAX_CHARS_PER_TOKEN = 8
"""Longer code is cut before it is tokenised, which nothing could interrupt."""

_BUDGETS = (MAX_PROMPT_TOKENS, 512, 256, 128)
"""Prompt lengths, in tokens. A shorter one is taken where a longer one can't be computed in time."""

PATIENCE_S = 0.35
"""Longest prefill for a suggestion. What a longer prompt would add comes later, from `prepare`."""

_STEP_S, _LONG_STEP_S = 0.03, 0.11
"""Longest prefill step, for which others wait: the second for models whose every step takes longer."""

_AWAITED_STEP_S = 0.3
"""The same for what a person waits for and can be interrupted in: longer steps compute more tokens a second."""

_SMALLEST_CHUNK, _LARGEST_CHUNK = 16, 256
_USUAL_TOKENS = 64
"""Room for a completion in each cache; one that may be longer gets a larger cache."""

_DRAFT_CHARS = 24_000
"""How much of each text drafts are taken from; twice that of what stands before the cursor."""

_TEXTS_KEPT = 32
"""Completions that drafts are taken from."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a model beside how to run it."""

    notices: tuple[str, ...] = ()
    """Sentences for the log."""

    instruction_form: str = ""
    """`alpaca` for a model tuned to follow instructions in that form, else empty."""

    patience_s: float | None = None
    """Longest prefill for a suggestion, in seconds; None for any."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A prompt `ids` [n], how far to continue it, and where."""

    cache: KeyValueCache
    ids: list[int]
    max_tokens: int
    end: Callable[[str], tuple[str, bool]]
    """Takes the text so far; gives what of it counts, and whether that is all."""

    propose: Drafter
    chunk: Callable[[], int]
    """Tokens a prefill step."""

    never_first: Sequence[int] = ()


_UNKNOWN = About()


class LocalEngine:
    """A `CausalModel` with its tokenizer and format; implements `Engine`."""

    def __init__(
        self,
        name: str,
        model: CausalModel,
        tokenizer: TextTokenizer,
        row: InfillFormat,
        about: About = _UNKNOWN,
    ) -> None:
        self.name = name
        self.notes: tuple[str, ...] = ()
        self.draft_model: DraftModel | None = None
        """Guesses ahead, if there is one; never changes what is written."""

        self.notices = about.notices
        self.instruction_form = about.instruction_form
        self.model = PacedModel(model)
        self.tokenizer = tokenizer
        self.format = row
        self._patience_s = about.patience_s
        self._pool = CachePool(self.model, MAX_PROMPT_TOKENS + _USUAL_TOKENS)
        self._draft_length = DraftLength(self.model.pace)
        self._texts: deque[str] = deque(maxlen=_TEXTS_KEPT)
        self._vocabulary = tokenizer.highest_id + 1
        stops = _known_ids(tokenizer, row.stop_tokens)
        self._forbidden = sorted((_known_ids(tokenizer, row.control_tokens) - stops) | tokenizer.padding_ids)
        self._stop_ids = sorted(stops | (tokenizer.control_ids - set(self._forbidden)))

    def prompt_ids(self, request: Request) -> list[int]:
        """The prompt [n] for `request`, with room left for its completion: the longest that can be computed in time."""
        ids: list[int] = []
        for budget in _BUDGETS:
            ids = self._built(request, budget)
            missing = len(ids) - self._pool.reusable(ids)
            if self._patience_s is None or self._prefill_seconds(missing) <= self._patience_s:
                break
        return ids

    def _built(self, request: Request, budget: int) -> list[int]:
        longest = self.model.context_length
        budget = min(max(longest - request.max_tokens, longest // 2), budget)
        return prompt.build(self.format.templates[self.format.order], self.tokenizer, request, budget)

    def _prefill_seconds(self, tokens: int) -> float:
        whole, rest = divmod(tokens, self._awaited_chunk())
        return whole * self.model.pace.seconds(self._awaited_chunk()) + self.model.pace.seconds(rest)

    def _chunk(self) -> int:
        """Tokens a prefill step of work that others may have to wait for."""
        pace = self.model.pace
        longest = _STEP_S if pace.seconds(1) < _STEP_S / 4 else _LONG_STEP_S
        return pace.largest_within(longest, _SMALLEST_CHUNK, _LARGEST_CHUNK)

    def _awaited_chunk(self) -> int:
        """Tokens a prefill step of a completion."""
        if not self.model.is_interruptible:
            return self._chunk()
        return self.model.pace.largest_within(_AWAITED_STEP_S, _SMALLEST_CHUNK, _LARGEST_CHUNK)

    def prepare(self, request: Request) -> Steps:
        """Prefill the longest prompt, and tokenise what drafts are taken from; see `Engine.prepare`."""
        for text in _draft_texts(request):
            self.tokenizer.encode(text)
            yield Step("prefill")
        ids = self._built(request, MAX_PROMPT_TOKENS)
        if len(ids) - self._pool.reusable(ids) > 1:
            cache = self._pool.take(ids, request.max_tokens)
            yield from _steps(prefill(self.model, cache, ids, self._chunk))
        if self.draft_model:
            yield from self.draft_model.prepare(request)
        return Completion("", self.name, len(ids), 0, 0, 0.0)

    def complete(self, request: Request) -> Steps:
        """Infill `request`; see `Engine.complete`."""
        ids = self.prompt_ids(request)
        if not ids:  # left to right, at the start of a file: nothing to continue
            return Completion("", self.name, 0, 0, 0, 0.0)

        line_prefix = request.prefix[request.prefix.rfind("\n") + 1 :]

        def end(text: str) -> tuple[str, bool]:
            ends = (
                completion_end(text, request.prefix, request.max_lines, request.insist, request.suffix),
                closing_end(text, request.closers, line_prefix),
            )
            cut = min((end for end in ends if end is not None), default=None)
            return (text, False) if cut is None else (text[:cut], True)

        # What `prepare` has not come to yet is left out: it could take longer to tokenise than drafts can save.
        *sources, prefix = map(self.tokenizer.encode_known, _draft_texts(request))
        copies = CopyDrafter([*map(as_string, sources), *self._texts], prefix)
        draft_model, length = self.draft_model, self._draft_length
        task = _Task(
            cache=self._pool.take(ids, request.max_tokens),
            ids=ids,
            max_tokens=request.max_tokens,
            end=end,
            propose=draft_model.drafter(request, copies, length) if draft_model else copies.propose,
            chunk=self._awaited_chunk,
            never_first=self._stop_ids if request.insist else (),
        )
        if draft_model:
            yield from draft_model.prepare(request)
        written = yield from self._write(task)
        return replace(written, text=before_closers(written.text, request.closers, line_prefix))

    def answer(self, instruction: Instruction) -> Steps:
        """Answer `instruction`; see `Engine.answer`. It has a cache of its own, so that completions keep theirs."""
        ids, stop_texts = self.instruction_ids(instruction)

        def end(text: str) -> tuple[str, bool]:
            text, is_ended = settled(tidied(text), stop_texts)
            if looping := loop(text):
                return text[: sum(looping)], True  # what is repeated, once
            return text, is_ended

        cache = self.model.new_cache(len(ids) + instruction.max_tokens)
        task = _Task(cache, ids, instruction.max_tokens, end, CopyDrafter(self._texts, ids).propose, self._chunk)
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
    def forwarded_tokens(self) -> int:
        """See `Engine.forwarded_tokens`."""
        return self.model.forwarded_tokens

    @property
    def follows_instructions(self) -> bool:
        """See `Engine.follows_instructions`."""
        return bool(self.instruction_form)

    def _write(self, task: _Task) -> Steps:
        """Continue a prompt until an end token, as many tokens as are allowed, or the task's own end."""
        cache, ids = task.cache, task.ids
        reused = cache.reusable(ids)
        rest = yield from _steps(prefill_except_last(self.model, cache, ids, task.chunk))
        most = min(task.max_tokens, self.model.context_length - len(ids))
        choice = Choice(self._forbidden, task.never_first, self._vocabulary, most)
        tally = Tally()
        drafting = Drafting(task.propose, self._draft_length, tally=tally)
        written: list[int] = []
        logprob = 0.0
        text = ""
        is_cut = False
        for token in drafted(self.model, cache, rest, choice, drafting):
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
        self._texts.append(as_string(written))
        return Completion(
            text=text,
            model=self.name,
            prompt_tokens=len(ids),
            reused_tokens=reused,
            generated_tokens=len(written),
            mean_logprob=logprob / len(written),
            is_cut=is_cut,
            passes=tally.passes,
            drafted_tokens=tally.drafted,
            accepted_tokens=tally.accepted,
        )


def _steps(computing: Generator[None, None, _T]) -> Generator[Step, None, _T]:
    """What is computed, with a step to be abandoned at wherever it yields."""
    while True:
        try:
            next(computing)
        except StopIteration as done:
            return done.value
        yield Step("prefill")


def _draft_texts(request: Request) -> list[str]:
    """What is likely to be repeated at the cursor, the likeliest last: the text before it."""
    related = [text[:_DRAFT_CHARS] for text in request.related]
    return [*related, request.suffix[:_DRAFT_CHARS], request.prefix[-2 * _DRAFT_CHARS :]]


def _known_ids(tokenizer: TextTokenizer, names: Iterable[str]) -> set[int]:
    return {identifier for name in names if (identifier := tokenizer.token_id(name)) is not None}
