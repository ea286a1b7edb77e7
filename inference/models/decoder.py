"""What our own decoders share: one forward pass over a buffered cache, without the layers themselves.

They do what transformers' classes do, which stay the reference (`tests/model/test_lean.py` compares them), with less
between the matrices: nothing is allocated for keys and values, no mask is made for a single token, and the output layer
sees only the positions that are asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor

from inference import interruption
from inference.interruption import Interrupted
from inference.kv_cache import BufferedCache, KeyValueCache
from inference.models.attention import attend, attend_alone
from inference.models.base import LONGEST_STEP
from inference.models.span import IndexedSpan, SlicedSpan, Span
from inference.models.static_steps import StaticSteps
from inference.threads import only_matrices

_Block = TypeVar("_Block")

_FEW_PRODUCTS = 2**24
"""Of keys and queries, number by number, in one layer: a third of a millisecond on one thread."""

_WHOLE_VECTORS = 64
"""Numbers: what the widest vector instructions of torch's loops compute at once, twice over."""

Layer = Callable[[Tensor], Tensor]
"""A matrix, with or without a bias, in whatever precision: [n, in] → [n, out]."""


class Loader(Protocol):
    """Gives a decoder its weights by name, in the precision and on the device that were chosen."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of activations."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        ...

    @property
    def precision(self) -> str:
        """As the setting `model.precision` spells it."""
        ...

    def tensor(self, name: str) -> Tensor:
        """A parameter that is no matrix, or not worth quantising."""
        ...

    def layer(self, *paths: str) -> Layer:
        """The linear layers at `paths` (their `.weight`, and `.bias` where there is one) as one, outputs in order.

        It can be called when the whole model is loaded.
        """
        ...

    def table(self, name: str) -> Layer:
        """An embedding table: ids [n] → [n, width]."""
        ...


class Shape(Protocol):
    """The sizes of one model of an architecture, read from its config."""

    @property
    def context_length(self) -> int:
        """Most tokens that its positions allow."""
        ...

    @property
    def rows(self) -> int:
        """Rows of the embedding table."""
        ...

    @property
    def table(self) -> str:
        """Name of the embedding table's weight."""
        ...

    @property
    def is_tied(self) -> bool:
        """Whether the output layer is the embedding table."""
        ...

    def untied(self) -> Shape:
        """The same with an output layer of its own."""
        ...

    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        """Names, as transformers' class has them, and shapes of all weights; no output layer where it is tied."""
        ...

    def is_layer(self, name: str) -> bool:
        """Whether a weight is a linear layer's matrix, which can be quantised."""
        ...

    def load(self, loader: Loader) -> Decoder:
        """The model with its weights."""
        ...


@dataclass(frozen=True, slots=True)
class Heads:
    """Numbers of attention heads, and the size of one."""

    queries: int
    keys: int
    """Key/value heads, which query heads may share."""

    width: int

    @property
    def group(self) -> int:
        """Query heads a key/value head."""
        return self.queries // self.keys


class Decoder(ABC):
    """A decoder-only transformer with buffered keys and values; implements `CausalModel`."""

    def __init__(self, loader: Loader, heads: Heads, layers: int, context_length: int) -> None:
        self.dtype, self.precision = loader.dtype, loader.precision
        self.heads = heads
        self._device = loader.device
        self._layers = layers
        self.context_length = context_length
        self.static_steps = StaticSteps() if loader.device.type == "cuda" else None
        """Short passes with fixed shapes, where launching operators one by one is what takes time."""

    @property
    def device(self) -> str:
        """Where the weights are."""
        return str(self._device)

    def new_cache(self, capacity: int) -> BufferedCache:
        """See `CausalModel.new_cache`."""
        capacity = min(capacity, self.context_length)
        size = (self._layers, 2, self.heads.keys, capacity, self.heads.width)
        # Passes of fixed shape multiply what is not there yet by nought, which must be a number then.
        allocate = torch.zeros if self.static_steps else torch.empty
        return BufferedCache(allocate(size, dtype=self.dtype, device=self._device))

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], cache: KeyValueCache, last: int = 1) -> Tensor:
        """See `CausalModel.forward`.

        Raises:
            ValueError: the cache has no room for the tokens.
            Interrupted: nobody wants the result any more; the cache is as before.
        """
        held = cast(BufferedCache, cache)
        start = len(cache.tokens)
        end = start + len(tokens)
        if end > held.capacity:
            raise ValueError(f"{end} tokens in a cache for {held.capacity}")
        logits = self.static_steps.forward(self.compute_static, tokens, held) if self.static_steps else None
        if logits is None:
            ids = torch.tensor(tokens, device=self._device)
            span = SlicedSpan(start, end, self.heads.group, self.dtype, self._device)
            with only_matrices() if self._is_short(len(tokens), end) else nullcontext():
                logits = self.compute(ids, held.buffer, span, last)
        cache.extended(tokens)
        return logits[-last:].float()

    def _is_short(self, new: int, total: int) -> bool:
        """Whether attention of `new` tokens, to `total`, is too little for several threads."""
        together = 1 if self.precision == "int8" else new  # see `attend`
        products = together * total * self.heads.queries * self.heads.width
        return self._device.type == "cpu" and new <= LONGEST_STEP and products <= _FEW_PRODUCTS

    def compute_static(self, ids: Tensor, positions: Tensor, buffer: Tensor) -> Tensor:
        """Logits [n, vocabulary] after each of `ids` [n] at `positions` [n], in shapes that depend on nothing else."""
        span = IndexedSpan(positions, buffer.shape[3], self.heads.group, self.dtype)
        return self.compute(ids, buffer, span, len(ids))

    @property
    def is_interruptible(self) -> bool:
        """See `CausalModel.is_interruptible`. A GPU is told of all layers long before it has computed the first."""
        return self._device.type == "cpu"

    def layered(self, blocks: Sequence[_Block], buffer: Tensor) -> Iterator[tuple[_Block, Tensor]]:
        """Each layer with its part of `buffer`, for as long as anybody wants the result."""
        asked = interruption.asked() if self.is_interruptible else None
        for pair in zip(blocks, buffer, strict=True):
            if asked is not None and asked():
                raise Interrupted
            yield pair

    def attend(self, queries: Tensor, held: Tensor, span: Span, scale: float | None) -> Tensor:
        """Attention of `queries` [n, heads, width] over what is `held` [2, key heads, capacity, width]."""
        keys, values = span.visible(held)
        if self.precision == "int8" and 1 < len(queries) <= LONGEST_STEP:
            return attend_alone(queries, keys, values, scale)
        return attend(queries, keys, values, span.mask, scale)

    def one_by_one(self, function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """`function`, which works on each number by itself, of `rows` [n, width].

        What is left over at the end, where no whole vector fits, is computed by other instructions, which may differ in
        the last bit. In int8 that must not depend on n; see `attention.attend_alone`.
        """
        if self.precision == "int8" and 1 < len(rows) <= LONGEST_STEP and rows.shape[-1] % _WHOLE_VECTORS:
            return torch.cat([function(rows[at : at + 1]) for at in range(len(rows))])
        return function(rows)

    @abstractmethod
    def compute(self, ids: Tensor, buffer: Tensor, span: Span, last: int) -> Tensor:
        """Logits [last, vocabulary] after `ids` [n] at the positions of `span`.

        Their keys and values are written into `buffer`, which is a `BufferedCache`'s.
        """
