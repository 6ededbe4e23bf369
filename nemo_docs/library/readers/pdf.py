"""PDF: which extractor reads a page.

pypdf first, whose order of words is the file's own. What it gives is looked at, and read again by PDFium where it is
suspicious, empty, Arabic (pypdf has the words of a line in the order in which they are seen), may have been read
across columns, or may hold text in the colour of what it stands on. A page in a script of India is read again by pypdf
itself, so that glyphs without a letter tell, because PDFium has the signs where they are seen. The better text is
kept, and the flags say what is odd about it. Whoever reads a page again may name the extractor.

Measured: tests/benchmarks/bench_extraction.py.
"""

from __future__ import annotations

from nemo_docs.errors import ReaderError
from nemo_docs.library.readers import PageExtractor, RawText, load_extractor
from nemo_docs.library.readers.garble import (
    HARDLY_TEXT,
    SUSPICIOUS,
    garble,
    letters,
    share_indic,
    share_right_to_left,
)
from nemo_docs.library.readers.ocr import ScanReader
from nemo_docs.library.readers.pypdf_pages import PypdfPages, Reading
from nemo_docs.library.records import PageFlag

_SCRIPT_SHARE = 0.1
"""Of a page's letters: from this on its script decides how it is read."""
_AS_MUCH = 0.9
"""Of the letters that the first reading saw: a second opinion with fewer has lost some."""


_FEW_LETTERS = 20
"""Fewer on a page that a picture covers are not its text."""


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
        self._second: PageExtractor | None = None
        self._only: PageExtractor | None = None
        self._scans = ScanReader(data, password)
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
        """The text layer of one page; of a scan without one, what OCR reads."""
        if self._only is not None:
            found = self._only.page(number)
            return _flagged(found, found.extractor or self._only.extractor)
        try:
            reading = self._first.read(number)
        except MemoryError:
            raise
        except Exception:  # what pypdf cannot read PDFium may
            if (other := self._other(number)) is None or not other.text.strip():
                raise
            return _flagged(other, self._name())
        raw = self._better(number, reading)
        if not raw.text.strip():
            return self._scans.page(number, raw)
        seen = letters(raw.text) - _hidden_letters(raw)
        if (reading.has_picture and not seen) or (reading.is_covered and seen < _FEW_LETTERS):
            return self._picture(number, _with_flag(raw, PageFlag.SCAN))
        return raw

    def _picture(self, number: int, raw: RawText) -> RawText:
        """A page that is a picture with a stamp, or with what a scanner made of noise: by OCR, if that says more."""
        try:
            found = self._scans.page(number, RawText("", label=raw.label))
        except ReaderError:  # what the page says without it stands
            return raw
        return found if letters(found.text) >= _FEW_LETTERS + letters(raw.text) else raw

    def _better(self, number: int, reading: Reading) -> RawText:
        """The better of what can be had of a page."""
        raw, mine = reading.raw, self._first.extractor
        if share_indic(raw.text) >= _SCRIPT_SHARE:
            raw = self._first.read(number, is_careful=True).raw
            other = self._other(number) if garble(raw.text) >= HARDLY_TEXT else None
            if other is not None and garble(other.text) < garble(raw.text) / 2:
                return _flagged(_with_hidden(other, raw), self._name())
            return _flagged(raw, mine)
        score, is_arabic = garble(raw.text), share_right_to_left(raw.text) >= _SCRIPT_SHARE
        is_doubtful = reading.has_camouflage or reading.may_have_columns
        if raw.text.strip() and score < SUSPICIOUS and not is_arabic and not is_doubtful:
            return _flagged(raw, mine)
        other = self._other(number)
        if other is None or letters(other.text) < _AS_MUCH * (letters(raw.text) - _hidden_letters(raw)):
            return _flagged(raw, mine)
        theirs = garble(other.text)
        is_better = theirs < score / 2 or (not raw.text.strip() and bool(other.text.strip()))
        is_mended = PageFlag.REORDERED in other.flags or reading.has_camouflage  # which PDFium has looked at
        if is_arabic and theirs <= max(score, SUSPICIOUS):
            if other.text.split() != raw.text.split():
                other = _with_flag(other, PageFlag.REORDERED)
            return _flagged(_with_hidden(other, raw), self._name())
        if is_better or (is_mended and theirs <= max(score, SUSPICIOUS)):
            return _flagged(_with_hidden(other, raw), self._name())
        if PageFlag.TABLE in other.flags:
            raw = _with_flag(raw, PageFlag.TABLE)
        return _flagged(raw, mine)

    def _other(self, number: int) -> RawText | None:
        """PDFium's reading; None where it cannot read the page."""
        try:
            if self._second is None:
                self._second = load_extractor("pdfium")(self._data, password=self._password)
            return self._second.page(number)
        except MemoryError:
            raise
        except Exception:  # the second opinion is not to be had; the first one stands, with what flags say of it
            return None

    def _name(self) -> str:
        assert self._second is not None
        return self._second.extractor


def _flagged(raw: RawText, extractor: str) -> RawText:
    if garble(raw.text) >= HARDLY_TEXT:
        raw = _with_flag(raw, PageFlag.GARBLED)
    return raw._replace(extractor=raw.extractor or extractor)


def _with_hidden(raw: RawText, first: RawText) -> RawText:
    """PDFium leaves out what stands outside the page; that something was hidden is told all the same."""
    return _with_flag(raw, PageFlag.HIDDEN) if first.hidden else raw


def _with_flag(raw: RawText, flag: PageFlag) -> RawText:
    return raw._replace(flags=tuple(each for each in PageFlag if each in {*raw.flags, flag}))


def _hidden_letters(raw: RawText) -> int:
    return sum(letters(raw.text[start:end]) for start, end in raw.hidden)
