"""Token healing: the completion begins exactly at the cursor, for any text, tokenizer, draft and memory."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from inference.checkpoints.embedded import FOLDER
from inference.decoding import Drafting, drafted, greedy, prefill, prefill_except_last
from inference.drafting import GAP, as_string, spelling
from inference.engines.local import About, LocalEngine
from inference.healing import NO_TAIL, Healer
from inference.local_memory import LocalMemory, Trust
from inference.pace import Pace
from inference.picking import Choice, Picker
from inference.request import Request
from inference.token_bytes import Spelled, TokenBytes
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints
from tests.model.lean_models import lean_model
from tests.model.test_decoding import BACKEND, STARCODER, VOCABULARY, complete, finished
from tests.model.test_drafting import LEAN, Always

EMBEDDED = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
TEXTS = st.text(st.sampled_from("ab_ (.=\n\t\"'é漢🙂:)1") | st.characters(codec="utf-8"), max_size=80)


def sentencepiece() -> Tokenizer:
    """In Code Llama's manner: `▁` for spaces, bytes spelled out where there is no token."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "(", ".", "ab", "▁a", "▁ab", "▁▁"]
    merges = [("a", "b"), ("▁", "a"), ("▁", "ab"), ("▁", "▁")]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))  # noqa: S106  # no password
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return backend


TOKENIZERS = pytest.mark.parametrize(
    "backend", [BACKEND, EMBEDDED, sentencepiece()], ids=["byte-level", "embedded", "sentencepiece"]
)


def healer_of(backend: Tokenizer) -> tuple[Healer, TokenBytes, TextTokenizer]:
    tokenizer = TextTokenizer(backend, STARCODER.control_tokens)
    table = TokenBytes.of(tokenizer.backend, tokenizer.control_ids)
    assert table is not None
    return Healer(tokenizer, table), table, tokenizer


@TOKENIZERS
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_tokens_have_the_bytes_of_the_text(backend: Tokenizer, text: str) -> None:
    _, table, tokenizer = healer_of(backend)
    assert table.joined(tokenizer.encode(text)) == text.encode() or "▁" in text, "which may stand for a space"


@TOKENIZERS
@settings(max_examples=150, deadline=None)
@given(text=TEXTS, seed=st.integers(0, 1000))
def test_text_grows_by_tokens_as_if_all_of_it_were_decoded_each_time(backend: Tokenizer, text: str, seed: int) -> None:
    _, table, tokenizer = healer_of(backend)
    ids = tokenizer.encode(text)
    spelled = Spelled(table)
    grown = ""
    for count, identifier in enumerate(ids, start=1):
        grown, whole = spelled.add(identifier), tokenizer.decode(ids[:count])
        # SentencePiece's decoder takes the characters in front of half a one away with it.
        assert grown == whole or (grown.startswith(whole) and table.joined(ids[:count]) != grown.encode())
    assert grown == tokenizer.decode(ids)
    noise = [random.Random(seed).randrange(backend.get_vocab_size()) for _ in range(12)]
    plain = [one for one in noise if table.of_token(one)]
    spelled = Spelled(table)
    texts = [spelled.add(one) for one in plain]
    if backend.decoder is not None and "ByteLevel" in repr(backend.decoder):
        assert texts == [tokenizer.decode(plain[: count + 1]) for count in range(len(plain))]


@TOKENIZERS
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_a_healed_prefix_ends_between_tokens_and_its_tail_is_what_is_missing(backend: Tokenizer, text: str) -> None:
    healer, table, tokenizer = healer_of(backend)
    tail = healer.cut(text)
    assert text.endswith(tail.text)
    assert table.joined(tail.ids) == tail.text.encode()
    kept = text[: len(text) - len(tail.text)]
    if tail.text and len(text) < 60 and "\n" not in kept:
        assert [*tokenizer.encode(kept), *tail.ids] == tokenizer.encode(text)


