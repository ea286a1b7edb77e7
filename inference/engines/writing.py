"""From a prompt's ids to a completion's text: prefill, decode, stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from inference.decoded_token import Token
from inference.decoding import Drafting, Tally, drafted, prefill_except_last
from inference.drafting import Drafter, DraftLength, as_string
from inference.engines.base import Steps
from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel
from inference.picking import Picker
from inference.ranking import Name, judged
from inference.request import Completion, Step
from inference.token_bytes import Spelled
from inference.tokenizer import TextTokenizer

_T = TypeVar("_T")

_TEXTS_KEPT = 32
"""Completions that drafts are taken from."""

_LOGITS_KEPT = 2**18
"""Of tokens whose likelihood is still to be worked out: a megabyte, and up to 17 where all drafts were wrong."""

End = Callable[[str], tuple[str, bool]]
"""Takes the text so far; gives what of it counts, and whether that is all."""


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt `ids` [n], how far to continue it, and where."""

    cache: KeyValueCache
    ids: list[int]
    max_tokens: int
    end: End

    propose: Drafter
    chunk: Callable[[], int]
    """Tokens a prefill step."""

    picker: Picker


class Writer:
    """Writes with one model."""

    def __init__(
        self, name: str, model: CausalModel, tokenizer: TextTokenizer, stop_ids: list[int], length: DraftLength
    ) -> None:
        self._name, self._model, self._tokenizer = name, model, tokenizer
        self._stop_ids = frozenset(stop_ids)
        self._draft_length = length
        self._settled_at_once = _LOGITS_KEPT // tokenizer.vocabulary_size
        self.texts: deque[str] = deque(maxlen=_TEXTS_KEPT)
        """What was written last, as `drafting.as_string` gives it: often wanted again."""

    def write(self, task: Task) -> Steps:
        """Continue a prompt until an end token, as many tokens as are allowed, or the task's own end."""
        cache, ids = task.cache, task.ids
        reused = cache.reusable(ids)
        rest = yield from steps(prefill_except_last(self._model, cache, ids, task.chunk))
        most = min(task.max_tokens, self._model.context_length - len(ids))
        picker = replace(task.picker, choice=replace(task.picker.choice, most=most))
        tally = Tally()
        drafting = Drafting(task.propose, self._draft_length, tally=tally)
        completion = yield from self.taken(drafted(self._model, cache, rest, picker, drafting), task.end, most)
        return replace(
            completion,
            prompt_tokens=len(ids),
            reused_tokens=reused,
            passes=tally.passes,
            drafted_tokens=tally.drafted,
            accepted_tokens=tally.accepted,
        )

    def choose(self, task: Task, names: Sequence[Name]) -> Steps:
        """The likeliest of `names`, at least one; see `ranking`."""
        cache, ids = task.cache, task.ids
        reused = cache.reusable(ids)
        rest = yield from steps(prefill_except_last(self._model, cache, ids, task.chunk))
        found = yield from steps(judged(self._model, cache, rest, names, task.picker))
        best = found.best
        return Completion(
            text=best.name.rest,
            model=self._name,
            prompt_tokens=len(ids),
            reused_tokens=reused,
            generated_tokens=best.name.own,
            mean_logprob=best.own_logprob / best.name.own,
            first_margin=found.margin,
            passes=found.read,
        )

    def taken(self, passes: Iterable[list[Token]], end: End, most: int) -> Steps:
        """Text of decoded tokens, up to its end; a step for those of each pass, between which nothing is computed."""
        written: list[int] = []
        unsettled: list[Token] = []
        logprob = margin = 0.0
        new = 0
        beginning: tuple[int, ...] = ()
        text = ""
        is_cut = False
        spelled = Spelled(table) if (table := self._tokenizer.table) else None
        for token in _to_be_taken(passes):
            if token is None:
                if len(unsettled) >= self._settled_at_once:
                    logprob += sum(one.logprob for one in unsettled)
                    unsettled.clear()
                yield Step("decode", text)
                continue
            written.append(token.id)
            unsettled.append(token)
            if token.id in self._stop_ids:  # the text before has been judged
                break
            text, is_ended = end(spelled.add(token.id) if spelled else self._tokenizer.decode(written))
            if not new and text:
                margin, beginning = token.margin, tuple(written)
            new += bool(text)
            if is_ended:
                break
            if len(written) >= most:
                is_cut = True
                break
        self.texts.append(as_string(written))
        return Completion(
            text=text,
            model=self._name,
            prompt_tokens=0,
            reused_tokens=0,
            generated_tokens=len(written),
            mean_logprob=(logprob + sum(one.logprob for one in unsettled)) / max(1, len(written)),
            first_margin=margin,
            beginning=beginning,
            is_cut=is_cut,
        )


def _to_be_taken(passes: Iterable[list[Token]]) -> Generator[Token | None, None, None]:
    """Tokens, with None behind those of each pass."""
    for tokens in passes:
        yield from tokens
        yield None


def steps(computing: Generator[None, None, _T]) -> Generator[Step, None, _T]:
    """What is computed, with a step to be abandoned at wherever it yields."""
    while True:
        try:
            next(computing)
        except StopIteration as done:
            return done.value
        yield Step("prefill")
