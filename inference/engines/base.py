"""The interface between the worker and whatever computes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

from inference.request import Completion, Request, Step

Steps = Generator[Step, None, Completion]
"""One computation: yields wherever it may be abandoned (the worker then closes it) and returns the completion."""


class Engine(Protocol):
    """One loaded model. Used by a single thread; only one computation runs at a time."""

    @property
    def name(self) -> str:
        """The model's name as a person would write it in the settings."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told once about this model, one sentence each."""
        ...

    def complete(self, request: Request) -> Steps:
        """Infill `request`. Abandoning the generator at any step leaves the engine ready for the next request."""
        ...


Report = Callable[[str], None]
"""Receives a few words on what loading is doing; called from the inference thread."""

EngineLoader = Callable[[Report], Engine]
"""Loads a model, in the inference thread. Raises `inference.errors.ModelError` with one sentence where it can't."""
