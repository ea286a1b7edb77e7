"""GGUF files: one model in several types, tokenizers from metadata, hostile headers, llama.cpp as a second opinion."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
import psutil
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Starcoder2Config,
    Starcoder2ForCausalLM,
)

from inference.checkpoints import gguf_tokenizer
from inference.checkpoints.gguf_file import GgufFile
from inference.checkpoints.gguf_model import open_gguf
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.errors import ModelError, ModelInvalidError
from tests.model import checkpoints, gguf_writer, layouts, reference
from tests.model.reference import logits_after

MODEL, BACKEND = layouts.santacoder_as_gpt_bigcode()
IDS = list(range(40, 90))


def relative_error(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((got - expected).norm() / expected.norm()).detach())


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        (Kind.F32, 1e-6), (Kind.F16, 2e-3), (Kind.BF16, 1e-2), (Kind.Q8_0, 5e-2), (Kind.Q5_1, 0.25), (Kind.Q5_0, 0.27),
        (Kind.Q4_1, 0.48), (Kind.Q4_0, 0.66), (Kind.Q4_K, 0.42),
    ],
)  # fmt: skip
def test_logits_stay_within_the_bounds_of_their_type(tmp_path: Path, kind: Kind, bound: float) -> None:
    """Random weights have no structure that could soften the loss; bounds are half as much again as measured."""
    engine = load_engine(ModelSpec(str(gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, kind))))
    expected = MODEL(torch.tensor([IDS])).logits[0, -1]
    error = relative_error(logits_after(engine.model, IDS), expected)
    assert error <= bound
    assert kind == Kind.F32 or error > 0


@pytest.mark.parametrize("kind", [Kind.F16, Kind.Q8_0, Kind.Q4_K])
def test_santacoder_infills_as_generate_does_on_the_unpacked_weights(tmp_path: Path, kind: Kind) -> None:
    path = gguf_writer.write(tmp_path / "santacoder.gguf", MODEL, BACKEND, kind)
    engine = load_engine(ModelSpec(str(path)))
    assert engine.format.name == "santacoder"
    unpacked, _ = layouts.santacoder_as_gpt_bigcode()
    for tensor in unpacked.state_dict().values():
        if tensor.ndim == 2:
            values: Any = tensor.numpy()
            packed = gguf_writer.q4_k(values) if kind == Kind.Q4_K else gguf.quants.quantize(values, kind)
            tensor.copy_(torch.from_numpy(gguf.quants.dequantize(packed, kind).copy()))
    prompt = reference.assembled(
        BACKEND, "<fim-prefix>", "<fim-suffix>", reference.SUFFIX, "<fim-middle>", reference.PREFIX
    )
    reference.check_equal(engine, unpacked, prompt)


def small(kind: str, vocabulary: int, tied: bool) -> PreTrainedModel:
    torch.manual_seed(5)
    shape: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2,
        "tie_word_embeddings": tied, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape, rms_norm_eps=1e-6)).eval()
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**shape)).eval()
    return Starcoder2ForCausalLM(Starcoder2Config(**shape, sliding_window=None)).eval()


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "starcoder2"])
def test_other_architectures_equal_transformers(tmp_path: Path, kind: str, tied: bool) -> None:
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL)
    model = small(kind, backend.get_vocab_size(), tied)
    path = gguf_writer.write(tmp_path / "model.gguf", model, backend, Kind.F32)
    engine = load_engine(ModelSpec(str(path)))
    expected = model(torch.tensor([IDS])).logits[0, -1]
    assert torch.allclose(logits_after(engine.model, IDS), expected, atol=1e-4, rtol=1e-4)
    reference.check_equal(engine, model, engine.prompt_ids(reference.REQUEST))


def test_llama3_scaling_comes_from_its_factors(tmp_path: Path) -> None:
    """One divisor for each frequency, as llama.cpp's converter stores it."""
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL)
    config = LlamaConfig(
        vocab_size=backend.get_vocab_size(), hidden_size=64, intermediate_size=96, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.2,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        },
    )  # fmt: skip
    torch.manual_seed(6)
    model = LlamaForCausalLM(config).eval()
    plain = 1.0 / 10000.0 ** (torch.arange(0, 32, 2) / 32)
    factors = (plain / model.model.rotary_emb.inv_freq).numpy()
    assert factors.max() > 7
    path = tmp_path / "model.gguf"
    gguf_writer.write(path, model, backend, Kind.F32, tensors={"rope_freqs.weight": factors})
    engine = load_engine(ModelSpec(str(path)))
    expected = model(torch.tensor([IDS])).logits[0, -1]
    assert torch.allclose(logits_after(engine.model, IDS), expected, atol=1e-4, rtol=1e-4)


