"""From what a reader finds on a page to the page as it is stored: cleaned, its language told, cut, turned into terms.

All of it is pure work, and takes a fifth of the time of a page, so the children that read do it (extract.py), each
beside the others; whoever writes the library only writes.
"""

from __future__ import annotations

from typing import Any

from nemo_docs.library.clean import CleanText, OffsetMap, clean
from nemo_docs.library.indexing import indexed_passages
from nemo_docs.library.languages import UNKNOWN, detect
from nemo_docs.library.readers import RawText
from nemo_docs.library.records import PageFlag, PageStatus
from nemo_docs.library.versions import NewPage


def prepare(number: int, found: RawText, extractor: str, language: str) -> NewPage:
    """One page as it will be stored.

    Args:
        number: From 1.
        found: What the reader found on it.
        extractor: Name and version of the reader.
        language: Of the page before: a page too short to tell its own is taken to be in that.
    """
    text = clean(found.text, found.hidden)
    hidden = sum(end - start for start, end in found.hidden)
    flags = {*found.flags, *((PageFlag.HIDDEN,) if hidden else ()), *(() if text.text else (PageFlag.EMPTY,))}
    note = f"hidden text left out: {hidden} characters" if hidden else ""
    detected = detect(text.text)
    language = language if text.text and detected == UNKNOWN else detected
    return NewPage(
        number=number,
        extractor=found.extractor or extractor,
        status=PageStatus.OK if text.text else PageStatus.EMPTY,
        note=note if text.text else note or "no text layer",
        language=language,
        raw=found.text,
        text=text,
        flags=tuple(flag for flag in PageFlag if flag in flags),
        label=found.label,
        passages=tuple(indexed_passages(text.text, language)),
    )


def failed(number: int, extractor: str, status: PageStatus, note: str) -> NewPage:
    """A page that could not be read."""
    return NewPage(number, extractor, status, note, flags=(PageFlag(status),))


def to_plain(page: NewPage) -> dict[str, Any]:
    """A prepared page as JSON can hold it; its raw text is left out, and travels with what the reader found."""
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
        passages=tuple((int(start), int(end), str(terms)) for start, end, terms in plain["passages"]),
    )
