"""`nemo-docs list, show`: what is in the library."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.scope import parse_scope
from nemo_docs.commands.shared import emit, example, json_option
from nemo_docs.errors import NothingFound
from nemo_docs.library.reader import LibraryReader
from nemo_docs.plain import counted, printable
from nemo_docs.settings import Configuration, load

if TYPE_CHECKING:
    from nemo_docs.backends.shares import Share
    from nemo_docs.library.records import Document


@click.command("list", epilog=example("list", "list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List the documents, and how much of each is read.

    Handle, language, pages, how much the model in use has read, title, collections.
    """
    configuration = load()
    with LibraryReader(configuration.paths.library) as library:
        documents = library.documents()
        meaning = library.meaning_shares()
    shares = _shares(configuration)
    if not documents and not as_json:
        click.echo("The library is empty. Add a document: nemo-docs add FILE", err=True)
    for document in documents:
        if as_json:
            by_meaning = meaning[document.handle].pages if document.handle in meaning else 0
            facts = {**dataclasses.asdict(document), **_read(shares, document), "pages_by_meaning": by_meaning}
            emit("document", facts)
            continue
        pages = counted(document.pages, "page")
        notes = []
        if document.pages_read < document.pages:
            notes.append(f"{document.pages_read} read; add it again to go on")
        if document.pages_without_text:
            notes.append(f"{document.pages_without_text} without text")
        note = f"  ({'; '.join(notes)})" if notes else ""
        tags = f"  in {', '.join(document.collections)}" if document.collections else ""
        share = "" if shares is None else f"{_told(shares, document):<10}"
        line = f"{document.handle:<4}{document.language:<5}{pages:<12}{share}{document.title}{note}{tags}"
        click.echo(printable(line))


@click.command(epilog=example("show a", "show contract", "show a:3-4", "show a:3 --json"))
@click.argument("document", metavar="DOC[:PAGES]")
@json_option
def show(document: str, as_json: bool) -> None:
    """Show what is known of a document, or the text of its PAGES.

    How much of it the model in use has read is among that.
    DOC is a handle, else the path of a file in the library, else a unique part of a title.
    """
    scope = parse_scope(document)
    configuration = load()
    with LibraryReader(configuration.paths.library) as library:
        found = library.resolve(scope.reference)
        if not scope.ranges:
            _facts({**dataclasses.asdict(found), **_read(_shares(configuration), found)}, as_json)
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


def _shares(configuration: Configuration) -> Mapping[str, Share] | None:
    """How much of each document is read for the model in use; None if it is not on this machine."""
    from nemo_docs.backends.shares import shares_in_use

    paths = configuration.paths
    return shares_in_use(configuration.settings, models=paths.models, kv=paths.kv)


def _read(shares: Mapping[str, Share] | None, document: Document) -> dict[str, object]:
    """The same as plain data."""
    share = None if shares is None else shares.get(document.sha256)
    return {
        "tokens_read": None if shares is None else share.tokens if share else 0,
        "tokens": share.of if share else None,
    }


def _told(shares: Mapping[str, Share], document: Document) -> str:
    share = shares.get(document.sha256)
    return f"{share.percent}% read" if share and share.percent else "unread"


def _facts(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        emit("document", facts)
        return
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, tuple) else "unknown" if value is None else value
        click.echo(printable(f"{name.replace('_', ' ')}: {shown}"))
