"""Pages that are read again, as the list of jobs tells of them. No widgets here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nemo_docs.library.events import FileFailed
from nemo_docs.library.records import PageStatus
from nemo_docs.plain import counted, duration
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled
from nemo_docs.tui.jobs.work import WORTH_TELLING_S

if TYPE_CHECKING:
    from nemo_docs.library.redo import PageRedone


class Redoing:
    """Pages of a document on their way through another extractor.

    Args:
        desk: Does it.
        handle: Of the document.
        title: Of the document; hostile text.
        pages: Their numbers.
        extractor: With what; None leaves the choice to the reader.
        password: For an encrypted file.
    """

    failures: list[FileFailed]
    """Always empty: a page that could not be read says so in its row of the ledger."""

    def __init__(
        self,
        desk: Desk,
        handle: str,
        title: str,
        pages: Sequence[int],
        extractor: str | None,
        password: str | None = None,
    ) -> None:
        self.failures = []
        self.handle, self.document, self.pages, self.extractor = handle, title, tuple(pages), extractor
        self._desk, self._password = desk, password
        what = f"page {pages[0]:,}" if len(pages) == 1 else counted(len(pages), "page")
        self.title = f"Reading {what} of {title} again"
        self._done = self._new = self._kept = self._unread = 0
        self._first: tuple[float, int] | None = None  # time and number of the first page that came
        self._last: PageRedone | None = None

    def with_password(self, password: str) -> Redoing:
        """The same, tried again with a password."""
        return Redoing(self._desk, self.handle, self.document, self.pages, self.extractor, password)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return self._done / max(1, len(self.pages))

    def events(self, cancelled: Cancelled) -> Iterator[object]:
        """Read them."""
        yield from self._desk.redo(self.handle, self.pages, self.extractor, cancelled, password=self._password)

    def take(self, event: object, now: float) -> None:
        """Take in a page that has been read again."""
        from nemo_docs.library.redo import PageRedone

        assert isinstance(event, PageRedone)
        self._done, self._last = event.position, event
        self._first = self._first or (now, event.position)
        self._new += event.is_changed
        self._kept += event.is_kept
        self._unread += event.status in (PageStatus.ERROR, PageStatus.TIMEOUT)

    def detail(self, now: float) -> str:
        """Pages, speed and time left."""
        if self._first is None:
            return "opening"
        told = [f"{self._done:,} of {counted(len(self.pages), 'page')}"]
        seconds, done = now - self._first[0], self._done - self._first[1]
        if seconds >= WORTH_TELLING_S and done:
            told.append(f"{done / seconds:.0f} a second" if done > seconds else f"{seconds / done:.0f} s a page")
            told.append(f"{duration(seconds / done * (len(self.pages) - self._done))} left")
        return " · ".join(told)

    def result(self) -> str:
        """What came of it; of one page, why."""
        if self._done == 1 and self._last is not None:
            if self._last.note and (self._last.is_kept or not self._last.characters):
                return f"{'it stays as it was: ' if self._last.is_kept else ''}{self._last.note}"
            text = "another text" if self._last.is_changed else "the same text"
            return f"{text}, {counted(self._last.characters, 'character')}, read by {self._last.extractor}"
        same = self._done - self._new - self._kept
        told = [f"{self._new:,} with another text"] * bool(self._new)
        told += [f"{same:,} with the same"] * bool(same)
        told += [f"{self._kept:,} stay as they were"] * bool(self._kept)
        told += [f"{self._unread:,} could not be read"] * bool(self._unread)
        return ", ".join(told) or "nothing was read"