def test_the_tokenizer_is_the_one_the_file_was_made_from(tmp_path: Path) -> None:
    path = gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, Kind.F16)
    rebuilt = open_gguf(path).tokenizer
    rng = random.Random(0)
    for _ in range(300):
        start = rng.randrange(len(checkpoints.TEXT))
        text = checkpoints.TEXT[start : start + 80] + rng.choice(["", " 1234", "\t\t", "é→😀", "  \n"])
        assert rebuilt.encode(text, add_special_tokens=False).ids == BACKEND.encode(text, add_special_tokens=False).ids
    for name in layouts.SANTACODER_SPECIAL:
        assert rebuilt.token_to_id(name) == BACKEND.token_to_id(name)


def test_files_of_the_first_converter_are_read_too(tmp_path: Path) -> None:
    """September 2023: bytes instead of symbols, every token marked normal, no pre-tokenizer, padding as tokens."""
    path = gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, Kind.F16, early=True)
    engine = load_engine(ModelSpec(str(path)))
    assert engine.format.name == "santacoder"
    rebuilt = open_gguf(path).tokenizer
    text = checkpoints.TEXT[:500] + " 12 é→😀"
    assert rebuilt.encode(text).ids == BACKEND.encode(text).ids
    assert engine.tokenizer.decode(engine.tokenizer.encode("[PAD501] <fim-middle>")) == "[PAD501] <fim-middle>"
    assert engine.tokenizer.token_id("<fim-middle>") not in engine.tokenizer.encode("<fim-middle>")


@pytest.mark.parametrize("kind", sorted(gguf_tokenizer._KINDS))
def test_every_kind_of_pre_tokenizer_is_lossless(tmp_path: Path, kind: str) -> None:
    path = gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, Kind.F16, pre=kind)
    rebuilt = open_gguf(path).tokenizer
    for text in ("def f(x):\n\treturn x['é'] + 12345  # →😀\r\n\r\n", "   \n  ", "I'll DON'T 漢字かな 한글", "a" * 50):
        assert rebuilt.decode(rebuilt.encode(text).ids) == text


def sentencepiece() -> tuple[list[str], list[float], list[int], Tokenizer]:
    """A SentencePiece vocabulary as llama's, its scores and kinds, and the reference tokenizer of the same."""
    words = ["\u2581", "a", "b", "d", "e", "f", "r", "t", "u", "n", "(", ")", ":", "re", "tu", "retu", "rn", "return"]
    words += ["\u2581re", "\u2581return", "de", "def", "\u2581def", "\u2581\u2581", "\u2581\u2581\u2581\u2581"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    tokens += ["\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>", "\u2581<EOT>"]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(words), *[3] * 4]
    scores = [0.0] * 259 + [-float(len(word) == 1) * 100 - number for number, word in enumerate(words)] + [0.0] * 4
    vocabulary = {token: number for number, token in enumerate(tokens)}
    ranked = sorted((word for word in words if len(word) > 1), key=lambda word: -scores[vocabulary[word]])
    merges = [
        (word[:cut], word[cut:])
        for word in ranked
        for cut in range(1, len(word))
        if word[:cut] in words and word[cut:] in words
    ]
    reference_one = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, unk_token="<unk>"))  # noqa: S106  # no password
    reference_one.normalizer = normalizers.Replace(" ", "\u2581")
    reference_one.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3]
    reference_one.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokens, scores, kinds, reference_one


