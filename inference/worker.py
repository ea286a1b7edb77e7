"""The one thread that owns the model. asyncio hands it requests; it hands back futures.

Fairness: each session (an editor window) has at most one waiting request, its newest, and sessions take turns in order
of arrival. A replaced or cancelled request is answered with None; `jobs` is where a cancel takes effect.

Answers to instructions take longer than a person waits for ghost text. They are computed a step at a time, in turn,
whenever no completion waits. When nothing at all waits, idle work is done, a step at a time too: what a person is
likely to ask for next. It is thrown aside at once when anybody really asks.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from inference.engines.base import Engine, EngineLoader
from inference.errors import FimdError
from inference.jobs import AnswerJob, CompletionJob, IdleJob, OnStep, unheard
from inference.request import CancelToken, Completion, Instruction, Request

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """What the model is doing, for people: shown as progress, in the log and by `fimd doctor`."""

    phase: Literal["idle", "loading", "ready", "failed"]
    message: str
    notes: tuple[str, ...] = ()
    """Set when `phase` is ready: what a person should be told once about the model."""

    notices: tuple[str, ...] = ()
    """Set when `phase` is ready: what belongs into the log once."""

    follows_instructions: bool = False
    """Set when `phase` is ready: whether the model was tuned to."""

    reads_other_files: bool = False
    """Set when `phase` is ready: see `Engine.reads_other_files`."""


class Worker:
    """Runs an engine in a background thread, for any number of sessions, until the process ends."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Status], None]] = []
        self._status = Status("idle", "no model asked for yet")
        self._engine: Engine | None = None
        self._loader: EngineLoader | None = None
        self._waiting: OrderedDict[Hashable, CompletionJob] = OrderedDict()
        self._answers: deque[AnswerJob] = deque()
        self._idle: OrderedDict[Hashable, IdleJob] = OrderedDict()
        self._aside: list[IdleJob] = []
        self._wake = threading.Condition()
        # A daemon thread: a process whose editor is gone must not wait for a model to finish loading.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def status(self) -> Status:
        """The latest status."""
        return self._status

    @property
    def forwarded_tokens(self) -> int:
        """Tokens that the present model has computed, whether anybody saw them or not."""
        engine = self._engine  # another thread may take it away
        return engine.forwarded_tokens if engine else 0

    def subscribe(self, listener: Callable[[Status], None]) -> Callable[[], None]:
        """Call `listener` with each change of status, from whichever thread makes it; it must return at once.

        Returns the function that ends this.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def load(self, loader: EngineLoader) -> None:
        """Load (or replace) the model. Requests are answered with None until it is ready."""
        with self._wake:
            self._loader = loader
            waiting = self._take_waiting()
            self._set_status(Status("loading", "loading the model"))
            self._wake.notify()
        for job in waiting:
            job.drop()

    def submit(
        self, request: Request, token: CancelToken, session: Hashable = None, on_step: OnStep = unheard
    ) -> Future[Completion | None]:
        """Queue `request`; the session's older waiting request, if any, is answered with None.

        The future yields None when there is no model (yet), or when the request was replaced or cancelled. It fails
        with the engine's exception if the computation does.
        """
        job = CompletionJob(token, on_step, request=request)
        with self._wake:
            if self._status.phase != "ready":
                job.future.set_result(None)
                return job.future
            replaced = self._waiting.get(session)
            self._waiting[session] = job  # keeps the session's turn
            self._wake.notify()
        if replaced is not None:
            replaced.drop()
        return job.future

    def answer(self, instruction: Instruction, token: CancelToken, on_step: OnStep) -> Future[Completion | None]:
        """Queue `instruction`; `on_step` hears each step.

        The future yields None when there is no model (yet), when another is loaded meanwhile, or when it was cancelled.
        """
        job = AnswerJob(token, on_step, instruction=instruction)
        with self._wake:
            if self._status.phase != "ready":
                job.future.set_result(None)
                return job.future
            self._answers.append(job)
            self._wake.notify()
        return job.future

    def submit_idle(
        self, request: Request, token: CancelToken, session: Hashable = None, *, completes: bool
    ) -> Future[Completion | None]:
        """Prepare for `request`, and compute its completion if it `completes`, while there is nothing else to do.

        The future yields None where anything else came in between: another idle request of the session, a real one of
        any, a cancel. It never fails: nobody waits for it.
        """
        job = IdleJob(token, request=request, completes=completes)
        with self._wake:
            if self._status.phase != "ready":
                job.future.set_result(None)
                return job.future
            if (replaced := self._idle.pop(session, None)) is not None:
                self._aside.append(replaced)  # closed by the thread that runs it
            self._idle[session] = job
            self._wake.notify()
        return job.future

    def _take_waiting(self) -> list[CompletionJob]:
        """Empty the queue; the caller holds the lock and answers what it gets after letting it go."""
        waiting, self._waiting = list(self._waiting.values()), OrderedDict()
        return waiting

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._loader is not None or self._waiting or self._answers or self._idle)
                loader, self._loader = self._loader, None
                job = None if loader or not self._waiting else self._waiting.popitem(last=False)[1]
                answer = None if loader or job or not self._answers else self._answers.popleft()
                if loader or job:
                    self._aside += self._idle.values()
                    self._idle.clear()
                idle = None if answer or not self._idle else self._idle.popitem(last=False)
                aside, self._aside = self._aside, []
            for one in aside:  # before anything else touches the caches that they were working in
                one.drop()
            if loader is not None:
                self._load(loader)
            elif job is not None:
                while job.advance(self._engine):
                    pass
            elif answer is not None and answer.advance(self._engine):
                with self._wake:
                    self._answers.append(answer)
            elif idle is not None and idle[1].advance(self._engine):
                self._put_back(*idle)

    def _put_back(self, session: Hashable, job: IdleJob) -> None:
        """Go on with an idle job first, unless its session has asked for another meanwhile."""
        with self._wake:
            if session in self._idle:
                self._aside.append(job)
            else:
                self._idle[session] = job
                self._idle.move_to_end(session, last=False)

    def _load(self, loader: EngineLoader) -> None:
        with self._wake:
            answers, self._answers = self._answers, deque()
        for answer in answers:
            answer.drop()
        self._engine = None  # frees the old weights before the new ones are read
        try:
            engine = loader(lambda message: self._set_status(Status("loading", message)))
        except FimdError as error:
            self._set_status(Status("failed", str(error)))
        except BaseException as error:  # a panic in tokenizers is no Exception, and this thread must outlive it
            log.exception("loading the model failed")
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            self._set_status(Status("failed", f"the model could not be loaded ({reason}); see the log"))
        else:
            self._engine = engine
            message = f"{engine.name} is ready"
            traits = engine.follows_instructions, engine.reads_other_files
            self._set_status(Status("ready", message, engine.notes, engine.notices, *traits))

    def _set_status(self, status: Status) -> None:
        with self._wake:
            # A load that was overtaken by another may not announce its end.
            if self._loader is not None and status.phase != "loading":
                return
            self._status = status
            for listener in tuple(self._listeners):
                try:
                    listener(status)
                except Exception:
                    log.exception("a status listener failed")
