"""Text ↔ token ids over a Hugging Face fast tokenizer, with control tokens kept out of plain text."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer

from inference.formats import control_names
from inference.token_bytes import REPLACEMENT, TokenBytes

_BARRED = re.compile(r"<[|｜]\S+[|｜]>")  # noqa: RUF001  # DeepSeek's bars
_EXTRA_SPACE = re.compile(r'Prepend\(|prepend_scheme="?(first|always)|add_prefix_space=True')


_SEAMS = tuple(
    (re.compile(rf"(?<=[{ends}])(?=\n)"), re.compile(rf"[{ends}][\nĊ]")) for ends in ("A-Za-z0-9(){};:,", "A-Za-z0-9")
)
"""Where texts can be tokenised apart if a tokenizer allows it (see `_seam`), with what its tokens must not hold then.

Between such a character and a line's end; the fewer of them, the more tokenizers allow it.
"""

_SEAM_SAMPLES = tuple(
    before + after
    for before in ("x", "9", "f(a)", "g({", "};", "{}:", "[a],")
    for after in ("\nx", "\n    x", "\n\tx", "\n\n\nx", "\n  \n    9", "\n)", '\n"""', "\n\r\n x", "\n", "\n;;")
)
_LONGEST_PIECE = 4096
"""Longer ones are not remembered: next to none of them comes again unchanged."""

_REMEMBERED_CHARS = 1_000_000
_SHORTEST_HEAD, _MOST_HEADS = 500, 8
"""In characters, of what is remembered as a whole; and how many: both sides of the cursor, in a few places."""

_LONGEST_LINE = 2000
"""In characters: more than any person writes."""


