"""Small checkpoints with random weights in the file layout of the hub, made by the tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM, PreTrainedTokenizerFast

STARCODER_TOKENS = ("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>")
SANTACODER_TOKENS = ("<|endoftext|>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>")
CODEGEN25_TOKENS = ("<|endoftext|>", "<sep>", "<eom>", "<mask_1>")

TEXT = Path(__file__).read_text(encoding="utf-8")


def tokenizer(special: Iterable[str] = STARCODER_TOKENS, added: Iterable[str] = ()) -> Tokenizer:
    """A byte-level BPE of 600 tokens; `special` are marked special, `added` are added but not marked so."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXT.splitlines(keepends=True), trainer)
    backend.add_tokens([AddedToken(name, special=False, normalized=False) for name in added])
    return backend


def model(vocabulary: int, positions: int = 256, seed: int = 0, **config: Any) -> GPTBigCodeForCausalLM:
    """A GPTBigCode of two layers, multi-query unless told otherwise."""
    torch.manual_seed(seed)
    # A wide initialisation: with the usual one all logits are nearly equal, and greedy decoding would compare noise.
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": positions, "initializer_range": 0.3}
    tokens = {"bos_token_id": 0, "eos_token_id": 0}
    return GPTBigCodeForCausalLM(
        cast(Any, GPTBigCodeConfig)(vocab_size=vocabulary, **{**shape, **tokens, **config})
    ).eval()


EOS = "<|endoftext|>"


def save(folder: Path, backend: Tokenizer, **config: Any) -> Path:
    """Write config.json, model.safetensors, tokenizer.json and tokenizer_config.json to `folder`."""
    cast(Any, model(backend.get_vocab_size(), **config)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=EOS).save_pretrained(folder)
    return folder
