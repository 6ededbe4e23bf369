"""Whose turn it is: requests of several clients, one model, one thread.

Every request under way gets a slice of time after the other, so a short question is not stuck behind a long document
that somebody else reads. One that only reads a prompt ahead goes on while nobody waits for an answer. Requests begin in
the order in which they came: one that must wait for memory, or for another model, is not overtaken for ever. Another
model is loaded only when nothing runs on the one that is there.
"""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from nemo_docs import crash
from nemo_docs.engine.exhaustion import empty_device_caches, is_exhaustion, let_go, ran_out
from nemo_docs.engine.in_process import InProcessEngine
from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.process.wire import Done, FromEngine, Happened, Layers, Refused
from nemo_docs.engine.protocol import BatchRequest, EngineEvent, Finished, Request, ScoreRequest
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.errors import EngineStopped, NemoDocsError

SLICE_S = 0.1
"""How long a request goes on before the next one has its turn; never less than one chunk or token."""


@dataclass(eq=False)
class Job:
    """One request of one client."""

    spec: ModelSpec
    request: Request | ScoreRequest | BatchRequest | None
    """None only loads the model."""
    tell: Callable[[FromEngine], None]
    """Hands a message to the client; never blocks."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    events: Iterator[EngineEvent] | None = None
    """Of the engine, once it has begun."""

    @property
    def reads_ahead(self) -> bool:
        """Whether a prompt is only read, for questions to come: nobody waits for an answer."""
        return isinstance(self.request, Request) and not self.request.steps


class Turns:
    """The queue and the model. `add`, `cancel` and the questions are for any thread, `take` for one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: deque[Job] = deque()
        self._current: Job | None = None
        self._forgetting: deque[tuple[Set[str], Callable[[], None]]] = deque()
        self._spec: ModelSpec | None = None
        self._engine: InProcessEngine | None = None
        self.last_work = monotonic()
        """When something was last asked for or done."""

    @property
    def model(self) -> tuple[ModelSpec, InProcessEngine] | None:
        """The loaded model."""
        spec, engine = self._spec, self._engine
        return None if spec is None or engine is None or engine.loaded is None else (spec, engine)

    def counts(self) -> tuple[int, int]:
        """Requests under way, and requests that wait."""
        with self._changed:
            return len(self._running) + (self._current is not None), len(self._waiting)

    def add(self, job: Job) -> None:
        """Put a request at the end of the queue."""
        with self._changed:
            self._waiting.append(job)
            self.last_work = monotonic()
            self._changed.notify_all()

    def cancel(self, job: Job) -> None:
        """A request is no longer wanted; it ends within a token or a layer."""
        job.cancelled.set()
        self.wake()

    def forget(self, labels: Set[str], done: Callable[[], None]) -> None:
        """Let go of what holds one of these texts, before the next turn; `done` is called behind that."""
        with self._changed:
            self._forgetting.append((labels, done))
            self._changed.notify_all()

    def wake(self) -> None:
        """Let `take` look up."""
        with self._changed:
            self._changed.notify_all()

    def stop(self, error: EngineStopped) -> None:
        """Refuse everything that waits or runs."""
        with self._changed:
            jobs = [*filter(None, [self._current]), *self._running, *self._waiting]
            self._running.clear()
            self._waiting.clear()
        for job in jobs:
            job.cancelled.set()
            _refuse(job, error)

    def take(self, timeout_s: float) -> None:
        """Give one request its turn; wait that long for one if there is none."""
        with self._changed:
            if not self._running and not self._waiting and not self._forgetting:
                self._changed.wait(timeout_s)
            forgetting = [*self._forgetting]
            self._forgetting.clear()
            job = self._current = self._next()
        for labels, done in forgetting:
            if self._engine is not None and self._engine.loaded is not None:
                self._engine.loaded.forget(labels)
            done()
        if job is None:
            return
        try:
            is_over = self._turn(job)
        except NemoDocsError as error:
            _refuse(job, error)
            is_over = True
        except Exception as error:  # one request must not end the others
            _refuse(job, _told(error))
            is_over = True
        with self._changed:
            self.last_work = monotonic()
            self._current = None
            if not is_over:
                self._running.append(job)

    def _next(self) -> Job | None:
        """The request whose turn it is, taken out of the queues. A new one comes before those that run already."""
        for job in self._waiting:
            if job.cancelled.is_set():
                self._waiting.remove(job)
                return job
        if self._waiting and self._can_begin(self._waiting[0]):
            return self._waiting.popleft()
        if not self._running:
            return None
        job = next((job for job in self._running if not job.reads_ahead), self._running[0])
        self._running.remove(job)
        return job

    def _can_begin(self, job: Job) -> bool:
        if not self._running:
            return True
        if self._spec is None or self._engine is None or not self._spec.serves(job.spec):
            return False
        engine = self._engine.loaded
        return engine is not None and (job.request is None or engine.can_begin(job.request))

    def _turn(self, job: Job) -> bool:
        """Carry a request on for a slice of time; return whether it is over."""
        if job.events is None:
            job.events = self._begin(job)
        until = monotonic() + SLICE_S
        for event in job.events:
            job.tell(Happened(event))
            if monotonic() >= until and not isinstance(event, Finished):
                return False
        job.tell(Done())
        return True

    def _begin(self, job: Job) -> Iterator[EngineEvent]:
        unwanted = iter([Finished("cancelled", 0, 0, 0, 0.0, 0.0)] if job.request else [])
        if job.cancelled.is_set():
            return unwanted
        engine = self._engine
        if engine is None or self._spec is None or not self._spec.serves(job.spec):
            self._unload()
            engine = InProcessEngine(partial(load_engine, job.spec), partial(self._tell_layers, job))
            self._spec, self._engine = job.spec, engine
        engine.load(job.cancelled.is_set)
        if job.request is None:
            return iter(())
        if engine.loaded is None:
            return unwanted
        return engine.loaded.run(job.request, job.cancelled.is_set)  # not of `engine`, which lets one in at a time

    def _tell_layers(self, job: Job, done: int, of: int) -> None:
        with self._changed:
            jobs = [job, *self._waiting]
        for each in jobs:
            each.tell(Layers(done, of))

    def end(self) -> None:
        """Nothing more is asked: wait until what was read is saved."""
        if self._engine is not None and self._engine.loaded is not None:
            self._engine.loaded.flush()

    def _unload(self) -> None:
        if self._engine is None:
            return
        self.end()
        self._spec = self._engine = None
        gc.collect()
        empty_device_caches()


def _refuse(job: Job, error: NemoDocsError) -> None:
    job.tell(Refused(type(error).__name__, error.message, error.hint))


def _told(error: Exception) -> NemoDocsError:
    """What a user is told of an error that nobody foresaw, or of memory that ran out outside the model."""
    if is_exhaustion(error):
        let_go(error)
        return ran_out("at work")
    message, hint = crash.record(error)
    return NemoDocsError(message, hint=hint)
