"""Turns source text into infilling samples of token ids.

A sample is a window of one file cut into prefix P, middle M and suffix S (Bavarian et al. 2022, "Efficient Training of
Language Models to Fill in the Middle"), written in PSM or SPM order with equal chance, and closed with the end token.
Sample `(seed, step, row)` is always the same, which is what makes training resumable to the step.

Cuts lie between the *words* that the tokenizer splits a text into before it looks for tokens, and the window is
tokenised as a whole. That is what the model is asked at work: a prompt backs up to such a boundary, and the completion
is made to begin with what stood behind it (`inference.healing`). So no capacity goes into spellings of half a word,
which EFIM (Guo et al. 2025, arXiv:2505.21889) and character cuts teach.
"""

from __future__ import annotations

import json
import math
import random
import re
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tokenizers import Tokenizer

FIM_RATE = 0.9
"""Share of samples that are cut for infilling, where they have such a middle.

The rest is plain left-to-right text (0.5 in the BigCode training code, but this model only infills).
"""

PATH_RATE = 0.5
"""Share of samples with the file's path in front of the prefix, and of these, of ones with another file before that."""

OTHER_FILE_RATE = 0.2
_OTHER_FILE_CHARS = (200, 1200)
_PATH_PARTS = 3
"""As many parts of a path as the product shows; see `lsp_server.context.source.short_path`."""

_NEW_FILE_CHARS = (30, 2000)
"""How much there is of a file that has just been begun. A model that has only seen windows out of the middle of things
writes in circles in a file of three lines."""

MAX_MIDDLE_TOKENS = 128
CHARS_PER_TOKEN = 3.6
"""A little more than a token has, so that a window is long enough."""

PACKAGE_WEIGHT = 0.75
"""Exponent of a package's size in its weight: large packages count for less than their share, small ones for more."""


_BLANKS = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Sample:
    """Token ids [n] to learn from."""

    ids: list[int]
    middle: int
    """Index at which the middle begins, with the end token behind it; n where there is none."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a file as ids [n], with what is needed to cut it."""

    ids: list[int]
    starts: list[int]
    """Indexes of ids that begin a word, without the first."""

    newlines: list[int]
    """Indexes of ids with a line feed in them, which mostly begin with it."""

    indents: list[int]
    """For each of `newlines`, the columns that the line behind it, or behind blank ones, is indented by."""


