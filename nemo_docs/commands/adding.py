"""What `nemo-docs add` tells: pages as progress, a line for each file, one event a line with `--json`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

import click

from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit
from nemo_docs.errors import ExitCode, NemoDocsError
from nemo_docs.library.events import FileDone, FileFailed, FileSkipped, IngestEvent, PageDone, Totals
from nemo_docs.plain import printable


def tell(events: Iterable[IngestEvent], progress: Progress, as_json: bool) -> ExitCode:
    """Show each event and return the exit code.

    0 if nothing failed; if nothing else came of it and the failures are of one kind, theirs; else 1.
    """
    codes: set[ExitCode] = set()
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
            _say(event, progress)
    if without_text and not as_json:
        _say_without_text(without_text, progress)
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


def _say(event: IngestEvent, progress: Progress) -> None:
    match event:
        case PageDone():
            progress.update(event.title, event.page, event.pages, "pages")
        case FileDone():
            progress.clear()
            empty = f", {event.pages_without_text} without text" if event.pages_without_text else ""
            news = ", a new version" if event.is_new_version else ""
            resumed = f", resumed at page {event.resumed_at}" if event.resumed_at > 1 else ""
            pages = f"{event.pages} page{'' if event.pages == 1 else 's'}{empty}{news}{resumed}"
            click.echo(printable(f"{event.handle:<4}{event.title}: {pages}, {event.language}"))
        case FileSkipped():
            progress.clear()
            click.echo(printable(f"{event.handle:<4}{event.title}: already here"))
        case FileFailed():
            progress.say(f"Error: {event.error.message}")
            if event.error.hint:
                progress.say(f"hint: {event.error.hint}")
        case Totals():
            left = [f"{event.unsupported} of no readable kind"] * bool(event.unsupported)
            left += [f"{event.hidden} hidden"] * bool(event.hidden)
            if left:
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
