"""Matrices as int8 rows, each with its own scale, for a CPU: a quarter of float32's memory and of its traffic.

Activations are quantised as they come, *each token by itself*, and multiplied in integers. Integer sums are exact, so
what a layer gives a token never depends on which others are computed with it. With attention that keeps to the same
rule (`attention.attend_alone`), a draft that is verified with seven others has the very logits it would have alone.
(torch's own `linear_dynamic` has one scale for a whole batch, and lacks that.)

Two sets of kernels come with torch: oneDNN's, which use AMX, and FBGEMM's. `docs/precision.md` has both measured. Which
one runs here is found out by trying it on numbers as large as can be; on a processor where neither counts right there
is no int8. The float layers are the reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.threads import shared

_ROWS_AT_ONCE = 256
_SMALLEST = 1e-12
"""A token of zeros has a scale too."""


class _Kernel(Protocol):
    """One way to multiply int8 matrices."""

    levels: int
    """Activations come scaled to ± this."""

    packs_at_once: int
    """Matrices to be packed at a time, in threads: more than one where packing one takes one thread."""

    def pack(self, rows: Tensor, scale: Tensor) -> Any:
        """Rows [out, in] in int8 and their scales [out], in the layout that the kernel wants."""
        ...

    def product(self, activations: Tensor, packed: Any) -> Tensor:
        """Activations [n, in] within ± `levels`, rounded, times the packed matrix: [n, out] in float32."""
        ...


class _OneDnn:
    """oneDNN, through the operators that torch's compiler uses."""

    levels = 127
    packs_at_once = 1

    def pack(self, rows: Tensor, scale: Tensor) -> Any:
        packed = cast(Any, torch.ops).onednn.qlinear_prepack(rows, None)
        return packed, scale.flatten(), torch.zeros(len(rows), dtype=torch.long)

    def product(self, activations: Tensor, packed: Any) -> Tensor:
        # Input scale 1 and zero point 0, as the activations are scaled already; no bias; float32 out; nothing after it.
        return cast(Any, torch.ops).onednn.qlinear_pointwise.default(
            activations.round_().to(torch.int8), 1.0, 0, *packed, None, 1.0, 0, torch.float32, "none", [], ""
        )


class _Fbgemm:
    """FBGEMM, which wants unsigned activations."""

    packs_at_once = 2

    def __init__(self, levels: int = 127) -> None:
        self.levels = levels
        torch.backends.quantized.engine = "fbgemm"  # for good: matrices are packed in threads, which share the setting
        with warnings.catch_warnings():
            # Creating quantised tensors is to go away in a later torch; ours is pinned. It says so once in a process.
            warnings.simplefilter("ignore")
            self._packable(torch.zeros(1, 1, dtype=torch.int8), torch.ones(1, 1))

    @staticmethod
    def _packable(rows: Tensor, scale: Tensor) -> Tensor:
        return cast(Any, torch)._make_per_channel_quantized_tensor(  # noqa: SLF001  # has no public name
            rows, scale.flatten().double(), torch.zeros(len(rows), dtype=torch.long), 0
        )

    def pack(self, rows: Tensor, scale: Tensor) -> Any:
        return cast(Any, torch.ops).quantized.linear_prepack(self._packable(rows, scale), None)

    def product(self, activations: Tensor, packed: Any) -> Tensor:
        multiply = cast(Any, torch.ops).quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        return multiply(activations, 1.0, self.levels + 1, packed)


@cache
def _kernel() -> _Kernel | None:
    """The fastest set of kernels that counts right here."""

    def has_fbgemm() -> bool:
        return "fbgemm" in torch.backends.quantized.supported_engines

    candidates: list[tuple[Callable[[], bool], Callable[[], _Kernel]]] = [
        (getattr(torch.cpu, "_is_amx_tile_supported", bool), _OneDnn),
        (has_fbgemm, _Fbgemm),
        # Without VNNI, products are added in pairs in 16 bits, so activations may use 7 of their 8 bits only.
        (has_fbgemm, lambda: _Fbgemm(63)),
    ]
    for is_suited, make in candidates:
        if is_suited() and (kernel := _exact(make)):
            return kernel
    return None


def _exact(make: Callable[[], _Kernel]) -> _Kernel | None:
    """A set of kernels, if the largest products come out right, one token at a time and many."""
    rows = torch.full((64, 256), 127, dtype=torch.int8)
    rows[1::2] = -127
    try:
        kernel = make()
        packed = kernel.pack(rows, torch.ones(64, 1))
        for count in (1, 40):
            activations = torch.full((count, 256), float(kernel.levels))
            activations[:, ::3] = -kernel.levels
            if not torch.equal(kernel.product(activations.clone(), packed), activations @ rows.T.float()):
                return None
    except RuntimeError:  # "could not create a primitive descriptor", and the like
        return None
    return kernel


def is_available() -> bool:
    """Whether this processor has kernels that count right."""
    return _kernel() is not None


def kernel_name() -> str:
    """Which kernels run here, for reports: `onednn`, `fbgemm` or `none`."""
    kernel = _kernel()
    return type(kernel).__name__.strip("_").lower() if kernel else "none"


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


def packs_at_once() -> int:
    """How many matrices are best packed at a time here."""
    kernel = _kernel()
    return kernel.packs_at_once if kernel else 1


class Int8Matrix:
    """A linear layer that is empty until it is packed."""

    def __init__(self) -> None:
        kernel = _kernel()
        if kernel is None:
            raise RuntimeError("this processor has no int8 kernels")
        self._kernel = kernel
        self._packed: Any = None
        self._bias: Tensor | None = None

    def pack(self, rows: Tensor, scale: Tensor, bias: Tensor | None = None) -> Int8Matrix:
        """Keep a copy of int8 rows [out, in] with scales [out, 1] and an optional bias [out]."""
        self._packed = self._kernel.pack(rows, scale)
        self._bias = None if bias is None else bias.float()
        return self

    def __call__(self, activations: Tensor) -> Tensor:
        """[n, in] → [n, out], in float32."""
        largest = torch.maximum(activations.amax(-1, keepdim=True), activations.amin(-1, keepdim=True).neg_())
        scale = largest.clamp_(min=_SMALLEST).mul_(1 / self._kernel.levels)
        product = shared(self._kernel.product, activations / scale, self._packed)
        product.mul_(scale)  # and then the sum: in one operator, some processors would round once, and others twice
        return product if self._bias is None else product.add_(self._bias)


class Int8Table:
    """An embedding table of int8 rows, kept as they are (mapped or not) and widened as they are looked up."""

    def __init__(self, rows: Tensor, scale: Tensor) -> None:
        self._rows, self._scale = rows, scale

    def __call__(self, ids: Tensor) -> Tensor:
        """Ids [...] → [..., width], in float32."""
        return functional.embedding(ids, self._rows) * functional.embedding(ids, self._scale)


class Int8Linear(nn.Module):
    """In place of `nn.Linear`, made from its float `weight` [out, in] and `bias` [out], which it doesn't keep."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._matrix = Int8Matrix().pack(*quantise_rows(weight), bias)

    def forward(self, activations: Tensor) -> Tensor:
        """[..., in] → [..., out], in float32."""
        flat = activations.reshape(-1, self.in_features)
        return self._matrix(flat).view(*activations.shape[:-1], self.out_features)


class Int8Embedding(nn.Module):
    """In place of `nn.Embedding`: rows are widened to float32 as they are looked up."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = weight.shape
        self._table = Int8Table(*quantise_rows(weight))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids [...] → [..., width], in float32."""
        return self._table(ids)
