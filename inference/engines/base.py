"""The interface between the worker and whatever computes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

from inference.request import Completion, Instruction, Request, Step

Steps = Generator[Step, None, Completion]
"""One computation: yields wherever it may be abandoned (the worker then closes it) and returns the completion."""


class Engine(Protocol):
    """One loaded model. Used by a single thread: one step at a time, of one completion or of any number of answers."""

    @property
    def name(self) -> str:
        """The model's name as a person would write it in the settings."""
        ...

    @property
    def follows_instructions(self) -> bool:
        """Whether it was tuned to; any model answers, but another than such a one poorly."""
        ...

    @property
    def reads_other_files(self) -> bool:
        """Whether pieces of other files in a request help it, as far as is known; it takes them anyway."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told once about this model, one sentence each."""
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """What belongs into the log once, one sentence each: how it runs, and what its licence asks of its users."""
        ...

    @property
    def forwarded_tokens(self) -> int:
        """Tokens that were computed since it was loaded, whether anybody saw them or not; for reports."""
        ...

    def complete(self, request: Request) -> Steps:
        """Infill `request`. Abandoning the generator at any step leaves the engine ready for the next request."""
        ...

    def prepare(self, request: Request) -> Steps:
        """Compute as much for `request` as needs no decoding, so that it, or one like it, is answered sooner.

        Returns an empty completion. It uses the same caches as `complete`: only one of the two may be under way.
        """
        ...

    def answer(self, instruction: Instruction) -> Steps:
        """Answer `instruction`; its steps carry the text as it grows. Independent of completions run in between."""
        ...


Report = Callable[[str], None]
"""Receives a few words on what loading is doing; called from the inference thread."""

EngineLoader = Callable[[Report], Engine]
"""Loads a model, in the inference thread. Raises `inference.errors.ModelError` with one sentence where it can't."""
