"""The engine that runs a model in this process: format → prompt → prefill → decode → stop."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from inference import instructions, prompt
from inference.cache_pool import CachePool
from inference.closing import before_closers
from inference.decoding import prefill
from inference.draft_model import DraftModel
from inference.drafting import GAP, CopyDrafter, DraftLength, as_string, spelling
from inference.endings import Ending, line_prefix
from inference.engines.base import Steps
from inference.engines.writing import Task, Writer, steps
from inference.formats import InfillFormat
from inference.healing import LONGEST_TAIL, NO_TAIL, Healer, Tail
from inference.instructions import settled, tidied
from inference.local_memory import LocalMemory, Trust
from inference.models.base import CausalModel
from inference.pace import PacedModel
from inference.picking import Choice, Picker, remembered
from inference.ranking import names_for
from inference.request import Completion, Instruction, Request, Step
from inference.stopping import loop
from inference.token_strings import TokenStrings
from inference.tokenizer import TextTokenizer

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
_USUAL_TOKENS = 64 + LONGEST_TAIL
"""Room for a completion in each cache; one that may be longer gets a larger cache."""

_LONGEST_WORD = 100
_WORD_AT_END = re.compile(r"\w+\Z")
_DRAFT_CHARS = 24_000
"""How much of each text drafts are taken from; twice that of what stands before the cursor."""

_DRAFT_STRIDE = 8_000
"""How far that text's beginning moves at a time, in characters."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a model beside how to run it."""

    notices: tuple[str, ...] = ()
    """Sentences for the log."""

    instruction_form: str = ""
    """`alpaca` for a model tuned to follow instructions in that form, else empty."""

    reads_other_files: bool = True
    """See `Engine.reads_other_files`."""

    patience_s: float | None = None
    """Longest prefill for a suggestion, in seconds; None for any."""

    trust: Trust | None = None
    """How much the model believes the local memory; None where it is not known to help."""


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
        self.reads_other_files = about.reads_other_files
        self.model = PacedModel(model)
        self.tokenizer = tokenizer
        self.format = row
        self._patience_s = about.patience_s
        self.trust = about.trust
        self._memory: LocalMemory | None = None
        self._strings = TokenStrings(tokenizer)
        self._healer = Healer(tokenizer, table) if (table := tokenizer.table) else None
        self._pool = CachePool(self.model, MAX_PROMPT_TOKENS + _USUAL_TOKENS)
        self._draft_length = DraftLength(self.model.pace)
        self._vocabulary = tokenizer.highest_id + 1
        stops = _known_ids(tokenizer, row.stop_tokens)
        self._forbidden = sorted((_known_ids(tokenizer, row.control_tokens) - stops) | tokenizer.padding_ids)
        self._stop_ids = sorted(stops | (tokenizer.control_ids - set(self._forbidden)))
        self._writer = Writer(name, self.model, tokenizer, self._stop_ids, self._draft_length)

    def prompt_ids(self, request: Request) -> list[int]:
        """The prompt [n] for `request`, with room left for its completion: the longest that can be computed in time."""
        ids: list[int] = []
        alone = replace(request, context=())
        # What other files add is not worth waiting for: where there is no time, the longest prompt goes without first.
        longest = [(_BUDGETS[0], request)] if request.context else []
        for budget, asked in (*longest, *((budget, alone) for budget in _BUDGETS)):
            ids = self._built(asked, budget)
            missing = len(ids) - self._pool.reusable(ids)
            if self._patience_s is None or self._prefill_seconds(missing) <= self._patience_s:
                break
        return ids

    def _built(self, request: Request, budget: int) -> list[int]:
        longest = self.model.context_length
        budget = min(max(longest - request.max_tokens - LONGEST_TAIL, longest // 2), budget)
        return prompt.build(self.format.templates[self.format.order], self.tokenizer, request, budget, self.format)

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
        for text in (*_related_texts(request), *_texts_around(request)):
            self._strings.of(text)
            yield Step("prefill")
        ids = self._built(self._without(self._tail(request), request), MAX_PROMPT_TOKENS)
        if len(ids) - self._pool.reusable(ids) > 1:
            cache = self._pool.take(ids, request.max_tokens + LONGEST_TAIL)
            yield from steps(prefill(self.model, cache, ids, self._chunk))
        if self.draft_model:
            yield from self.draft_model.prepare(request)
        return Completion("", self.name, len(ids), 0, 0, 0.0)

    def complete(self, request: Request) -> Steps:
        """Infill `request`; see `Engine.complete`."""
        if request.plain:
            return (yield from self._plain(request))
        tail = self._tail(request)
        healed = self._without(tail, request)
        ids = self.prompt_ids(healed)
        if not ids:  # left to right, at the start of a file: nothing to continue
            return Completion("", self.name, 0, 0, 0, 0.0)

        end = Ending(request, tail)
        behind, before = _texts_around(healed)
        # What `prepare` has not come to yet is left out: it could take longer to tokenise than it can save.
        others, suffix = list(map(self._strings.known, _related_texts(healed))), self._strings.of(behind)
        yield Step("prefill")
        prefix = self._strings.growing(before)
        yield Step("prefill")
        copies = CopyDrafter([*others, suffix, *self._writer.texts], prefix)
        draft_model, length = self.draft_model, self._draft_length
        memory = None
        if request.memory in {"always", "only"} or (self.trust and request.memory == "auto"):
            texts = GAP.join([suffix, prefix]), self.trust or Trust(), GAP.join(others)
            memory = self._memory = self._memory if self._memory and self._memory.is_of(*texts) else LocalMemory(*texts)
        choice = Choice(
            self._forbidden,
            self._stop_ids if request.insist else (),
            self._stop_ids,
            self._vocabulary,
            request.max_tokens,
        )
        words = _words(request, tail)
        picker = Picker(choice, tail, self._healer, memory, words, request.avoid, not request.at_indentation)
        if request.memory == "only":
            most = request.max_tokens + len(tail.ids)
            return (
                yield from self._writer.taken(([one] for one in remembered(picker, self._vocabulary, most)), end, most)
            )
        task = Task(
            cache=self._pool.take(ids, request.max_tokens + LONGEST_TAIL),
            ids=ids,
            max_tokens=request.max_tokens + len(tail.ids),
            end=end,
            propose=spelling(tail.ids, draft_model.drafter(healed, copies, length) if draft_model else copies.propose),
            chunk=self._awaited_chunk,
            picker=picker,
        )
        if request.word_only and (names := names_for(request, tail, self.tokenizer)):
            return (yield from self._writer.choose(task, names))
        if draft_model:
            yield from draft_model.prepare(healed)
        written = yield from self._writer.write(task)
        return replace(written, text=before_closers(written.text, request.closers, line_prefix(request)))

    def _plain(self, request: Request) -> Steps:
        """What the model writes for the prompt of its card, and nothing done about it."""
        ids = self._built(request, MAX_PROMPT_TOKENS)
        if not ids:
            return Completion("", self.name, 0, 0, 0, 0.0)
        cache = self._pool.take(ids, request.max_tokens)
        propose = CopyDrafter(self._writer.texts, as_string(ids)).propose
        picker = self._picker(insist=request.insist)
        task = Task(cache, ids, request.max_tokens, lambda text: (text, False), propose, self._chunk, picker)
        return (yield from self._writer.write(task))

    def _picker(self, *, insist: bool = False) -> Picker:
        """The model's own choice, of what is no prompt."""
        never_first = self._stop_ids if insist else ()
        return Picker(Choice(self._forbidden, never_first, self._stop_ids, self._vocabulary))

    def _tail(self, request: Request) -> Tail:
        """What is left out of the prompt's end, for the completion to begin with."""
        tail = self._healer.cut(request.prefix) if self._healer else NO_TAIL
        return tail if len(tail.text) < len(request.prefix) else NO_TAIL

    @staticmethod
    def _without(tail: Tail, request: Request) -> Request:
        return replace(request, prefix=request.prefix[: len(request.prefix) - len(tail.text)])

    def answer(self, instruction: Instruction) -> Steps:
        """Answer `instruction`; see `Engine.answer`. It has a cache of its own, so that completions keep theirs."""
        ids, stop_texts = self.instruction_ids(instruction)

        def end(text: str) -> tuple[str, bool]:
            text, is_ended = settled(tidied(text), stop_texts)
            if looping := loop(text):
                return text[: sum(looping)], True  # what is repeated, once
            return text, is_ended

        cache = self.model.new_cache(len(ids) + instruction.max_tokens)
        task = Task(
            cache,
            ids,
            instruction.max_tokens,
            end,
            CopyDrafter(self._writer.texts, as_string(ids)).propose,
            self._chunk,
            self._picker(),
        )
        written = yield from self._writer.write(task)
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


def _related_texts(request: Request) -> list[str]:
    return [text[:_DRAFT_CHARS] for text in request.related]


def _words(request: Request, tail: Tail) -> tuple[bytes, ...]:
    """What the completion may begin with, `tail` in front, where the request names what the identifier may be."""
    typed = _WORD_AT_END.search(request.prefix[-_LONGEST_WORD:])
    if typed is None or not tail.text.endswith(typed[0]):
        return ()
    likely = (word for word in request.words if word.startswith(typed[0]))
    return tuple((tail.text + word[len(typed[0]) :]).encode("utf-8", "replace") for word in likely)


def _texts_around(request: Request) -> list[str]:
    """What stands behind the cursor and, likelier to be repeated, before it.

    The second begins at a line on a coarse grid, so that it only grows while somebody types.
    """
    prefix = request.prefix
    beyond = -(-max(0, len(prefix) - 2 * _DRAFT_CHARS) // _DRAFT_STRIDE) * _DRAFT_STRIDE
    start = prefix.find("\n", beyond, beyond + _DRAFT_STRIDE) + 1 if beyond else 0
    return [request.suffix[:_DRAFT_CHARS], prefix[start or beyond :]]


def _known_ids(tokenizer: TextTokenizer, names: Iterable[str]) -> set[int]:
    return {identifier for name in names if (identifier := tokenizer.token_id(name)) is not None}
