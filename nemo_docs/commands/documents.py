"""`nemo-docs add, tag, remove`: what comes into the library, how it is put together, and what goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.adding import tell
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import emit, example, json_option, open_reader, standard_input
from nemo_docs.errors import UsageError
from nemo_docs.plain import printable, size
from nemo_docs.settings import load

if TYPE_CHECKING:
    from nemo_docs.library.store import Library


@click.command(
    epilog=example(
        "add contract.pdf notes/ --tag law",
        "add --password secret.pdf",
        "add --samples",
        "add - --title notes.md < notes.md",
    )
)
@click.argument("paths", metavar="PATH...", nargs=-1)
@click.option("--samples", is_flag=True, help="Add the sample library: one text in eleven languages.")
@click.option("--title", metavar="NAME", help="With PATH '-': what to call it; stdin.txt unless given.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Put them into this collection. May be repeated.")
@click.option("--password", "ask_password", is_flag=True, help="Ask for the password of encrypted files.")
@json_option
def add(
    paths: tuple[str, ...], samples: bool, title: str | None, tags: tuple[str, ...], ask_password: bool, as_json: bool
) -> None:
    """Read documents, and folders of them, into the library.

    PDF, DOCX, EPUB, HTML, Markdown and plain text; scans and pictures of text (PNG, JPEG, TIFF, WebP) where the program
    tesseract is installed, as `nemo-docs doctor` says.

    What is there already is left alone; what was interrupted goes on where it stopped; a file that fails does not stop
    the others. A changed file becomes a new version of its document. With --tag what is there already is put into the
    collection, too. The password is read from standard input when that is no terminal.

    PATH '-' reads one document from standard input; a copy of it is kept beside the library until it is removed.
    """
    from nemo_docs.library import ingest
    from nemo_docs.library.store import Library
    from nemo_docs.library.tags import collection_name

    if samples:
        from nemo_docs.library.samples import samples_folder

        paths = (*paths, str(samples_folder()))
    if not paths:
        raise UsageError("Nothing to add was named.", hint="Name files or folders: nemo-docs add PATH...")
    if "-" not in paths and title is not None:
        raise UsageError("--title names a document from standard input.", hint="Give '-' as a PATH.")
    if "-" in paths and ask_password:
        raise UsageError("Standard input can hold a password or a document, not both.", hint="Add the one file alone.")
    collections = [collection_name(tag) for tag in tags]
    password = _password() if ask_password else None
    with (
        Library(load().paths.library) as library,
        _stdin_kept(library, paths, title or "stdin.txt") as files,
        closing(ingest.add(library, files, password=password, collections=collections)) as events,
        Progress() as progress,
    ):
        code = tell(events, progress, as_json)
    click.get_current_context().exit(code)


@contextmanager
def _stdin_kept(library: Library, paths: Sequence[str], title: str) -> Iterator[Sequence[str]]:
    """The paths, with a copy of standard input in the place of '-'; it goes again if no document came of it."""
    if "-" not in paths:
        yield paths
        return
    from nemo_docs.library import inbox
    from nemo_docs.library.extraction import Limits

    kept = inbox.keep(library.path, standard_input(), title, max_bytes=Limits().file_bytes)
    try:
        yield [str(kept) if path == "-" else path for path in paths]
    finally:
        version = library.version(kept.parent.name, str(kept))
        if version is None or version.path != str(kept):
            inbox.discard(library.path, kept)


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\n")


@click.command(epilog=example("tag a law", 'tag contract "law 2026"', "tag a law --remove"))
@click.argument("document", metavar="DOC")
@click.argument("collection", metavar="TAG")
@click.option("--remove", "is_removal", is_flag=True, help="Take it out of the collection.")
@json_option
def tag(document: str, collection: str, is_removal: bool, as_json: bool) -> None:
    """Put a document into a collection, or take it out.

    DOC is a handle, else the path of a file in the library, else a unique part of a title. TAG is one line of at most
    60 characters without ':' and ','; case does not tell collections apart. A collection begins with its first document
    and ends with its last.
    """
    from nemo_docs.library.store import Library

    with open_reader() as library:
        found = library.resolve(document)
    with Library(load().paths.library) as store:
        name = (store.untag if is_removal else store.tag)(found.handle, collection)
    if as_json:
        fields = {"document": found.handle, "title": found.title, "collection": name}
        emit("untagged" if is_removal else "tagged", fields)
    else:
        said = "is no longer in" if is_removal else "is in"
        click.echo(printable(f"{found.handle}  {found.title} {said} {name}"), err=True)


@click.command(epilog=example("remove a b", "remove contract.pdf"))
@click.argument("documents", metavar="DOC...", nargs=-1, required=True)
@json_option
def remove(documents: tuple[str, ...], as_json: bool) -> None:
    """Remove documents with all that came of them.

    That is their pages, index, stored text, answers, and what models have read of them.
    DOC is a handle or a path, never part of a title. The file itself stays where it is; a handle is not given again. A
    running engine lets go of them, too.
    """
    from nemo_docs.answering import removing
    from nemo_docs.backends.forgetting import let_go

    with open_reader() as library:
        found = {each.handle: each for each in (library.resolve(name, for_removal=True) for name in documents)}
    configuration = load()
    paths = configuration.paths
    forget = partial(let_go, settings=configuration.settings, state=paths.state)
    for document in found.values():
        freed = removing.remove(document.handle, library=paths.library, kv=paths.kv, let_go=forget)
        if as_json:
            named = {"document": document.handle, "title": document.title}
            emit("removed", {**named, "blocks": freed.blocks, "bytes": freed.n_bytes})
        else:
            read = f", and {size(freed.n_bytes)} of what was read" if freed.blocks else ""
            click.echo(printable(f"Removed {document.handle}  {document.title}{read}"), err=True)
