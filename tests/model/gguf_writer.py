"""Writes a transformers model and tokenizer as a GGUF file, as llama.cpp's converters do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

_TO_GGUF = {
    "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm",
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down", "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
NORMAL, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 3, 4, 5, 6


def write(
    path: Path,
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    kind: Kind = Kind.F16,
    *,
    pre: str = "starcoder",
    early: bool = False,
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Any] | None = None,
    sentencepiece: tuple[list[str], list[float], list[int]] | None = None,
    leave_out: str = "",
) -> Path:
    """Write `model` with its matrices as `kind`, vectors as F32.

    `early` writes as the converter of September 2023 did: the bytes of tokens, all marked normal, no pre-tokenizer.
    """
    config: Any = model.config
    architecture = str({"gpt_bigcode": "starcoder"}.get(config.model_type, config.model_type))
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("StarCoder")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    if architecture == "starcoder":
        writer.add_head_count_kv(1)
        writer.add_feed_forward_length(config.n_inner or 4 * config.hidden_size)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        if architecture == "starcoder2":
            writer.add_layer_norm_eps(config.norm_epsilon)
        else:
            writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if sentencepiece is not None:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(sentencepiece[0])
        writer.add_token_scores(sentencepiece[1])
        writer.add_token_types(sentencepiece[2])
    else:
        _add_tokenizer(writer, tokenizer, config.vocab_size, pre, early)
    for key, value in (metadata or {}).items():
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)
    for name, tensor in model.state_dict().items():
        if name == leave_out or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        _add_tensor(writer, name, tensor, kind, architecture, config)
    for name, values in (tensors or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer, size: int, pre: str, early: bool) -> None:
    parts = json.loads(tokenizer.to_str())
    by_id = {index: token for token, index in tokenizer.get_vocab(with_added_tokens=True).items()}
    special = {one["content"]: one["special"] for one in parts["added_tokens"]}
    tokens: list[bytes] = []
    kinds: list[int] = []
    for index in range(size):
        token = by_id.get(index, f"[PAD{index}]")
        is_text = index in by_id and token not in special
        tokens.append(_bytes_of(token) if early and is_text else token.encode())
        kind = NORMAL if is_text else UNUSED if index not in by_id else CONTROL if special[token] else USER_DEFINED
        kinds.append(NORMAL if early else kind)
    writer.add_tokenizer_model("gpt2")
    if not early:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in parts["model"]["merges"]])
    if not early and (end := tokenizer.token_to_id("<|endoftext|>")) is not None:
        writer.add_bos_token_id(end)
        writer.add_eos_token_id(end)


def _bytes_of(token: str) -> bytes:
    """The bytes that a token of GPT-2's symbols stands for."""
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    return bytes(table[symbol] for symbol in token)


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: Tensor, kind: Kind, architecture: str, config: Any) -> None:
    stem, _, end = name.rpartition(".")
    layered = stem.removeprefix("transformer.h.").removeprefix("model.layers.")
    number, _, part = layered.partition(".")
    short = f"blk.{number}.{_TO_GGUF[part]}" if number.isdecimal() else _TO_GGUF[stem]
    values: Any = tensor.detach().float().numpy()
    if architecture == "llama" and part in {"self_attn.q_proj", "self_attn.k_proj"}:
        heads = config.num_attention_heads if part.endswith("q_proj") else config.num_key_value_heads
        halves = values.reshape(heads, 2, -1, *values.shape[1:])
        values = halves.swapaxes(1, 2).reshape(values.shape)
    if values.ndim == 1:
        writer.add_tensor(f"{short}.{end}", values)
        return
    used = kind if values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0 else Kind.F16
    packed = q4_k(values) if used == Kind.Q4_K else gguf.quants.quantize(values, used)
    writer.add_tensor(f"{short}.{end}", packed, raw_dtype=used)


def q4_k(values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Rows [n, 256 k] as Q4_K blocks [n, 144 k] (ggml's `block_q4_K`): simple, not optimal.

    A block of 256 values has eight parts of 32; value = d · scale · q - dmin · least, with scale and least in 6 bits.
    """
    parts = np.ascontiguousarray(values, np.float32).reshape(-1, 8, 32)
    least = -np.minimum(parts.min(-1), 0)
    step = (parts.max(-1) + least).clip(min=0) / 15
    d, dmin = ((top.max(-1) / 63).astype(np.float16) for top in (step, least))
    scale6, least6 = (_ratio(top, unit.astype(np.float32)[:, None], 63) for top, unit in ((step, d), (least, dmin)))
    offset = (dmin.astype(np.float32)[:, None] * least6)[..., None]
    q = _ratio(parts + offset, (d.astype(np.float32)[:, None] * scale6)[..., None], 15)
    six = np.empty((len(parts), 12), np.uint8)
    six[:, :4] = (scale6[:, :4] & 63) | ((scale6[:, 4:] >> 4) << 6)
    six[:, 4:8] = (least6[:, :4] & 63) | ((least6[:, 4:] >> 4) << 6)
    six[:, 8:] = (scale6[:, 4:] & 15) | ((least6[:, 4:] & 15) << 4)
    pairs = q.reshape(-1, 4, 2, 32)
    nibbles = (pairs[:, :, 0] | (pairs[:, :, 1] << 4)).reshape(-1, 128)
    units = [unit.view(np.uint8).reshape(-1, 2) for unit in (d, dmin)]
    return np.concatenate([*units, six, nibbles], axis=-1).reshape(len(values), -1)


def _ratio(top: Any, unit: Any, most: int) -> Any:
    """Top / unit rounded to 0..most, and 0 where the unit is."""
    return np.where(unit > 0, np.rint(top / np.where(unit > 0, unit, 1)).clip(0, most), 0).astype(np.uint8)
