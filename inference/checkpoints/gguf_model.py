"""From a GGUF file's metadata and tensor names to transformers' classes: starcoder, starcoder2, llama and qwen2.

Keys and names are those of llama.cpp (`gguf-py/gguf/constants.py`, `tensor_mapping.py`). Matrices are stored as torch
has them, [out, in]. One thing is reordered: the converter of `llama` interleaves the two halves of each head's query
and key rows, because llama.cpp rotates neighbours where transformers rotates halves; that is undone here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from inference.checkpoints import gguf_tokenizer, lean
from inference.checkpoints.checkpoint import Checkpoint, Outline
from inference.checkpoints.config_check import check_layers
from inference.checkpoints.gguf_file import GgufFile
from inference.errors import ModelInvalidError, reason

_GPT_BIGCODE_NAMES: Mapping[str, str] = {
    "token_embd": "transformer.wte",
    "position_embd": "transformer.wpe",
    "output_norm": "transformer.ln_f",
    "output": "lm_head",
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
_LLAMA_NAMES: Mapping[str, str] = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_STARCODER2_NAMES: Mapping[str, str] = {**_LLAMA_NAMES, "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
_ROPE_FACTORS = "rope_freqs.weight"


_Config = dict[str, Any]
"""As config.json has it."""


def open_gguf(path: Path) -> Checkpoint:
    """The model and tokenizer in one GGUF file.

    Raises:
        ModelInvalidError: damaged, truncated, or of an architecture or tokenizer that is not supported.
    """
    file = GgufFile(path)
    architecture = file.text("general.architecture")
    if architecture not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise ModelInvalidError(
            f"{path} holds the architecture {architecture!r}, and fimd reads {known}: use that model's safetensors form"
        )
    names, make_config = _ARCHITECTURES[architecture]
    tokenizer = gguf_tokenizer.build(file, architecture)
    weights = _NamedWeights(file, names, layers="transformer.h" if architecture == "starcoder" else "model.layers")
    try:
        config = make_config(_Keys(file, architecture))
        outline = lean.outline(config, weights) or _transformers_outline(config)
    except ModelInvalidError:
        raise
    except Exception as error:  # whatever a class makes of sizes that don't fit together
        raise ModelInvalidError(f"{path} is damaged: its metadata makes no model ({reason(error)})") from error
    if architecture == "llama":
        weights.unpermuted_heads = {
            "self_attn.q_proj": config["num_attention_heads"],
            "self_attn.k_proj": config["num_key_value_heads"],
        }
    return Checkpoint(outline, tokenizer, weights, file.text("general.license"), config="metadata", origin=path)


def _transformers_outline(config: Mapping[str, Any]) -> Outline:
    """For architectures that our own decoders don't have."""
    from transformers import AutoConfig

    from inference.checkpoints import assemble

    return assemble.TransformersOutline(assemble.outline(cast(Any, AutoConfig).for_model(**config)))


class _NamedWeights:
    """A GGUF file's tensors under the names, and in the order of rows, of transformers' class."""

    def __init__(self, file: GgufFile, names: Mapping[str, str], layers: str) -> None:
        self._file = file
        self.unpermuted_heads: Mapping[str, int] = {}
        """For each matrix whose rows the converter interleaved, the number of its heads."""

        self._stored = {self._renamed(name, names, layers): name for name in file.names}

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._stored)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self._file.shape(self._stored[name])

    def read(self, name: str) -> Tensor:
        """One tensor; packed types as float32."""
        tensor = self._file.read(self._stored[name])
        heads = next((count for part, count in self.unpermuted_heads.items() if part in name), 0)
        if not heads:
            return tensor
        rest = tensor.shape[1:]
        return tensor.view(heads, -1, 2, *rest).transpose(1, 2).reshape(tensor.shape)

    def _renamed(self, name: str, names: Mapping[str, str], layers: str) -> str:
        match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", name)
        if match is None or match[2] not in names:
            return name
        layer = f"{layers}.{match[1]}." if match[1] else ""
        return f"{layer}{names[match[2]]}.{match[3]}"


