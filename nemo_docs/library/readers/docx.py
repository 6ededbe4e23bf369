"""DOCX: what Word shows, with its numbers, notes and pages.

The walk over the file's XML is our own, because what the packages at hand leave out matters here: numbers of clauses
(python-docx and mammoth drop them, docx2python those that a style gives), insertions, notes, and where Word itself
broke the pages when it saved the file. Where Word left no breaks a page is about 3,000 characters, cut before headings.
"""

from __future__ import annotations

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.archive import Archive, attribute, children, resolved
from nemo_docs.library.readers.docx_body import Body
from nemo_docs.library.readers.docx_numbering import Numbering
from nemo_docs.library.readers.docx_styles import Styles
from nemo_docs.library.readers.flow import Flow, printed_pages

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SEALED = "EncryptedPackage".encode("utf-16-le")


class DocxReader:
    """Reads a Word document of 2007 or later."""

    extractor = "docx 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a document and lay it out.

        Raises:
            Unreadable: If it is no such document, sealed, damaged, a bomb, or holds no text.
        """
        if data.startswith(_OLE):
            raise _older(data)
        archive = Archive(data)
        main = _related(archive, "").get("officeDocument", ["word/document.xml"])[0]
        if main not in archive or not main.endswith(".xml") or "/document" not in f"/{main}":
            raise Unreadable("it is not a Word document", hint="Save it as DOCX or PDF, and add that file.")
        parts = _related(archive, main)
        flow = Flow()
        try:
            styles = Styles(archive.xml(name) if (name := _first(parts, "styles", archive)) else None)
            numbers = Numbering(archive.xml(name) if (name := _first(parts, "numbering", archive)) else None)
            notes = {kind: archive.xml(name) for kind in _NOTES if (name := _first(parts, kind, archive))}
            margins = [
                archive.xml(name) for kind in ("header", "footer") for name in parts.get(kind, ()) if name in archive
            ]
            Body(flow, styles, numbers, notes).write(archive.xml(main), margins)
        except RecursionError:
            raise Unreadable("its parts are nested too deeply") from None
        self._pages = printed_pages(flow.sheets())
        if not self._pages:
            raise Unreadable("it holds no text", hint="Pictures of text in it need OCR: save it as PDF and add that.")
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """One page, as Word broke them when it saved the file, else as cut here."""
        return self._pages[number - 1]


_NOTES = ("footnotes", "endnotes", "comments")


def _older(data: bytes) -> Unreadable:
    if _SEALED in data:
        return Unreadable(
            "it is sealed with a password, in a way that only Office opens", hint="Save it without a password."
        )
    return Unreadable("it is in Office's format from before 2007", hint="Save it as DOCX or PDF, and add that file.")


def _related(archive: Archive, part: str) -> dict[str, list[str]]:
    """What a part refers to within the archive: names of members by kind of relation."""
    folder, _, name = part.rpartition("/")
    relations = f"{folder}/_rels/{name}.rels".lstrip("/")
    found: dict[str, list[str]] = {}
    if relations in archive:
        for each in children(archive.xml(relations), "Relationship"):
            if attribute(each, "TargetMode") != "External":
                kind = attribute(each, "Type").rpartition("/")[2]
                found.setdefault(kind, []).append(resolved(part, attribute(each, "Target")))
    return found


def _first(parts: dict[str, list[str]], kind: str, archive: Archive) -> str:
    return next((name for name in parts.get(kind, ()) if name in archive), "")
