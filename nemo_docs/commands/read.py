"""`nemo-docs read`: the reading queue, worked off in the foreground."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.interrupt import stoppable
from nemo_docs.commands.model_use import MODEL_OPTIONS, failure_as_event, model_of
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.scope import look_up, parse_scope
from nemo_docs.commands.shared import example, json_option, open_reader, setting_options
from nemo_docs.errors import ExitCode, UsageError
from nemo_docs.library.reading_queue import ReadingQueue
from nemo_docs.settings import Configuration, load

if TYPE_CHECKING:
    from nemo_docs.answering.queue_events import QueueEvent
    from nemo_docs.answering.source import Source

_ACTS = ("later", "queue", "pause", "resume", "drop", "clear")
_WITHOUT_DOCUMENTS = ("queue", "clear")
_WITH_DOCUMENTS = ("later", "drop")


@click.command(epilog=example("read contract.pdf", "read leases --later", "read", "read --queue", "read --pause"))
@click.argument("documents", nargs=-1, metavar="[DOC|TAG]...")
@click.option("--later", "act", flag_value="later", help="Put them at the end of the queue, and read nothing now.")
@click.option("--queue", "act", flag_value="queue", help="Show what waits, and why what failed could not be read.")
@click.option("--pause", "act", flag_value="pause", help="Pass over these, or all, until they are resumed.")
@click.option("--resume", "act", flag_value="resume", help="Let these, or all, wait again; those that failed, too.")
@click.option("--drop", "act", flag_value="drop", help="Take these out of the queue; what was read is kept.")
@click.option("--clear", "act", flag_value="clear", help="Empty the queue.")
@setting_options("window", *MODEL_OPTIONS)
@json_option
def read(documents: tuple[str, ...], act: str | None, as_json: bool, **options: object) -> int:
    """Read documents through the model, now or in a queue.

    Questions about what was read start at once. DOC is a handle, else a whole collection, else a path, else part of a
    title. Documents stand in a queue, those named here before all others, and all of it is read; without DOC the queue
    is gone on with. It outlives restarts, and nothing is read twice: Ctrl-C keeps what was read. One program reads at a
    time; the app does so when it is open.
    """
    _check(act, documents, [name for name, value in options.items() if value is not None])
    configuration = load(options=options)
    queue = ReadingQueue(configuration.paths.library)
    handles = _handles(documents)
    if act is None or act == "later":
        if handles:
            queue.add(handles, first=act is None)
    else:
        _change(queue, act, handles)
    if act is None:
        return _read_now(configuration, queue, as_json)
    from nemo_docs.answering.queued import is_being_read
    from nemo_docs.commands.reading import show

    show(queue.items(), is_being_read=is_being_read(configuration.paths.state), as_json=as_json)
    return ExitCode.DONE


def _check(act: str | None, documents: Sequence[str], options: Sequence[str]) -> None:
    if act is not None and options:
        flag = options[0].replace("_", "-")
        raise UsageError(
            f"--{act} reads nothing, so --{flag} has no meaning.",
            hint="The queue is read with the settings of whoever reads it: nemo-docs read --help.",
        )
    if act in _WITH_DOCUMENTS and not documents:
        raise UsageError(f"--{act} names no document.", hint=f"Name some: nemo-docs read DOC --{act}.")
    if act in _WITHOUT_DOCUMENTS and documents:
        raise UsageError(f"--{act} is about the whole queue.", hint="Leave the documents out.")


def _handles(documents: Sequence[str]) -> list[str]:
    """The documents that are named, in the order in which they are."""
    scopes = [parse_scope(document) for document in documents]
    if paged := next((scope.reference for scope in scopes if scope.ranges), None):
        raise UsageError(f"Documents are read whole, so {paged!r} takes no pages.", hint="Leave the pages out.")
    with open_reader() as library:
        return list(look_up(library, scopes))


def _change(queue: ReadingQueue, act: str, handles: Sequence[str]) -> None:
    match act:
        case "pause":
            queue.pause(handles or None)
        case "resume":
            queue.resume(handles or None)
        case "drop":
            queue.remove(handles)
        case "clear":
            queue.clear()


def _read_now(configuration: Configuration, queue: ReadingQueue, as_json: bool) -> int:
    """Read what waits; Ctrl-C keeps what was read."""
    from nemo_docs.answering.events import Progress as Stage
    from nemo_docs.answering.queued import read_queue
    from nemo_docs.answering.tidying import tidied
    from nemo_docs.commands.reading import say_what_is_left, tell

    settings, interrupt = configuration.settings, threading.Event()
    with failure_as_event(as_json), Progress() as progress:
        if not any(item.is_next for item in queue.items()):
            progress.say("Nothing waits to be read.")
            return say_what_is_left(queue.items(), progress)
        backend, paths, labels = model_of(configuration, progress), configuration.paths, set[str]()

        def sources(handles: Sequence[str]) -> list[Source]:
            found = _sources(handles)
            labels.update(source.sha256 for source in found)
            return found

        events = read_queue(
            paths.library,
            sources,
            backend,
            state=paths.state,
            window=settings.window,
            answer_tokens=settings.answer_tokens,
            cancelled=interrupt.is_set,
        )
        events = tidied(events, labels, library=paths.library, kv=paths.kv, let_go=backend.forget)

        def is_reading(event: QueueEvent) -> bool:
            return isinstance(event, Stage) and event.stage == "reading"

        try:
            code = tell(stoppable(events, interrupt, once=is_reading), progress, as_json)
        except KeyboardInterrupt:
            progress.say("What was read is kept; `nemo-docs read` goes on.")
            raise
        return max(code, say_what_is_left(queue.items(), progress))


def _sources(handles: Sequence[str]) -> list[Source]:
    """The texts of documents, in the library's order."""
    from nemo_docs.answering.gather import gather

    with open_reader() as library:
        found = [each for each in library.documents() if each.handle in handles]
        return gather(library, [(each, frozenset(range(1, each.pages + 1))) for each in found])
