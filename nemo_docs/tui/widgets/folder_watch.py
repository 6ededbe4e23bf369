"""Watching folders while the app is open: it tells of files that have come, and shows nothing itself.

Which folders are watched stands in the library, so it is looked at again whenever the library has changed: another
process may have put a folder on the list, or taken one off it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence

from textual.message import Message
from textual.widget import Widget

from nemo_docs.library.watched import WatchedFolder
from nemo_docs.plain import printable
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent


class FolderWatch(Widget):
    """One job for each watched folder.

    Args:
        desk: Knows the folders.
    """

    DEFAULT_CSS = "FolderWatch { display: none; }"

    class Came(Message):
        """Files of a folder have come or changed, and have come to rest; or all there are, when watching begins."""

        def __init__(self, folder: WatchedFolder, paths: Sequence[str]) -> None:
            super().__init__()
            self.folder, self.paths = folder, tuple(paths)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._watched: dict[WatchedFolder, threading.Event] = {}
        """What ends the watching of each."""
        self._jobs: dict[Job[list[str]], WatchedFolder] = {}
        self._looking: Job[list[WatchedFolder]] | None = None
        self._is_leaving = False

    def on_mount(self) -> None:
        """Begin with those that there are."""
        self.look()

    def on_unmount(self) -> None:
        """Watch no longer."""
        self.leave()

    def look(self) -> None:
        """See which folders are to be watched now."""

        def folders(cancelled: Cancelled) -> Iterator[list[WatchedFolder]]:
            yield self.desk.watched_folders().items()

        self._looking = Job(self, "watched folders", folders).start()  # only the newest counts

    def leave(self) -> None:
        """The app is leaving."""
        self._is_leaving = True
        self._watch([])

    @property
    def folders(self) -> list[WatchedFolder]:
        """Those that are watched."""
        return [*self._watched]

    def _watch(self, folders: Sequence[WatchedFolder]) -> None:
        """Watch these and no others."""
        for gone in self._watched.keys() - set(folders):
            self._watched.pop(gone).set()
        for folder in folders:
            if folder not in self._watched and not self._is_leaving:
                self._watched[folder] = stop = threading.Event()
                self._jobs[self._job(folder, stop)] = folder

    def _job(self, folder: WatchedFolder, stop: threading.Event) -> Job[list[str]]:
        return Job(self, "watching a folder", lambda _: _came(self.desk, folder, stop)).start()

    def on_job_event(self, message: JobEvent) -> None:
        """Take the list of folders, or what has come."""
        message.stop()
        if message.job is self._looking:
            self._watch(message.event)  # type: ignore[arg-type]  # our job's own
        elif (folder := self._jobs.get(message.job)) in self._watched and folder is not None:
            self.post_message(self.Came(folder, message.event))  # type: ignore[arg-type]  # our job's own

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell why a folder cannot be watched; it is tried again at the next start."""
        message.stop()
        self._jobs.pop(message.job, None)
        if message.error and not self._is_leaving:
            self.notify(printable(f"{message.error.message} {message.error.hint}"), severity="warning", markup=False)


def _came(desk: Desk, folder: WatchedFolder, stop: threading.Event) -> Iterator[list[str]]:
    """All that is in a folder and not in the queue, which may hold it paused or failed; then what comes."""
    from nemo_docs.library.finding import find
    from nemo_docs.library.watching import watch

    queued = {item.path for item in desk.adding_queue().items()}
    for paths in watch([folder.path], stop, excludes=folder.excludes):
        there = find([path for path in paths if os.path.lexists(path)], folder.excludes).files
        if there := [path for path in there if path not in queued]:
            yield there
        queued = set()
