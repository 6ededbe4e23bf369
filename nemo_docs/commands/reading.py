"""What `nemo-docs read` tells: how far each document is, a line for each that is read, the queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from nemo_docs.answering.events import Progress as Stage
from nemo_docs.answering.events import Warn
from nemo_docs.answering.queue_events import DocumentRead, NotRead, QueueEvent, ReadingBegan, ReadingStopped, Waiting
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit, emit_line
from nemo_docs.errors import ExitCode
from nemo_docs.library.reading_queue import QueuedDocument, QueueState
from nemo_docs.plain import duration, printable

READING = "reading"
"""The state of a document that a program reads now."""


def tell(events: Iterable[QueueEvent], progress: Progress, as_json: bool) -> ExitCode:
    """Show each event; 1 if a document could not be read, else 0."""
    code, began = ExitCode.DONE, ReadingBegan("", "", 0, 0)
    for event in events:
        if isinstance(event, NotRead):
            code = ExitCode.FAILED
        if isinstance(event, ReadingBegan):
            began = event
        if as_json:
            emit_line(event.as_dict())
        else:
            _say(event, began, progress)
    return code


def show(items: Sequence[QueuedDocument], *, is_being_read: bool, as_json: bool) -> None:
    """List the queue."""
    first = next((item.handle for item in items if item.is_next), "") if is_being_read else ""
    for item in items:
        state = READING if item.handle == first else str(item.state)
        if as_json:
            fields = {"document": item.handle, "title": item.title, "state": state, "reason": item.reason}
            emit("queued", fields)
            continue
        note = "" if item.is_whole else ", and is still being added"
        reason = f": {item.reason}" if item.state is QueueState.FAILED else ""
        click.echo(printable(f"{item.handle:<4}{item.title}: {state}{note}{reason}"))
    if not items and not as_json:
        click.echo("The queue is empty.")


def say_what_is_left(items: Sequence[QueuedDocument], progress: Progress) -> ExitCode:
    """Tell what stays in the queue when all that could be read is; 1 if something waits all the same, else 0."""
    code = ExitCode.DONE
    for item in items:
        if item.state is QueueState.WAITING and not item.is_whole:
            code = ExitCode.FAILED
            progress.say(f"{item.title} is still being added; `nemo-docs read` goes on with it later.")
    paused = sum(item.state is QueueState.PAUSED for item in items)
    failed = sum(item.state is QueueState.FAILED for item in items)
    told = [f"{paused:,} paused"] * bool(paused) + [f"{failed:,} failed"] * bool(failed)
    if told:
        progress.say(f"Left in the queue: {', '.join(told)}. See `nemo-docs read --queue`, go on with --resume.")
    return code


def _say(event: QueueEvent, began: ReadingBegan, progress: Progress) -> None:
    match event:
        case Stage(stage="reading"):
            window = f", window {event.window:,} of {event.windows:,}" if event.windows > 1 else ""
            notes = [f"tokens ({event.tokens_cached:,} read before)" if event.tokens_cached else "tokens"]
            notes += [] if event.seconds_left is None else [f"{duration(event.seconds_left)} left"]
            notes += [f"{began.waiting:,} more wait"] * bool(began.waiting)
            progress.update(f"Reading {began.title}{window}", event.tokens, event.tokens_total, ", ".join(notes))
        case DocumentRead():
            progress.clear()
            before = f", {event.tokens_cached:,} of them before," if event.tokens_cached else ""
            seconds = f"{event.seconds:.1f} s" if event.seconds < 60 else duration(event.seconds)
            read = f"read {event.tokens:,} tokens{before} in {seconds}"
            click.echo(printable(f"{event.document:<4}{event.title}: {read}"))
        case Warn():
            progress.say(f"Warning: {event.message}")
        case NotRead():
            progress.say(f"Error: {event.title} is not read: {event.message}")
            if event.hint:
                progress.say(f"hint: {event.hint}")
        case ReadingStopped():
            why = {"paused": "It is paused.", "dropped": "It is out of the queue.", "later": "It is read later."}
            kept = f"Kept {event.tokens:,} tokens of {event.title}."
            progress.say(f"{kept} {why.get(event.reason, '')}".strip())
        case Waiting(reason="reader"):
            progress.say("Another nemo-docs reads the queue; this one waits. Ctrl-C leaves the documents to that one.")
