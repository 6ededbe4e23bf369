"""`nemo-docs kv show | verify | pin | unpin | clear`: what was read and is kept on disk, so that it is read once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit, example, json_option, open_reader
from nemo_docs.errors import ExitCode, NothingFound, UsageError
from nemo_docs.plain import counted, printable, size
from nemo_docs.settings import load

if TYPE_CHECKING:
    from nemo_docs.commands.kv_report import Holding
    from nemo_docs.library.records import Document


@click.group(
    "kv", invoke_without_command=True, epilog=example("kv", "kv show contract", "kv pin contract", "kv clear notes")
)
@click.pass_context
def kv(ctx: click.Context) -> None:
    """Look after what was read, which is kept on disk.

    What the model has read of a document is kept for each model and precision, so that after a restart, too, a question
    starts at once. The settings store_size and store_floor say how much of the disk it may take; what was not used for
    longest goes first.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@kv.command(epilog=example("kv show", "kv show contract", "kv show --json"))
@click.argument("document", metavar="[DOC]", required=False)
@json_option
def show(document: str | None = None, as_json: bool = False) -> None:
    """Show for each model which documents it has read, and what that takes."""
    from nemo_docs.commands.kv_report import as_data, holdings, room

    configuration = load()
    with open_reader() as library:
        rows = holdings(configuration, library)
        if document is not None:
            found = library.resolve(document)
            rows = [row for row in rows if found.handle in row.documents]
            if not rows:
                raise NothingFound(
                    f"Nothing of {found.handle} is read yet.", hint=f"Read it with `nemo-docs read {found.handle}`."
                )
    if as_json:
        for row in rows:
            emit("kv", as_data(row))
    else:
        for reader, held in groupby(rows, key=lambda row: row.reader):
            click.echo(printable(str(reader)))
            for row in held:
                click.echo(printable(f"  {_line(row)}"))
    if document is not None:
        return
    whole = room(configuration)
    if as_json:
        data = dataclasses.asdict(whole)
        emit("kv_room", {**data, "folder": str(whole.folder), "bytes": data.pop("n_bytes")})
        return
    taken = f"{counted(whole.blocks, 'block')} take {size(whole.n_bytes)} of at most {size(whole.budget_bytes)}"
    free = f"{size(whole.free_bytes)} of that disk are free, {size(whole.floor_bytes)} of them stay so"
    click.echo(printable(f"{taken}, in {whole.folder}; {free}."))


@kv.command(epilog=example("kv verify", "kv verify --remove"))
@click.option("--remove", "is_removal", is_flag=True, help="Delete the damaged files; what they held is read again.")
@json_option
def verify(is_removal: bool, as_json: bool) -> int:
    """Read every byte of what is kept and name the files that are damaged.

    A damaged file never changes an answer: it is found when it is used, and that part is read again. Exits with 1 if
    any is found that stays.
    """
    from nemo_docs.kv import catalogue

    folder = load().paths.kv
    of = len(catalogue.sizes(folder))
    done = damaged = 0
    with Progress() as progress:

        def checked() -> None:
            nonlocal done
            done += 1
            progress.update("Checking", done, of, "blocks")

        for path, reason in catalogue.verify(folder, checked):
            damaged += 1
            progress.clear()
            if is_removal:
                _delete(path)
            if as_json:
                emit("damaged", {"path": str(path), "reason": reason, "is_removed": is_removal})
            else:
                click.echo(printable(f"{path} {reason}{' and is deleted' * is_removal}"))
    if as_json:
        emit("verified", {"blocks": done, "damaged": damaged})
    else:
        click.echo(f"{counted(done, 'block')} checked, {damaged:,} damaged.", err=True)
    return ExitCode.FAILED if damaged and not is_removal else ExitCode.DONE


@kv.command(epilog=example("kv pin contract", "kv pin a b"))
@click.argument("documents", metavar="DOC...", nargs=-1, required=True)
@json_option
def pin(documents: tuple[str, ...], as_json: bool) -> None:
    """Keep what is read of documents, now or later, until nothing else is left to go."""
    from nemo_docs.backends.forgetting import store_errors
    from nemo_docs.kv import catalogue

    folder = load().paths.kv
    for found in _resolved(documents):
        with store_errors(folder):
            catalogue.pin(folder, found.sha256)
        _say("pinned", found, as_json, "is pinned")


