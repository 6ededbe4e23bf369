"""Which files a user means by some paths: each once, those of a folder in the order of their names.

In folders, hidden files, files that no reader knows (pictures, where no program is there to read them), and what
patterns name (`excluding`) are left alone and counted. Links to folders are not followed, and counted, so no loop is
ever walked; links to files are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nemo_docs.errors import NothingFound, Unreadable
from nemo_docs.library.clean import clean_line
from nemo_docs.library.events import FileFailed
from nemo_docs.library.excluding import Rules
from nemo_docs.library.readers import PICTURES, READERS, tesseract

_HIDDEN = (".", "~$")
"""Names of hidden files begin so, and of those that Office puts beside a document while it is open."""


@dataclass
class Found:
    """What some paths hold.

    Attributes:
        files: Absolute paths of files to read.
        failures: Paths with nothing to read, and folders that cannot be looked into.
        unsupported: How many files in folders no reader knows.
        hidden: How many hidden files there are in folders.
        excluded: How many files and folders patterns name.
        linked: How many links to folders there are.
    """

    files: list[str] = field(default_factory=list)
    failures: list[FileFailed] = field(default_factory=list)
    unsupported: int = 0
    hidden: int = 0
    excluded: int = 0
    linked: int = 0


def find(paths: Iterable[str | Path], excludes: Sequence[str] = ()) -> Found:
    """Look for the files that the paths name.

    Args:
        paths: Files and folders.
        excludes: Patterns as in .gitignore, for what is in folders.

    Raises:
        UsageError: If one of them is no pattern.
    """
    found = Found()
    for given in map(str, paths):
        path = os.path.abspath(given)
        if given and os.path.isdir(path):
            before = len(found.files), len(found.failures)
            for _ in _walk(path, found, Rules.of(path, excludes)):
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


def count_files(paths: Iterable[str | Path], excludes: Sequence[str] = ()) -> Iterator[int]:
    """How many files there are to read: the number so far after each folder, so that a caller can stop.

    Args:
        paths: Files and folders.
        excludes: Patterns as in .gitignore, for what is in folders.

    Raises:
        UsageError: If one of them is no pattern.
    """
    found = Found()
    for path in map(str, paths):
        if os.path.isdir(path):
            for _ in _walk(os.path.abspath(path), found, Rules.of(os.path.abspath(path), excludes)):
                yield len(found.files)
        else:
            found.files.append(path)
            yield len(found.files)


def is_wanted(path: str, folder: str, excludes: Sequence[str] = ()) -> bool:
    """Whether `find` of a folder gives a file, or goes into a folder, that stands somewhere in it.

    Args:
        path: Absolute path.
        folder: Absolute path.
        excludes: Patterns as in .gitignore.
    """
    rules, parent = Rules.of(folder, excludes), folder
    parts = os.path.relpath(path, folder).split(os.sep)
    for depth, name in enumerate(parts):
        rules, inner = rules.within(parent), os.path.join(parent, name)
        is_folder = depth + 1 < len(parts) or os.path.isdir(path)
        if (
            name.startswith(_HIDDEN)
            or rules.exclude(inner, is_folder=is_folder)
            or (is_folder and os.path.islink(inner))
        ):
            return False
        parent = inner
    return os.path.isdir(path) or _is_readable(path)


def _walk(folder: str, found: Found, rules: Rules) -> Iterator[None]:
    """Take in what a folder holds, one folder within it after the other."""

    def closed(error: OSError) -> None:
        unreadable = Unreadable(
            f"The folder {clean_line(str(error.filename))} cannot be read: {error.strerror}.",
            hint="Check its permissions.",
        )
        found.failures.append(FileFailed(str(error.filename), unreadable))

    rules_of = {folder: rules}
    for parent, folders, names in os.walk(folder, onerror=closed):
        rules = rules_of.pop(parent).within(parent)
        folders[:] = [name for name in sorted(folders) if _is_entered(os.path.join(parent, name), found, rules)]
        rules_of.update((os.path.join(parent, name), rules) for name in folders)
        for name in sorted(names):
            path = os.path.join(parent, name)
            if name.startswith(_HIDDEN):
                found.hidden += 1
            elif not _is_readable(path):
                found.unsupported += 1
            elif rules.exclude(path):
                found.excluded += 1
            else:
                found.files.append(path)
        yield


def _is_entered(folder: str, found: Found, rules: Rules) -> bool:
    if os.path.basename(folder).startswith("."):
        return False
    if os.path.islink(folder):
        found.linked += 1
        return False
    is_excluded = rules.exclude(folder, is_folder=True)
    found.excluded += is_excluded
    return not is_excluded


def _is_readable(path: str) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    return suffix in READERS and (suffix not in PICTURES or bool(tesseract.find()))
