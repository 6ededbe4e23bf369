"""Adding as the list of jobs tells of it: how far, how fast, how long still. No widgets here.

A piece of work takes its own events and knows what to say; time is handed in, so that it can be told of any moment.
Pages come by the hundred in a second, and only ten of them are let through.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from nemo_docs.library.events import FileDone, FileFailed, FileSkipped, FileStarted, FileStopped, PageDone, Totals
from nemo_docs.plain import counted, duration
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled

COALESCE_S = 0.1
WORTH_TELLING_S = 1.0
"""Before this a speed is a guess."""


class Work(Protocol):
    """Something that takes a while."""

    title: str
    """What it is about; hostile text."""
    failures: list[FileFailed]
    """What failed while the rest went on."""

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""

    def events(self, cancelled: Cancelled) -> Iterator[object]:
        """Do it."""

    def take(self, event: object, now: float) -> None:
        """Take in what it told."""

    def detail(self, now: float) -> str:
        """How far it is."""

    def result(self) -> str:
        """What came of it."""


class Adding:
    """Files on their way into the library.

    Args:
        desk: Does it.
        paths: Files and folders.
        password: For encrypted files.
        collections: Their documents are put into these.
        excludes: Patterns as in .gitignore, for what is in folders.
    """

    def __init__(
        self,
        desk: Desk,
        paths: Sequence[str],
        password: str | None = None,
        collections: Sequence[str] = (),
        excludes: Sequence[str] = (),
    ) -> None:
        self.paths, self.failures = tuple(paths), list[FileFailed]()
        self._desk, self._password = desk, password
        self.collections, self.excludes = tuple(collections), tuple(excludes)
        self.title = os.path.basename(paths[0].rstrip(os.sep)) or paths[0]
        if len(paths) > 1:
            self.title = f"{self.title} and {len(paths) - 1:,} more"
        self._whole = self.title
        self._files, self._settled = 1, 0
        self._running: dict[str, tuple[int, int]] = {}  # of each file that is being read its page and pages
        self._committed = 0
        self._began: tuple[float, float, int] | None = None  # time, share, page of the first page that came
        self._last: FileDone | FileSkipped | None = None
        self._totals = Totals()

    def again(self, paths: Sequence[str], password: str | None = None) -> Adding:
        """Some of these paths, to be tried again in the same way."""
        return Adding(self._desk, paths, password, self.collections, self.excludes)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1; files count alike."""
        begun = sum(page / max(1, pages) for page, pages in self._running.values())
        return min(1.0, (self._settled + begun) / self._files)

    def events(self, cancelled: Cancelled) -> Iterator[object]:
        """Add the files; most pages are not told of one by one."""
        told = 0.0
        added = self._desk.add(
            self.paths,
            cancelled,
            password=self._password,
            collections=self.collections,
            excludes=self.excludes,
        )
        for event in added:
            if isinstance(event, PageDone):
                self._committed += 1
                if time.monotonic() - told < COALESCE_S:
                    continue
                told = time.monotonic()
            yield event

    def take(self, event: object, now: float) -> None:
        """Take in an event of ingest; those of several files come mixed."""
        match event:
            case FileStarted():
                self._files = event.files
                self._running[event.path] = (0, 0)
            case PageDone():
                if self._files == 1:
                    self.title = event.title
                self._running[event.path] = (event.page, event.pages)
                self._began = self._began or (now, self.share, self._committed)
            case FileDone() | FileSkipped() | FileFailed() | FileStopped():
                self._settled += self._running.pop(event.path, None) is not None
                if isinstance(event, FileDone | FileSkipped):
                    self._last = event
                elif isinstance(event, FileFailed):
                    self.failures.append(event)
            case Totals():
                self._totals = event
                self.title = self._whole if self._files > 1 else self.title

    @property
    def left(self) -> str:
        """What is lost to it if it ends now; empty for one file, which goes on by itself once it has begun."""
        if self._files > 1:
            return f"{self._whole} ({self._settled:,} of {self._files:,} files)"
        return self._whole if not any(pages for _, pages in self._running.values()) else ""

    def detail(self, now: float) -> str:
        """Files, pages, speed and time left."""
        told = [f"{self._settled:,} of {self._files:,} files"] if self._files > 1 else []
        begun = [each for each in self._running.values() if each[1]]
        if len(begun) == 1:
            told.append(f"page {begun[0][0]:,} of {begun[0][1]:,}")
        elif self._committed:
            told.append(counted(self._committed, "page"))
        if self._began is not None and now - self._began[0] >= WORTH_TELLING_S:
            seconds, done = now - self._began[0], self.share - self._began[1]
            told.append(f"{(self._committed - self._began[2]) / seconds:.0f} a second")
            if done > 0:
                told.append(f"{duration(seconds * (1 - self.share) / done)} left")
        return " · ".join(told) or "opening"

    @property
    def has_left_alone(self) -> bool:
        """Whether there were files that nobody here can read."""
        return self._totals.unsupported > 0

    @property
    def added(self) -> str:
        """What became of the files that did not fail; empty where there was one file, or none is known of."""
        return self.result() if self._files > 1 and self._totals != Totals(failed=self._totals.failed) else ""

    def result(self) -> str:
        """What is in the library now."""
        if self._files == 1 and isinstance(self._last, FileDone) and not self.has_left_alone:
            empty = self._last.pages_without_text
            return f"{counted(self._last.pages, 'page')}{f', {empty:,} without text' if empty else ''}"
        if self._files == 1 and isinstance(self._last, FileSkipped) and not self.has_left_alone:
            return f"is in the library already, as {self._last.handle}"
        totals = self._totals
        told = [f"{totals.added:,} added"] * bool(totals.added) + [f"{totals.already:,} there already"] * bool(
            totals.already
        )
        told += [f"{totals.stopped:,} paused or removed elsewhere"] * bool(totals.stopped)
        told += [f"{totals.unsupported:,} of no readable kind"] * bool(totals.unsupported)
        told += [f"{totals.excluded:,} left out"] * bool(totals.excluded)
        told += [f"{counted(totals.linked, 'link')} not followed"] * bool(totals.linked)
        return ", ".join(told) or "nothing was added"
