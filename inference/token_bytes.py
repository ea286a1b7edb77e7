"""What bytes each token of a vocabulary stands for. Knows nothing of prompts and models.

A token's text can't be had by decoding it alone: it may hold half a character. Byte-level vocabularies spell bytes as
printable characters (Radford et al. 2019, GPT-2's `bytes_to_unicode`); SentencePiece's write a space as `▁` and bytes
without a token of their own as `<0x0A>`.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

REPLACEMENT = "\ufffd"
"""What stands for bytes that are no character."""

TokenIds = npt.NDArray[np.int64]

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")
_MOST_REMEMBERED = 10_000
"""Words: a few times as many as a large file has."""

BLANKS = (b" ", b"\t")
_SAMPLES = ("x = f(a)\n", "\n    return self._name", "\tpass  # ünï → 漢字 🙂\r\n", "if \"a\" != 'b':  {[1, 23]}")


def spelled_bytes() -> dict[str, int]:
    """The printable characters that stand for bytes in byte-level vocabularies."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def is_word_byte(byte: int) -> bool:
    """Whether a byte in UTF-8 is part of identifiers; of those beyond ASCII, all count."""
    return byte >= 0x80 or chr(byte).isalnum() or byte == ord("_")


class TokenBytes:
    """Bytes by token and tokens by bytes, of those tokens that are text."""

    def __init__(self, by_id: Mapping[int, bytes]) -> None:
        self._by_id = by_id
        pairs = sorted((spelling, identifier) for identifier, spelling in by_id.items())
        self._spellings = [spelling for spelling, _ in pairs]
        self._ids = np.array([identifier for _, identifier in pairs], dtype=np.int64)
        self._by_spelling = dict(reversed(pairs))
        self._spelling: dict[bytes, tuple[int, ...]] = {}

    @classmethod
    def of(cls, backend: Tokenizer, excluded: Iterable[int] = ()) -> TokenBytes | None:
        """The table of a tokenizer without its `excluded` ids; None where it can't be told, as samples show."""
        kind = f"{backend.pre_tokenizer!r} {backend.decoder!r}"
        spelled = spelled_bytes() if "ByteLevel" in kind else None
        added = {identifier: token.content for identifier, token in backend.get_added_tokens_decoder().items()}
        left_out = set(excluded)
        table: dict[int, bytes] = {}
        for token, identifier in backend.get_vocab(with_added_tokens=True).items():
            if identifier in left_out:
                continue
            if identifier in added or spelled is None:
                byte = _BYTE.match(token)
                table[identifier] = bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()
            elif all(character in spelled for character in token):
                table[identifier] = bytes(spelled[character] for character in token)
        for sample in _SAMPLES:
            ids = backend.encode(sample, add_special_tokens=False).ids
            if b"".join(table.get(identifier, b"") for identifier in ids) != sample.encode():
                return None
        return cls(table)

    def joined(self, ids: Sequence[int]) -> bytes:
        """The bytes of `ids`; of those that are no text, none."""
        return b"".join(self._by_id.get(identifier, b"") for identifier in ids)

    def of_token(self, identifier: int) -> bytes:
        """The bytes of one token; of one that is no text, none."""
        return self._by_id.get(identifier, b"")

    def beginning_with(self, start: bytes) -> TokenIds:
        """Tokens [n] whose bytes begin with `start`, which is not empty."""
        low = bisect_left(self._spellings, start)
        return self._ids[low : bisect_left(self._spellings, _behind(start), low)]

    @cached_property
    def blank(self) -> TokenIds:
        """Tokens [n] whose bytes begin with a blank."""
        return np.concatenate([self.beginning_with(blank) for blank in BLANKS])

    def beginnings_of(self, text: bytes) -> list[int]:
        """Tokens that `text` begins with and that leave some of it."""
        found = (self._by_spelling.get(text[:length]) for length in range(1, min(len(text), self._longest + 1)))
        return [identifier for identifier in found if identifier is not None]

    @cached_property
    def behind_words(self) -> TokenIds:
        """Tokens [n] that can follow an identifier and are no part of it."""
        texts = self._by_id.items()
        found = [identifier for identifier, spelling in texts if spelling and not is_word_byte(spelling[0])]
        return np.array(found, dtype=np.int64)

    @cached_property
    def single_bytes(self) -> frozenset[int]:
        """Bytes that are a token by themselves."""
        return frozenset(byte for byte in range(256) if bytes([byte]) in self._by_spelling)

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._spellings), default=0)

    def spelling(self, word: bytes) -> tuple[int, ...]:
        """Tokens that a word, not empty, can begin with: some of it, or all, or that and what is no part of a word.

        Remembered: names are looked up again and again while they are typed.
        """
        if (known := self._spelling.get(word)) is not None:
            return known
        size = len(word)
        found = self.beginnings_of(word)
        low = bisect_left(self._spellings, word)
        for place in range(low, bisect_left(self._spellings, _behind(word), low)):
            spelling = self._spellings[place]
            if len(spelling) == size or not is_word_byte(spelling[size]):
                found.append(int(self._ids[place]))
        if len(self._spelling) >= _MOST_REMEMBERED:
            self._spelling.clear()
        self._spelling[word] = made = tuple(found)
        return made


class Spelled:
    """The text of tokens as they are written, one after the other."""

    def __init__(self, table: TokenBytes) -> None:
        self._table = table
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""

    def add(self, identifier: int) -> str:
        """The text of all tokens up to this one, as `TextTokenizer.decode` gives it, at the price of this one."""
        self._text += self._decoder.decode(self._table.of_token(identifier))
        return self._text.rstrip(REPLACEMENT)


def _behind(start: bytes) -> bytes:
    """The least bytes that come after all that begin with `start`, in order."""
    shorter = start.rstrip(b"\xff")
    return shorter[:-1] + bytes([shorter[-1] + 1]) if shorter else start + b"\xff" * 64
