"""Which files a user means by some paths: each once, those of a folder in the order of their names.

In folders, hidden files and files that no reader knows are left alone and counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nemo_docs.errors import NothingFound, Unreadable
from nemo_docs.library.clean import clean_line
from nemo_docs.library.events import FileFailed
from nemo_docs.library.readers import READERS


@dataclass
class Found:
    """What some paths hold.

    Attributes:
        files: Absolute paths of files to read.
        failures: Paths with nothing to read, and folders that cannot be looked into.
        unsupported: How many files in folders no reader knows.
        hidden: How many hidden files there are in folders.
    """

    files: list[str] = field(default_factory=list)
    failures: list[FileFailed] = field(default_factory=list)
    unsupported: int = 0
    hidden: int = 0


def find(paths: Iterable[str | Path]) -> Found:
    """Look for the files that the paths name."""
    found = Found()
    for given in map(str, paths):
        path = os.path.abspath(given)
        if given and os.path.isdir(path):
            before = len(found.files), len(found.failures)
            for _ in _walk(path, found):
                pass
            if (len(found.files), len(found.failures)) == before:
                error = NothingFound(
                    f"The folder {clean_line(given)} holds no file that can be read.",
                    hint=f"Readable are {', '.join(READERS)}.",
                )
                found.failures.append(FileFailed(path, error))
        elif given and os.path.lexists(path):
            found.files.append(path)
        else:
            error = NothingFound(
                f"There is no file or folder {clean_line(given) or repr(given)}.", hint="Check the path's spelling."
            )
            found.failures.append(FileFailed(given, error))
    found.files = list(dict.fromkeys(found.files))
    return found


def count_files(paths: Iterable[str | Path]) -> Iterator[int]:
    """How many files there are to read: the number so far after each folder, so that a caller can stop."""
    found = Found()
    for path in map(str, paths):
        if os.path.isdir(path):
            for _ in _walk(os.path.abspath(path), found):
                yield len(found.files)
        else:
            found.files.append(path)
            yield len(found.files)


def _walk(folder: str, found: Found) -> Iterator[None]:
    """Take in what a folder holds, one folder within it after the other."""

    def closed(error: OSError) -> None:
        unreadable = Unreadable(
            f"The folder {clean_line(str(error.filename))} cannot be read: {error.strerror}.",
            hint="Check its permissions.",
        )
        found.failures.append(FileFailed(str(error.filename), unreadable))

    for parent, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                found.hidden += 1
            elif os.path.splitext(name)[1].lower() in READERS:
                found.files.append(os.path.join(parent, name))
            else:
                found.unsupported += 1
        yield
