"""DOCX: what Word shows, with its numbers, notes and pages.

The walk over the file's XML is our own, because what the packages at hand leave out matters here: numbers of clauses
(python-docx and mammoth drop them, docx2python those that a style gives), insertions, notes, and where Word itself
broke the pages when it saved the file. Where Word left no breaks a page is about 3,000 characters, cut before headings.
"""

from __future__ import annotations

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.archive import Archive
from nemo_docs.library.readers.docx_body import Body
from nemo_docs.library.readers.docx_numbering import Numbering
from nemo_docs.library.readers.docx_styles import Styles
from nemo_docs.library.readers.flow import Flow, printed_pages
from nemo_docs.library.readers.packages import MAIN, related

_NOTES = ("footnotes", "endnotes", "comments")


class DocxReader:
    """Reads a Word document of 2007 or later."""

    extractor = "docx 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a document and lay it out.

        Raises:
            Unreadable: If it is no such document, damaged, a bomb, or holds no text.
        """
        archive = Archive(data)
        main = related(archive, "").get(MAIN, ["word/document.xml"])[0]
        if main not in archive or not main.endswith(".xml") or "/document" not in f"/{main}":
            raise Unreadable("it is not a Word document", hint="Save it as DOCX or PDF, and add that file.")
        parts = related(archive, main)
        flow = Flow()
        try:
            styles = Styles(archive.xml(parts["styles"][0]) if "styles" in parts else None)
            numbers = Numbering(archive.xml(parts["numbering"][0]) if "numbering" in parts else None)
            notes = {kind: archive.xml(parts[kind][0]) for kind in _NOTES if kind in parts}
            margins = [archive.xml(name) for kind in ("header", "footer") for name in parts.get(kind, ())]
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
