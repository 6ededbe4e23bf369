"""The library's file: whether it is one of ours, how it is opened to be read and written, and what its errors mean.

Shared by the side that reads and the sides that write, with the standard library's sqlite3 alone; only a schema that is
not the newest takes sqlite-utils.

SQLite in WAL mode: other processes read while one writes, two writers wait for each other, and a process that is killed
loses nothing that was committed. `synchronous` is normal: a power cut may cost the last transactions, never the file
as a whole. Deleted content is overwritten (`secure_delete`).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nemo_docs.errors import LibraryError

SCHEMA_VERSION = 7
"""The newest schema that this program knows; the number of migrations."""
BUSY_TIMEOUT_S = 30.0
"""How long one program waits for another that writes."""
_making_the_file = threading.Lock()


def connect_read_only(path: Path, *, schema: int = 1) -> sqlite3.Connection | None:
    """A read-only connection, or None if the file holds no library yet.

    Args:
        path: The database; need not exist.
        schema: What the caller wants to read came with this one; an earlier one counts as no library yet.

    Raises:
        LibraryError: If the file is not a library, or belongs to a newer program.
    """
    if not is_file(path):
        return None
    # Reading a WAL database takes files beside it. Where they can neither be found nor made (a disk mounted to be read,
    # a library of somebody else's) nothing else may be writing either: then the file alone is read.
    alone = not os.path.exists(f"{path}-wal") and not os.access(path.parent, os.W_OK)
    with database_errors(path):
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?{'immutable=1' if alone else 'mode=ro'}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
        )
        connection.row_factory = sqlite3.Row
        try:
            if check_schema(connection, path) < schema:
                connection.close()
                return None
        except BaseException:
            connection.close()
            raise
        return connection


def connect_to_write(path: Path) -> sqlite3.Connection:
    """A connection to write with; makes the file, and its folder, if need be, and brings its schema up to date.

    Raises:
        LibraryError: If it is not a library, belongs to a newer program, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # On POSIX, closing a file drops every lock that this process has on it, those of SQLite's other connections
        # too: then another process deletes the log under them. So only a file that is not there yet is opened here.
        with _making_the_file:
            if not is_file(path):
                with suppress(FileExistsError):  # another process was faster
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise LibraryError(
            f"The library {path} cannot be opened: {error.strerror}.",
            hint="Check the folder's permissions, or point NEMO_DOCS_HOME at another one.",
        ) from error
    with database_errors(path):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if (schema := check_schema(connection, path)) == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    if schema < SCHEMA_VERSION:
        from sqlite_utils import Database

        from nemo_docs.library.migrations import migrations

        database = Database(connection)
        with transaction(connection, path):  # a second process that opens a new library waits here, then finds it made
            migrations.apply(database)


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[Callable[..., Any]]:
    """All or nothing. Takes the write lock at once, so that nobody's reading goes stale before his writing.

    Yields:
        The connection's `execute`.
    """
    with database_errors(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection.execute
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def is_file(path: Path) -> bool:
    """Whether the library's file is there. A pipe in its place would be waited on for ever, so it is refused.

    Raises:
        LibraryError: If something else is there, or the folder does not let itself be looked into.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LibraryError(
            f"The library {path} cannot be read: {error.strerror}.",
            hint="Check the folder's permissions, or point NEMO_DOCS_HOME at another one.",
        ) from error
    if not stat.S_ISREG(mode):
        raise LibraryError(f"The library {path} is not a regular file.", hint="Move what is there away.")
    return True


def check_schema(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of a database, 0 if it is empty.

    Raises:
        LibraryError: If it is a database of something else, or of a newer program.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version > SCHEMA_VERSION:
        raise LibraryError(
            f"The library {path} has schema {version}, newer than this program's {SCHEMA_VERSION}.",
            hint="Upgrade nemo-docs, or point NEMO_DOCS_HOME at another folder.",
        )
    if (version and "documents" not in tables) or (version == 0 and tables):
        raise LibraryError(f"{path} is a database, but not a nemo-docs library.", hint="Move it away.")
    return version


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """What SQLite raises, as LibraryError with one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            hint = "Another nemo-docs is writing; try again when it is done."
        else:
            hint = "Check that the disk is not full and that the folder can be read and written."
        raise LibraryError(f"The library {path} cannot be used: {error}.", hint=hint) from error
    except sqlite3.DatabaseError as error:
        raise LibraryError(
            f"The library {path} cannot be read: {error}.",
            hint="Restore it from a copy, or move it away to start anew.",
        ) from error


def path_to_column(path: str) -> str | bytes:
    """A path as it is stored: text, or bytes where the name is not valid Unicode."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path