class _Keys:
    """The metadata keys of one architecture."""

    def __init__(self, file: GgufFile, architecture: str) -> None:
        self.file, self._architecture = file, architecture

    def integer(self, key: str, default: int | None = None) -> int:
        """A positive integer.

        Raises:
            ModelInvalidError: it is missing and has no default, or is none.
        """
        value = self.file.metadata.get(f"{self._architecture}.{key}", default)
        if not isinstance(value, int) or value < 1:
            shown = repr(value)[:40] if isinstance(value, int | float | bytes) else "a list"
            what = "lacks" if value is None else f"has {shown} for"
            raise ModelInvalidError(
                f"{self.file.path} {what} {self._architecture}.{key}: it is damaged or of an unsupported kind"
            )
        return value

    def real(self, key: str, default: float) -> float:
        """A number."""
        value = self.file.number(f"{self._architecture}.{key}")
        return default if value is None else float(value)

    def has(self, tensor: str) -> bool:
        """Whether the file has a tensor."""
        return tensor in self.file.names

    @property
    def common(self) -> dict[str, Any]:
        """What all four classes call the same."""
        if self.file.number(f"{self._architecture}.expert_count"):
            raise ModelInvalidError(f"{self.file.path} is a mixture of experts, which fimd can't read from GGUF yet")
        if not self.has("token_embd.weight"):
            raise ModelInvalidError(f"{self.file.path} has no token_embd.weight: it is no language model, or damaged")
        check_layers(self.integer("block_count"))
        rows, width = (*self.file.shape("token_embd.weight"), 0)[:2]
        if width != self.integer("embedding_length") or self.integer("attention.head_count") > width:
            raise ModelInvalidError(f"{self.file.path} is damaged: its metadata and its tensors differ in width")
        return {
            "vocab_size": rows,
            "max_position_embeddings": self.integer("context_length"),
            "hidden_size": width,
            "num_hidden_layers": self.integer("block_count"),
            "num_attention_heads": self.integer("attention.head_count"),
            "tie_word_embeddings": not self.has("output.weight"),
            "bos_token_id": None,
            "eos_token_id": None,
        }

    @property
    def rotary(self) -> dict[str, Any]:
        """What the classes with rotary positions have beside it."""
        common = self.common
        rope: dict[str, Any] = {"rope_type": "default", "rope_theta": self.real("rope.freq_base", 10_000.0)}
        factor = self.real("rope.scaling.factor", self.real("rope.scale_linear", 1.0))  # the second until 2023
        scaling = self.file.text(f"{self._architecture}.rope.scaling.type", "none" if factor == 1.0 else "linear")
        if scaling in {"linear", "yarn"}:
            rope.update(rope_type=scaling, factor=factor)
            if scaling == "yarn":
                key = f"{self._architecture}.rope.scaling.original_context_length"
                rope["original_max_position_embeddings"] = self.file.number(key) or common["max_position_embeddings"]
        elif scaling != "none":
            raise ModelInvalidError(
                f"{self.file.path} scales positions by {scaling!r}, which fimd can't read from GGUF"
            )
        if self.has(_ROPE_FACTORS):
            # Llama 3's scaling, stored as one divisor a frequency: what transformers calls longrope, without its scale.
            factors: list[float] = cast(Any, self.file.read(_ROPE_FACTORS)).float().tolist()
            rope.update(rope_type="longrope", short_factor=factors, long_factor=factors, attention_factor=1.0)
            rope["original_max_position_embeddings"] = common["max_position_embeddings"]
        heads = common["num_attention_heads"]
        return {
            **common,
            "num_key_value_heads": self.integer("attention.head_count_kv", heads),
            "intermediate_size": self.integer("feed_forward_length"),
            "rope_parameters": rope,
        }


def _starcoder(keys: _Keys) -> _Config:
    common = keys.common
    positions = keys.file.shape("position_embd.weight")[0] if keys.has("position_embd.weight") else 0
    if positions != common["max_position_embeddings"]:
        raise ModelInvalidError(f"{keys.file.path} is damaged: its metadata and its tensors differ in positions")
    rows = keys.file.shape("blk.0.attn_qkv.weight")[0] if keys.has("blk.0.attn_qkv.weight") else 0
    width, heads = common["hidden_size"], common["num_attention_heads"]
    return {
        "model_type": "gpt_bigcode",
        "vocab_size": common["vocab_size"],
        "n_positions": positions,
        "n_embd": width,
        "n_layer": common["num_hidden_layers"],
        "n_head": heads,
        "n_inner": keys.integer("feed_forward_length", 4 * width),
        "layer_norm_epsilon": keys.real("attention.layer_norm_epsilon", 1e-5),
        # The converter writes one key/value head whatever the model has; the rows tell.
        "multi_query": rows != 3 * width or heads == 1,
        "tie_word_embeddings": common["tie_word_embeddings"],
    }


def _starcoder2(keys: _Keys) -> _Config:
    epsilon = keys.real("attention.layer_norm_epsilon", 1e-5)
    own = {"norm_epsilon": epsilon, "use_bias": True, "sliding_window": None}
    return {"model_type": "starcoder2", **keys.rotary, **own}


def _llama(keys: _Keys) -> _Config:
    rotary = keys.rotary
    width = rotary["hidden_size"] // rotary["num_attention_heads"]
    return {
        "model_type": "llama",
        **rotary,
        "rms_norm_eps": keys.real("attention.layer_norm_rms_epsilon", 1e-6),
        "head_dim": keys.integer("attention.key_length", width),
        "attention_bias": keys.has("blk.0.attn_q.bias"),
        "mlp_bias": keys.has("blk.0.ffn_up.bias"),
    }


def _qwen2(keys: _Keys) -> _Config:
    return {"model_type": "qwen2", **keys.rotary, "rms_norm_eps": keys.real("attention.layer_norm_rms_epsilon", 1e-6)}


_ARCHITECTURES: Mapping[str, tuple[Mapping[str, str], Callable[[_Keys], _Config]]] = {
    "starcoder": (_GPT_BIGCODE_NAMES, _starcoder),
    "starcoder2": (_STARCODER2_NAMES, _starcoder2),
    "llama": (_LLAMA_NAMES, _llama),
    "qwen2": (_LLAMA_NAMES, _qwen2),
}