@pytest.mark.parametrize(
    ("prefix", "tail"),
    [
        ("x = foo.ba", "ba"),
        ("x = ", " "),
        ("def f():\n    ", "\n    "),
        ("    return va", " va"),
        ("print(", "("),
        ("for key in", " in"),
        ("a = 'ü", "ü"),
        ("", ""),
        ("\n\n", ""),
        ("word", ""),
    ],
)
def test_it_backs_up_over_the_word_or_the_marks_and_the_blanks_before(prefix: str, tail: str) -> None:
    healer, *_ = healer_of(EMBEDDED)
    found = healer.cut(prefix).text
    assert found.endswith(tail)
    assert len(found) <= len(tail) + 2, "no more than to the end of a token"
    assert bool(found) == bool(tail)


def test_what_is_too_long_for_a_word_is_left_alone() -> None:
    healer, *_ = healer_of(EMBEDDED)
    assert healer.cut("x = " + "0123456789abcdef" * 40) == NO_TAIL


@TOKENIZERS
@settings(max_examples=80, deadline=None)
@given(text=TEXTS, seed=st.integers(0, 10**6))
def test_whatever_the_model_wants_the_text_begins_with_the_tail(backend: Tokenizer, text: str, seed: int) -> None:
    healer, table, tokenizer = healer_of(backend)
    tail = healer.cut(text)
    generator = torch.Generator().manual_seed(seed)
    picker = Picker(Choice(forbidden=sorted(tokenizer.control_ids)), tail, healer)
    written: list[int] = []
    while len(table.joined(written)) <= len(tail.bytes):
        rows = torch.randn(3, tokenizer.vocabulary_size, generator=generator) * 5
        for token in picker.pick(rows, written, guesses=[*tail.ids, 5, 6][:2]):
            written.append(token.id)  # noqa: PERF401  # picks depend on it
        assert len(written) <= len(tail.bytes) + 3
    assert table.joined(written).startswith(tail.bytes)
    assert not healer.missing(tail, written)


@settings(max_examples=60, deadline=None)
@given(
    prefix=st.sampled_from(["def one(tw", "x = ", "    return self.va", "for a in b:\n    ", "print(", "é = 'ü"]),
    right=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 1000),
    remembers=st.booleans(),
    may_indent=st.booleans(),
)
def test_drafted_equals_greedy_with_a_tail_and_a_memory(
    prefix: str, right: float, seed: int, remembers: bool, may_indent: bool
) -> None:
    healer, table, tokenizer = healer_of(BACKEND)
    tail = healer.cut(prefix)
    prompt = [1, *tokenizer.encode(prefix[: len(prefix) - len(tail.text)])]
    rng = random.Random(seed)
    around = [rng.randrange(5, 40) for _ in range(300)]
    memory = LocalMemory(as_string(around) + GAP + as_string(prompt), Trust(1.0, 1 + seed % 4)) if remembers else None
    choice = Choice(forbidden=[7], forbidden_first=[0, 9], ends=[0], vocabulary=VOCABULARY, most=25)
    picker = Picker(choice, tail, healer, memory, may_indent=may_indent)
    cache = LEAN.new_cache(200)
    expected = [token.id for token in greedy(LEAN, cache, finished(prefill(LEAN, cache, prompt)), picker)]
    text = table.joined(expected)
    assert text.startswith(tail.bytes)
    assert may_indent or text[len(tail.bytes) :][:1] not in {b" ", b"\t"}

    def propose(written: Sequence[int], most: int) -> tuple[list[int], int]:
        after = expected[len(written) : len(written) + most]
        return [one if rng.random() < right else rng.randrange(VOCABULARY) for one in after], 5

    for drafter in (propose, spelling(tail.ids, propose)):
        other = LEAN.new_cache(200)
        rest = finished(prefill_except_last(LEAN, other, prompt))
        drafting = Drafting(drafter, Always(Pace()))
        assert [token.id for tokens in drafted(LEAN, other, rest, picker, drafting) for token in tokens] == expected


