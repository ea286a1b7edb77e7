"""Any causal model through its own class in transformers.

The reference path, and the one for architectures we have no decoder for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from inference.kv_cache import KeyValueCache

_UNLIMITED = 8192
"""Context of a model whose config names none; the prompt is far shorter anyway."""


class DynamicKeyValues(KeyValueCache):
    """Keys and values in transformers' own cache, which grows with each token."""

    def __init__(self) -> None:
        super().__init__()
        self.past = DynamicCache()

    @property
    def nbytes(self) -> int:
        """What it has grown to."""
        layers: Any = self.past.layers
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers if layer.is_initialized)

    @property
    def capacity(self) -> None:
        """It grows."""
        return

    def _crop(self, count: int) -> None:
        self.past.crop(-count)

    def _reset(self) -> None:
        self.past = DynamicCache()


class TransformersModel:
    """Wraps a loaded `PreTrainedModel`; implements `CausalModel`."""

    def __init__(self, model: PreTrainedModel, precision: str = "fp32") -> None:
        self.precision = precision
        # Called through Any: transformers' forward signatures differ by class and are not typed.
        self._model: Any = model.eval()
        self._device = model.device
        # Architectures without learned positions (Bloom, Mamba) name no limit.
        self._context_length = int(getattr(self._model.config, "max_position_embeddings", None) or _UNLIMITED)

    @property
    def context_length(self) -> int:
        """Most tokens that the position embeddings allow."""
        return self._context_length

    @property
    def device(self) -> str:
        """Where the weights are, such as `cpu` or `cuda:0`."""
        return str(self._device)

    @property
    def is_interruptible(self) -> bool:
        """See `CausalModel.is_interruptible`."""
        return False

    def new_cache(self, capacity: int) -> DynamicKeyValues:
        """See `CausalModel.new_cache`; takes whatever comes."""
        del capacity
        return DynamicKeyValues()

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], cache: KeyValueCache, last: int = 1) -> Tensor:
        """See `CausalModel.forward`."""
        ids = torch.tensor([list(tokens)], device=self._device)
        past = cast(DynamicKeyValues, cache).past
        try:
            output = self._model(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=last)
        except BaseException:
            cache.clear()  # some layers may have appended, others not
            raise
        cache.extended(tokens)
        return output.logits[0].float()