@kv.command(epilog=example("kv unpin contract"))
@click.argument("documents", metavar="DOC...", nargs=-1, required=True)
@json_option
def unpin(documents: tuple[str, ...], as_json: bool) -> None:
    """Let what is read of documents go when others need the room."""
    from nemo_docs.backends.forgetting import store_errors
    from nemo_docs.kv import catalogue

    folder = load().paths.kv
    with open_reader() as library:
        owners = library.version_hashes()
    for found in _resolved(documents):
        with store_errors(folder):
            for label in catalogue.pinned(folder):
                if found.handle in owners.get(label, ()):
                    catalogue.unpin(folder, label)
        _say("unpinned", found, as_json, "is no longer pinned")


@kv.command(epilog=example("kv clear", "kv clear contract", "kv clear --removed", "kv clear --pinned"))
@click.argument("documents", metavar="[DOC...]", nargs=-1)
@click.option("--removed", "only_removed", is_flag=True, help="Only of documents that the library no longer has.")
@click.option("--pinned", "pinned_too", is_flag=True, help="Of pinned documents, too.")
@json_option
def clear(documents: tuple[str, ...], only_removed: bool, pinned_too: bool, as_json: bool) -> None:
    """Delete what was read of documents, or of all but pinned ones; the documents stay.

    What was read behind a document in the same window goes with it. A running engine lets go of it, too.
    """
    from nemo_docs.backends.forgetting import let_go, purge, purge_all
    from nemo_docs.kv import catalogue

    if documents and (only_removed or pinned_too):
        raise UsageError("Documents that are named are cleared in any case.", hint="Give DOC or an option, not both.")
    configuration = load()
    folder, found = configuration.paths.kv, _resolved(documents)
    with open_reader() as library:
        owners = library.version_hashes()
    stored = {label for entry in catalogue.entries(folder) for label, _ in entry.labels}
    named = {each.handle for each in found}
    if documents:
        labels = {label for label, handles in owners.items() if handles & named}
    else:
        labels = stored - owners.keys() if only_removed else stored | owners.keys()
        labels -= set() if pinned_too else catalogue.pinned(folder)
    let_go(labels, configuration.settings, state=configuration.paths.state)
    freed = purge(folder, labels) if documents or only_removed else purge_all(folder, pinned_too=pinned_too)
    if as_json:
        emit("cleared", {"documents": [each.handle for each in found], "blocks": freed.blocks, "bytes": freed.n_bytes})
    else:
        click.echo(f"Cleared {counted(freed.blocks, 'block')}, {size(freed.n_bytes)}.", err=True)


def _delete(path: Path) -> None:
    from nemo_docs.backends.forgetting import store_errors
    from nemo_docs.kv import catalogue

    with store_errors(path):
        catalogue.remove(path)


def _resolved(names: Sequence[str]) -> list[Document]:
    """The documents that are meant, each once."""
    with open_reader() as library:
        return [*{each.handle: each for each in map(library.resolve, names)}.values()]


def _say(event: str, document: Document, as_json: bool, what: str) -> None:
    if as_json:
        emit(event, {"document": document.handle, "title": document.title, "label": document.sha256})
    else:
        click.echo(printable(f"{document.handle}  {document.title} {what}"), err=True)


def _line(row: Holding) -> str:
    """One text of one model."""
    if not row.label:
        return f"{'':<4}before all texts: {counted(row.blocks, 'block')}, {size(row.n_bytes)}"
    name = row.title if row.documents else f"removed from the library ({row.label[:12]})"
    if row.documents and not row.is_current:
        name += " (an earlier version)"
    used = datetime.fromtimestamp(row.used).strftime("%Y-%m-%d %H:%M")
    return (
        f"{', '.join(row.documents) or '-':<4}{name}: {row.tokens:,} of {row.of:,} tokens, "
        f"{counted(row.blocks, 'block')}, {size(row.n_bytes)}, used {used}{', pinned' * row.is_pinned}"
    )
