"""`nemo-docs tag, remove`: how the library is put together, and what goes."""

from __future__ import annotations

from functools import partial

import click

from nemo_docs.commands.shared import emit, example, json_option, open_reader
from nemo_docs.plain import printable, size
from nemo_docs.settings import load


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