def test_sentencepiece_vocabularies_are_rebuilt_from_their_scores(tmp_path: Path) -> None:
    tokens, scores, kinds, expected = sentencepiece()
    model = small("llama", len(tokens), tied=False)
    path = tmp_path / "codellama.gguf"
    gguf_writer.write(path, model, expected, Kind.F32, sentencepiece=(tokens, scores, kinds))
    engine = load_engine(ModelSpec(str(path)))
    assert engine.format.name == "codellama"
    rebuilt = open_gguf(path).tokenizer
    for text in ("def f(a):\n    return b", " return", "return  ", "é漢😀 def\t", "<s></s>\u2581<PRE>x"):
        ids = engine.tokenizer.encode(text)
        assert engine.tokenizer.decode(ids) == text.replace("\u2581", " ")
        plain = text.replace("<s></s>\u2581<PRE>", "")
        assert rebuilt.encode(plain).ids == expected.encode(plain).ids
    prompt = engine.prompt_ids(reference.REQUEST)
    assert [prompt[0], prompt[1]] == [tokens.index("<s>"), tokens.index("\u2581<PRE>")]


def test_a_gguf_file_is_read_layer_by_layer(tmp_path: Path) -> None:
    """Peak memory while loading stays below 1.3 times what serving needs, of whatever type the file is."""
    backend = layouts.bigcode_tokenizer(last=layouts.SANTACODER_SPECIAL)
    model = checkpoints.model(backend.get_vocab_size(), n_embd=1024, n_layer=20, n_head=8, positions=256)
    path = gguf_writer.write(tmp_path / "large.gguf", model, backend, Kind.Q4_K)
    del model
    script = (
        "import sys, threading, time, psutil\n"
        "from inference.checkpoints.load import load_engine\n"
        "from inference.checkpoints.spec import ModelSpec\n"
        "load_engine(ModelSpec())\n"  # all libraries
        "me, peak, done = psutil.Process(), [0], []\n"
        "def watch():\n"
        "    while not done:\n"
        "        peak[0] = max(peak[0], own()); time.sleep(0.002)\n"
        "def own():\n"  # without the pages of the mapped file, which give way
        "    memory = me.memory_info(); return memory.rss - memory.shared\n"
        "before = own()\n"
        "thread = threading.Thread(target=watch); thread.start()\n"
        "engine = load_engine(ModelSpec(sys.argv[1], precision=sys.argv[2]))\n"
        "done.append(1); thread.join()\n"
        "print((peak[0] - before) / (own() - before))\n"
    )
    import subprocess
    import sys

    for precision in ("fp32", "int8"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(path), precision],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        assert float(done.stdout) < 1.3, precision


HEADER = 24