def engine(trust: Trust | None = None) -> LocalEngine:
    model = lean_model(checkpoints.model(VOCABULARY, positions=600))
    tokenizer = TextTokenizer(checkpoints.tokenizer(), STARCODER.control_tokens)
    return LocalEngine("tiny", model, tokenizer, STARCODER, About(trust=trust))


@pytest.mark.parametrize("trust", [None, Trust()], ids=["model", "memory"])
@settings(max_examples=15, deadline=None)
@given(typed=st.text('ab_(. =\n"é', min_size=1, max_size=12), seed=st.integers(0, 100))
def test_reuse_equals_no_reuse_while_a_healed_word_is_typed(trust: Trust | None, typed: str, seed: int) -> None:
    one = engine(trust)
    prefix = f"def one(two):\n    x{seed} = 1\n"
    for end in range(len(typed) + 1):
        request = Request(prefix + typed[:end], "\n\nlast = 3\n", max_tokens=6)
        assert complete(one, request).text == complete(engine(trust), request).text


def test_a_line_that_has_its_indentation_gets_no_more() -> None:
    indented = 0
    for seed in range(8):
        request = Request(f"def one(two):\n    x{seed} = 1\n    ", "\n", max_tokens=4, insist=True)
        indented += complete(engine(), request).text.startswith(" ")
        assert not complete(engine(), replace(request, at_indentation=True)).text.startswith(" ")
    assert indented, "else nothing was tested"


def test_what_the_memory_worked_out_is_kept_while_a_word_is_typed() -> None:
    one = engine(Trust())
    prefix = "def one(two):\n    return th"
    complete(one, Request(prefix, "\n", max_tokens=3))
    kept = one._memory
    complete(one, Request(prefix + "r", "\n", max_tokens=3))
    assert kept is not None
    assert one._memory is kept
    complete(one, Request(prefix + "r(", "\n", max_tokens=3))
    assert one._memory is not kept


def test_a_key_in_a_word_costs_no_prefill() -> None:
    one = engine()
    prefix = "def one(two):\n    return th"
    complete(one, Request(prefix, "\n", max_tokens=3))
    later = complete(one, Request(prefix + "r", "\n", max_tokens=3))
    assert later.prompt_tokens - later.reused_tokens <= 1


def test_a_plain_request_is_neither_healed_nor_ended() -> None:
    one = engine(Trust())
    request = Request("x = fo", "\ny = 2\n", max_tokens=12, plain=True)
    ids = one._built(request, 500)
    cache = one.model.new_cache(600)
    logits = finished(prefill(one.model, cache, ids))
    picker = Picker(Choice(one._forbidden, vocabulary=VOCABULARY, most=12))
    expected = [token.id for token in greedy(one.model, cache, logits, picker)]
    end = next((place for place, one_id in enumerate(expected) if one_id in one._stop_ids), len(expected))
    assert complete(one, request).text == one.tokenizer.decode(expected[:end])


def test_candidates_differ_from_their_first_new_token_on() -> None:
    for prefix in ("x = fo", "x", "    return self.va", "print("):
        request = Request(prefix, "\ny = 2\n", insist=True, max_tokens=12)
        one = engine(Trust())
        beginnings: list[tuple[int, ...]] = []
        for _ in range(4):
            completion = complete(one, replace(request, avoid=tuple(beginnings)))
            assert completion.beginning not in beginnings
            assert bool(completion.beginning) == bool(completion.text)
            beginnings += [completion.beginning] if completion.beginning else []
        assert len(beginnings) > 1
        assert beginnings[0] == complete(engine(Trust()), request).beginning


def test_candidates_end_where_there_are_no_more_words() -> None:
    one = engine()
    request = Request("x = fo", "", max_tokens=6, words=("foo", "food"), word_only=True)
    first = complete(one, request)
    assert first.text in {"o", "od"}
    other = complete(one, replace(request, avoid=(first.beginning,)))
    assert other.text != first.text
