"""One request on its way through the inference thread: computed a step at a time, cancelled between two, settled once.

Cancelling is enforced here and nowhere else: the token is read before each step of a computation, which is then closed,
and between the layers of a forward pass, which is then given up.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from inference.engines.base import Engine, Steps
from inference.interruption import Interrupted, interruptible
from inference.request import CancelToken, Completion, Instruction, Request, Step

log = logging.getLogger(__name__)

OnStep = Callable[[Step], None]
"""Hears each step of a computation, in the inference thread; must return at once."""


def unheard(step: Step) -> None:
    """Take steps that nobody asked for."""
    del step


@dataclass(slots=True)
class Job(ABC):
    """What somebody waits for with `future`, which yields None where nothing comes of it."""

    token: CancelToken
    on_step: OnStep = unheard
    future: Future[Completion | None] = field(default_factory=Future[Completion | None])
    steps: Steps | None = None
    """Set when it has begun."""

    @abstractmethod
    def begin(self, engine: Engine) -> Steps:
        """Start the computation."""

    def advance(self, engine: Engine | None) -> bool:
        """Run one step; whether there are more. Never raises."""
        try:
            if self.steps is None:
                if engine is None or self.token.cancelled or not self.future.set_running_or_notify_cancel():
                    self.drop()
                    return False
                self.steps = self.begin(engine)
            if self.token.cancelled:
                self.drop()
                return False
            try:
                with interruptible(self.is_pointless):
                    step = next(self.steps)
            except StopIteration as done:
                return self.finished(engine, done.value)
            except Interrupted:
                self.drop()
                return False
            self.on_step(step)
        except BaseException as error:  # a panic in tokenizers is no Exception, and the thread must outlive it
            self.failed(error)
            return False
        return True

    def is_pointless(self) -> bool:
        """Whether nobody waits any more."""
        return self.token.cancelled

    def finished(self, engine: Engine | None, completion: Completion) -> bool:
        """Take what was computed; whether there is more to do."""
        del engine
        self._settle(completion)
        return False

    def failed(self, error: BaseException) -> None:
        """Hand on what went wrong."""
        log.error("a computation failed", exc_info=error)
        self._close()
        self._settle(error)

    def drop(self) -> None:
        """Stop, and answer with None."""
        self._close()
        self._settle(None)

    def _close(self) -> None:
        try:
            if self.steps is not None:
                self.steps.close()
        except BaseException:
            log.exception("a computation could not be closed")

    def _settle(self, outcome: Completion | BaseException | None) -> None:
        """Set the future's result or failure, unless it has been cancelled meanwhile."""
        if self.future.done() or (not self.future.running() and not self.future.set_running_or_notify_cancel()):
            return
        if isinstance(outcome, BaseException):
            self.future.set_exception(outcome if isinstance(outcome, Exception) else RuntimeError(str(outcome)))
        else:
            self.future.set_result(outcome)


@dataclass(slots=True)
class CompletionJob(Job):
    """A completion that somebody waits for."""

    request: Request = field(kw_only=True)

    def begin(self, engine: Engine) -> Steps:
        """See `Job.begin`."""
        return engine.complete(self.request)


@dataclass(slots=True)
class AnswerJob(Job):
    """An answer to an instruction."""

    instruction: Instruction = field(kw_only=True)

    def begin(self, engine: Engine) -> Steps:
        """See `Job.begin`."""
        return engine.answer(self.instruction)


@dataclass(slots=True)
class IdleJob(Job):
    """Work for what is likely to be asked next; nobody is told that it has failed."""

    request: Request = field(kw_only=True)
    completes: bool = field(kw_only=True)
    """Whether it goes on to the completion, or only prepares for it."""

    def begin(self, engine: Engine) -> Steps:
        """See `Job.begin`."""
        return engine.prepare(self.request)

    def finished(self, engine: Engine | None, completion: Completion) -> bool:
        """See `Job.finished`."""
        if not self.completes or engine is None or self.token.cancelled:
            self._settle(None if self.token.cancelled else completion)
            return False
        self.completes = False
        self.steps = engine.complete(self.request)
        return True

    def failed(self, error: BaseException) -> None:
        """See `Job.failed`."""
        log.error("idle work failed", exc_info=error)
        self.drop()
