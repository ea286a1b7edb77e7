"""Checkpoints for our own decoders, without transformers: importing it takes longer than loading a small model.

Each weight is read, checked, converted and put in place before the next is read, as in `assemble`; matrices for int8
kernels are packed meanwhile, one or two at a time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inference import freed_memory
from inference.checkpoints.packing import Packing
from inference.checkpoints.precision import DTYPES
from inference.checkpoints.spec import Precision
from inference.checkpoints.weights import WeightSource, read_finite, read_rows
from inference.models.base import CausalModel
from inference.models.decoder import Layer, Shape
from inference.models.gpt_bigcode import GptBigCodeShape
from inference.models.int8 import Int8Matrix, Int8Table, packs_at_once
from inference.models.llama import LlamaShape
from inference.threads import shared

_MASKS = re.compile(r"(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$")
"""Stored by older versions beside the weights; computed nowadays."""

_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], Shape | None]] = {
    "gpt_bigcode": GptBigCodeShape.from_config,
    "llama": LlamaShape.from_config,
    "qwen2": LlamaShape.from_config,
}


def outline(config: Mapping[str, Any], source: WeightSource) -> LeanOutline | None:
    """The outline for a config.json, or None where our decoders lack something that it, or the weights, ask for."""
    make = _SHAPES.get(str(config.get("model_type")))
    try:
        shape = make(config) if make else None
    except (KeyError, TypeError, ValueError):  # transformers has defaults for these, or its own words
        return None
    if shape is None:
        return None
    head, table = "lm_head.weight", shape.table
    if shape.is_tied and {head, table} <= source.names and source.shape(head) == source.shape(table):
        if not torch.equal(source.read(head), source.read(table)):
            shape = shape.untied()
    elif not shape.is_tied and head not in source.names:
        return None
    found = LeanOutline(shape)
    return None if found.missing(source) else found


class LeanOutline:
    """One of our own decoders before its weights are read; implements `Outline`."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._tensors = shape.tensors()

    @property
    def context_length(self) -> int:
        """See `Outline.context_length`."""
        return self.shape.context_length

    @property
    def rows(self) -> int:
        """See `Outline.rows`."""
        return self.shape.rows

    @property
    def parameters(self) -> int:
        """See `Outline.parameters`."""
        return sum(_count(size) for size in self._tensors.values())

    @property
    def sizes(self) -> Mapping[Precision, int]:
        """See `Outline.sizes`."""
        count, packed = self.parameters, 0
        for name, size in self._tensors.items():
            # A tied table is kept twice: as rows to look up, and packed as the output layer.
            copies = self.shape.is_layer(name) + (name == self.shape.table) * (1 + self.shape.is_tied)
            packed += copies * (_count(size) + 4 * size[0]) if copies else 4 * _count(size)
        return {"fp32": 4 * count, "bf16": 2 * count, "fp16": 2 * count, "int8": packed}

    def missing(self, source: WeightSource) -> list[str]:
        """See `Outline.missing`."""
        return [name for name, size in self._tensors.items() if name not in source.names or source.shape(name) != size]

    def unplaced(self, source: WeightSource) -> list[str]:
        """See `Outline.unplaced`."""
        spare = source.names - self._tensors.keys()
        return sorted(name for name in spare if re.search(r"\.\d+\.", name) and not _MASKS.search(name))

    def load(self, source: WeightSource, device: torch.device, precision: Precision) -> CausalModel:
        """See `Outline.load`."""
        known = frozenset(self._tensors)
        if precision == "int8":
            with Packing(packs_at_once()) as packing:
                model = self.shape.load(_Int8Loader(source, known, packing))
                packing.finish()
        else:
            model = self.shape.load(_FloatLoader(source, known, device, precision))
        freed_memory.release()
        return model


class _FloatLoader:
    """Weights in a float type; implements `Loader`. `known` are the names of the model's own weights."""

    def __init__(self, source: WeightSource, known: frozenset[str], device: torch.device, precision: Precision) -> None:
        self._source, self._known = source, known
        self.device, self.precision = device, str(precision)
        self.dtype = DTYPES[precision]
        self._table: tuple[str, Tensor] = ("", torch.empty(0))

    def tensor(self, name: str) -> Tensor:
        """See `Loader.tensor`."""
        return read_finite(self._source, name).to(self.device, self.dtype)

    def layer(self, *paths: str) -> Layer:
        """See `Loader.layer`."""
        name, table = self._table
        if paths == (name.removesuffix(".weight"),):  # tied: one tensor for both
            return partial(_linear, weight=table)
        weight = _joined([self.tensor(f"{path}.weight") for path in paths])
        return partial(_linear, weight=weight, bias=self._bias(paths))

    def _bias(self, paths: tuple[str, ...]) -> Tensor | None:
        names = [f"{path}.bias" for path in paths]
        return _joined([self.tensor(name) for name in names]) if self._known.issuperset(names) else None

    def table(self, name: str) -> Layer:
        """See `Loader.table`."""
        self._table = name, self.tensor(name)
        return partial(functional.embedding, weight=self._table[1])


class _Int8Loader(_FloatLoader):
    """Matrices as int8 rows, the rest in float32; implements `Loader`.

    Matrices are filled by `packing`, and can be used when that has finished.
    """

    def __init__(self, source: WeightSource, known: frozenset[str], packing: Packing) -> None:
        super().__init__(source, known, torch.device("cpu"), "int8")
        self._packing = packing
        self._quantising = threading.Lock()
        """So that no two matrices are in float32 at a time."""

    def layer(self, *paths: str) -> Layer:
        """See `Loader.layer`."""
        matrix = Int8Matrix()
        self._packing.start(partial(self._pack, matrix, paths))
        return matrix

    def _pack(self, matrix: Int8Matrix, paths: tuple[str, ...]) -> None:
        with self._quantising:
            parts = [read_rows(self._source, f"{path}.weight") for path in paths]
            rows, scale = (_joined([part[index] for part in parts]) for index in range(2))
        matrix.pack(rows, scale, self._bias(paths))
        del parts, rows
        freed_memory.release()

    def table(self, name: str) -> Layer:
        """See `Loader.table`."""
        return Int8Table(*read_rows(self._source, name))


def _linear(activations: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return shared(functional.linear, activations, weight, bias)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _count(size: tuple[int, ...]) -> int:
    return int(torch.Size(size).numel())
