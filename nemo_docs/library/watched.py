"""Folders that are watched while the app is open: their files are added as they come. On disk, so it is said once.

This is the memory of it; who watches is `watching`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nemo_docs.errors import NothingFound
from nemo_docs.library.clean import clean_line
from nemo_docs.library.connection import (
    connect_read_only,
    connect_to_write,
    database_errors,
    path_to_column,
    transaction,
)
from nemo_docs.library.tags import collection_name

_SCHEMA = 5


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """A folder that is watched.

    Attributes:
        path: Absolute path; hostile text.
        collections: Documents from it are put into these.
        excludes: Patterns as in .gitignore; what they match is left alone.
        added: Since when, ISO 8601, UTC.
    """

    path: str
    collections: tuple[str, ...]
    excludes: tuple[str, ...]
    added: str


class WatchedFolders:
    """The watched folders of a library.

    Args:
        path: The database; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self) -> list[WatchedFolder]:
        """The folders in the order of their paths."""
        connection = connect_read_only(self._path, schema=_SCHEMA)
        if connection is None:
            return []
        with closing(connection), database_errors(self._path):
            rows = connection.execute("SELECT * FROM watched_folders ORDER BY path").fetchall()
        return [
            WatchedFolder(
                path=os.fsdecode(row["path"]),
                collections=tuple(filter(None, row["collections"].split(","))),
                excludes=tuple(filter(None, row["excludes"].split("\n"))),
                added=row["added"],
            )
            for row in rows
        ]

    def add(self, folder: str | Path, *, collections: Iterable[str] = (), excludes: Iterable[str] = ()) -> None:
        """Remember a folder; one that is known takes these collections and patterns in place of its own.

        Args:
            folder: Must be there.
            collections: Documents from it are put into these.
            excludes: Patterns as in .gitignore.

        Raises:
            NothingFound: If there is no such folder.
            UsageError: If a collection cannot be called that.
            LibraryError: If it cannot be written.
        """
        path = os.path.abspath(folder)
        names = ",".join(dict.fromkeys(collection_name(name) for name in collections))
        if not os.path.isdir(path):
            raise NothingFound(f"There is no folder {clean_line(path)}.", hint="Only folders are watched.")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with closing(connect_to_write(self._path)) as connection, transaction(connection, self._path) as execute:
            execute(
                """INSERT INTO watched_folders (path, collections, excludes, added) VALUES (?, ?, ?, ?)
                   ON CONFLICT (path) DO UPDATE SET collections = excluded.collections, excludes = excluded.excludes""",
                (path_to_column(path), names, "\n".join(excludes), now),
            )

    def remove(self, folder: str | Path) -> None:
        """Forget a folder; what was added from it stays.

        Raises:
            NothingFound: If it is not watched.
            LibraryError: If it cannot be written.
        """
        path = os.path.abspath(folder)
        with closing(connect_to_write(self._path)) as connection, transaction(connection, self._path) as execute:
            if not execute("DELETE FROM watched_folders WHERE path = ?", (path_to_column(path),)).rowcount:
                raise NothingFound(f"The folder {clean_line(path)} is not watched.", hint="It may have been removed.")
