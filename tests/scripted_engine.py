"""An engine whose answers and timing are written down in advance: no weights, no torch."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from inference.checkpoints.spec import ModelSpec
from inference.engines.base import EngineLoader, Report, Steps
from inference.errors import ModelInvalidError
from inference.request import Completion, Instruction, Request, Step


@dataclass
class ScriptedEngine:
    """Prefills and decodes in equal sleeps; writes one line for each computation's end to `journal`."""

    text: str = "value"
    prefill_steps: int = 1
    step_s: float = 0.0
    load_s: float = 0.0
    fails: str = ""
    """What goes wrong: `load`, `load-crash`, `complete`, or nothing."""

    prints: str = ""
    """What each computation writes to file descriptor 1, as a native library might."""

    journal: str = ""
    name: str = "scripted"
    notes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    follows_instructions: bool = False
    reads_other_files: bool = True
    answer_text: str = "It works."
    logprob: float = -0.1
    """Of each token of a completion, on average."""

    steps: int = 0
    requests: list[Request] = field(default_factory=list[Request])
    prepared: list[Request] = field(default_factory=list[Request])
    instructions: list[Instruction] = field(default_factory=list[Instruction])

    @property
    def forwarded_tokens(self) -> int:
        """One for each step."""
        return self.steps

    def complete(self, request: Request) -> Steps:
        """Walk through the script, one sleep a step."""
        self.requests.append(request)
        pieces = [(piece.path, piece.text) for piece in request.context]
        asked = {"prefix": request.prefix, "suffix": request.suffix, "related": request.related, "context": pieces}
        return self._walk(self.text, **asked)

    def prepare(self, request: Request) -> Steps:
        """Remember the request, and walk through the script without its text."""
        self.prepared.append(request)
        return self._walk("")

    def answer(self, instruction: Instruction) -> Steps:
        """Walk through the script of an answer."""
        self.instructions.append(instruction)
        return self._walk(self.answer_text)

    def _walk(self, text: str, **noted: object) -> Steps:
        os.write(1, self.prints.encode())
        done = 0
        outcome = "abandoned"
        try:
            if self.fails == "complete":
                raise RuntimeError("scripted failure")
            for phase, pieces in (("prefill", self.prefill_steps), ("decode", len(text))):
                for index in range(pieces):
                    time.sleep(self.step_s)
                    done += 1
                    self.steps += 1
                    yield Step("decode", text[: index + 1]) if phase == "decode" else Step("prefill")
            outcome = "finished"
            # Under a name for which no threshold was fitted: what is scripted is to be shown.
            model = self.name if text == self.answer_text else "scripted"
            return Completion(text, model, 10, 0, len(text), self.logprob)
        finally:
            if self.journal:
                with Path(self.journal).open("a", encoding="utf-8") as stream:
                    stream.write(
                        json.dumps({"outcome": outcome, "steps": done, "at": time.monotonic(), **noted}) + "\n"
                    )

    def loader(self, spec: ModelSpec = ModelSpec()) -> EngineLoader:  # noqa: B008  # frozen
        """Load this engine in `load_s` seconds under the name of the spec, or fail as scripted."""

        def load(report: Report) -> ScriptedEngine:
            report("pretending to read weights")
            time.sleep(self.load_s)
            if self.fails == "load":
                raise ModelInvalidError("the scripted model is damaged: download it again")
            if self.fails == "load-crash":
                raise ZeroDivisionError("scripted")
            self.name = spec.name
            return self

        return load
