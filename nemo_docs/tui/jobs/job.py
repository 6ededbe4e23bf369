"""Long work beside the interface: a thread that iterates events and posts them to the widget that wants them.

Answering, adding, reading, fitting are all generators of events; this is the one way in which the app runs them. A
thread is a daemon, so that quitting never waits; whatever it writes is committed page by page. Textual's own thread
workers share an executor of a few threads that the interpreter waits for at its end: several ingests would fill it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from time import monotonic
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from textual._context import NoActiveAppError  # Textual shows it nowhere else
from textual.message import Message
from textual.message_pump import MessagePump

from nemo_docs import crash
from nemo_docs.errors import NemoDocsError

Event = TypeVar("Event")
Cancelled = Callable[[], bool]


class Job(Generic[Event]):
    """One piece of work.

    Args:
        owner: Is posted `JobEvent` for every event and `JobEnded` at the end.
        name: What the work is, for people; hostile text is allowed.
        events: Makes the events; is handed the question whether they are still wanted.
    """

    def __init__(self, owner: MessagePump, name: str, events: Callable[[Cancelled], Iterable[Event]]) -> None:
        self.name = name
        self._owner, self._events = owner, events
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"job {name}", daemon=True)
        self._ended = False

    def start(self) -> Job[Event]:
        """Begin, and return the job."""
        _STARTED.add(self)
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Ask it to stop; it ends with a `JobEnded` all the same."""
        self._cancel.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancel.is_set()

    @property
    def is_running(self) -> bool:
        """Whether it may still post events."""
        return not self._ended

    def join(self, wait_s: float) -> None:
        """Wait for its end, at most so many seconds; never on the event loop."""
        self._thread.join(wait_s)

    def _run(self) -> None:
        error: NemoDocsError | None = None
        try:
            with closing(_closable(self._events(self._cancel.is_set))) as events:
                for event in events:
                    self._post(JobEvent(self, event))
        except NemoDocsError as expected:
            error = expected
        except Exception as unexpected:  # a thread's traceback would be drawn over the screen
            message, hint = crash.record(unexpected)
            error = NemoDocsError(message, hint=hint)
        finally:
            self._ended = True
        self._post(JobEnded(self, error))

    def _post(self, message: Message) -> None:
        with suppress(NoActiveAppError):  # the owner was taken off the screen: nobody wants to know any more
            self._owner.post_message(message)


_STARTED: WeakSet[Job[Any]] = WeakSet()


def cancel_all() -> None:
    """Ask every job of this process to stop, and wait for none: the app is leaving."""
    for job in [*_STARTED]:
        job.cancel()


def any_running(wait_s: float) -> bool:
    """Whether a job is still running after at most so many seconds."""
    end = monotonic() + wait_s
    for job in [*_STARTED]:
        job.join(max(0.0, end - monotonic()))
    return any(job.is_running for job in [*_STARTED])


def _closable(events: Iterable[Event]) -> Generator[Event, None, None]:
    yield from events


class JobEvent(Message, bubble=False):
    """A job has something to tell its owner."""

    def __init__(self, job: Job[Any], event: object) -> None:
        super().__init__()
        self.job, self.event = job, event


class JobEnded(Message, bubble=False):
    """A job is over: done, stopped, or failed with an error."""

    def __init__(self, job: Job[Any], error: NemoDocsError | None) -> None:
        super().__init__()
        self.job, self.error = job, error
