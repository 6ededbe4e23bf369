"""`nemo-docs ask`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.interrupt import stoppable
from nemo_docs.commands.model_use import MODEL_OPTIONS, failure_as_event, model_of
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.scope import Scope, look_up
from nemo_docs.commands.shared import (
    emit_line,
    example,
    in_option,
    json_option,
    open_reader,
    setting_options,
    text_or_stdin,
)
from nemo_docs.errors import ExitCode, NothingFound, UsageError
from nemo_docs.plain import printable
from nemo_docs.settings import Configuration, load

if TYPE_CHECKING:
    from nemo_docs.answering.source import Source
    from nemo_docs.backends.local import LocalBackend
    from nemo_docs.library.reader import LibraryReader

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
@setting_options(*_ASK_OPTIONS, *MODEL_OPTIONS)
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
    with failure_as_event(as_json), open_reader() as library, Progress() as progress:
        sources = _sources(library, scopes)
        backend = model_of(configuration, progress)
        for each in questions:
            if lines and not as_json:
                click.echo(f"> {printable(each)}\n")
            _answer(each, sources, library, backend, configuration, progress, as_json)
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
    from nemo_docs.answering.tidying import tidied
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
    labels, paths = {source.sha256 for source in sources}, configuration.paths
    events = tidied(events, labels, library=paths.library, kv=paths.kv, let_go=backend.forget)
    for event in stoppable(events, interrupt, once=lambda event: event == Stage("searching")):
        if as_json:
            emit_line(event.as_dict())
        else:
            renderer.show(event)


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
