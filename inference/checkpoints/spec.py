"""Which model a person asked for, before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference.checkpoints.catalog import EMBEDDED

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, and how to run it."""

    name: str = EMBEDDED
    """A catalogue name, a folder, or `owner/repository[@revision]` on the Hugging Face hub."""

    format: str = "auto"
    """Name of a row in `inference.formats`, or `auto` to tell it from the tokenizer."""

    device: Device = "auto"
