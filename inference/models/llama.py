"""Llama and what is built like it: CodeGen2.5, Code Llama, DeepSeek-Coder, Qwen2.5-Coder and others.

RMS norm, rotary positions, gated feed-forward, grouped key/value heads (Touvron et al. 2023, arXiv:2302.13971 and
2307.09288). Names and numbers are those of transformers' `LlamaForCausalLM` and `Qwen2ForCausalLM`, the references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from inference.models.decoder import Decoder, Heads, Layer, Loader
from inference.models.span import Span

_QUERY, _KEY, _VALUE = (f"self_attn.{part}_proj" for part in "qkv")


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes and switches of one model; implements `Shape`."""

    rows: int
    context_length: int
    width: int
    layers: int
    heads: int
    key_heads: int
    head_width: int
    inner: int
    epsilon: float
    theta: float
    biased: tuple[str, ...]
    """Which layers of a block have a bias."""

    is_tied: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LlamaShape | None:
        """From a config.json, or None where it asks for something that this decoder has not."""
        rope = cast(Mapping[str, Any], config.get("rope_parameters") or config.get("rope_scaling") or {})
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default" or config.get("hidden_act", "silu") != "silu" or config.get("use_sliding_window"):
            return None
        if float(rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))) != 1.0:
            return None
        if any(kind != "full_attention" for kind in config.get("layer_types") or ()):
            return None
        width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        is_qwen = config.get("model_type") == "qwen2"
        attention = (_QUERY, _KEY, _VALUE) if is_qwen or config.get("attention_bias") else ()
        projection = ("self_attn.o_proj",) if config.get("attention_bias") and not is_qwen else ()
        feed_forward = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj") if config.get("mlp_bias") else ()
        return cls(
            rows=int(config["vocab_size"]),
            context_length=int(config["max_position_embeddings"]),
            width=width,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            key_heads=int(config.get("num_key_value_heads") or heads),
            head_width=int(config.get("head_dim") or width // heads),
            inner=int(config["intermediate_size"]),
            epsilon=float(config.get("rms_norm_eps", 1e-6)),
            theta=float(rope.get("rope_theta", config.get("rope_theta", 10_000.0))),
            biased=(*attention, *projection, *feed_forward),
            is_tied=bool(config.get("tie_word_embeddings", False)),
        )

    @property
    def table(self) -> str:
        """See `Shape.table`."""
        return "model.embed_tokens.weight"

    def untied(self) -> LlamaShape:
        """See `Shape.untied`."""
        return replace(self, is_tied=False)

    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        """See `Shape.tensors`."""
        queries, keys = self.heads * self.head_width, self.key_heads * self.head_width
        block: dict[str, tuple[int, ...]] = {
            _QUERY: (queries, self.width),
            _KEY: (keys, self.width),
            _VALUE: (keys, self.width),
            "self_attn.o_proj": (self.width, queries),
            "mlp.gate_proj": (self.inner, self.width),
            "mlp.up_proj": (self.inner, self.width),
            "mlp.down_proj": (self.width, self.inner),
            "input_layernorm": (self.width,),
            "post_attention_layernorm": (self.width,),
        }
        named: dict[str, tuple[int, ...]] = {self.table: (self.rows, self.width), "model.norm.weight": (self.width,)}
        for path in (f"model.layers.{number}." for number in range(self.layers)):
            named |= {f"{path}{name}.weight": shape for name, shape in block.items()}
            named |= {f"{path}{name}.bias": block[name][:1] for name in self.biased}
        return named if self.is_tied else {**named, "lm_head.weight": (self.rows, self.width)}

    def is_layer(self, name: str) -> bool:
        """See `Shape.is_layer`."""
        return name.endswith(("_proj.weight", "lm_head.weight"))

    def load(self, loader: Loader) -> Llama:
        """See `Shape.load`."""
        return Llama(self, loader)


@dataclass(frozen=True, slots=True)
class _Block:
    norm_1: Tensor
    qkv: Layer
    o_proj: Layer
    norm_2: Tensor
    gate_up: Layer
    down: Layer


class Llama(Decoder):
    """The decoder; implements `CausalModel`."""

    def __init__(self, shape: LlamaShape, loader: Loader) -> None:
        heads = Heads(shape.heads, shape.key_heads, shape.head_width)
        super().__init__(loader, heads, shape.layers, shape.context_length)
        self._shape = shape
        self._tokens = loader.table(shape.table)
        self._head = loader.layer(shape.table.removesuffix(".weight") if shape.is_tied else "lm_head")
        self._final = loader.tensor("model.norm.weight")
        self._blocks = [_block(loader, f"model.layers.{number}") for number in range(shape.layers)]
        powers = torch.arange(0, shape.head_width, 2, dtype=torch.int64).float() / shape.head_width
        self._frequencies = (1.0 / shape.theta**powers).to(loader.device)

    def compute(self, ids: Tensor, buffer: Tensor, span: Span, last: int) -> Tensor:
        """See `Decoder.compute`."""
        shape, width = self._shape, (self._shape.width,)
        hidden = self._tokens(ids)
        rotation = self._rotation(span)
        for block, held in self.layered(self._blocks, buffer):
            joined = block.qkv(functional.rms_norm(hidden, width, block.norm_1, shape.epsilon))
            hidden = hidden + block.o_proj(self._attention(joined, rotation, held, span))
            gate, up = block.gate_up(functional.rms_norm(hidden, width, block.norm_2, shape.epsilon)).chunk(2, dim=-1)
            hidden = hidden + block.down(self.one_by_one(functional.silu, gate) * up)
        return self._head(functional.rms_norm(hidden[-last:], width, self._final, shape.epsilon))

    def _attention(self, joined: Tensor, rotation: tuple[Tensor, Tensor], held: Tensor, span: Span) -> Tensor:
        """`joined` [n, queries, keys, values] over `held` [2, key heads, capacity, head width], which gets them."""
        heads, key_heads, head_width = self._shape.heads, self._shape.key_heads, self._shape.head_width
        split = joined.view(-1, heads + 2 * key_heads, head_width)
        turned = _rotated(split[:, : heads + key_heads], *rotation)
        span.store(held[0], turned[:, heads:].transpose(0, 1))
        span.store(held[1], split[:, heads + key_heads :].transpose(0, 1))
        return self.attend(turned[:, :heads], held, span, None)

    def _rotation(self, span: Span) -> tuple[Tensor, Tensor]:
        """Cosines and sines [n, 1, head width] of the new positions."""
        angles = span.positions.float()[:, None, None] * self._frequencies
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos().to(self.dtype), angles.sin().to(self.dtype)


def _rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Heads [n, heads, width] turned by their positions; the first half of a head is paired with the second."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat([-second, first], dim=-1) * sines


def _block(loader: Loader, path: str) -> _Block:
    return _Block(
        norm_1=loader.tensor(f"{path}.input_layernorm.weight"),
        qkv=loader.layer(*(f"{path}.{name}" for name in (_QUERY, _KEY, _VALUE))),
        o_proj=loader.layer(f"{path}.self_attn.o_proj"),
        norm_2=loader.tensor(f"{path}.post_attention_layernorm.weight"),
        gate_up=loader.layer(f"{path}.mlp.gate_proj", f"{path}.mlp.up_proj"),
        down=loader.layer(f"{path}.mlp.down_proj"),
    )
