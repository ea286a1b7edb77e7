"""Which model a person asked for, before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference.checkpoints.catalog import EMBEDDED
from inference.engines.base import Engine, EngineLoader, Report

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, and how to run it."""

    name: str = EMBEDDED
    """A catalogue name, a folder, or `owner/repository[@revision]` on the Hugging Face hub."""

    format: str = "auto"
    """Name of a row in `inference.formats`, or `auto` to tell it from the tokenizer."""

    device: Device = "auto"


def loader(spec: ModelSpec) -> EngineLoader:
    """A function that loads `spec` when called, importing torch and transformers only then: that costs seconds."""

    def load(report: Report) -> Engine:
        report("starting PyTorch")
        from inference.checkpoints.load import load_engine

        return load_engine(spec, report)

    return load
