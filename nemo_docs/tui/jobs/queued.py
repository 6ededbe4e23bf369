"""A batch of the reading queue as the list of jobs tells of it: which document, how far, how long still.

The queue in the library says what is left of the batch; the events of reading say how far that is. No widgets here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from nemo_docs.answering.events import Progress, Warn
from nemo_docs.answering.queue_events import DocumentRead, QueueEvent, ReadingBegan, Waiting
from nemo_docs.library.events import FileFailed
from nemo_docs.library.reading_queue import QueuedDocument, QueueState
from nemo_docs.plain import counted, duration
from nemo_docs.tui.cells import short_number
from nemo_docs.tui.jobs.job import Cancelled


class Reading:
    """Documents on their way through the model, asked for in one act.

    Args:
        items: As they stand in the queue.
    """

    failures: list[FileFailed]
    """Always empty: what could not be read stands in the queue with its reason."""

    def __init__(self, items: Sequence[QueuedDocument]) -> None:
        self.failures = []
        self.items = tuple(items)
        """What is left of them in the queue."""
        self.title = f"Reading {items[0].title if len(items) == 1 else counted(len(items), 'document')}"
        self._is_many = len(items) > 1
        self._done, self._tokens = 0, 0
        self._said, self._share, self._warning = "", 0.0, ""

    def events(self, cancelled: Cancelled) -> Iterator[object]:
        """Nothing: one reader works for all batches."""
        yield from ()

    def wait(self) -> None:
        """Others are read, or nobody reads."""
        self._said, self._share = "", 0.0

    def follow(self, items: Sequence[QueuedDocument]) -> None:
        """Take in how they stand in the queue now."""
        self.items = tuple(items)

    @property
    def is_read(self) -> bool:
        """Whether some have been read here, and none is left."""
        return self._done > 0 and not self.items

    @property
    def reasons(self) -> list[str]:
        """Why some could not be read."""
        failed = [item for item in self.items if item.state is QueueState.FAILED]
        return [f"{item.title}: {item.reason}" if self._is_many else item.reason for item in failed]

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1; documents count alike, and so do their windows."""
        return (self._done + self._share) / max(1, self._done + len(self.items))

    def take(self, event: object, now: float) -> None:
        """Take in an event of reading that is about these."""
        match event:
            case ReadingBegan():
                self._share, self._said = 0.0, "counting tokens"
            case Waiting():
                self._said = "waiting for the answer" if event.reason == "question" else "another nemo-docs is reading"
            case Progress(stage="loading"):
                self._said = "loading the model"
            case Progress(stage="reading"):
                self._share = (event.window - 1 + event.tokens / max(1, event.tokens_total)) / max(1, event.windows)
                self._said = self._progress(event)
            case Warn():
                self._warning = f"; {event.message[0].lower()}{event.message[1:]}"
            case DocumentRead():
                self._done += event.document.count(",") + 1
                self._share, self._tokens = 0.0, self._tokens + event.tokens

    def _progress(self, event: Progress) -> str:
        number, of = self._done + 1, max(1, self._done + len(self.items))
        told = [f"document {number:,} of {of:,}"] if self._is_many else []
        told += [f"window {event.window:,} of {event.windows:,}"] if event.windows > 1 else []
        told.append(f"{short_number(event.tokens)} of {short_number(event.tokens_total)} tokens")
        if event.seconds_left is not None:
            told.append(f"{duration(event.seconds_left)} left")
        return " · ".join(told)

    def detail(self, now: float) -> str:
        """Document, window, tokens and time left."""
        return self._said or "waiting for its turn"

    def result(self) -> str:
        """What came of it."""
        return f"{short_number(self._tokens)} tokens are read: questions about them start at once{self._warning}"


def calm(events: Iterator[QueueEvent], interval_s: float) -> Iterator[QueueEvent]:
    """The same events, but of progress only one in so many seconds."""
    told = 0.0
    for event in events:
        if isinstance(event, Progress) and event.stage == "reading" and event.tokens < event.tokens_total:
            if time.monotonic() - told < interval_s:
                continue
            told = time.monotonic()
        yield event
