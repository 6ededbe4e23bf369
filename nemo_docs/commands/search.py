"""`nemo-docs search`: passages that hold the words, or mean the same, best first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.scope import Scope, look_up
from nemo_docs.commands.shared import emit, example, in_option, json_option, open_reader
from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.plain import printable

if TYPE_CHECKING:
    from nemo_docs.library.reader import LibraryReader

_ALL = 1_000_000  # hits to sift when pages are asked for


@click.command(
    epilog=example(
        'search "notice period"', "search Kündigungsfrist --in contract", "search rent --in a:3-7 --in leases"
    )
)
@click.argument("query", nargs=-1, required=True)
@in_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Passages at most.")
@click.option(
    "--by",
    "way",
    type=click.Choice(["auto", "words", "meaning"]),
    default="auto",
    show_default=True,
    help="What to go by; auto is both, where documents are indexed by meaning (see `nemo-docs index`).",
)
@json_option
def search(query: tuple[str, ...], scopes: tuple[Scope, ...], limit: int, way: str, as_json: bool) -> None:
    """Find passages that hold the words of QUERY, or that mean the same.

    The words are found in any form that their language gives them; nothing in QUERY is syntax. By meaning passages are
    found in other languages, too. Exits with 3 when nothing is found.
    """
    words = " ".join(query)
    if not any(character.isalnum() for character in words):
        raise UsageError(f"{_short(words)} holds no word to look for.", hint="Give words; nothing else is indexed.")
    with open_reader() as library:
        question = _question(library, words, way)
        wanted = look_up(library, scopes)
        sifted = any(scope.ranges for scope in scopes)
        hits = library.search(
            words,
            list(wanted) if scopes else None,
            limit=_ALL if sifted else limit,
            question=question,
            words=way != "meaning",
        )
    if sifted:
        hits = [hit for hit in hits if hit.page in wanted[hit.document][1]][:limit]
    if not hits:
        where = "those documents" if scopes else "the library"
        raise NothingFound(f"Nothing in {where} matches {_short(words)}.", hint="`nemo-docs list` shows what there is.")
    for hit in hits:
        if as_json:
            emit("hit", dataclasses.asdict(hit))
        else:
            by = "" if "words" in hit.found_by else ", by meaning"
            click.echo(printable(f"{hit.document}.{hit.passage}  {hit.title}, page {hit.page}{by}"))
            click.echo(printable(f"    {' '.join(hit.text.split())}"))


def _question(library: LibraryReader, words: str, way: str) -> bytes | None:
    """The vector of a query; None where it is to be looked for by words alone.

    Raises:
        WeightsMissing: If it is to be looked for by meaning alone, and that is not installed.
        NothingFound: If it is, and no document is indexed by meaning.
    """
    from nemo_docs.library.meaning import model

    if way == "words" or (way == "auto" and (model.absence() or not library.has_meaning())):
        return None
    model.require()
    if not library.has_meaning():
        raise NothingFound("No document is indexed by meaning yet.", hint="Do that with: nemo-docs index")
    from nemo_docs.library.meaning.embedder import Embedder

    with Embedder() as embedder:
        return embedder.query(words)


def _short(words: str) -> str:
    return repr(words if len(words) <= 100 else f"{words[:99]}…")
