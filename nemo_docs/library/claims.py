"""The queue of files as one who works on it sees it: claim a file, hold its bytes, settle it.

A claim is a row with the runner's name, good while the runner lives. Bytes are held, too, so that two files with the
same content are never read at once, by whichever process: the second finds the first one's document.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nemo_docs.errors import NemoDocsError
from nemo_docs.library.adding_queue import QueuedFile, queued_file
from nemo_docs.library.connection import connect_to_write, database_errors, path_to_column, transaction
from nemo_docs.library.runners import Runner, gone


class Claims:
    """What one runner has claimed. Close it to give up what is left.

    Args:
        library: The database.
        runner: Who claims; must hold its lock for as long as this lives.

    Raises:
        LibraryError: If the library cannot be written; so do all methods.
    """

    def __init__(self, library: Path, runner: Runner) -> None:
        self._path, self._name = library, runner.name
        self._connection = connect_to_write(library)

    def take(self, path: str) -> QueuedFile | None:
        """Claim a file; None if it does not wait, or somebody who lives has claimed it."""
        with self._transaction() as execute:
            row = execute("SELECT * FROM adding_queue WHERE path = ?", (path_to_column(path),)).fetchone()
            if row is None or row["state"] != "waiting" or self._is_at_work(row["runner"]):
                return None
            execute("UPDATE adding_queue SET runner = ?, sha256 = '' WHERE id = ?", (self._name, row["id"]))
        return queued_file(row, is_running=True)

    def look(self, path: str) -> QueuedFile | None:
        """How a file stands in the queue; None if it is no longer there."""
        with database_errors(self._path):
            row = self._connection.execute(
                "SELECT * FROM adding_queue WHERE path = ?", (path_to_column(path),)
            ).fetchone()
        return None if row is None else queued_file(row, is_running=self._is_at_work(row["runner"]))

    def is_claimed(self, path: str) -> bool:
        """Whether somebody who lives, whoever it is, has claimed a file."""
        with database_errors(self._path):
            row = self._connection.execute(
                "SELECT runner FROM adding_queue WHERE path = ?", (path_to_column(path),)
            ).fetchone()
        return row is not None and (row["runner"] == self._name or self._is_at_work(row["runner"]))

    def are_held(self, sha256: str) -> bool:
        """Whether a claim, of whomever, holds these bytes."""
        with database_errors(self._path):
            rows = self._connection.execute(
                "SELECT runner FROM adding_queue WHERE sha256 = ? AND runner <> ''", (sha256,)
            ).fetchall()
        return any(row["runner"] == self._name or self._is_at_work(row["runner"]) for row in rows)

    def hold_bytes(self, path: str, sha256: str) -> bool:
        """Hold the content of a file that is claimed; False if another claim, of whomever, holds the same."""
        with self._transaction() as execute:
            others = execute(
                "SELECT runner FROM adding_queue WHERE sha256 = ? AND runner <> '' AND path <> ?",
                (sha256, path_to_column(path)),
            ).fetchall()
            if any(row["runner"] == self._name or self._is_at_work(row["runner"]) for row in others):
                return False
            execute(
                "UPDATE adding_queue SET sha256 = ? WHERE path = ? AND runner = ?",
                (sha256, path_to_column(path), self._name),
            )
        return True

    def done(self, path: str) -> None:
        """The file is in the library: it leaves the queue."""
        with self._transaction() as execute:
            execute("DELETE FROM adding_queue WHERE path = ? AND runner = ?", (path_to_column(path), self._name))

    def fail(self, path: str, error: NemoDocsError, handle: str) -> None:
        """The file could not be added: it stays as a dead letter, unless somebody has let it go meanwhile."""
        with self._transaction() as execute:
            execute(
                """UPDATE adding_queue SET state = 'failed', kind = ?, reason = ?, hint = ?, handle = ?,
                       tries = tries + 1, runner = '', sha256 = '' WHERE path = ? AND runner = ?""",
                (type(error).__name__, error.message, error.hint, handle, path_to_column(path), self._name),
            )

    def give_up(self, path: str) -> None:
        """Let others have a file; it is as it was before it was claimed, or as somebody has changed it meanwhile."""
        with self._transaction() as execute:
            execute(
                "UPDATE adding_queue SET runner = '', sha256 = '' WHERE path = ? AND runner = ?",
                (path_to_column(path), self._name),
            )

    def unwanted(self, paths: Iterable[str]) -> list[str]:
        """Those of some claimed files that somebody has paused or taken out of the queue meanwhile."""
        with database_errors(self._path):
            rows = self._connection.execute(
                "SELECT path FROM adding_queue WHERE runner = ? AND state = 'waiting'", (self._name,)
            ).fetchall()
        wanted = {os.fsdecode(row["path"]) for row in rows}
        return [path for path in paths if path not in wanted]

    def close(self) -> None:
        """Give up all that is left."""
        try:
            with self._transaction() as execute:
                execute("UPDATE adding_queue SET runner = '', sha256 = '' WHERE runner = ?", (self._name,))
        finally:
            self._connection.close()

    def _is_at_work(self, runner: str) -> bool:
        return runner not in ("", self._name) and not gone(self._path, (runner,))

    def _transaction(self) -> AbstractContextManager[Callable[..., Any]]:
        return transaction(self._connection, self._path)
