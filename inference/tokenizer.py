"""Text ↔ token ids over a Hugging Face fast tokenizer, with control tokens kept out of plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

_REPLACEMENT = "\ufffd"


class TextTokenizer:
    """Encodes buffer text as plain text only and decodes what a model wrote.

    `control_tokens` are the names that must never come out of `encode`, whatever the text contains.
    """

    def __init__(self, backend: Tokenizer, control_tokens: Iterable[str] = ()) -> None:
        self._backend = backend
        self._backend.encode_special_tokens = True
        self._backend.no_truncation()
        self._backend.no_padding()
        # Tokens added as "not special" are still matched inside text, so their names are broken up before encoding.
        matched = [name for name in control_tokens if backend.token_to_id(name) in self._ids(name)]
        self._matched = re.compile("|".join(map(re.escape, matched))) if matched else None

    def token_id(self, name: str) -> int | None:
        """The id of a token by its exact name, or None."""
        return self._backend.token_to_id(name)

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of all tokens the tokenizer marks as special: none of them is ever text."""
        return frozenset(i for i, token in self._backend.get_added_tokens_decoder().items() if token.special)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, in which no control token can appear.

        Lone surrogates, which have no UTF-8 form, become `?`.
        """
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
        return self._backend.decode(list(ids), skip_special_tokens=True).rstrip(_REPLACEMENT)

    def _ids(self, text: str) -> list[int]:
        return self._backend.encode(text, add_special_tokens=False).ids
