"""CodeGen2.5: its tokenizer rebuilt from GPT-2's merges, compared with tiktoken; Llama weights in pickled shards."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import tiktoken
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from inference.checkpoints import codegen25
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.errors import ModelError
from tests.model import layouts, reference

MERGES = layouts.gpt2_merges()
SIZE = 256 + len(MERGES) + 1 + 38 + 18 + 6 + 40
TOKENIZER = codegen25.build(MERGES, SIZE)
GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layouts.codegen25(tmp_path_factory.mktemp("codegen25"))


def published() -> tiktoken.Encoding:
    """The tokenizer as the published rules make it, in the library that they make it with."""
    symbols = codegen25._byte_symbols()
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    in_order = [*printable, *(byte for byte in range(256) if byte not in printable)]
    byte_of = dict(zip(symbols, in_order, strict=True))
    tokens = [*symbols, *(left + right for left, right in MERGES)]
    ranks = {bytes(byte_of[symbol] for symbol in token): rank for rank, token in enumerate(tokens)}
    special = {"<|endoftext|>": len(tokens)}
    following = len(tokens) + 1
    for run in [*(b" " * n for n in range(31, 1, -1)), *(b"\t" * n for n in range(9, 1, -1))]:
        ranks[run] = following
        following += 1
    return tiktoken.Encoding("codegen25", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens=special)


PUBLISHED = published()
PIECES = st.lists(
    st.sampled_from(
        [" ", "  ", "    ", "\t", "\t\t", "\n", "\n\n", "x", "def f", "é", "漢", ".", "(", "\r\n", "'ll", "12"]
    )
    | st.integers(2, 70).map(" ".__mul__)
    | st.integers(2, 20).map("\t".__mul__)
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(PIECES)
def test_codegen_ids_equal_those_of_tiktoken(text: str) -> None:
    assert TOKENIZER.encode(text, add_special_tokens=False).ids == PUBLISHED.encode_ordinary(text)


def test_codegen_ids_of_control_tokens_are_in_their_published_places() -> None:
    first = 256 + len(MERGES) + 1
    assert TOKENIZER.token_to_id("<|endoftext|>") == first - 1
    assert TOKENIZER.token_to_id("Ġ" * 31) == first
    assert TOKENIZER.token_to_id("ĉ" * 2) == first + 37
    assert TOKENIZER.token_to_id("<fim_prefix>") == first + 38
    assert TOKENIZER.token_to_id("<sep>") == first + 38 + 18 + 4
    assert TOKENIZER.token_to_id("<eom>") == first + 38 + 18 + 5
    assert TOKENIZER.token_to_id("<mask_1>") == SIZE - 1


def test_codegen_ids_at_full_size_are_those_of_its_own_comments() -> None:
    """With GPT-2's 50,000 merges, `<sep>` is 50,317 and `<mask_1>` is 51,199."""
    symbols = codegen25._byte_symbols()
    pairs = [(a, b) for a in symbols for b in symbols if (a, b) not in {("Ġ", "Ġ"), ("ĉ", "ĉ")}][:50_000]
    tokenizer = codegen25.build(pairs, 51_200)
    ids = [tokenizer.token_to_id(name) for name in ("<|endoftext|>", "<fim_prefix>", "<sep>", "<eom>", "<mask_1>")]
    assert ids == [50_256, 50_295, 50_317, 50_318, 51_199]
    with pytest.raises(ValueError, match="49,999 merges"):
        codegen25.build(pairs[1:], 51_200)


def test_codegen_infills_as_generate_does_token_by_token(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder)))
    assert engine.format.name == "codegen25"
    config = LlamaConfig.from_pretrained(folder)
    model = LlamaForCausalLM(config).eval()
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.bin")):
        tensors |= torch.load(file, weights_only=True)
    model.load_state_dict(tensors)
    prompt = reference.assembled(
        TOKENIZER, reference.PREFIX, "<mask_1>", reference.SUFFIX, "<|endoftext|>", "<sep>", "<mask_1>"
    )
    reference.check_equal(engine, model, prompt)


def test_codegen_stops_at_its_end_of_mask(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder)))
    assert engine.format.stop_tokens[0] == "<eom>"
    assert engine.tokenizer.token_id("<eom>") in engine._stop_ids
    assert engine.tokenizer.token_id("<mask_1>") in engine._forbidden


def test_codegen_is_served_offline_from_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    """Without GPT-2's merges one sentence says which file to put where."""
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare/merges.txt").unlink()
    with pytest.raises(ModelError) as caught:
        load_engine(ModelSpec(str(tmp_path / "bare")))
    assert "merges.txt" in str(caught.value)
    assert "openai-community/gpt2" in str(caught.value)
    assert "\n" not in str(caught.value)
    shutil.copy(folder / "merges.txt", tmp_path / "bare/vocab.bpe")
    assert load_engine(ModelSpec(str(tmp_path / "bare"))).format.name == "codegen25"


@pytest.mark.parametrize("content", ["", "one\n", "a b c\n", "\udcff"])
def test_codegen_with_damaged_merges_is_one_sentence(folder: Path, tmp_path: Path, content: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/merges.txt").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError) as caught:
        load_engine(ModelSpec(str(tmp_path / "copy")))
    assert "\n" not in str(caught.value)


def test_codegen_control_tokens_in_a_buffer_stay_text(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder)))
    rng = random.Random(0)
    names = ["<mask_1>", "<mask_7>", "<sep>", "<eom>", "<|endoftext|>", "<fim_middle>", "<dummy_0>"]
    for _ in range(50):
        text = "".join(rng.choice([*names, " ", "x"]) for _ in range(8))
        ids = engine.tokenizer.encode(text)
        assert engine.tokenizer.control_ids.isdisjoint(ids)
        assert engine.tokenizer.decode(ids) == text
