"""From paths to documents: find the files, put them into the queue, read them in child processes, commit page by page.

Killed at any moment it loses nothing that was committed and doubles nothing: the queue says which files are still
wanted; a version says how many pages it has, its ledger how many are there, and adding the file again goes on behind
the last. A file that fails never stops the others.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from nemo_docs.library import inbox
from nemo_docs.library.adding import Adding
from nemo_docs.library.adding_queue import AddingQueue, FileState
from nemo_docs.library.claims import Claims
from nemo_docs.library.crew import Crew, usable_workers
from nemo_docs.library.events import FileDone, FileFailed, FileSkipped, FileStopped, IngestEvent, PageDone, Totals
from nemo_docs.library.extraction import Limits
from nemo_docs.library.finding import count_files, find
from nemo_docs.library.runners import Runner
from nemo_docs.library.store import Library
from nemo_docs.library.tags import collection_name

__all__ = ["add", "count_files", "resume"]


def add(
    library: Library,
    paths: Iterable[str | Path],
    *,
    password: str | None = None,
    limits: Limits | None = None,
    collections: Iterable[str] = (),
    excludes: Sequence[str] = (),
    workers: int | None = None,
) -> Generator[IngestEvent, None, None]:
    """Add files, and folders with all that is in them, to the library.

    All files are put into the queue before the first is read. Stop by closing the iterator: what was committed stays,
    and what is left waits in the queue.

    Args:
        library: Open for writing.
        paths: Files and folders. What is left alone in folders (see `finding`) is counted.
        password: For encrypted files; not kept.
        limits: What one file may cost.
        collections: Every document is put into these: with its first page, or when it is found to be there already.
        excludes: Patterns as in .gitignore; what they name in folders is left alone.
        workers: How many processes read at once; one for each usable core unless given.

    Yields:
        For each file FileStarted, PageDone for each page, and one of FileDone, FileSkipped, FileFailed and FileStopped,
        mixed with those of other files; for a path with nothing to read FileFailed alone; at the end Totals.

    Raises:
        LibraryError: If the library cannot be written.
        UsageError: If a collection cannot be called that, or something is no pattern; nothing is read then.
    """
    names = [collection_name(name) for name in collections]
    queue = AddingQueue(library.path)
    inbox.sweep(library.path, library.paths() | {item.path for item in queue.items()})
    found = find(paths, excludes)
    if found.files:
        queue.add(found.files, names)
    totals = Totals(
        failed=len(found.failures),
        unsupported=found.unsupported,
        hidden=found.hidden,
        excluded=found.excluded,
        linked=found.linked,
    )
    yield from found.failures
    with closing(_work(library, dict.fromkeys(found.files, names), password, limits, workers)) as events:
        yield from _counted(events, totals)


def resume(
    library: Library,
    paths: Collection[str] | None = None,
    *,
    password: str | None = None,
    limits: Limits | None = None,
    workers: int | None = None,
) -> Generator[IngestEvent, None, None]:
    """Go on with the queue: with these files, or with all, as far as they wait in it; as `add` does.

    Args:
        library: Open for writing.
        paths: Absolute paths.
        password: For encrypted files; not kept.
        limits: What one file may cost.
        workers: How many processes read at once; one for each usable core unless given.

    Yields:
        As `add`.

    Raises:
        LibraryError: If the library cannot be written.
    """
    waiting = (FileState.WAITING, FileState.RUNNING)
    items = [item for item in AddingQueue(library.path).items() if item.state in waiting]
    files = {item.path: item.collections for item in items if paths is None or item.path in paths}
    with closing(_work(library, files, password, limits, workers)) as events:
        yield from _counted(events, Totals())


def _work(
    library: Library,
    files: Mapping[str, Sequence[str]],
    password: str | None,
    limits: Limits | None,
    workers: int | None,
) -> Generator[IngestEvent, None, None]:
    if not files:
        return
    workers = workers or usable_workers()
    at_once = min(workers, len(files))
    with (
        Runner(library.path) as runner,
        closing(Claims(library.path, runner)) as claims,
        closing(Crew(at_once, workers, password=password, limits=limits or Limits())) as crew,
    ):
        yield from Adding(library, claims, crew, at_once, files).events()


def _counted(events: Iterable[IngestEvent], totals: Totals) -> Generator[IngestEvent, None, None]:
    """The events, and at their end what they come to."""
    for event in events:
        match event:
            case PageDone():
                totals = replace(totals, pages=totals.pages + 1)
            case FileDone():
                totals = replace(totals, added=totals.added + 1)
            case FileSkipped():
                totals = replace(totals, already=totals.already + 1)
            case FileFailed():
                totals = replace(totals, failed=totals.failed + 1)
            case FileStopped():
                totals = replace(totals, stopped=totals.stopped + 1)
        yield event
    yield totals
