"""Documents that wait to be read through the model, in order; on disk, so that a restart or a power cut loses none.

Documents that were asked for in one act are a batch: they are shown as one, and packed into one window where windows
are packed. Being read is no state: whoever reads holds a lock, so a process that is killed leaves nothing to clean up.
A document that could not be read stays with the reason, until somebody tries it again or drops it. A document that is
removed leaves the queue in the same transaction.

Each call opens the library for itself, as with conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nemo_docs.library import tags
from nemo_docs.library.connection import connect_read_only, connect_to_write, database_errors, is_file, transaction

_SCHEMA = 3


class QueueState(StrEnum):
    """What becomes of a document in the queue."""

    WAITING = "waiting"
    """It is read when its turn comes, or is being read."""
    PAUSED = "paused"
    """It keeps its place and is passed over."""
    FAILED = "failed"
    """It could not be read, and is passed over."""


@dataclass(frozen=True, slots=True)
class QueuedDocument:
    """A document in the queue."""

    handle: str
    title: str
    batch: int
    """The act in which it was asked for; never the same for two acts."""
    state: QueueState
    reason: str
    """Why it could not be read; empty unless it failed."""
    is_whole: bool
    """Whether all its pages are in the library; before that it is passed over."""

    @property
    def is_next(self) -> bool:
        """Whether it can be read as soon as its turn comes."""
        return self.state is QueueState.WAITING and self.is_whole


class ReadingQueue:
    """The queue of a library.

    Args:
        path: The database; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> list[QueuedDocument]:
        """The documents in the order in which they are read."""
        connection = connect_read_only(self._path, schema=_SCHEMA)
        if connection is None:
            return []
        with closing(connection), database_errors(self._path):
            rows = connection.execute(
                """SELECT d.handle, d.title, q.batch, q.state, q.reason, v.status = 'complete' AS is_whole
                   FROM reading_queue q JOIN documents d ON d.id = q.document JOIN versions v ON v.id = d.version
                   ORDER BY q.position"""
            ).fetchall()
        changed = (("state", QueueState), ("is_whole", bool))
        return [QueuedDocument(**{**dict(row), **{name: kind(row[name]) for name, kind in changed}}) for row in rows]

    def add(self, handles: Sequence[str], *, first: bool = False) -> None:
        """Put documents into the queue as one batch; any that were paused or failed wait again.

        Args:
            handles: The documents, in the order in which they are to be read.
            first: Before all others, those included that are there already; else these keep their places.

        Raises:
            NothingFound: If there is no such document; none is put there then.
            LibraryError: If it cannot be written.
        """
        with self._writing() as execute:
            documents = list(dict.fromkeys(tags.document_id(execute, handle) for handle in handles))
            there = {row["document"] for row in execute("SELECT document FROM reading_queue")}
            for document in there.intersection(documents):
                if first:
                    execute("DELETE FROM reading_queue WHERE document = ?", (document,))
                else:
                    execute("UPDATE reading_queue SET state = 'waiting', reason = '' WHERE document = ?", (document,))
            new = [document for document in documents if first or document not in there]
            if not new:
                return
            (batch,) = execute(
                "UPDATE counters SET value = value + 1 WHERE name = 'batches' RETURNING value"
            ).fetchone()
            low, high = execute(
                "SELECT coalesce(min(position), 1), coalesce(max(position), 0) FROM reading_queue"
            ).fetchone()
            begin = low - len(new) if first else high + 1
            for position, document in enumerate(new, begin):
                execute(
                    "INSERT INTO reading_queue VALUES (?, ?, ?, 'waiting', '')",
                    (document, batch, position),
                )

    def pause(self, handles: Sequence[str] | None = None) -> None:
        """Let these documents, or all, wait until they are resumed.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("UPDATE reading_queue SET state = 'paused' WHERE state = 'waiting'", handles)

    def resume(self, handles: Sequence[str] | None = None) -> None:
        """Let these documents, or all, be read when their turn comes, those that failed, too.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("UPDATE reading_queue SET state = 'waiting', reason = '' WHERE state <> 'waiting'", handles)

    def remove(self, handles: Sequence[str]) -> None:
        """Take these documents out of the queue: they are read, or no longer wanted.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("DELETE FROM reading_queue WHERE true", handles)

    def clear(self) -> None:
        """Take all documents out of the queue.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("DELETE FROM reading_queue WHERE true", None)

    def fail(self, handles: Sequence[str], reason: str) -> None:
        """Keep why documents could not be read, and pass them over; those that are no longer there are nobody's.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("UPDATE reading_queue SET state = 'failed', reason = ? WHERE true", handles, reason)

    def _change(self, statement: str, handles: Sequence[str] | None, *values: str) -> None:
        """Carry out a statement that ends in its condition, for some documents or for all."""
        if not is_file(self._path):
            return
        of_these = "AND document = (SELECT id FROM documents WHERE handle = ?)"
        with self._writing() as execute:
            if handles is None:
                execute(statement, values)
            for handle in handles or ():
                execute(f"{statement} {of_these}", (*values, handle))

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., Any]]:
        with closing(connect_to_write(self._path)) as connection, transaction(connection, self._path) as execute:
            yield execute
