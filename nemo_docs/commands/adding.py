"""What `nemo-docs add` tells: progress, a line for each file, the queue; one event a line with `--json`."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import click

from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit
from nemo_docs.errors import ExitCode, NemoDocsError
from nemo_docs.library.adding_queue import FileState, QueuedFile
from nemo_docs.library.clean import clean_line
from nemo_docs.library.events import (
    FileDone,
    FileFailed,
    FileSkipped,
    FileStarted,
    FileStopped,
    IngestEvent,
    PageDone,
    Totals,
)
from nemo_docs.plain import counted, duration, printable

_WORTH_TELLING_S = 1.0
"""Before this a speed is a guess."""


def tell(events: Iterable[IngestEvent], progress: Progress, as_json: bool) -> ExitCode:
    """Show each event and return the exit code.

    0 if nothing failed; if nothing else came of it and the failures are of one kind, theirs; else 1.
    """
    codes: set[ExitCode] = set()
    pace = _Pace()
    without_text = 0
    for event in events:
        if isinstance(event, FileFailed):
            codes.add(event.error.exit_code)
        elif isinstance(event, FileDone | FileSkipped):
            codes.add(ExitCode.DONE)
        if isinstance(event, FileDone):
            without_text += event.pages_without_text
        if as_json:
            _emit(event)
        else:
            _say(event, pace, progress)
    if without_text and not as_json:
        _say_without_text(without_text, progress)
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED if codes else ExitCode.DONE


def show(items: Sequence[QueuedFile], as_json: bool) -> None:
    """List the queue."""
    for item in items:
        if as_json:
            emit("queued_file", dataclasses.asdict(item))
            continue
        reason = f": {item.reason}" if item.state is FileState.FAILED else ""
        click.echo(printable(f"{item.state:<8} {item.path}{reason}"))
    if not items and not as_json:
        click.echo("The queue is empty.")


def say_what_is_left(items: Sequence[QueuedFile], progress: Progress) -> None:
    """Tell what stands in the queue when nothing more is done here."""
    states = Counter(item.state for item in items)
    if left := states[FileState.WAITING]:
        progress.say(f"{_files(left)} in the queue; `nemo-docs add --resume` goes on.")
    if failed := states[FileState.FAILED]:
        progress.say(
            f"{_files(failed, 'failed')}: `nemo-docs add --queue` says why, --retry tries again, --forget lets go."
        )


def _files(count: int, verb: str = "wait") -> str:
    if verb == "wait" and count == 1:
        verb = "waits"
    return f"{counted(count, 'file')} {verb}"


class _Pace:
    """How far some files are that are read at once, how fast, and how long still."""

    def __init__(self) -> None:
        self._files, self._settled, self._pages = 1, 0, 0
        self._running: dict[str, tuple[int, int]] = {}
        self._began: tuple[float, float, int] | None = None

    @property
    def _share(self) -> float:
        begun = sum(page / max(1, pages) for page, pages in self._running.values())
        return min(1.0, (self._settled + begun) / self._files)

    def take(self, event: IngestEvent) -> None:
        """Take in an event; files count alike."""
        match event:
            case FileStarted():
                self._files = event.files
                self._running[event.path] = (0, 0)
            case PageDone():
                self._pages += 1
                self._running[event.path] = (event.page, event.pages)
                self._began = self._began or (time.monotonic(), self._share, self._pages)
            case FileDone() | FileSkipped() | FileFailed() | FileStopped():
                self._settled += self._running.pop(event.path, None) is not None

    def show(self, event: PageDone, progress: Progress) -> None:
        """Tell of it."""
        assert self._began is not None
        note, seconds = "pages", time.monotonic() - self._began[0]
        done = self._share - self._began[1]
        if seconds >= _WORTH_TELLING_S and done > 0:
            speed = (self._pages - self._began[2]) / seconds
            note = f"pages, {speed:.0f} a second, {duration(seconds * (1 - self._share) / done)} left"
        if self._files == 1:
            progress.update(event.title, event.page, event.pages, note)
        else:
            progress.update("Adding files", self._settled, self._files, f"done, {self._pages:,} {note}")


def _say(event: IngestEvent, pace: _Pace, progress: Progress) -> None:
    pace.take(event)
    match event:
        case PageDone():
            pace.show(event, progress)
        case FileDone():
            progress.clear()
            empty = f", {event.pages_without_text} without text" if event.pages_without_text else ""
            news = ", a new version" if event.is_new_version else ""
            resumed = f", resumed at page {event.resumed_at}" if event.resumed_at > 1 else ""
            pages = f"{counted(event.pages, 'page')}{empty}{news}{resumed}"
            click.echo(printable(f"{event.handle:<4}{event.title}: {pages}, {event.language}"))
        case FileSkipped():
            progress.clear()
            if event.path == event.known_path:
                click.echo(printable(f"{event.handle:<4}{event.title}: already here"))
            else:
                name = clean_line(os.path.basename(event.path))
                click.echo(printable(f"{event.handle:<4}{name}: already here as {event.handle}, {event.title}"))
        case FileFailed():
            progress.say(f"Error: {event.error.message}")
            if event.error.hint:
                progress.say(f"hint: {event.error.hint}")
        case FileStopped():
            progress.say(f"{clean_line(os.path.basename(event.path))} was paused, or taken out of the queue.")
        case Totals():
            counts = ((event.unsupported, "of no readable kind"), (event.hidden, "hidden"),
                      (event.excluded, "excluded"), (event.linked, "links to folders"))  # fmt: skip
            if left := [f"{count} {what}" for count, what in counts if count]:
                progress.say(f"Left alone in folders: {', '.join(left)}.")


def _say_without_text(pages: int, progress: Progress) -> None:
    """What to do about pages that gave no text, once for all files."""
    from nemo_docs.library.readers.tesseract import find, how_to_install

    said = f"{pages} page{' has' if pages == 1 else 's have'} no text; `nemo-docs pages DOC` says which and why."
    progress.say(said if find() else f"{said} {how_to_install()}")


def _emit(event: IngestEvent) -> None:
    fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
    error = fields.get("error")
    if isinstance(error, NemoDocsError):
        fields["error"] = {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}
    emit(re.sub(r"(?<!^)([A-Z])", r"_\1", type(event).__name__).lower(), fields)
