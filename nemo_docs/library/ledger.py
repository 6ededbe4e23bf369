"""One page as the ledger keeps it: its text repaired, its language and script told, what is odd about it flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_docs.library.clean import clean
from nemo_docs.library.languages import detect, script
from nemo_docs.library.records import PageFlag, PageStatus
from nemo_docs.library.versions import NewPage

if TYPE_CHECKING:
    from nemo_docs.library.extraction import RawPage

_NO_TEXT = "no text layer: it is a picture; `pages DOC --redo N --with ocr` reads it where Tesseract is installed"


def new_page(raw: RawPage, extractor: str) -> NewPage:
    """One page as it will be stored.

    Args:
        raw: What came of it.
        extractor: Name and version of the file's reader, for a page that names none of its own.
    """
    if raw.status is not PageStatus.OK:
        return NewPage(raw.number, extractor, raw.status, raw.note, flags=(PageFlag(raw.status),))
    found = raw.found
    text = clean(found.text, found.hidden, found.order)
    hidden = sum(end - start for start, end in found.hidden)
    flags = {*found.flags, *((PageFlag.HIDDEN,) if hidden else ())}
    if not text.text and PageFlag.SCAN not in flags:
        flags.add(PageFlag.EMPTY)
    left_out = f": {hidden} characters" if hidden else ""
    notes = [f"hidden text left out{left_out}"] * (PageFlag.HIDDEN in flags)
    if not text.text:
        notes.append(_NO_TEXT if PageFlag.SCAN in flags else "no text layer")
    return NewPage(
        number=raw.number,
        extractor=found.extractor or extractor,
        status=PageStatus.OK if text.text else PageStatus.EMPTY,
        note="; ".join(notes),
        language=detect(text.text),
        raw=found.text,
        text=text,
        script=script(text.text),
        flags=tuple(flag for flag in PageFlag if flag in flags),
        label=found.label,
    )
