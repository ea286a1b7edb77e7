"""The one model that all editor windows share.

Loaded when the first window needs it, replaced when settings name another.
"""

from __future__ import annotations

from collections.abc import Callable

from inference.checkpoints.deferred import loader
from inference.checkpoints.spec import ModelSpec
from inference.engines.base import EngineLoader
from inference.worker import Status, Worker
from lsp_server.settings import ModelSettings


class ModelHost:
    """A worker, and what it was last asked to load.

    `make_loader` turns a spec into a loader; tests give a scripted engine here.
    """

    def __init__(self, make_loader: Callable[[ModelSpec], EngineLoader] = loader) -> None:
        self.worker = Worker()
        self._make_loader = make_loader
        self._spec: ModelSpec | None = None
        self.generation = 0
        """Counts the models: what an earlier one answered no longer counts."""

    @property
    def status(self) -> Status:
        """What the model is doing now."""
        return self.worker.status

    @property
    def model_name(self) -> str:
        """Name of the model that was asked for last, by whichever window; empty for none yet."""
        return self._spec.name if self._spec else ""

    def use(self, settings: ModelSettings) -> None:
        """Load the model that `settings` name, unless it is loaded or loading already; a failed one is tried again."""
        spec = ModelSpec(**settings.model_dump())
        if spec != self._spec or self.status.phase == "failed":
            self._load(spec)

    def restart(self) -> None:
        """Load the same model again: its files may have changed, or it has gone astray."""
        if self._spec:
            self._load(self._spec)

    def _load(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.generation += 1
        self.worker.load(self._make_loader(spec))
