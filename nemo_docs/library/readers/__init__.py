"""Readers: from a file's bytes to the raw text of its pages.

One row in READERS and one module make a new format. Readers run in a child process (extract.py) and are never imported
by the process that talks to the user.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import NamedTuple, Protocol

from nemo_docs.errors import ReaderError
from nemo_docs.library.records import PageFlag

_TEXT = "nemo_docs.library.readers.text:TextReader"
_PDF = "nemo_docs.library.readers.pdf:PdfReader"
_HTML = "nemo_docs.library.readers.html:HtmlReader"
_OFFICE = "nemo_docs.library.readers.office:OfficeReader"
_RTF = "nemo_docs.library.readers.rtf:RtfReader"
_EPUB = "nemo_docs.library.readers.epub:EpubReader"
_MARKDOWN = "nemo_docs.library.readers.markdown:MarkdownReader"
_PICTURE = "nemo_docs.library.readers.picture:PictureReader"

READERS: dict[str, str] = {
    ".pdf": _PDF,
    ".docx": _OFFICE,
    ".docm": _OFFICE,
    ".odt": _OFFICE,
    ".rtf": _RTF,
    ".pptx": _OFFICE,
    ".ppsx": _OFFICE,
    ".odp": _OFFICE,
    ".xlsx": _OFFICE,
    ".xlsm": _OFFICE,
    ".xls": _OFFICE,
    ".ods": _OFFICE,
    ".epub": _EPUB,
    ".html": _HTML,
    ".htm": _HTML,
    ".xhtml": _HTML,
    ".txt": _TEXT,
    ".text": _TEXT,
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".rst": _TEXT,
    ".adoc": _TEXT,
    ".org": _TEXT,
    ".tex": _TEXT,
    ".log": _TEXT,
    ".csv": _TEXT,
    ".tsv": _TEXT,
    ".srt": _TEXT,
    ".vtt": _TEXT,
    ".png": _PICTURE,
    ".jpg": _PICTURE,
    ".jpeg": _PICTURE,
    ".tif": _PICTURE,
    ".tiff": _PICTURE,
    ".webp": _PICTURE,
}
"""Suffix > "module:Class"."""

EXTRACTORS: dict[str, tuple[str, str]] = {
    "pypdf": ("nemo_docs.library.readers.pypdf_pages:PypdfPages", ""),
    "pdfium": ("nemo_docs.library.readers.pdfium:PdfiumPages", ""),
    "ocr": ("nemo_docs.library.readers.ocr:OcrPages", "ocr"),
}
"""What can read a page of a PDF: name > "module:Class", and the extra that brings it, if any."""
PICTURES = frozenset(suffix for suffix, name in READERS.items() if name == _PICTURE)
"""Suffixes of files that only OCR can read; without it they are left alone in folders."""

HEAD_BYTES = 1024
"""How much of a file `reader_name` wants to see; PDF allows its mark anywhere in there."""


class RawText(NamedTuple):
    """What a reader finds on one page.

    Attributes:
        text: All of it.
        hidden: Stretches of it, (start, end), that nobody who looks at the page can see.
        extractor: Name and version of what read this page, where that is not the reader's own.
        flags: What the reader knows of the page, of PageFlag.
        label: What the document calls the page, where that is not its number: "xii", a chapter's title.
        order: Stretches of the text, (start, end), in the order in which they are to be read; together they are all of
            it. Empty: as it stands.
    """

    text: str
    hidden: tuple[tuple[int, int], ...] = ()
    extractor: str = ""
    flags: tuple[PageFlag, ...] = ()
    label: str = ""
    order: tuple[tuple[int, int], ...] = ()


class Reader(Protocol):
    """What a module of this folder offers; one whose pages leave a choice of extractors also has `use(name)`.

    Attributes:
        extractor: Name and version of what reads, as the ledger keeps it.
        pages: How many pages there are.
    """

    extractor: str
    pages: int

    def __init__(self, data: bytes, *, password: str | None) -> None:
        """Open a file.

        Raises:
            Encrypted: If a password is needed, or the one given is wrong.
            Unreadable: If the bytes are not of this format, or damaged beyond reading.
        """

    def page(self, number: int) -> RawText:
        """The raw text of one page, from 1. May raise anything: it costs that page only."""


class PageExtractor(Protocol):
    """What can read a page of a PDF; a row of EXTRACTORS.

    Attributes:
        extractor: Name and version, as the ledger keeps it.
    """

    extractor: str

    def __init__(self, data: bytes, *, password: str | None) -> None:
        """Open a file that pypdf has opened with this password before. May raise anything: it costs the page."""

    def page(self, number: int) -> RawText:
        """The raw text of one page, from 1. May raise anything: it costs that page only."""


def extractor_names(reader: str) -> tuple[str, ...]:
    """The extractors that a file can be read with page by page, where its reader leaves a choice."""
    return tuple(EXTRACTORS) if reader == _PDF else ()


def is_opened_quickly(reader: str) -> bool:
    """Whether to open a file takes little beside reading its pages, so that several processes may each read some."""
    return reader == _PDF


def load_extractor(name: str) -> type[PageExtractor]:
    """The class behind a row of EXTRACTORS.

    Raises:
        ReaderError: If it is not installed; the message says how to have it.
    """
    row, extra = EXTRACTORS[name]
    module, _, attribute = row.partition(":")
    try:
        extractor: type[PageExtractor] = getattr(import_module(module), attribute)
    except ImportError as error:
        hint = f"Install it: pip install 'nemo-docs[{extra}]'." if extra else "Install nemo-docs again."
        raise ReaderError(f"the extractor {name} is not installed", hint=hint) from error
    return extractor


def reader_name(path: str, head: bytes) -> str | None:
    """The reader for a file, as "module:Class"; None if no reader knows it.

    Args:
        path: For its suffix.
        head: The file's first HEAD_BYTES; a PDF is a PDF whatever its name, text is text, and needs no suffix.
    """
    by_suffix = READERS.get(PurePath(path).suffix.lower())
    if name := _by_mark(head, by_suffix):
        return name
    if by_suffix and not (by_suffix in _MARKED and head and looks_like_text(head)):
        return by_suffix
    return _TEXT if looks_like_text(head) else None


_MARKS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OFFICE),  # Office's container before 2007, and for sealed files since
    (b"{\\rtf", _RTF),
    (b"\x89PNG\r\n\x1a\n", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"II*\0", _PICTURE),
    (b"MM\0*", _PICTURE),
)
_OFFICE_MEMBERS = (b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis.opendocument.")
_MARKED = (_PDF, _OFFICE, _EPUB, _RTF, _PICTURE)
"""Readers of files that begin with a mark: what has none and looks like text is text, whatever it is called."""
_HTML_STARTS = (b"<!doctype html", b"<html")


def _by_mark(head: bytes, by_suffix: str | None) -> str | None:
    """The reader that a file's first bytes call for, if they say."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _PICTURE
    if head.startswith(b"PK\x03\x04"):
        if b"mimetypeapplication/epub+zip" in head:
            return _EPUB
        return _OFFICE if any(mark in head for mark in _OFFICE_MEMBERS) else None
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_HTML_STARTS) and by_suffix not in (_MARKDOWN, _HTML):
        return _HTML
    return _PDF if b"%PDF-" in head and by_suffix != _HTML else None


def looks_like_text(head: bytes) -> bool:
    """Whether a file's first bytes are UTF-8 without control characters that text does not have."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode()
    return not any(c < " " and c not in "\t\n\v\f\r\x1b" for c in text)


def load_reader(name: str) -> type[Reader]:
    """The class behind a row of READERS."""
    module, _, attribute = name.partition(":")
    reader: type[Reader] = getattr(import_module(module), attribute)
    return reader
