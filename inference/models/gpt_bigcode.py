"""GPTBigCode: SantaCoder, StarCoder and their relatives, and the embedded model.

GPT-2 with learned positions and, usually, one key/value head for all query heads (Shazeer 2019, arXiv:1911.02150).
Names and numbers are those of transformers' `GPTBigCodeForCausalLM`, which is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inference.models.decoder import Decoder, Heads, Layer, Loader
from inference.models.span import Span

_TANH = partial(functional.gelu, approximate="tanh")
_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_fast": _TANH,
    "gelu_new": _TANH,
    "gelu_pytorch_tanh": _TANH,
    "relu": functional.relu,
}


@dataclass(frozen=True, slots=True)
class GptBigCodeShape:
    """Sizes and switches of one model; implements `Shape`."""

    rows: int
    context_length: int
    width: int
    layers: int
    heads: int
    inner: int
    multi_query: bool
    epsilon: float
    activation: str
    is_scaled: bool
    """Whether attention scores are divided by √(head width)."""

    is_tied: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> GptBigCodeShape | None:
        """From a config.json, or None where it asks for something that this decoder has not."""
        activation = str(config.get("activation_function", "gelu_pytorch_tanh"))
        width, heads = int(config["n_embd"]), int(config["n_head"])
        if activation not in _ACTIVATIONS or config.get("add_cross_attention") or heads < 1 or width % heads:
            return None
        return cls(
            rows=int(config["vocab_size"]),
            context_length=int(config["n_positions"]),
            width=width,
            layers=int(config["n_layer"]),
            heads=heads,
            inner=int(config.get("n_inner") or 4 * width),
            multi_query=bool(config.get("multi_query", True)),
            epsilon=float(config.get("layer_norm_epsilon", 1e-5)),
            activation=activation,
            is_scaled=bool(config.get("scale_attn_weights", True)),
            is_tied=bool(config.get("tie_word_embeddings", True)),
        )

    @property
    def table(self) -> str:
        """See `Shape.table`."""
        return "transformer.wte.weight"

    def untied(self) -> GptBigCodeShape:
        """See `Shape.untied`."""
        return replace(self, is_tied=False)

    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        """See `Shape.tensors`."""
        width, shared = self.width, 2 * self.width // (self.heads if self.multi_query else 1)
        vector, inner = (width,), (self.inner,)
        shapes: dict[str, tuple[int, ...]] = {"wte.weight": (self.rows, width)}
        shapes["wpe.weight"] = (self.context_length, width)
        for path in (f"h.{number}." for number in range(self.layers)):
            shapes |= {f"{path}ln_1.weight": vector, f"{path}ln_1.bias": vector}
            shapes |= {
                f"{path}attn.c_attn.weight": (width + shared, width),
                f"{path}attn.c_attn.bias": (width + shared,),
            }
            shapes |= {f"{path}attn.c_proj.weight": (width, width), f"{path}attn.c_proj.bias": vector}
            shapes |= {f"{path}ln_2.weight": vector, f"{path}ln_2.bias": vector}
            shapes |= {f"{path}mlp.c_fc.weight": (self.inner, width), f"{path}mlp.c_fc.bias": inner}
            shapes |= {f"{path}mlp.c_proj.weight": (width, self.inner), f"{path}mlp.c_proj.bias": vector}
        shapes |= {"ln_f.weight": vector, "ln_f.bias": vector}
        named = {f"transformer.{name}": shape for name, shape in shapes.items()}
        return named if self.is_tied else {**named, "lm_head.weight": (self.rows, width)}

    def is_layer(self, name: str) -> bool:
        """See `Shape.is_layer`."""
        return name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight", "lm_head.weight"))

    def load(self, loader: Loader) -> GptBigCode:
        """See `Shape.load`."""
        return GptBigCode(self, loader)


@dataclass(frozen=True, slots=True)
class _Block:
    norm_1: tuple[Tensor, Tensor]
    c_attn: Layer
    attn_proj: Layer
    norm_2: tuple[Tensor, Tensor]
    c_fc: Layer
    mlp_proj: Layer


class GptBigCode(Decoder):
    """The decoder; implements `CausalModel`."""

    def __init__(self, shape: GptBigCodeShape, loader: Loader) -> None:
        key_heads = 1 if shape.multi_query else shape.heads
        heads = Heads(shape.heads, key_heads, shape.width // shape.heads)
        super().__init__(loader, heads, shape.layers, shape.context_length)
        self._shape = shape
        self._scale = None if shape.is_scaled else 1.0
        self._activation = _ACTIVATIONS[shape.activation]
        # The largest come first, while there is room beside them.
        self._tokens = loader.table(shape.table)
        self._head = loader.layer(shape.table.removesuffix(".weight") if shape.is_tied else "lm_head")
        self._positions = loader.tensor("transformer.wpe.weight")
        self._final = _norm(loader, "transformer.ln_f")
        self._blocks = [_block(loader, f"transformer.h.{number}") for number in range(shape.layers)]

    def compute(self, ids: Tensor, buffer: Tensor, span: Span, last: int) -> Tensor:
        """See `Decoder.compute`."""
        width, epsilon = (self._shape.width,), self._shape.epsilon
        hidden = self._tokens(ids) + span.rows(self._positions)
        for block, held in self.layered(self._blocks, buffer):
            joined = block.c_attn(functional.layer_norm(hidden, width, *block.norm_1, epsilon))
            hidden = hidden + block.attn_proj(self._attention(joined, held, span))
            inner = block.c_fc(functional.layer_norm(hidden, width, *block.norm_2, epsilon))
            hidden = hidden + block.mlp_proj(self.one_by_one(self._activation, inner))
        return self._head(functional.layer_norm(hidden[-last:], width, *self._final, epsilon))

    def _attention(self, joined: Tensor, held: Tensor, span: Span) -> Tensor:
        """`joined` [n, queries, keys and values] over `held` [2, key heads, capacity, head width], which gets them."""
        heads, head_width = self._shape.heads, self.heads.width
        if self._shape.multi_query:
            queries, shared = joined[:, : self._shape.width], joined[:, self._shape.width :]
            queries = queries.view(-1, heads, head_width)
            span.store(held, shared.view(-1, 1, 2, head_width).permute(2, 1, 0, 3))
        else:  # query, key and value of the first head, then of the second, and so on
            queries, *both = joined.view(-1, heads, 3, head_width).unbind(2)
            span.store(held, torch.stack(both).transpose(1, 2))
        return self.attend(queries, held, span, self._scale)


def _norm(loader: Loader, path: str) -> tuple[Tensor, Tensor]:
    return loader.tensor(f"{path}.weight"), loader.tensor(f"{path}.bias")


def _block(loader: Loader, path: str) -> _Block:
    return _Block(
        norm_1=_norm(loader, f"{path}.ln_1"),
        c_attn=loader.layer(f"{path}.attn.c_attn"),
        attn_proj=loader.layer(f"{path}.attn.c_proj"),
        norm_2=_norm(loader, f"{path}.ln_2"),
        c_fc=loader.layer(f"{path}.mlp.c_fc"),
        mlp_proj=loader.layer(f"{path}.mlp.c_proj"),
    )