class TextTokenizer:
    """Encodes buffer text as plain text only and decodes what a model wrote.

    `control_tokens` are the names that must never come out of `encode`, whatever the text contains; added tokens that
    are spelled with bars (`<|im_end|>`), or are control tokens of any format, are never text either.
    """

    def __init__(self, backend: Tokenizer, control_tokens: Iterable[str] = ()) -> None:
        self._backend = backend = _without_extra_space(backend)
        backend.encode_special_tokens = True
        backend.no_truncation()
        backend.no_padding()
        added = backend.get_added_tokens_decoder()
        known = control_names()
        spelled = {token.content for token in added.values() if _BARRED.fullmatch(token.content)}
        names = {*control_tokens, *spelled, *(token.content for token in added.values() if token.content in known)}
        self.control_ids = frozenset(
            {index for index, token in added.items() if token.special}
            | {index for name in names if (index := backend.token_to_id(name)) is not None}
        )
        """Ids that are never text."""

        # Tokens added as "not special" are still matched inside text, so their names are broken up before encoding.
        matched = [name for name in names if backend.token_to_id(name) in self._ids(name)]
        longest_first = sorted(matched, key=len, reverse=True)
        self._matched = re.compile("|".join(map(re.escape, longest_first))) if matched else None
        self._seam = self._find_seam()
        self._remembered: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._remembered_chars = 0
        self._heads: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    @property
    def backend(self) -> Tokenizer:
        """The tokenizer itself."""
        return self._backend

    def token_id(self, name: str) -> int | None:
        """The id of a token by its exact name, or None."""
        return self._backend.token_to_id(name)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    @property
    def padding_ids(self) -> frozenset[int]:
        """Ids that only fill up a vocabulary, as converters to GGUF name them: `[PAD49157]` has the id 49157."""
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        return frozenset(index for token, index in vocabulary.items() if token == f"[PAD{index}]")

    @property
    def highest_id(self) -> int:
        """The largest id: one more is how many rows the weights need at least."""
        return max(self._backend.get_vocab(with_added_tokens=True).values())

    @cached_property
    def table(self) -> TokenBytes | None:
        """What bytes its tokens of text stand for, where that can be told."""
        return TokenBytes.of(self._backend, self.control_ids | self.padding_ids)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, in which no control token can appear.

        Lone surrogates, which have no UTF-8 form, become `?`. What was encoded before is remembered in pieces of a few
        lines, and as a whole up to the last of them: so that while a person types, only the text near the cursor is
        tokenised again.
        """
        seam = self.last_seam(text)
        if seam < _SHORTEST_HEAD:
            return self._encoded_in_pieces(text)
        head = text[:seam]
        if (known := self._heads.get(head)) is None:
            self._heads[head] = known = tuple(self._encoded_in_pieces(head))
            if len(self._heads) > _MOST_HEADS:
                self._heads.popitem(last=False)
        else:
            self._heads.move_to_end(head)
        return [*known, *self._encoded_in_pieces(text[seam:])]

    def _encoded_in_pieces(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in self._pieces(text):
            if (known := self._remembered.get(piece)) is None:
                known = tuple(self._encoded(piece))
                if len(piece) <= _LONGEST_PIECE:
                    self._remembered[piece] = known
                    self._remembered_chars += len(piece)
            else:
                self._remembered.move_to_end(piece)
            ids += known
        while self._remembered_chars > _REMEMBERED_CHARS:
            self._remembered_chars -= len(self._remembered.popitem(last=False)[0])
        return ids

    def encode_written(self, text: str) -> list[int]:
        """Ids of `text`, without lines that are longer than anybody writes them; of such a last one, those of its end.

        For what need not be complete: nothing of such lines would be remembered, so each key would cost them anew.
        """
        *lines, last = text.split("\n")
        usual = [line for line in lines if len(line) <= _LONGEST_LINE]
        if len(last) <= _LONGEST_LINE:
            return self.encode(text if len(usual) == len(lines) else "\n".join([*usual, last]))
        return self.encode("\n".join([*usual, ""])) + self._encoded(last[-_LONGEST_LINE:])

    def last_seam(self, text: str) -> int:
        """The last index in `text`, 0 if there is none, before and behind which it can be tokenised apart."""
        at = len(text) if self._seam else -1
        while self._seam and (at := text.rfind("\n", 0, at)) > 0:
            if self._seam.match(text, at):
                return at
        return 0

    def encode_known(self, text: str) -> list[int]:
        """Ids of `text` up to the first piece that has not been encoded before: costs little however long it is."""
        ids: list[int] = []
        for piece in self._pieces(text):
            if (known := self._remembered.get(piece)) is None:
                break
            ids += known
        return ids

    def _pieces(self, text: str) -> list[str]:
        return self._seam.split(text) if self._seam else [text]

    def _find_seam(self) -> re.Pattern[str] | None:
        """Where no token reaches over, and none depends on what is on the other side."""
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        for seam, across in _SEAMS:
            if not any(across.search(token) for token in vocabulary) and all(
                [one for piece in seam.split(sample) for one in self._encoded(piece)] == self._encoded(sample)
                for sample in _SEAM_SAMPLES
            ):
                return seam
        return None

    def _encoded(self, text: str) -> list[int]:
        text = text.encode("utf-8", "replace").decode("utf-8")
        if self._matched is None:
            return self._ids(text)
        ids: list[int] = []
        start = 0
        for match in self._matched.finditer(text):
            ids += self._ids(text[start : match.start() + 1])
            start = match.start() + 1
        return ids + self._ids(text[start:])

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without special tokens and without an incomplete character at the end."""
        return self._backend.decode(list(ids), skip_special_tokens=True).rstrip(REPLACEMENT)

    def _ids(self, text: str) -> list[int]:
        return self._backend.encode(text, add_special_tokens=False).ids


def _without_extra_space(backend: Tokenizer) -> Tokenizer:
    """A copy that adds no space in front of a text and takes none away, where `backend` does either.

    SentencePiece's tokenizers do. But a prompt's parts begin where the buffer's do, and so does what a model writes.
    """
    if not _EXTRA_SPACE.search(f"{backend.normalizer!r} {backend.pre_tokenizer!r}"):
        return backend
    parts: dict[str, Any] = json.loads(backend.to_str())
    for name in ("normalizer", "pre_tokenizer", "decoder"):
        parts[name] = _spaceless(parts[name])
    return Tokenizer.from_str(json.dumps(parts))


def _spaceless(step: dict[str, Any] | None) -> dict[str, Any] | None:
    """A step of a tokenizer's JSON without what adds or strips a leading space; None if nothing is left of it."""
    strips = step is not None and step["type"] == "Strip" and (step.get("content"), step.get("start")) == (" ", 1)
    if step is None or step["type"] == "Prepend" or strips:
        return None
    off: dict[str, Any] = {"prepend_scheme": "never", "add_prefix_space": False}
    kept = {key: off.get(key, value) for key, value in step.items()}
    for inner in ("normalizers", "pretokenizers", "decoders"):
        if inner in kept:
            kept[inner] = [part for one in kept[inner] if (part := _spaceless(one)) is not None]
    return kept