class Samples:
    """Samples of up to `length` + 1 token ids drawn from the texts of a `*.jsonl` corpus."""

    def __init__(self, corpus: Path, tokenizer: Tokenizer, length: int, seed: int, new_file_rate: float = 0.0) -> None:

        with corpus.open(encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        self._files = [("/".join(row["path"].split("/")[-_PATH_PARTS:]), row["text"]) for row in rows]
        packages = [row["package"].split("/")[0] for row in rows]  # the standard library counts as one
        sizes: dict[str, int] = defaultdict(int)
        for row, package in zip(rows, packages, strict=True):
            sizes[package] += len(row["text"])
        weights = (
            len(row["text"]) * sizes[package] ** (PACKAGE_WEIGHT - 1)
            for row, package in zip(rows, packages, strict=True)
        )
        # Files without a folder have nothing to do with each other.
        self._folders = [row["path"].rpartition("/")[0] or row["path"] for row in rows]
        self._in_folder: dict[str, list[int]] = defaultdict(list)
        for number, folder in enumerate(self._folders):
            self._in_folder[folder].append(number)
        self._ends = list(accumulate(weights))
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True
        self._length = length
        self._seed = seed
        self._new_file_rate = new_file_rate
        # KeyError here, not a None in a batch, when the tokenizer lacks one.
        vocabulary = tokenizer.get_vocab()
        names = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<|endoftext|>", "<file_sep>")
        self._before, self._behind, self._fill, self.end_id, self._separator = (vocabulary[name] for name in names)
        self.prompt_ids = frozenset((self._before, self._behind, self._fill, self._separator))
        """Control tokens that stand in prompts only."""

    def batch(self, step: int, rows: int, length: int | None = None) -> list[Sample]:
        """The `rows` samples of training step `step`, each of `length` + 1 ids at most."""
        return [self.sample(random.Random(f"{self._seed}:{step}:{row}"), length) for row in range(rows)]

    def characters(self, ids: list[int]) -> int:
        """How many characters the text of `ids` has."""
        return len(self._tokenizer.decode(ids))

    def sample(self, rng: random.Random, length: int | None = None) -> Sample:
        """One sample: P, M and S trimmed to `length` + 1 ids, P from its left and S from its right end."""
        length = length or self._length
        number = bisect(self._ends, rng.random() * self._ends[-1])
        front, header = self._others(number, length, rng)
        text = self._files[number][1]
        is_new = self._new_file_rate > 0 and rng.random() < self._new_file_rate
        window = self._window(_begun(text, rng) if is_new else text, length - len(front) - len(header), rng, is_new)
        start, end = (rng.random() < FIM_RATE and middle(window, rng)) or (0, 0)
        prefix, filled, suffix = window.ids[:start], window.ids[start:end], window.ids[end:]
        room = length + 1 - 4 - len(filled) - len(front) - len(header)
        if not filled or room < 0:
            ids = [*front, *header, *window.ids][: length + 1]
            return Sample(ids, len(ids))
        suffix = suffix[: max(room // 4, room - len(prefix))]
        prefix = [*header, *(prefix[-(room - len(suffix)) :] if room > len(suffix) else [])]
        if rng.random() < 0.5:
            prompt = [*front, self._before, *prefix, self._behind, *suffix, self._fill]
        else:
            prompt = [*front, self._before, self._behind, *suffix, self._fill, *prefix]
        return Sample([*prompt, *filled, self.end_id], len(prompt))

    def _others(self, number: int, length: int, rng: random.Random) -> tuple[list[int], list[int]]:
        """What stands in front of the whole and what before the prefix: see `inference.other_files`.

        That is the file's path, and sometimes a piece of a file of the same folder.
        """
        if rng.random() >= PATH_RATE:
            return [], []
        header = self._encode(f"{self._files[number][0]}\n")
        if rng.random() >= OTHER_FILE_RATE:
            return [self._separator], header
        beside = [other for other in self._in_folder[self._folders[number]] if other != number]
        if not beside:
            return [self._separator], header
        path, text = self._files[rng.choice(beside)]
        start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
        piece = text[start : start + rng.randint(*_OTHER_FILE_CHARS)]
        ids = self._encode(f"{path}\n{piece[: piece.rfind(chr(10)) + 1]}")
        return [self._separator, *ids[: length // 3], self._separator], header

    def _window(self, text: str, length: int, rng: random.Random, is_new: bool = False) -> Window:
        """About `length` ids of `text`, from the beginning of a line; of a new file, from its own."""
        size = int(length * CHARS_PER_TOKEN)
        start = 0 if is_new else text.rfind("\n", 0, rng.randrange(max(1, len(text) - size // 2))) + 1
        part = text[start : start + size]
        encoding = self._tokenizer.encode(part, add_special_tokens=False)
        words, offsets = encoding.word_ids, encoding.offsets
        count = min(len(encoding.ids), length)
        newlines = [at for at in range(count) if "\n" in part[slice(*offsets[at])]]
        return Window(
            encoding.ids[:count],
            [at for at in range(1, count) if words[at] != words[at - 1]],
            newlines,
            [_indent(part, offsets[at][0]) for at in newlines],
        )

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids


def _begun(text: str, rng: random.Random) -> str:
    """The first lines of `text`, few more often than many."""
    size = math.exp(rng.uniform(*map(math.log, _NEW_FILE_CHARS)))
    end = text.find("\n", int(size))
    return text[: end + 1] if end >= 0 else text


def middle(window: Window, rng: random.Random) -> tuple[int, int] | None:
    """Indexes into the ids of `window` at which a middle of the product's kinds starts and ends; None if it has none.

    Half are the rest of a line (of the next one, where they start with a line's end), a tenth the rest of a block and a
    tenth of several lines, a fifth end within their line, the others anywhere.
    """
    if not window.starts:
        return None
    start = rng.choice(window.starts)
    kind = rng.random()
    if kind < 0.6:
        end = _line_end(window, start, 1 if kind < 0.5 else rng.randint(2, 6))
    elif kind < 0.7:
        end = _block_end(window, start)
    else:
        most = MAX_MIDDLE_TOKENS
        if kind < 0.9:
            most = max(1, (_line_end(window, start, 1) or start + most) - start)
        later = [at for at in window.starts[bisect(window.starts, start) :] if at - start <= most]
        # Within a line mostly the next word or two, which is what stands between the cursor and code behind it.
        end = rng.choice(later[: rng.choice((1, 3, most))]) if later else None
    return None if end is None or end - start > MAX_MIDDLE_TOKENS else (start, end)


def _line_end(window: Window, start: int, lines: int) -> int | None:
    """The index of the id that ends the last of `lines` lines with text, from `start` on; None where it is cut off."""
    at = _next_newline(window, start) + lines - 1
    return window.newlines[at] if at < len(window.newlines) else None


def _block_end(window: Window, start: int) -> int | None:
    """The same for the last line before one that is indented less than the line of `start`."""
    first = _next_newline(window, start)
    if not 1 <= first < len(window.newlines):
        return None
    indent = window.indents[first - 1]
    ends = (at for at in range(first, len(window.newlines)) if window.indents[at] < indent)
    return window.newlines[end] if (end := next(ends, None)) is not None else None


def _next_newline(window: Window, start: int) -> int:
    """Index into `newlines` of the first behind `start`."""
    at = bisect(window.newlines, start - 1)
    return at + (at < len(window.newlines) and window.newlines[at] == start)


def _indent(text: str, at: int) -> int:
    """Columns before the first text behind `at`."""
    found = _BLANKS.match(text, at)
    blanks = found[0] if found else ""
    return len(blanks) - blanks.rfind("\n") - 1
