"""Which model a person asked for, before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference.checkpoints.catalog import EMBEDDED

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Instructions = Literal["auto", "alpaca", "few-shot"]
Drafts = Literal["auto", "never"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, and how to run it."""

    name: str = EMBEDDED
    """A catalogue name, a folder, a GGUF file, `owner/repository[@revision]` or `hf:owner/repository:file.gguf`."""

    revision: str = ""
    """Branch, tag or commit on the hub; empty for the catalogue's, else the repository's main branch."""

    format: str = "auto"
    """Name of a row in `inference.formats`, or `auto` to tell it from the tokenizer."""

    device: Device = "auto"
    precision: Precision = "auto"
    instructions: Instructions = "auto"
    """How instructions are put to it; `auto` asks the catalogue."""

    drafts: Drafts = "auto"
    """Whether the embedded model guesses ahead for a large one; `auto`: while that is quicker."""
