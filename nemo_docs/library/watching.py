"""Folders watched: what is in them first, then what comes, changes or goes, once it has come to rest.

A file that is still being written changes its size or its time; it is told of when both have rested for a second, so
that nobody reads half a download. The system says what changes (inotify, FSEvents, ReadDirectoryChangesW, by way of
watchfiles), so a quiet folder costs nothing. How many folders a system can watch is limited; beyond that it says so.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence

from nemo_docs.errors import Unreadable
from nemo_docs.library.clean import clean_line
from nemo_docs.library.finding import find, is_wanted

REST_S = 1.0
"""For so long a file must be the same before it is told of."""
_LOOK_S = 0.5


def watch(folders: Sequence[str], stop: threading.Event, *, excludes: Sequence[str] = ()) -> Iterator[list[str]]:
    """Watch folders, with all that is in them, until told to stop.

    Args:
        folders: Absolute paths.
        stop: Set it to end the iterator within half a second; Ctrl-C in the main thread ends it, too.
        excludes: Patterns as in .gitignore; what they name is left alone, as are hidden files and unknown kinds.

    Yields:
        Absolute paths. First the folders themselves, when they are watched already, so that nothing falls between;
        then files that came, changed or went. Those that went are not there any more.

    Raises:
        Unreadable: If the folders cannot be watched.
        KeyboardInterrupt: If Ctrl-C was pressed.
    """
    from watchfiles import watch as changes_in

    moving: dict[str, tuple[object, float]] = {}
    is_first = True
    try:
        for changes in changes_in(
            *folders,
            watch_filter=None,
            debounce=1_000,
            step=100,
            rust_timeout=int(1000 * _LOOK_S),
            yield_on_timeout=True,
            stop_event=stop,
        ):
            if is_first:
                is_first = False
                yield [*folders]
            now = time.monotonic()
            for _, path in changes:
                moving.update((file, (_look(file), now)) for file in _files(path, folders, excludes))
            if rested := _rested(moving, now):
                yield rested
    except (OSError, RuntimeError) as error:
        names = ", ".join(clean_line(folder) for folder in folders)
        raise Unreadable(
            f"The folder {names} cannot be watched: {clean_line(str(error))}.",
            hint="It must be there; on Linux a higher fs.inotify.max_user_watches lets more folders be watched.",
        ) from error


def _files(path: str, folders: Sequence[str], excludes: Sequence[str]) -> list[str]:
    """The files that a change is about: a folder that was moved here is told of by its name alone."""
    path = os.path.abspath(path)
    folder = next((each for each in folders if path.startswith(os.path.join(each, ""))), None)
    if folder is None or not is_wanted(path, folder, excludes):
        return []
    if os.path.isdir(path):
        return [file for file in find([path]).files if is_wanted(file, folder, excludes)]
    return [path]


def _rested(moving: dict[str, tuple[object, float]], now: float) -> list[str]:
    """Those that are as they were for long enough; they leave the others."""
    rested = []
    for path, (before, since) in [*moving.items()]:
        seen = _look(path)
        if seen != before:
            moving[path] = seen, now
        elif now - since >= REST_S:
            del moving[path]
            rested.append(path)
    return sorted(rested)


def _look(path: str) -> object:
    """What changes while a file is written; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
