"""A page made ready to be stored where it was read: cleaned, its language told, cut, turned into terms.

All of it is pure work, and takes a fifth of the time of a page, so the children that read do it (extract.py), each
beside the others; whoever writes the library only writes. Here is what such a page is in JSON.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nemo_docs.library.clean import CleanText, OffsetMap
from nemo_docs.library.indexing import IndexedPassage, indexed_passages
from nemo_docs.library.languages import UNKNOWN
from nemo_docs.library.ledger import new_page
from nemo_docs.library.records import PageFlag, PageStatus
from nemo_docs.library.versions import NewPage

if TYPE_CHECKING:
    from nemo_docs.library.extraction import RawPage


def prepare(raw: RawPage, extractor: str) -> NewPage:
    """One page as it will be stored, its passages with it; else as `ledger.new_page`."""
    page = new_page(raw, extractor)
    return replace(page, passages=tuple(indexed_passages(_text(page), page.language)))


def in_language(page: NewPage, language: str) -> NewPage:
    """A page that is ready; one that does not tell its own language, as it would be in that of the pages beside it."""
    if not _text(page) or page.language != UNKNOWN or language == UNKNOWN:
        return page
    return replace(page, language=language, passages=tuple(indexed_passages(_text(page), language)))


def _text(page: NewPage) -> str:
    return page.text.text if page.text else ""


def to_plain(page: NewPage) -> dict[str, Any]:
    """A page that was read as JSON can hold it; its raw text is left out, and travels with what the reader found."""
    assert page.text is not None
    return {
        "number": page.number,
        "extractor": page.extractor,
        "status": page.status,
        "note": page.note,
        "language": page.language,
        "script": page.script,
        "flags": page.flags,
        "label": page.label,
        "passages": page.passages,
        "text": page.text.text,
        "dropped": page.text.dropped,
        "runs": page.text.offsets.runs,
    }


def from_plain(plain: dict[str, Any], raw: str) -> NewPage:
    """The page that `to_plain` was given."""
    runs = tuple((int(at), int(raw_at)) for at, raw_at in plain["runs"])
    return NewPage(
        number=int(plain["number"]),
        extractor=plain["extractor"],
        status=PageStatus(plain["status"]),
        note=plain["note"],
        language=plain["language"],
        raw=raw,
        text=CleanText(plain["text"], OffsetMap(runs), int(plain["dropped"])),
        script=plain["script"],
        flags=tuple(PageFlag(flag) for flag in plain["flags"]),
        label=plain["label"],
        passages=tuple(IndexedPassage(*each) for each in plain["passages"]),
    )
