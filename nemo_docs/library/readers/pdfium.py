"""Pages of a PDF through PDFium, the library of Chrome: fast, and right about Arabic where pypdf is not.

It is C code that reads hostile files, so it runs in the limited child process alone.
"""

from __future__ import annotations

import pypdfium2

from nemo_docs.library.readers import RawText


class PdfiumPages:
    """Reads the text layer of a PDF."""

    extractor = f"pdfium {pypdfium2.PDFIUM_INFO.build}"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None) -> None:
        """Open a PDF."""
        self._file = pypdfium2.PdfDocument(data, password=password)

    def page(self, number: int) -> RawText:
        """The text layer of one page."""
        return RawText(self._file[number - 1].get_textpage().get_text_range())
