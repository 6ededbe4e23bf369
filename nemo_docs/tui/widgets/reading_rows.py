"""The rows of the reading queue, and the one reader that works for all of them.

What the library says decides: rows come and go with the queue, whoever changes it. While anything waits a job reads, in
the background, from the start of the app on; when nothing does it ends. If it fails, as for want of a model, it is not
begun again until the user goes on with it or changes a setting.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.message import Message

from nemo_docs.answering.queue_events import DocumentRead, NotRead, QueueEvent, ReadingBegan, ReadingStopped
from nemo_docs.errors import NemoDocsError
from nemo_docs.library.reading_queue import QueuedDocument, QueueState, ReadingQueue
from nemo_docs.plain import printable
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.jobs.queued import calm
from nemo_docs.tui.messages import LibraryChanged, SharesCounted
from nemo_docs.tui.widgets.job_row import Stage
from nemo_docs.tui.widgets.reading_row import Act, ReadingRow

if TYPE_CHECKING:
    from nemo_docs.answering.fit import Share

COALESCE_S = 0.1


@dataclass(frozen=True, slots=True)
class _QueueSeen:
    """How the queue stands; a later look has the higher number."""

    number: int
    items: tuple[QueuedDocument, ...]


@dataclass(frozen=True, slots=True)
class _SharesSeen:
    """How much of some documents is read."""

    shares: tuple[Share, ...]


class ReadingRows(Vertical, can_focus=False):
    """What is read through the model, and what waits to be.

    Args:
        desk: Does it.
    """

    DEFAULT_CSS = "ReadingRows { height: auto; }"

    class Shown(Message):
        """There is a row that was not there before."""

        def __init__(self, row: ReadingRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._items: tuple[QueuedDocument, ...] = ()
        self._acts: deque[Callable[[ReadingQueue], None]] = deque()
        self._lock = threading.Lock()
        self._looks, self._newest = 0, 0
        self._reader: Job[QueueEvent] | None = None
        self._current: ReadingRow | None = None
        """What is being read."""
        self._failure: NemoDocsError | None = None
        """Why the reader ended."""
        self._is_leaving = False

    def on_mount(self) -> None:
        """Go on with what waits since the last time."""
        self.look()

    # what others ask for

    def look(self) -> None:
        """See how the queue stands, and read what waits."""
        self._with_queue(lambda queue: None)

    def add(self, handles: Sequence[str], *, is_first: bool) -> None:
        """Put documents into the queue."""
        self._failure = None
        self._with_queue(lambda queue: queue.add(handles, first=is_first))

    def pause(self) -> None:
        """Pause all that waits."""
        self._with_queue(lambda queue: queue.pause())

    def begin_anew(self) -> None:
        """Go on as other settings say."""
        self._failure = None
        for row in self.rows:
            row.error = None
        if self._reader:
            self._reader.cancel()  # at its end the queue is looked at
        else:
            self.look()

    def leave(self) -> None:
        """The app is leaving: nothing is begun any more."""
        self._is_leaving = True

    @property
    def rows(self) -> list[ReadingRow]:
        """One for each batch of the queue, and those that have just been read."""
        return list(self.query(ReadingRow))

    def _with_queue(self, act: Callable[[ReadingQueue], None]) -> None:
        """Do something to the queue, and show how it stands then; one act after the other, as they were asked for."""

        def change(_cancelled: Cancelled) -> Iterator[_QueueSeen]:
            queue = self.desk.queue()
            with self._lock:
                self._acts.popleft()(queue)
                self._looks += 1
                seen = _QueueSeen(self._looks, tuple(queue.items()))
            yield seen

        self._acts.append(act)
        Job(self, "the reading queue", change).start()

    # what jobs bring

    def on_job_event(self, message: JobEvent) -> None:
        """Take the queue, how much is read, or how far reading is."""
        message.stop()
        match message.event:
            case _QueueSeen(number, items):
                if number > self._newest:
                    self._newest = number
                    self._show(items)
            case _SharesSeen(shares):
                self.post_message(SharesCounted(shares))
            case _ if message.job is self._reader:
                self._follow(message.event)  # type: ignore[arg-type]  # what our own reader tells

    def on_job_ended(self, message: JobEnded) -> None:
        """Look for what came meanwhile; tell why nothing can be read."""
        message.stop()
        if message.job is self._reader:
            self._reader, self._failure = None, message.error
            self._rest()
            if not self._is_leaving:
                self.post_message(LibraryChanged(is_read=True))
                self.look()
        elif message.error:
            self.notify(printable(f"{message.error.message} {message.error.hint}"), severity="error", markup=False)

    def _show(self, items: tuple[QueuedDocument, ...]) -> None:
        self._items = items
        batches: dict[int, list[QueuedDocument]] = {}
        for item in items:
            batches.setdefault(item.batch, []).append(item)
        there = {row.number: row for row in self.rows}
        for batch, documents in batches.items():
            if batch in there:
                there[batch].follow(documents)
            else:
                self._begin_row(documents)
        for batch, row in there.items():
            if batch not in batches and row is not self._current and row.stage is not Stage.DONE:
                row.follow(())
                # by the row itself: a message that a parent makes for its child goes no further than to the parent
                row.call_later(row.finish if row.work.is_read else row.dismiss)
        if any(item.is_next for item in items) and not self._is_leaving:
            self._read()

    def _begin_row(self, documents: Sequence[QueuedDocument]) -> None:
        row = ReadingRow(documents)
        self.mount(row)
        self.post_message(self.Shown(row))

    def _read(self) -> None:
        if self._failure:
            if row := self._next_row():
                row.fail(self._failure)
        elif self._reader is None:
            self._reader = Job(self, "reading", lambda no: calm(self.desk.read_queue(no), COALESCE_S)).start()

    def _follow(self, event: QueueEvent) -> None:
        """Tell the row that it is about."""
        handles = getattr(event, "document", "").split(", ")
        if isinstance(event, ReadingBegan) and self._row_of(handles[0]) is None:  # before a look has seen it
            self._begin_row(
                [QueuedDocument(each, event.title, event.batch, QueueState.WAITING, "", True) for each in handles]
            )
        row = self._row_of(handles[0]) or self._current or self._next_row()
        if row is not None:
            self._current = row
            row.take(event)
        if isinstance(event, DocumentRead | ReadingStopped | NotRead):
            self._rest()
            self._count_shares(handles)
            self.look()

    def _rest(self) -> None:
        if self._current is not None:
            self._current.rest()
        self._current = None

    def _row_of(self, handle: str) -> ReadingRow | None:
        return next((row for row in self.rows if handle in row.handles), None)

    def _next_row(self) -> ReadingRow | None:
        return next((self._row_of(item.handle) for item in self._items if item.is_next), None)

    def _count_shares(self, handles: Sequence[str]) -> None:
        def shares(cancelled: Cancelled) -> Iterator[_SharesSeen]:
            there = {document.handle for document in self.desk.documents()}
            if wanted := [handle for handle in handles if handle in there]:
                yield from map(_SharesSeen, self.desk.shares(wanted, cancelled))

        Job(self, "counting what is read", shares).start()

    # what the rows tell

    def on_reading_row_changed(self, message: ReadingRow.Changed) -> None:
        """Do to the queue what the user wants."""
        message.stop()
        row, handles = message.row, message.row.handles
        if message.act is Act.PAUSE:
            self._with_queue(lambda queue: queue.pause(handles))
        elif message.act is Act.DROP:
            self._with_queue(lambda queue: queue.remove(handles))
        else:
            self._failure = row.error = None
            self._with_queue(lambda queue: queue.resume(handles))
