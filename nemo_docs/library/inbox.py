"""Documents without a file of their own: what came through standard input is kept beside the library.

Each stands in a folder named by the SHA-256 of its bytes, under its title, so that the same bytes are kept once and the
ordinary path of a file takes them in. The trade-off is a second copy on the disk; it is what a page is read from again.
Files are 0600, folders 0700. A copy goes when its document goes; one that a killed process left behind, known to no
document, is swept away by a later add, when it is old enough to be nobody's work. What such a process did not copy to
its end goes with the next removal: it may be the same text.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from nemo_docs.errors import LibraryError, Unreadable
from nemo_docs.library.clean import clean_line

_PIECE = 1 << 20
_LONGEST_NAME = 200
"""Bytes; file systems allow 255."""
_UNFINISHED = ".part"
_ABANDONED_S = 24 * 60 * 60
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|]')


def keep(library: Path, stream: BinaryIO, title: str, *, max_bytes: int) -> Path:
    """Copy a stream into the inbox.

    Args:
        library: The library's database.
        stream: Read to its end.
        title: Becomes the file's name, and so the document's title; may be hostile.
        max_bytes: More is refused.

    Returns:
        The file; the one that is there if these bytes are.

    Raises:
        Unreadable: If the stream is empty or too long.
        LibraryError: If it cannot be written.
    """
    inbox = _inbox(library)
    temporary = ""
    try:
        inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=inbox, prefix=f"{os.getpid()}-", suffix=_UNFINISHED)
        size, digest = 0, hashlib.sha256()
        with os.fdopen(descriptor, "wb") as file:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > max_bytes:
                    raise Unreadable(f"Standard input has more than {max_bytes:,} bytes.", hint="Split it.")
                digest.update(piece)
                file.write(piece)
        if not size:
            raise Unreadable("Standard input is empty: it has 0 bytes.", hint="Pipe a document into this command.")
        folder = inbox / digest.hexdigest()
        folder.mkdir(mode=0o700, exist_ok=True)
        if held := sorted(folder.iterdir()):
            os.utime(held[0])  # it may have been abandoned; it is not any more
            return held[0]
        file_of_its_own = folder / _name(title)
        os.replace(temporary, file_of_its_own)
        return file_of_its_own
    except OSError as error:
        raise LibraryError(
            f"Standard input cannot be kept in {inbox}: {error.strerror or error}.",
            hint="Check that the disk is not full and that the folder can be written.",
        ) from error
    finally:
        if temporary:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def discard(library: Path, path: str | Path) -> None:
    """Delete a file if it stands in the inbox; any other is its owner's and stays.

    Raises:
        LibraryError: If it cannot be deleted.
    """
    folder = Path(os.path.realpath(Path(path).parent))
    if folder.parent != _inbox(library):
        return
    try:
        with suppress(FileNotFoundError):
            (folder / Path(path).name).unlink()
            folder.rmdir()
    except OSError as error:
        raise LibraryError(
            f"The copy {clean_line(str(path))} cannot be deleted: {error.strerror or error}.", hint="Delete it by hand."
        ) from error


def discard_unfinished(library: Path) -> None:
    """Delete what processes that have ended did not copy to its end.

    Raises:
        LibraryError: If it cannot be deleted.
    """
    import psutil  # type: ignore[import-untyped]

    for file in _inbox(library).glob(f"*-*{_UNFINISHED}"):
        pid = file.name.partition("-")[0]
        if pid.isdecimal() and psutil.pid_exists(int(pid)):
            continue
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise LibraryError(
                f"The copy {clean_line(str(file))} cannot be deleted: {error.strerror or error}.",
                hint="Delete it by hand.",
            ) from error


def sweep(library: Path, known: Collection[str]) -> None:
    """Delete what was left behind more than a day ago. What cannot be deleted waits for the next sweep.

    Args:
        library: The library's database.
        known: The paths of all versions; these stay.
    """
    inbox = str(_inbox(library))
    kept = {os.path.realpath(path) for path in known}
    before = time.time() - _ABANDONED_S
    for folder, _, names in os.walk(inbox, topdown=False):
        with suppress(OSError):
            is_old = os.stat(folder).st_mtime < before
            for name in names:
                file = os.path.join(folder, name)
                if os.path.realpath(file) not in kept and os.lstat(file).st_mtime < before:
                    os.unlink(file)
            if is_old and folder != inbox:
                os.rmdir(folder)  # fails, as it should, while something is in it


def _inbox(library: Path) -> Path:
    return Path(os.path.realpath(library.parent)) / "inbox"


def _name(title: str) -> str:
    """A title as a file name: one that every system takes, that leads nowhere and is not hidden."""
    name = _NOT_IN_NAMES.sub("_", clean_line(title)).strip(" .")
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore").strip() or "untitled"
