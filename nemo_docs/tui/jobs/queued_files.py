"""The queue of files to be added, as the list of jobs shows it: what nobody works on, in rows. No widgets here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nemo_docs.library.adding_queue import AddingQueue, FileState, QueuedFile
from nemo_docs.library.events import FileFailed


@dataclass(frozen=True, slots=True)
class Batch:
    """Files of the queue in the same state, on their way into the same collections."""

    state: FileState
    collections: tuple[str, ...]
    files: tuple[QueuedFile, ...]

    @property
    def paths(self) -> list[str]:
        """Of the files."""
        return [file.path for file in self.files]

    @property
    def failures(self) -> list[FileFailed]:
        """Why they could not be added; empty unless they could not."""
        return [FileFailed(file.path, file.error, file.handle) for file in self.files if file.kind]


def batches(queue: AddingQueue, besides: Iterable[str]) -> list[Batch]:
    """What waits, is paused or has failed, and is read by no process.

    Args:
        queue: The library's.
        besides: Files and folders that somebody here looks after already.
    """
    found: dict[tuple[FileState, tuple[str, ...]], list[QueuedFile]] = {}
    for item in queue.items():
        if item.state is not FileState.RUNNING and not is_among(item.path, besides):
            found.setdefault((item.state, item.collections), []).append(item)
    return [Batch(state, collections, tuple(files)) for (state, collections), files in found.items()]


def pause(queue: AddingQueue, paths: Sequence[str]) -> None:
    """Let the files of some paths wait until somebody goes on with them."""
    queue.pause([item.path for item in queue.items() if is_among(item.path, paths)])


def let_go(queue: AddingQueue, paths: Sequence[str]) -> None:
    """Take the files of some paths out of the queue; of those that failed the reason is kept."""
    there = (item for item in queue.items() if item.state is not FileState.FAILED)
    queue.remove([item.path for item in there if is_among(item.path, paths)])


def is_among(path: str, paths: Iterable[str]) -> bool:
    """Whether a path is one of these, or stands in one."""
    return any(path == root or path.startswith(os.path.join(root, "")) for root in map(os.path.abspath, paths))
