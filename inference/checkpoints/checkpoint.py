"""A checkpoint that is open but whose weights have not been read, whatever files it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer

from inference.checkpoints.spec import Precision
from inference.checkpoints.weights import WeightSource
from inference.errors import ModelInvalidError
from inference.models.base import CausalModel


class Outline(Protocol):
    """A model without its weights: one of our own decoders, or one of transformers' classes."""

    @property
    def context_length(self) -> int:
        """Most tokens that its positions allow."""
        ...

    @property
    def rows(self) -> int:
        """Rows of its embedding table."""
        ...

    @property
    def parameters(self) -> int:
        """Parameters, tied ones once."""
        ...

    @property
    def sizes(self) -> Mapping[Precision, int]:
        """Bytes of the weights in each precision."""
        ...

    def missing(self, source: WeightSource) -> list[str]:
        """Names of the weights that `source` lacks, or has in another shape, and that nothing can make up for."""
        ...

    def unplaced(self, source: WeightSource) -> list[str]:
        """Names of tensors in layers for which the model has no place: its config must be another model's."""
        ...

    def load(self, source: WeightSource, device: torch.device, precision: Precision) -> CausalModel:
        """The model with its weights.

        Raises:
            ModelInvalidError: a tensor holds NaN or infinity, or is packed in a way we can't read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An outline, the tokenizer, and where the weights are."""

    outline: Outline
    tokenizer: Tokenizer
    weights: WeightSource
    licence: str = ""
    """As its publisher's model card or metadata has it."""

    config: str = "config.json"
    """What the weights have to fit, for messages."""

    origin: Path | None = None
    """The folder or file of the weights; None where they are ours."""

    def check(self) -> None:
        """Compare names and shapes of the weights with the outline's; reads nothing.

        Raises:
            ModelInvalidError: they don't fit together.
        """
        if wrong := self.outline.missing(self.weights) or self.outline.unplaced(self.weights):
            raise ModelInvalidError(
                f"the weights don't match the {self.config} ({len(wrong)} tensors, first {wrong[0]}): the files belong "
                "to different models, or to a class that transformers doesn't have"
            )

    def load(self, device: torch.device, precision: Precision) -> CausalModel:
        """The model with its weights; see `check` and `Outline.load`."""
        self.check()
        return self.outline.load(self.weights, device, precision)
