"""RTF: the documents of WordPad, of older Word, and of programs that write letters.

The walk is our own: striprtf, the one kept package with a permissive licence, drops footnotes and page breaks, keeps
text that is hidden or deleted, and takes the square of a hostile file's length. What stands in a document is taken by
the rules of DOCX's reader: lists with the numbers that the file writes for older readers, tables in lines, notes and
comments at the foot of their page, headers and footers once at the end. Left out: deletions, pictures.
"""

from __future__ import annotations

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.flow import printed_pages
from nemo_docs.library.readers.rtf_body import Body
from nemo_docs.library.readers.rtf_tokens import tokens

_MARK = b"{\\rtf"


class RtfReader:
    """Reads a document in Rich Text Format."""

    extractor = "rtf 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Read a document and cut it into pages, at its page breaks and best before headings.

        Raises:
            Unreadable: If it is no such document, or holds no text.
        """
        if not data.lstrip().startswith(_MARK):
            raise Unreadable("it is not RTF", hint="Save it as DOCX, RTF or PDF, and add that file.")
        body = Body()
        for token in tokens(data):
            body.take(token)
            if body.is_done:
                break
        self._pages = printed_pages(body.finished().sheets())
        if not self._pages:
            raise Unreadable("it holds no text", hint="Pictures of text in it need OCR: save it as PDF and add that.")
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """One page, up to a break that the writer set, else as cut here."""
        return self._pages[number - 1]
