"""`nemo-docs search`: passages that hold the words, best first."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nemo_docs.commands.scope import Scope, look_up
from nemo_docs.commands.shared import emit, example, in_option, json_option, open_reader
from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.plain import printable
from nemo_docs.settings import LANGUAGES

if TYPE_CHECKING:
    from nemo_docs.library.reader import LibraryReader
    from nemo_docs.library.records import Hit

_SNIPPET = 400
"""Characters of a passage that are shown to people; a longer one is cut around what matched."""
_BEFORE = 80
"""Of them, what may stand before the first match that is shown."""


@click.command(
    epilog=example(
        "search notice period",
        "search '\"notice period\" rent' --in leases",
        "search Kündigungsfrist --in contract --by page",
        "search --exact '§ 573c' --in a:3-7",
    )
)
@click.argument("query", nargs=-1, required=True)
@in_option
@click.option("--exact", is_flag=True, help="Look for these very letters, case and all, in the order of the pages.")
@click.option(
    "--by",
    type=click.Choice(["passage", "page", "document"]),
    default="passage",
    show_default=True,
    help="What to find; pages and documents are shown by the passage of theirs that fits best.",
)
@click.option(
    "--language",
    "languages",
    type=click.Choice([*LANGUAGES, "und"]),
    multiple=True,
    metavar="CODE",
    help="Only pages in this language, such as de; und are those whose language is unknown. May be repeated.",
)
@click.option(
    "--match",
    type=click.Choice(["auto", "words", "meaning"]),
    default="auto",
    show_default=True,
    help="What passages have to match; auto is both, where documents are indexed by meaning: nemo-docs index.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Results at most.")
@json_option
def search(
    query: tuple[str, ...],
    scopes: tuple[Scope, ...],
    exact: bool,
    by: str,
    languages: tuple[str, ...],
    match: str,
    limit: int,
    as_json: bool,
) -> None:
    """Find passages that hold the words of QUERY, or that mean the same.

    The words are found in any form that their language gives them, and what stands in quotation marks as words one
    behind the other; nothing else in QUERY is syntax. By meaning passages are found in other languages, too. Exits with
    3 when nothing is found.
    """
    words = " ".join(query)
    if not (words.strip() if exact else any(character.isalnum() for character in words)):
        raise UsageError(f"{_short(words)} holds no word to look for.", hint="Give words; nothing else is indexed.")
    with open_reader() as library:
        question = None if exact else _question(library, words, match)
        wanted = look_up(library, scopes)
        hits = library.search(
            words,
            list(wanted) if scopes else None,
            limit,
            pages={handle: pages for handle, (document, pages) in wanted.items() if len(pages) < document.pages_read},
            languages=languages or None,
            by=by,
            exact=exact,
            question=question,
            words=match != "meaning",
        )
    if not hits:
        where = "those documents" if scopes else "the library"
        raise NothingFound(f"Nothing in {where} matches {_short(words)}.", hint="`nemo-docs list` shows what there is.")
    for hit in hits:
        if as_json:
            emit("hit", {**dataclasses.asdict(hit), "by": by})
        else:
            click.echo(printable(_headline(hit, by)))
            click.echo(f"    {_snippet(hit)}")


def _headline(hit: Hit, by: str) -> str:
    meant = "" if "words" in hit.found_by else ", by meaning"
    if by == "document":
        return f"{hit.document}  {hit.title}{meant}"
    place = f"{hit.document}:{hit.page}" if by == "page" else f"{hit.document}.{hit.passage}"
    return f"{place}  {hit.title}, page {hit.page}{meant}"


def _snippet(hit: Hit) -> str:
    """The passage on one line, cut around what matched, which is marked where a terminal shows it."""
    marks = [(start - hit.start, end - hit.start) for start, end in hit.highlights]
    first, last = _window(hit.text, marks)
    line, at = "… " if first else "", first
    for start, end in [(max(start, first), min(end, last)) for start, end in marks if start < last and end > first]:
        line += _plain(hit.text[at:start]) + _marked(_plain(hit.text[start:end]))
        at = end
    return line + _plain(hit.text[at:last]).rstrip() + (" …" if last < len(hit.text) else "")


def _window(text: str, marks: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The stretch of a passage that holds most of what matched; its ends are where words end, if any are near."""
    if len(text) <= _SNIPPET:
        return 0, len(text)
    starts = [max(start - _BEFORE, 0) for start, _ in marks] or [0]
    first = max(starts, key=lambda at: sum(end - start for start, end in marks if at <= start and end <= at + _SNIPPET))
    first = min(first, len(text) - _SNIPPET)
    last = first + _SNIPPET
    if first and (space := text.find(" ", first, first + 20)) >= 0 and all(space < start for start, _ in marks[:1]):
        first = space + 1
    if last < len(text) and (space := text.rfind(" ", last - 20, last)) >= 0:
        last = space
    return first, last


def _plain(text: str) -> str:
    """Every run of white space as one space, and nothing that a terminal acts upon."""
    inner = " ".join(text.split())
    lead, tail = text[:1].isspace(), text[-1:].isspace()
    return printable(f"{' ' * lead}{inner}{' ' * (tail and bool(inner))}")


def _marked(text: str) -> str:
    return click.style(text, bold=True, underline=True) if sys.stdout.isatty() else text


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
