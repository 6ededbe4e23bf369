"""`nemo-docs index`: passages by meaning, so that a question finds them in another language."""

from __future__ import annotations

import dataclasses
import re
import threading
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.interrupt import interruptible
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit, example, json_option, setting_options
from nemo_docs.errors import ExitCode
from nemo_docs.plain import counted, duration, printable
from nemo_docs.settings import load

if TYPE_CHECKING:
    from nemo_docs.library.meaning.indexing import MeaningDone, MeaningEvent


@click.command(epilog=example("index", "index --threads 2", "index --json"))
@setting_options("threads")
@json_option
def index(as_json: bool, **options: object) -> int:
    """Index all documents by meaning, as far as they are not.

    A question then finds passages that say the same in other words or in another language. It takes one to three
    minutes for a hundred thousand tokens; Ctrl-C keeps what is done, and the next `nemo-docs index` goes on. One
    program does it at a time. It needs the extra `semantic`; `nemo-docs list --json` says how much is done.
    """
    from nemo_docs.library.meaning.indexing import MeaningDone, MeaningIndexed, MeaningWaits
    from nemo_docs.library.meaning.indexing import index as indexed

    configuration = load(options=options)
    paths, interrupt = configuration.paths, threading.Event()
    with Progress() as progress, interruptible(interrupt):
        for event in indexed(
            paths.library, state=paths.state, threads=configuration.settings.threads, cancelled=interrupt.is_set
        ):
            if as_json:
                _emit(event)
            match event:
                case MeaningWaits():
                    progress.say("Another nemo-docs indexes by meaning; waiting for it.")
                case MeaningIndexed():
                    note = f"pages, {duration(event.seconds_left)} left" if event.pages < event.pages_total else "pages"
                    progress.update("By meaning", event.pages, event.pages_total, note)
                case MeaningDone() if not as_json:
                    progress.clear()
                    click.echo(printable(_told(event)))
    if interrupt.is_set():
        raise KeyboardInterrupt
    return ExitCode.DONE


def _emit(event: MeaningEvent) -> None:
    fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
    emit(re.sub(r"(?<!^)([A-Z])", r"_\1", type(event).__name__).lower(), fields)


def _told(event: MeaningDone) -> str:
    if not event.pages and not event.pages_left:
        return "Every page can be found by meaning."
    left = f"; {event.pages_left:,} are left" if event.pages_left else ""
    return f"{counted(event.pages, 'page')} with {event.passages:,} passages{left}."
