"""Files that wait to be read into the library, in order; on disk, so that a restart or a power cut loses none.

A file stands here from the wish until it is in the library. One that failed stays with its reason, as a dead letter,
until somebody tries it again or lets it go. Being read is no state of its own: whoever reads puts his name on the file
and holds a lock (`runners`), so a process that is killed leaves a file that simply waits again. Files asked for in one
act are a batch, for those who show them. Passwords are never written down: a file that needs one fails until it is
added again with it.

Each call opens the library for itself, as with the reading queue. What works on the files is `claims`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from nemo_docs import errors
from nemo_docs.errors import NemoDocsError, Unreadable
from nemo_docs.library import inbox
from nemo_docs.library.connection import (
    connect_read_only,
    connect_to_write,
    database_errors,
    is_file,
    path_to_column,
    transaction,
)
from nemo_docs.library.runners import gone
from nemo_docs.library.tags import collection_name

_SCHEMA = 5


class FileState(StrEnum):
    """What becomes of a file in the queue."""

    WAITING = "waiting"
    RUNNING = "running"
    """A process is reading it now."""
    PAUSED = "paused"
    """It keeps its place and what was read of it, and is passed over."""
    FAILED = "failed"
    """A dead letter: it could not be read, and is passed over."""


@dataclass(frozen=True, slots=True)
class QueuedFile:
    """A file in the queue.

    Attributes:
        path: Absolute path; hostile text.
        batch: The act in which it was asked for; never the same for two acts.
        state: What becomes of it.
        kind: Class of the error that it failed with ("Encrypted"); empty unless it failed.
        reason: Why it failed, in one sentence; empty unless it did.
        hint: What to do about that; may be empty.
        handle: Of the document that holds what could be kept of it; empty unless it failed.
        tries: How often it has failed.
        collections: Its document will be put into these.
        queued: When it was asked for, ISO 8601, UTC.
    """

    path: str
    batch: int
    state: FileState
    kind: str
    reason: str
    hint: str
    handle: str
    tries: int
    collections: tuple[str, ...]
    queued: str

    @property
    def error(self) -> NemoDocsError:
        """Why it failed, as it was raised."""
        found = getattr(errors, self.kind, Unreadable)
        error: NemoDocsError = found(self.reason, hint=self.hint)
        return error


class AddingQueue:
    """The queue of a library.

    Args:
        path: The database; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> list[QueuedFile]:
        """The files in the order in which they are read."""
        connection = connect_read_only(self._path, schema=_SCHEMA)
        if connection is None:
            return []
        with closing(connection), database_errors(self._path):
            rows = connection.execute("SELECT * FROM adding_queue ORDER BY id").fetchall()
        ended = gone(self._path, {row["runner"] for row in rows} - {""})
        return [queued_file(row, is_running=row["runner"] not in ("", *ended)) for row in rows]

    def failed(self) -> list[QueuedFile]:
        """The dead letters."""
        return [item for item in self.items() if item.state is FileState.FAILED]

    def add(self, paths: Sequence[str], collections: Iterable[str] = ()) -> int:
        """Put files into the queue as one batch; any that were paused or failed wait again, in their place.

        Args:
            paths: Absolute paths of files, in the order in which they are to be read.
            collections: Their documents are put into these.

        Returns:
            The batch.

        Raises:
            UsageError: If a collection cannot be called that; no file is put there then.
            LibraryError: If it cannot be written.
        """
        names = ",".join(dict.fromkeys(collection_name(name) for name in collections))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._writing() as execute:
            (batch,) = execute(
                "UPDATE counters SET value = value + 1 WHERE name = 'batches' RETURNING value"
            ).fetchone()
            for path in paths:
                execute(
                    """INSERT INTO adding_queue (path, batch, state, collections, queued) VALUES (?, ?, 'waiting', ?, ?)
                       ON CONFLICT (path) DO UPDATE SET batch = excluded.batch, state = 'waiting', kind = '',
                           reason = '', hint = '', handle = '', collections = excluded.collections""",
                    (path_to_column(path), batch, names, now),
                )
        return int(batch)

    def pause(self, paths: Sequence[str] | None = None) -> None:
        """Let these files, or all, wait until they are resumed; one that is being read stops, and keeps its pages.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("UPDATE adding_queue SET state = 'paused' WHERE state = 'waiting'", paths)

    def resume(self, paths: Sequence[str] | None = None) -> None:
        """Let these files, or all, be read when their turn comes: those that were paused. Nobody reads them by that.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change("UPDATE adding_queue SET state = 'waiting' WHERE state = 'paused'", paths)

    def retry(self, paths: Sequence[str] | None = None) -> None:
        """Let these dead letters, or all, wait again. Nobody reads them by that.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._change(
            "UPDATE adding_queue SET state = 'waiting', kind = '', reason = '', hint = '', handle = ''"
            " WHERE state = 'failed'",
            paths,
        )

    def forget(self, paths: Sequence[str] | None = None) -> None:
        """Let go of these dead letters, or of all; documents that keep what could be read of them stay.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._remove("state = 'failed'", paths)

    def remove(self, paths: Sequence[str]) -> None:
        """Take these files out of the queue, in whatever state; one that is being read stops, and keeps its pages.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._remove("true", paths)

    def clear(self) -> None:
        """Take all files out of the queue.

        Raises:
            LibraryError: If it cannot be written.
        """
        self._remove("true", None)

    def _remove(self, condition: str, paths: Sequence[str] | None) -> None:
        taken = self._change(f"DELETE FROM adding_queue WHERE {condition}", paths, returning="RETURNING path")
        if not taken:
            return
        with closing(connect_to_write(self._path)) as connection, database_errors(self._path):
            kept = {os.fsdecode(row["path"]) for row in connection.execute("SELECT path FROM versions")}
        for path in taken:
            if path not in kept:
                inbox.discard(self._path, path)

    def _change(self, statement: str, paths: Sequence[str] | None, returning: str = "") -> list[str]:
        """Carry out a statement that ends in its condition, for some files or for all."""
        if not is_file(self._path):
            return []
        changed: list[Any] = []
        with self._writing() as execute:
            if paths is None:
                changed += execute(f"{statement} {returning}").fetchall()
            for path in paths or ():
                changed += execute(f"{statement} AND path = ? {returning}", (path_to_column(path),)).fetchall()
        return [os.fsdecode(row["path"]) for row in changed]

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., Any]]:
        with closing(connect_to_write(self._path)) as connection, transaction(connection, self._path) as execute:
            yield execute


def queued_file(row: sqlite3.Row, *, is_running: bool) -> QueuedFile:
    """A row of the table as it is handed out."""
    state = FileState(row["state"])
    return QueuedFile(
        path=os.fsdecode(row["path"]),
        batch=row["batch"],
        state=FileState.RUNNING if is_running and state is FileState.WAITING else state,
        kind=row["kind"],
        reason=row["reason"],
        hint=row["hint"],
        handle=row["handle"],
        tries=row["tries"],
        collections=tuple(filter(None, row["collections"].split(","))),
        queued=row["queued"],
    )
