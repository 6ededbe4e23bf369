"""`nemo-docs ask` and `nemo-docs read`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.interrupt import stoppable
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.scope import Scope, look_up, parse_scope
from nemo_docs.commands.shared import emit_line, example, in_option, json_option, setting_options, text_or_stdin
from nemo_docs.errors import ExitCode, NemoDocsError, NothingFound, UsageError
from nemo_docs.plain import printable
from nemo_docs.settings import Configuration, load

if TYPE_CHECKING:
    from nemo_docs.answering.source import Source
    from nemo_docs.backends.local import LocalBackend
    from nemo_docs.library.reader import LibraryReader

_MODEL_OPTIONS = ("model", "adapter", "device", "precision", "kv", "in_process")
_ASK_OPTIONS = ("window", "budget", "language", "answer_tokens", "temperature", "top_p", "seed")


@click.command(
    epilog=example(
        'ask "What is the notice period?"',
        'ask "Was ist ein Homöomorphismus?" --in geotopo',
        'ask "Who pays the fee?" --in a:3-7 --in leases --json',
        "ask - --lines < questions.txt",
    )
)
@click.argument("question")
@in_option
@click.option("--lines", is_flag=True, help="With QUESTION '-': standard input holds one question a line.")
@setting_options(*_ASK_OPTIONS, *_MODEL_OPTIONS)
@json_option
def ask(question: str, scopes: tuple[Scope, ...], lines: bool, as_json: bool, **options: object) -> int:
    """Answer QUESTION with verbatim quotes and where they stand.

    Without --in the question is about the whole library. QUESTION '-' is read from standard input. Exits with 3 when
    there is no text to answer from.
    """
    from nemo_docs.library.languages import warm_up

    configuration = load(options=options)
    warm_up()
    asked = _questions(question, lines)
    questions = chain([next(asked)], asked)  # without a question no library and no model is opened
    with _failure_as_event(as_json), _reader(configuration) as library, Progress() as progress:
        sources = _sources(library, scopes)
        backend = _backend(configuration, progress)
        for each in questions:
            if lines and not as_json:
                click.echo(f"> {printable(each)}\n")
            _answer(each, sources, library, backend, configuration, progress, as_json)
    return ExitCode.DONE


@click.command(epilog=example("read contract.pdf", "read a b c"))
@click.argument("documents", nargs=-1, required=True, metavar="DOC...")
@setting_options("window", *_MODEL_OPTIONS)
@json_option
def read(documents: tuple[str, ...], as_json: bool, **options: object) -> int:
    """Read documents through the model now, window by window.

    DOC is a handle, else a whole collection, else a path, else part of a title. Shows that they fit and how long
    reading takes here; the speed is remembered for later estimates. The engine keeps what it has read while it runs.
    """
    from nemo_docs.answering.events import Progress as Stage
    from nemo_docs.answering.events import Warn
    from nemo_docs.answering.preread import preread

    def is_reading(event: Stage | Warn) -> bool:
        return isinstance(event, Stage) and event.stage == "reading"

    configuration = load(options=options)
    with _failure_as_event(as_json), _reader(configuration) as library, Progress() as progress:
        sources = _sources(library, tuple(parse_scope(document) for document in documents))
        backend = _backend(configuration, progress)
        began, total = 0.0, 0
        interrupt = threading.Event()
        events = preread(sources, backend, configuration.settings.window, interrupt.is_set)
        for event in stoppable(events, interrupt, once=is_reading):
            if as_json:
                emit_line(event.as_dict())
            elif isinstance(event, Warn):
                progress.say(f"Warning: {event.message}")
            if not isinstance(event, Stage) or event.stage != "reading":
                continue
            if not as_json:
                task = f"Reading window {event.window} of {event.windows}"
                progress.update(task, event.tokens, event.tokens_total, "tokens")
            began = began or time.perf_counter()
            total += event.tokens if event.tokens == event.tokens_total else 0
        progress.clear()
        seconds = time.perf_counter() - began
        if not as_json:
            click.echo(f"Read {total:,} tokens in {seconds:.1f} s.")
    return ExitCode.DONE


def _answer(
    question: str,
    sources: Sequence[Source],
    library: LibraryReader,
    backend: LocalBackend,
    configuration: Configuration,
    progress: Progress,
    as_json: bool,
) -> None:
    """Ask one question and show the answer.

    Until the model is loaded Ctrl-C stops at once; later it stops the model, and what was written so far is shown.
    """
    from nemo_docs.answering import ask as asking
    from nemo_docs.answering.events import Progress as Stage
    from nemo_docs.answering.gather import searched
    from nemo_docs.answering.render import PlainRenderer
    from nemo_docs.engine.protocol import Sampling

    settings = configuration.settings
    options = asking.Options(
        window=settings.window,
        budget_s=settings.budget,
        answer_tokens=settings.answer_tokens,
        language=settings.language,
        sampling=Sampling(settings.temperature, settings.top_p, settings.seed),
    )
    renderer = PlainRenderer(sys.stdout, progress)
    interrupt = threading.Event()
    events = asking.ask(question, sources, searched(library, sources, question), backend, options, interrupt.is_set)
    for event in stoppable(events, interrupt, once=lambda event: event == Stage("searching")):
        if as_json:
            emit_line(event.as_dict())
        else:
            renderer.show(event)


@contextmanager
def _failure_as_event(as_json: bool) -> Iterator[None]:
    """With --json a failure is the last event, too; the sentence on stderr and the exit code stay."""
    from nemo_docs.answering.events import Failed

    try:
        yield
    except NemoDocsError as error:
        if as_json:
            emit_line(Failed(error.message, error.hint, int(error.exit_code)).as_dict())
        raise


def _questions(question: str, lines: bool) -> Iterator[str]:
    """The question, or those on standard input.

    Raises:
        UsageError: If there is none.
    """
    if question != "-":
        if lines:
            raise UsageError("--lines reads questions from standard input.", hint="Give '-' as the question.")
        asked = iter([question])
    elif lines:
        asked = _stdin_lines()
    else:
        asked = iter([text_or_stdin(question)])
    found = False
    for text in asked:
        if text.strip():
            found = True
            yield text.strip()
    if not found:
        raise UsageError("The question is empty.", hint='Ask something: nemo-docs ask "What is the notice period?"')


def _stdin_lines() -> Iterator[str]:
    """Lines as they come.

    Raises:
        UsageError: If one is not UTF-8.
    """
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"Line {number} of standard input is not UTF-8: {error.reason}.") from error


def _reader(configuration: Configuration) -> LibraryReader:
    from nemo_docs.library.reader import LibraryReader

    return LibraryReader(configuration.paths.library)


def _sources(library: LibraryReader, scopes: tuple[Scope, ...]) -> list[Source]:
    """What the scopes name, or the whole library."""
    from nemo_docs.answering.gather import gather

    if scopes:
        return gather(library, look_up(library, scopes).values())
    everything = [
        (document, frozenset(page.number for page in library.pages(document))) for document in library.documents()
    ]
    if not everything:
        raise NothingFound("The library is empty.", hint="Add a document first: nemo-docs add FILE.")
    return gather(library, everything)


def _backend(configuration: Configuration, progress: Progress) -> LocalBackend:
    from nemo_docs.backends.opening import open_backend

    paths = configuration.paths
    return open_backend(
        configuration.settings,
        models=paths.models,
        state=paths.state,
        kv=paths.kv,
        on_layer=lambda done, of: progress.update("Loading the model", done, of, "layers"),
    )
