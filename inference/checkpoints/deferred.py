"""Loading that costs nothing until it is done: torch and transformers take seconds to import."""

from __future__ import annotations

from inference.checkpoints.spec import ModelSpec
from inference.engines.base import Engine, EngineLoader, Report


def loader(spec: ModelSpec) -> EngineLoader:
    """Return the function that loads `spec`, for the inference thread to call."""

    def load(report: Report) -> Engine:
        report("starting PyTorch")
        from inference.checkpoints.load import load_engine

        return load_engine(spec, report)

    return load
