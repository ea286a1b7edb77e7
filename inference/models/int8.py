"""Linear layers and embeddings as int8 rows, each with its own scale, for a CPU.

Activations are quantised to uint8 as they come, per call (dynamic quantisation), and multiplied on FBGEMM's integer
kernels: a quarter of float32's memory and of its traffic, which is what a decode step on a CPU waits for. The float
layers are the reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

_ROWS_AT_ONCE = 256


def is_available() -> bool:
    """Whether this processor has the kernels."""
    return bool({"fbgemm", "x86"} & set(torch.backends.quantized.supported_engines))


def quantise_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix [rows, columns] as symmetric int8 [rows, columns] and float32 scales [rows, 1]."""
    rows = torch.empty(weight.shape, dtype=torch.int8)
    scale = torch.empty(len(weight), 1)
    for start in range(0, len(weight), _ROWS_AT_ONCE):  # the float copies made on the way stay small
        part = slice(start, start + _ROWS_AT_ONCE)
        wide = weight[part].float()
        scale[part] = wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        rows[part] = (wide / scale[part]).round().to(torch.int8)
    return rows, scale


class Int8Linear(nn.Module):
    """In place of `nn.Linear`, made from its float `weight` [out, in] and `bias` [out], which it doesn't keep."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        rows, scale = quantise_rows(weight)
        with warnings.catch_warnings():
            # Creating quantised tensors is to go away in a later torch; ours is pinned.
            warnings.simplefilter("ignore")
            packable = cast(Any, torch)._make_per_channel_quantized_tensor(  # noqa: SLF001  # has no public name
                rows, scale.flatten().double(), torch.zeros(len(rows), dtype=torch.long), 0
            )
            self._packed = cast(Any, torch.ops).quantized.linear_prepack(
                packable, None if bias is None else bias.float()
            )
        # Without VNNI, products are added in pairs in 16 bits, so activations may use 7 of their 8 bits only.
        self._reduce_range = not cast(Callable[[], bool], getattr(torch.cpu, "_is_vnni_supported", bool))()

    def forward(self, activations: Tensor) -> Tensor:
        """[..., in] → [..., out], in float32."""
        return cast(Any, torch.ops).quantized.linear_dynamic(activations, self._packed, self._reduce_range)


class Int8Embedding(nn.Module):
    """In place of `nn.Embedding`: rows are widened to float32 as they are looked up."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = weight.shape
        rows, scale = quantise_rows(weight)
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids [...] → [..., width], in float32."""
        rows, scale = cast(Tensor, self.rows), cast(Tensor, self.scale)
        return nn.functional.embedding(ids, rows) * nn.functional.embedding(ids, scale)
