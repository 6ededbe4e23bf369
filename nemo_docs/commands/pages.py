"""`nemo-docs pages`: the ledger of a document, page by page, and pages read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import closing

import click

from nemo_docs.commands.progress import Progress
from nemo_docs.commands.scope import parse_scope
from nemo_docs.commands.shared import emit, example, json_option, open_reader, read_password
from nemo_docs.errors import ExitCode, NothingFound, UsageError
from nemo_docs.library.readers import EXTRACTORS
from nemo_docs.library.records import Document, Page, PageFlag, PageStatus
from nemo_docs.plain import printable
from nemo_docs.settings import load


@click.command(
    epilog=example("pages a", "pages a --flag garbled", "pages a --redo 3-7,12", "pages a --redo 3 --with pdfium")
)
@click.argument("document", metavar="DOC")
@click.option(
    "--flag",
    "flags",
    type=click.Choice([flag.value for flag in PageFlag]),
    multiple=True,
    help="Only pages with this flag. May be repeated.",
)
@click.option("--redo", "again", metavar="PAGES", help="Read these pages again: 3-7,12; or 'all', those shown.")
@click.option("--with", "extractor", type=click.Choice([*EXTRACTORS]), help="With --redo: what is to read them.")
@click.option("--password", "ask_password", is_flag=True, help="With --redo: ask for the password of the file.")
@json_option
def pages(
    document: str, flags: tuple[str, ...], again: str | None, extractor: str | None, ask_password: bool, as_json: bool
) -> None:
    """Show what became of each page of a document, or read pages again.

    Each has a row: how many characters, script, language, what read it, flags, and why it holds no text. With --flag
    only those that have any of these flags.

    A page that is read again has a new text. The text before it stays for the answers that quote it. A reading that
    fails, or finds no text where there was some, changes nothing.
    """
    if (extractor or ask_password) and again is None:
        option = "--with" if extractor else "--password"
        raise click.UsageError(f"{option} goes with --redo PAGES.")
    with open_reader() as library:
        found = library.resolve(document)
        ledger = [page for page in library.pages(found) if not flags or set(flags) & set(page.flags)]
    if again is None:
        for page in ledger:
            _show(found, page, as_json)
        return
    numbers = [page.number for page in ledger]
    wanted = numbers if again == "all" else _numbers(found.handle, again, numbers)
    if not wanted:
        raise NothingFound(f"No page of {found.title} has such a flag.", hint=f"See `nemo-docs pages {found.handle}`.")
    click.get_current_context().exit(_redo(found, wanted, extractor, ask_password, as_json))


def _numbers(handle: str, text: str, there: Sequence[int]) -> list[int]:
    scope = parse_scope(f"{handle}:{text}")
    if not scope.ranges:
        raise UsageError(f"{text!r} names no pages.", hint="Write them as 3-7,12, or 'all'.")
    return sorted(scope.pages(there))


def _show(document: Document, page: Page, as_json: bool) -> None:
    if as_json:
        emit("page", {"document": document.handle, **dataclasses.asdict(page)})
        return
    kind = f"{page.language:<4}{page.script:<11}{page.extractor:<13}{', '.join(page.flags):<9}"
    label = f"  “{page.label}”" if page.label else ""
    dropped = f"  {page.dropped:,} characters that cannot be shown left out" if page.dropped else ""
    note = f"  {page.note}" if page.note else ""
    line = f"{page.number:>5}  {page.status:<8}{page.characters:>7,} characters  {kind}{label}{dropped}{note}"
    click.echo(printable(line.rstrip()))


def _redo(
    document: Document, wanted: Sequence[int], extractor: str | None, ask_password: bool, as_json: bool
) -> ExitCode:
    """Read pages again and tell of each; 0 if all of them were read, else 1."""
    from nemo_docs.library.redo import redo
    from nemo_docs.library.store import Library

    password = read_password() if ask_password else None
    code = ExitCode.DONE
    with (
        Library(load().paths.library) as library,
        closing(redo(library, document.handle, wanted, extractor=extractor, password=password)) as told,
        Progress() as progress,
    ):
        for event in told:
            if event.status in (PageStatus.ERROR, PageStatus.TIMEOUT):
                code = ExitCode.FAILED
            if as_json:
                emit("page_redone", {field.name: getattr(event, field.name) for field in dataclasses.fields(event)})
                continue
            progress.update(event.title, event.position, event.pages, "pages")
            progress.clear()
            outcome = "kept as it was" if event.is_kept else "a new text" if event.is_changed else "the same text"
            why = f"; {event.note}" if event.note else ""
            flagged = f", {', '.join(event.flags)}" if event.flags else ""
            line = f"{event.page:>5}  {event.characters:,} characters by {event.extractor}{flagged}: {outcome}{why}"
            click.echo(printable(line))
    return code
