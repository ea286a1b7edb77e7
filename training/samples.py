"""Turns source text into infilling samples of token ids.

A sample is a window of one file cut into prefix P, middle M and suffix S at *character* positions (Bavarian et al.
2022, "Efficient Training of Language Models to Fill in the Middle", section 3), the three parts tokenised apart,
written in PSM or SPM order with equal chance, and closed with the end token. Sample `(seed, step, row)` is always the
same, which is what makes training resumable to the step.
"""

from __future__ import annotations

import json
import random
from bisect import bisect
from itertools import accumulate
from pathlib import Path

from tokenizers import Tokenizer

FIM_RATE = 0.9
"""Share of infilling samples.

The rest is plain left-to-right text (0.5 in the BigCode training code, but this model only infills).
"""

REST_OF_LINE_RATE = 0.5
REST_OF_LINES_RATE = 0.25
"""Middles are the rest of a line, or the rest of a line and up to five more, or else a random span of characters."""

MAX_MIDDLE_CHARS = 400
CHARS_PER_TOKEN = 3.0


class Samples:
    """Samples of `length` + 1 token ids drawn from the texts of a `*.jsonl` corpus, files weighted by their size."""

    def __init__(self, corpus: Path, tokenizer: Tokenizer, length: int, seed: int) -> None:
        with corpus.open(encoding="utf-8") as stream:
            self._texts = [json.loads(line)["text"] for line in stream]
        self._ends = list(accumulate(map(len, self._texts)))
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True
        self._length = length
        self._seed = seed
        # KeyError here, not a None in a batch, when the tokenizer lacks one.
        vocabulary = tokenizer.get_vocab()
        self._before, self._behind, self._fill, self._end = (
            vocabulary[token] for token in ("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<|endoftext|>")
        )
        self.prompt_ids = frozenset((self._before, self._behind, self._fill))
        """Control tokens that stand in prompts only."""

    def batch(self, step: int, rows: int) -> list[list[int]]:
        """The `rows` samples of training step `step`, each of `length` + 1 ids at most."""
        return [self.sample(random.Random(f"{self._seed}:{step}:{row}")) for row in range(rows)]

    def sample(self, rng: random.Random) -> list[int]:
        """One sample: P, M and S trimmed to `length` + 1 ids, P from its left and S from its right end."""
        window = self._window(rng)
        if rng.random() >= FIM_RATE or "\n" not in window:
            return self._encode(window)[: self._length + 1]
        start, end = _middle(window, rng)
        prefix, middle, suffix = (ids for ids in map(self._encode, (window[:start], window[start:end], window[end:])))
        if len(middle) > self._length // 2:  # rare, and as plain text it teaches as much
            return self._encode(window)[: self._length + 1]
        room = self._length + 1 - 4 - len(middle)
        suffix = suffix[: max(room // 4, room - len(prefix))]
        prefix = prefix[-(room - len(suffix)) :] if room > len(suffix) else []
        if rng.random() < 0.5:
            return [self._before, *prefix, self._behind, *suffix, self._fill, *middle, self._end]
        return [self._before, self._behind, *suffix, self._fill, *prefix, *middle, self._end]

    def _window(self, rng: random.Random) -> str:
        text = self._texts[bisect(self._ends, rng.randrange(self._ends[-1]))]
        size = int(self._length * CHARS_PER_TOKEN * 1.2)
        start = rng.randrange(max(1, len(text) - size // 2))
        start = text.rfind("\n", 0, start) + 1
        return text[start : start + size]

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids


def _middle(window: str, rng: random.Random) -> tuple[int, int]:
    """Character positions at which the middle starts and ends."""
    kind = rng.random()
    start = rng.randrange(len(window))
    if kind >= REST_OF_LINE_RATE + REST_OF_LINES_RATE:
        return start, rng.randrange(start, min(len(window), start + MAX_MIDDLE_CHARS) + 1)
    end = start
    for turn in range(1 if kind < REST_OF_LINE_RATE else rng.randint(2, 6)):
        end = window.find("\n", end + (turn > 0))
        if end < 0:
            end = len(window)
            break
    return start, min(end, start + MAX_MIDDLE_CHARS)
