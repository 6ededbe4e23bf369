"""Giving passages their vectors, page by page, while other things go on.

It is slow: 5 to 20 passages a second and core, one to three minutes for a hundred thousand tokens. So adding a document
ends when its words are indexed, and this follows: in the app while it is open, else with `nemo-docs index`. It may be
ended at any moment, a page is the most that is lost; whoever begins again goes on. One program does it at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.library.connection import connect_to_write, database_errors, is_file, transaction
from nemo_docs.library.meaning import model, storing
from nemo_docs.library.meaning.embedder import Embedder
from nemo_docs.library.meaning.storing import Pending
from nemo_docs.library.turns import is_taken, turn
from nemo_docs.paths import private_folder

if TYPE_CHECKING:
    import sqlite3


_PAGES_AT_ONCE = 16
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class MeaningWaits:
    """Another program indexes by meaning; this one goes on when that ends."""


@dataclass(frozen=True, slots=True)
class MeaningIndexed:
    """A page can be found by meaning.

    Attributes:
        pages: Pages with vectors, of the whole library.
        pages_total: Pages with text.
        seconds_left: At the speed up to now.
    """

    pages: int
    pages_total: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class MeaningDone:
    """Nothing waits any more, or the work was stopped.

    Attributes:
        pages: How many pages were done now.
        passages: Passages on them that were worth a vector.
        seconds: How long it took.
        pages_left: Pages that still lack vectors.
    """

    pages: int
    passages: int
    seconds: float
    pages_left: int


MeaningEvent = MeaningWaits | MeaningIndexed | MeaningDone
"""What indexing by meaning tells."""


def _never() -> bool:
    return False


def index(
    library: Path,
    *,
    state: Path,
    threads: int = 0,
    cancelled: Callable[[], bool] = _never,
    held: Callable[[], bool] = _never,
) -> Iterator[MeaningEvent]:
    """Give every passage that lacks one its vector, those that are added meanwhile, too.

    Args:
        library: The database; need not exist.
        state: The folder of state, where the lock is.
        threads: How many to use; 0 lets OpenMP decide.
        cancelled: Asked several times a second; once it says True the work ends, and what was committed stays.
        held: Asked before each page; while it says True the work rests.

    Raises:
        WeightsMissing: If the model is not on this machine.
        ModelError: If it cannot be used.
        LibraryError: If the library cannot be written.
    """
    model.require()
    if not is_file(library):
        yield MeaningDone(0, 0, 0.0, 0)
        return
    lock = turn(private_folder(state) / "meaning.lock")
    try:
        is_told = False
        while not is_taken(lock) and not cancelled():
            if not is_told:
                yield MeaningWaits()
            is_told = True
            time.sleep(_LOOK_S)
        with closing(connect_to_write(library)) as connection:
            work = _Work(connection, library)
            if lock.is_locked:
                yield from work.events(threads, cancelled, held)
            yield work.done()
    finally:
        lock.release()


class _Work:
    """What is done from one call to its end."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._began = time.monotonic()
        self._pages = self._passages = 0
        self._before, self._total = self._counts()

    def events(self, threads: int, cancelled: Callable[[], bool], held: Callable[[], bool]) -> Iterator[MeaningEvent]:
        """Work it off, page by page."""
        if not self._pending(0):
            return
        with Embedder(threads=threads, in_background=True) as embedder:
            after = 0
            while pages := self._pending(after) or self._pending(0):
                for page in pages:
                    while held() and not cancelled():
                        time.sleep(_LOOK_S)
                    vectors = embedder.passages(page.contents, cancelled) if page.contents else b""
                    if vectors is None or cancelled():
                        return
                    with transaction(self._connection, self._path) as execute:
                        storing.keep(execute, page, vectors)
                    after = page.text
                    yield self._told(page)
                self._total = self._counts()[1]

    def done(self) -> MeaningDone:
        """What came of it."""
        pages, total = self._counts()
        return MeaningDone(self._pages, self._passages, round(time.monotonic() - self._began, 3), total - pages)

    def _told(self, page: Pending) -> MeaningIndexed:
        self._pages += 1
        self._passages += len(page.passages)
        done = self._before + self._pages
        left = max(0, self._total - done) * (time.monotonic() - self._began) / self._pages
        return MeaningIndexed(done, max(done, self._total), round(left, 1))

    def _counts(self) -> tuple[int, int]:
        """Pages with vectors, and with text."""
        shares = storing.shares(self._rows).values()
        return sum(share.pages for share in shares), sum(share.of for share in shares)

    def _pending(self, after: int) -> list[Pending]:
        return storing.pending(self._rows, after, _PAGES_AT_ONCE)

    def _rows(self, sql: str, values: Any = ()) -> list[sqlite3.Row]:
        with database_errors(self._path):
            return self._connection.execute(sql, values).fetchall()
