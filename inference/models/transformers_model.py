"""Any causal model through its own class in transformers.

The reference path, and the one for architectures we have no decoder for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from inference.kv_cache import KeyValueCache

_UNLIMITED = 8192
"""Context of a model whose config names none; the prompt is far shorter anyway."""


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

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], cache: KeyValueCache) -> Tensor:
        """Append `tokens` [n ≥ 1] to `cache` and return the logits [vocabulary] after the last of them, in float32."""
        ids = torch.tensor([list(tokens)], device=self._device)
        try:
            output = self._model(input_ids=ids, past_key_values=cache.past, use_cache=True, logits_to_keep=1)
        except BaseException:
            cache.clear()  # some layers may have appended, others not
            raise
        cache.extended(tokens)
        return output.logits[0, -1].float()
