"""`nemo-docs list, show, pages`: what is in the library."""

from __future__ import annotations

import dataclasses

import click

from nemo_docs.commands.scope import parse_scope
from nemo_docs.commands.shared import emit, example, json_option, open_reader
from nemo_docs.errors import NothingFound
from nemo_docs.plain import printable


@click.command("list", epilog=example("list", "list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List the documents: handle, language, pages, title, collections."""
    with open_reader() as library:
        documents = library.documents()
    if not documents and not as_json:
        click.echo("The library is empty. Add a document: nemo-docs add FILE", err=True)
    for document in documents:
        if as_json:
            emit("document", dataclasses.asdict(document))
            continue
        pages = f"{document.pages} page{'' if document.pages == 1 else 's'}"
        notes = []
        if document.pages_read < document.pages:
            notes.append(f"{document.pages_read} read; add it again to go on")
        if document.pages_without_text:
            notes.append(f"{document.pages_without_text} without text")
        note = f"  ({'; '.join(notes)})" if notes else ""
        tags = f"  in {', '.join(document.collections)}" if document.collections else ""
        click.echo(printable(f"{document.handle:<4}{document.language:<5}{pages:<12}{document.title}{note}{tags}"))


@click.command(epilog=example("show a", "show contract", "show a:3-4", "show a:3 --json"))
@click.argument("document", metavar="DOC[:PAGES]")
@json_option
def show(document: str, as_json: bool) -> None:
    """Show what is known of a document, or the text of its PAGES.

    DOC is a handle, else the path of a file in the library, else a unique part of a title.
    """
    scope = parse_scope(document)
    with open_reader() as library:
        found = library.resolve(scope.reference)
        if not scope.ranges:
            _facts(dataclasses.asdict(found), as_json)
            return
        wanted = scope.pages(page.number for page in library.pages(found))
        texts = [page for page in library.page_texts(found) if page.number in wanted]
    silent = len(wanted) - len(texts)
    if silent:
        click.echo(f"{silent} of these pages hold no text; `nemo-docs pages {found.handle}` says why.", err=True)
    if not texts:
        raise NothingFound(f"No page of {document} holds any text.", hint=f"See `nemo-docs pages {found.handle}`.")
    for page in texts:
        if as_json:
            emit("page_text", {"document": found.handle, **dataclasses.asdict(page)})
        else:
            click.echo(f"--- {found.handle}, page {page.number} ---", err=True)
            click.echo(printable(page.text, lines=True))


@click.command(epilog=example("pages a", "pages a --json"))
@click.argument("document", metavar="DOC")
@json_option
def pages(document: str, as_json: bool) -> None:
    """Show what became of each page of a document.

    Each has a row: how many characters, in which language, or why it holds no text.
    """
    with open_reader() as library:
        found = library.resolve(document)
        ledger = library.pages(found)
    for page in ledger:
        if as_json:
            emit("page", {"document": found.handle, **dataclasses.asdict(page)})
            continue
        dropped = f"  {page.dropped:,} characters that cannot be shown left out" if page.dropped else ""
        note = f"  {page.note}" if page.note else ""
        click.echo(
            printable(
                f"{page.number:>5}  {page.status:<8}{page.characters:>7,} characters  {page.language}{dropped}{note}"
            )
        )


def _facts(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        emit("document", facts)
        return
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        click.echo(printable(f"{name.replace('_', ' ')}: {shown}"))
