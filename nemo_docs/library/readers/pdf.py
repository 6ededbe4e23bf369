"""PDF: which extractor reads a page.

pypdf first, whose order of words is the file's own; what it gives is looked at, and a page that is suspicious, or in a
script that it is known to read badly, is read again and the better text kept. Whoever reads a page again may name one.
"""

from __future__ import annotations

from nemo_docs.library.readers import PageExtractor, RawText, load_extractor
from nemo_docs.library.readers.pypdf_pages import PypdfPages


class PdfReader:
    """Reads the text layer of a PDF."""

    extractor = PypdfPages.extractor
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None) -> None:
        """Open a PDF.

        Raises:
            Encrypted: If it needs a password, or the one given is wrong.
            Unreadable: If it is no PDF, damaged beyond repair, or has no pages.
        """
        self._data, self._password = data, password
        self._first = PypdfPages(data, password=password)
        self._only: PageExtractor | None = None
        self.pages = self._first.pages

    def use(self, name: str) -> None:
        """Read every page with one extractor from now on.

        Args:
            name: Of EXTRACTORS.

        Raises:
            ReaderError: If it is not installed, or cannot open the file.
        """
        self._only = load_extractor(name)(self._data, password=self._password)

    def page(self, number: int) -> RawText:
        """The text layer of one page."""
        if self._only is not None:
            return self._only.page(number)._replace(extractor=self._only.extractor)
        return self._first.page(number)
