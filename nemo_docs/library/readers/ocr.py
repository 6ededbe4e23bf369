"""OCR: text from pages that are pictures, through Tesseract where it is installed.

Which language a page is in is found by reading it: the first page in a language of its script, and where the text shows
another that is installed, again in that; the next page starts with what the last one was in. So a page costs one
reading, seldom two, where all languages at once would cost as many readings as there are languages, and mix them up.
"""

from __future__ import annotations

import pypdfium2

from nemo_docs.errors import ReaderError
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.function_words import language_of
from nemo_docs.library.readers.tesseract import LANGUAGES, Tesseract, find, how_to_install, installed
from nemo_docs.library.records import PageFlag
from nemo_docs.settings import load

AUTO = "auto"
"""In place of languages: find them by reading."""

_DOTS_PER_INCH = 300
_MOST_PIXELS = 25_000_000
"""A little more than A3 at 300 dots per inch; larger pages are read in fewer dots."""
_POINTS_PER_INCH = 72
_LOOK_SCALE = 0.5
_BLANK_SPAN = 8
"""Levels of grey between a blank page's lightest and darkest dot, for scanners' noise."""


class Recogniser:
    """Reads pictures, and remembers the language of the last one."""

    def __init__(self, languages: str = AUTO) -> None:
        """Find the program.

        Args:
            languages: What Tesseract calls them, joined by "+"; AUTO to find them by reading.

        Raises:
            ReaderError: If it is not installed, or lacks a language that was asked for.
        """
        found = installed()
        if found is None:
            raise ReaderError("Tesseract is not installed", hint=how_to_install())
        self._program: Tesseract = found
        self._fixed = "" if languages == AUTO else languages
        if missing := [name for name in self._fixed.split("+") if name and name not in found.languages]:
            raise ReaderError(
                f"Tesseract here cannot read {missing[0]}", hint=f"It reads {', '.join(found.languages)}."
            )
        self._last = ""

    def read(self, picture: bytes, *, dots_per_inch: int = 0) -> RawText:
        """The text of a picture, with what read it.

        Args:
            picture: A portable graymap.
            dots_per_inch: Its resolution, where that is known.

        Raises:
            ReaderError: If it takes too long, or the program fails.
        """
        if self._fixed:
            return self._raw(self._program.read(picture, self._fixed, dots_per_inch=dots_per_inch), self._fixed)
        first = self._last or self._available(LANGUAGES[self._program.script_language(picture)])
        text = self._program.read(picture, first, dots_per_inch=dots_per_inch)
        language = self._available(LANGUAGES.get(language_of(text), first))
        if language != first:
            again = self._program.read(picture, language, dots_per_inch=dots_per_inch)
            if LANGUAGES.get(language_of(again)) == language:
                text, first = again, language
        if language_of(text):
            self._last = first
        return self._raw(text, first)

    def _available(self, name: str) -> str:
        return name if name in self._program.languages else self._last or self._program.languages[0]

    def _raw(self, text: str, language: str) -> RawText:
        return RawText(text, extractor=f"tesseract {self._program.version} ({language})", flags=(PageFlag.SCAN,))


class OcrPages:
    """Reads pages of a PDF as they look."""

    extractor = "tesseract"
    """Name, for the ledger; each page says version and language."""

    def __init__(self, data: bytes, *, password: str | None, languages: str = "") -> None:
        """Open a PDF.

        Args:
            data: The file.
            password: For an encrypted file.
            languages: What Tesseract calls them, joined by "+"; AUTO to find them by reading; empty for the settings'.

        Raises:
            ReaderError: If Tesseract is not installed, or lacks a language that was asked for.
        """
        self._recogniser = Recogniser(languages or load().settings.ocr_languages)
        self._file = pypdfium2.PdfDocument(data, password=password)

    def page(self, number: int) -> RawText:
        """The text of one page, from 1; a blank page has none.

        Raises:
            ReaderError: If it takes too long, or the program fails.
        """
        page = self._file[number - 1]
        if _is_blank(page):
            return RawText("")
        width, height = page.get_size()
        pixels = width * height * (_DOTS_PER_INCH / _POINTS_PER_INCH) ** 2
        dots = _DOTS_PER_INCH * min(1.0, (_MOST_PIXELS / pixels) ** 0.5)
        picture = graymap(page.render(scale=dots / _POINTS_PER_INCH, grayscale=True))
        return self._recogniser.read(picture, dots_per_inch=int(dots))


def configured_languages() -> str | None:
    """The languages of the user's settings; None where OCR is switched off."""
    settings = load().settings
    return settings.ocr_languages if settings.ocr == AUTO else None


class ScanReader:
    """Reads those pages of a PDF that have no text and are not blank; made once a file, the program asked for late."""

    def __init__(self, data: bytes, password: str | None) -> None:
        """Remember the file; nothing is opened before a page needs it."""
        self._data, self._password = data, password
        self._pages: OcrPages | None = None

    def page(self, number: int, raw: RawText) -> RawText:
        """A page as it was read, or by OCR where that gave no text and OCR is there.

        Raises:
            ReaderError: If reading takes too long, or Tesseract fails.
        """
        if raw.text.strip() or find() == "":
            return raw
        if configured_languages() is None or installed() is None:
            return raw
        try:
            if self._pages is None:
                self._pages = OcrPages(self._data, password=self._password)
            found = self._pages.page(number)
        except pypdfium2.PdfiumError:  # a page that cannot be drawn has no text to be seen
            return raw
        return found._replace(label=raw.label) if found.text.strip() else raw


def ocr_page(data: bytes, number: int, *, password: str | None = None, languages: str = "") -> RawText:
    """The text of one page of a PDF, as it looks.

    Args:
        data: The file.
        number: From 1.
        password: For an encrypted file.
        languages: What Tesseract calls them, joined by "+"; AUTO to find them by reading; empty for the settings'.

    Raises:
        ReaderError: If Tesseract is not installed, lacks a language, takes too long, or fails.
    """
    return OcrPages(data, password=password, languages=languages).page(number)


def _is_blank(page: pypdfium2.PdfPage) -> bool:
    shades = set(_pixels(page.render(scale=_LOOK_SCALE, grayscale=True)))
    return max(shades) - min(shades) <= _BLANK_SPAN


def graymap(bitmap: pypdfium2.PdfBitmap) -> bytes:
    """A bitmap in grey as a portable graymap, which every program reads and no decoder can be fooled with."""
    return b"P5 %d %d 255\n" % (bitmap.width, bitmap.height) + _pixels(bitmap)


def _pixels(bitmap: pypdfium2.PdfBitmap) -> bytes:
    """One byte each, row by row, without what fills rows up in memory."""
    rows, stride = memoryview(bitmap.buffer), bitmap.stride
    return b"".join(rows[at * stride : at * stride + bitmap.width] for at in range(bitmap.height))
