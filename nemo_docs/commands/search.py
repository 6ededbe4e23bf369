"""`nemo-docs search`: passages that hold the words, best first."""

from __future__ import annotations

import dataclasses

import click

from nemo_docs.commands.scope import Scope, look_up
from nemo_docs.commands.shared import emit, example, in_option, json_option, open_reader
from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.plain import printable

_ALL = 1_000_000  # hits to sift when pages are asked for


@click.command(
    epilog=example(
        'search "notice period"', "search Kündigungsfrist --in contract", "search rent --in a:3-7 --in leases"
    )
)
@click.argument("query", nargs=-1, required=True)
@in_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Passages at most.")
@json_option
def search(query: tuple[str, ...], scopes: tuple[Scope, ...], limit: int, as_json: bool) -> None:
    """Find passages that hold the words of QUERY.

    The words are found in any form that their language gives them; nothing in QUERY is syntax. Exits with 3 when
    nothing is found.
    """
    words = " ".join(query)
    if not any(character.isalnum() for character in words):
        raise UsageError(f"{_short(words)} holds no word to look for.", hint="Give words; nothing else is indexed.")
    with open_reader() as library:
        wanted = look_up(library, scopes)
        sifted = any(scope.ranges for scope in scopes)
        hits = library.search(words, list(wanted) if scopes else None, limit=_ALL if sifted else limit)
    if sifted:
        hits = [hit for hit in hits if hit.page in wanted[hit.document][1]][:limit]
    if not hits:
        where = "those documents" if scopes else "the library"
        raise NothingFound(f"Nothing in {where} matches {_short(words)}.", hint="`nemo-docs list` shows what there is.")
    for hit in hits:
        if as_json:
            emit("hit", dataclasses.asdict(hit))
        else:
            click.echo(printable(f"{hit.document}.{hit.passage}  {hit.title}, page {hit.page}"))
            click.echo(printable(f"    {' '.join(hit.text.split())}"))


def _short(words: str) -> str:
    return repr(words if len(words) <= 100 else f"{words[:99]}…")