def broken(tmp_path: Path, change: Any) -> Path:
    path = gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, Kind.F16)
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_engine(ModelSpec(str(path)))
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.__delitem__(slice(0, None)), ("can't be read",)),
        (lambda content: content.__delitem__(slice(10, None)), ("truncated",)),
        (lambda content: content.__delitem__(slice(5000, None)), ("truncated",)),
        (lambda content: content.__delitem__(slice(-1000, None)), ("truncated", "byte")),
        (lambda content: content.__setitem__(slice(0, 4), b"PK\x03\x04"), ("no GGUF file",)),
        (lambda content: content.__setitem__(slice(0, 4), b"lmgg"), ("before GGUF",)),
        (lambda content: struct.pack_into("<I", content, 4, 1), ("version 1",)),
        (lambda content: struct.pack_into(">I", content, 4, 3), ("big-endian",)),
        (lambda content: struct.pack_into("<Q", content, 8, 2**62), ("claims",)),
        (lambda content: struct.pack_into("<q", content, 8, -1), ("claims",)),
        (lambda content: struct.pack_into("<Q", content, 16, 2**63), ("claims",)),
        (lambda content: struct.pack_into("<Q", content, 16, 60_000), ("",)),
        (lambda content: struct.pack_into("<Q", content, HEADER, 2**60), ("truncated",)),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_gguf_file_is_one_sentence(tmp_path: Path, change: Any, words: tuple[str, ...]) -> None:
    refused(broken(tmp_path, change), *words)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_tensor("token_embd.weight", np.zeros((8, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    refused(path, "'mamba'", "starcoder2")


def test_a_kind_of_pre_tokenizer_that_is_not_known_is_named(tmp_path: Path) -> None:
    refused(gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, Kind.F16, pre="tekken9"), "'tekken9'")


def test_one_of_several_parts_is_refused(tmp_path: Path) -> None:
    path = gguf_writer.write(tmp_path / "m.gguf", MODEL, BACKEND, Kind.F16, metadata={"split.count": 3})
    refused(path, "3 parts")


def test_a_missing_layer_is_one_sentence(tmp_path: Path) -> None:
    path = gguf_writer.write(tmp_path / "m.gguf", MODEL, BACKEND, Kind.F16, leave_out="transformer.h.1.ln_1.weight")
    refused(path, "h.1.ln_1.weight")


def test_not_a_number_in_the_weights_is_named(tmp_path: Path) -> None:
    model, backend = layouts.santacoder_as_gpt_bigcode()
    cast(Any, model).transformer.h[1].mlp.c_fc.weight.data[3, 4] = float("nan")
    refused(gguf_writer.write(tmp_path / "m.gguf", model, backend, Kind.F16), "NaN", "h.1.mlp.c_fc")


def test_random_damage_to_the_header_never_crashes_or_fills_the_memory(tmp_path: Path) -> None:
    """2,000 headers with bytes, counts and lengths overwritten: read, or refused in one sentence, in little memory."""
    original = gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, Kind.F16).read_bytes()
    path = tmp_path / "fuzzed.gguf"
    rng = random.Random(7)
    size = GgufFile(tmp_path / "model.gguf")._entries["token_embd.weight"].start
    before = psutil.Process(os.getpid()).memory_info().rss
    sentences: list[str] = []
    outcomes = {"read": 0, "refused": 0}
    for _ in range(2000):
        content = bytearray(original)
        for _ in range(rng.randrange(1, 4)):
            at = rng.choice([rng.randrange(4, 32), rng.randrange(0, size - 8), rng.randrange(0, 2000)])
            value = rng.choice([0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1, rng.getrandbits(64)])
            form, limit = rng.choice([("<Q", 2**64), ("<I", 2**32), ("<B", 256)])
            struct.pack_into(form, content, at, value % limit)
        path.write_bytes(content)
        try:
            open_gguf(path)
            outcomes["read"] += 1
        except ModelInvalidError as error:
            outcomes["refused"] += 1
            sentences.append(str(error))
    assert outcomes["refused"] > 200
    assert not any("\n" in sentence for sentence in sentences)
    assert psutil.Process(os.getpid()).memory_info().rss - before < 300e6


@pytest.mark.parametrize(("kind", "bound"), [(Kind.F16, 0.02), (Kind.Q8_0, 0.2), (Kind.Q4_K, 0.2)])
def test_llama_cpp_reads_the_same_file_to_the_same_probabilities(tmp_path: Path, kind: Kind, bound: float) -> None:
    """Its kernels round activations to 8 bits beside packed weights, ours don't: hence the bounds, in nats."""
    xllamacpp = pytest.importorskip("xllamacpp")
    path = gguf_writer.write(tmp_path / "model.gguf", MODEL, BACKEND, kind)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = 256
    parameters.warmup = False
    prompt = reference.assembled(
        BACKEND, "<fim-prefix>", "<fim-suffix>", reference.SUFFIX, "<fim-middle>", reference.PREFIX
    )
    request = {"prompt": prompt, "n_predict": 8, "temperature": 0, "n_probs": 5, "cache_prompt": False}
    answer = xllamacpp.Server(parameters).handle_completions(request)
    steps = answer["choices"][0]["logprobs"]["content"]
    assert len(steps) == 8
    model = load_engine(ModelSpec(str(path))).model
    cache, tokens = model.new_cache(256), prompt
    for step in steps:
        ours = model.forward(tokens, cache)[-1].log_softmax(-1)
        for candidate in step["top_logprobs"]:
            assert abs(float(ours[candidate["id"]]) - candidate["logprob"]) < bound
        tokens = [step["id"]]
