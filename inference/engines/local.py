"""The engine that runs a model in this process: format → prompt → prefill → decode → stop."""

from __future__ import annotations

from collections.abc import Iterable

from inference import prompt
from inference.decoding import greedy, prefill
from inference.engines.base import Steps
from inference.formats import InfillFormat
from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel
from inference.request import Completion, Request, Step
from inference.stopping import completion_end
from inference.tokenizer import TextTokenizer

MAX_PROMPT_TOKENS = 1024
"""A prompt this long takes seconds to prefill on two cores at 1.1 B.

What a model could hold beyond it is not worth that wait.
"""


class LocalEngine:
    """A `CausalModel` with its tokenizer and format; implements `Engine`.

    Args:
        name: the model's name as a person would write it.
        notes: sentences a person should see once.
    """

    def __init__(
        self,
        name: str,
        model: CausalModel,
        tokenizer: TextTokenizer,
        row: InfillFormat,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.notes = notes
        self.model = model
        self.tokenizer = tokenizer
        self.format = row
        self._cache = KeyValueCache()
        stops = _known_ids(tokenizer, row.stop_tokens)
        self._forbidden = sorted(_known_ids(tokenizer, row.control_tokens) - stops)
        self._stop_ids = sorted(stops | (tokenizer.special_ids - set(self._forbidden)))

    def prompt_ids(self, request: Request) -> list[int]:
        """The prompt [n] for `request`, with room left for its completion."""
        longest = self.model.context_length
        budget = max(min(longest - request.max_tokens, MAX_PROMPT_TOKENS), longest // 2)
        return prompt.build(self.format.templates[self.format.order], self.tokenizer, request, budget)

    def complete(self, request: Request) -> Steps:
        """Infill `request`; see `Engine.complete`."""
        ids = self.prompt_ids(request)
        if not ids:  # left to right, at the start of a file: nothing to continue
            return Completion("", self.name, 0, 0, 0, 0.0)
        reused = self._cache.reusable(ids)
        computing = prefill(self.model, self._cache, ids)
        while True:
            try:
                next(computing)
            except StopIteration as done:
                logits = done.value
                break
            yield Step("prefill")
        most = min(request.max_tokens, self.model.context_length - len(ids))
        never_first = self._stop_ids if request.insist else ()
        written: list[int] = []
        logprob = 0.0
        text = ""
        for token in greedy(self.model, self._cache, logits, self._forbidden, never_first):
            logprob += token.logprob
            written.append(token.id)
            if token.id in self._stop_ids:
                break
            text = self.tokenizer.decode(written)
            end = completion_end(text, request.prefix, request.max_lines, request.insist)
            if end is not None:
                text = text[:end]
                break
            if len(written) >= most:
                break
            yield Step("decode", text)
        return Completion(text, self.name, len(ids), reused, len(written), logprob / len(written))


def _known_ids(tokenizer: TextTokenizer, names: Iterable[str]) -> set[int]:
    return {identifier for name in names if (identifier := tokenizer.token_id(name)) is not None}
