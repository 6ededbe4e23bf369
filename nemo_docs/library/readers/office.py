"""Files of Office programs, known by what they hold: text (DOCX, ODT), slides (PPTX, ODP), tables (XLSX, XLS, ODS).

A file is opened by what is in it, whatever its name, so a workbook that is called .docx is read as a workbook. What is
sealed with a password is opened by msoffcrypto where Microsoft's programs sealed it, given the password; it is 50 kB
of Python over `cryptography`, which sealed PDFs need as well. Text and slides from before 2007 are told what to do:
no permissive package reads them.
"""

from __future__ import annotations

import io
from importlib import import_module

import msoffcrypto
import olefile
from msoffcrypto.exceptions import InvalidKeyError
from msoffcrypto.format.ooxml import OOXMLFile

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library.readers import RawText, Reader
from nemo_docs.library.readers.archive import Archive
from nemo_docs.library.readers.packages import MAIN, related

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DOCX = "nemo_docs.library.readers.docx:DocxReader"
_SLIDES = "nemo_docs.library.readers.pptx:PptxReader"
_SHEETS = "nemo_docs.library.readers.sheets:SheetReader"
_ODF = "nemo_docs.library.readers.odf:OdfReader"
_MAIN_PARTS = {"document": _DOCX, "presentation": _SLIDES, "workbook": _SHEETS}
_DEFAULT_PARTS = ("word/document.xml", "ppt/presentation.xml", "xl/workbook.xml")
"""Where the document is when nothing in the archive says so."""
_ODF_KINDS = {"text": _ODF, "text-template": _ODF, "presentation": _ODF, "spreadsheet": _SHEETS}
_ODF_MIME = "application/vnd.oasis.opendocument."
_OLD = {"WordDocument": "Word", "PowerPoint Document": "PowerPoint"}
_WORKBOOKS = ("Workbook", "Book")
_SAVE = "Save it as DOCX, PPTX, XLSX or PDF, and add that file."
_NO_PASSWORD = "VelvetSweatshop"
"""What Excel seals with when it only forbids changes ([MS-OFFCRYPTO] 2.4.2.3)."""


class OfficeReader:
    """Reads a file of an Office program through the reader for what it holds."""

    extractor = "office 1"
    """Name and version, for the ledger; an open file's is that of the reader for what it holds."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a file.

        Raises:
            Encrypted: If it needs a password, or the one given is wrong.
            Unreadable: If it is no such file, from before 2007, damaged, a bomb, or holds no text.
        """
        if data.startswith(_OLE):
            data = _unsealed(data, password)
        module, _, name = _reader_of(data).partition(":")
        self._reader: Reader = getattr(import_module(module), name)(data, password=password)
        self.extractor = self._reader.extractor
        self.pages = self._reader.pages

    def page(self, number: int) -> RawText:
        """One page, as the reader for this kind has it."""
        return self._reader.page(number)


def _reader_of(data: bytes) -> str:
    """The reader for what a file holds, as "module:Class"."""
    if data.startswith(_OLE):
        return _SHEETS
    archive = Archive(data)
    if "mimetype" in archive:
        mime = archive.read("mimetype").decode("ascii", "replace").strip()
        kind = mime.removeprefix(_ODF_MIME)
        if mime.startswith(_ODF_MIME) and kind in _ODF_KINDS:
            return _ODF_KINDS[kind]
    mains = [*related(archive, "").get(MAIN, ()), *(name for name in _DEFAULT_PARTS if name in archive)]
    for main in mains:
        stem = main.rpartition("/")[2].partition(".")[0].rstrip("0123456789")
        if stem in _MAIN_PARTS:
            return _MAIN_PARTS[stem]
    if "content.xml" in archive:
        return _ODF
    raise Unreadable("it is no document, presentation or workbook of an Office program", hint=_SAVE)


def _unsealed(data: bytes, password: str | None) -> bytes:
    """What a file of Office's older container seals; a workbook from before 2007 as it is."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as container:
            names = {entry[0] for entry in container.listdir()}
    except MemoryError:
        raise
    except Exception as error:  # damaged files make olefile raise errors of every class
        raise Unreadable(f"it is a damaged file of Office's older format ({error})", hint=_SAVE) from error
    if "EncryptedPackage" in names or not names.isdisjoint(_WORKBOOKS):
        return _decrypted(data, password)
    program = next((_OLD[name] for name in names if name in _OLD), None)
    if program:
        raise Unreadable(f"it is in {program}'s format from before 2007", hint=_SAVE)
    raise Unreadable("it is in Office's older container, and no document that a reader knows", hint=_SAVE)


def _decrypted(data: bytes, password: str | None) -> bytes:
    try:
        sealed = msoffcrypto.OfficeFile(io.BytesIO(data))
        if not sealed.is_encrypted():
            return data
        verify = {"verify_password": True} if isinstance(sealed, OOXMLFile) else {}
        for attempt in filter(None, (password, _NO_PASSWORD)):
            opened = io.BytesIO()
            try:
                sealed.load_key(password=attempt, **verify)
                sealed.decrypt(opened)
            except InvalidKeyError:
                continue
            return opened.getvalue()
    except MemoryError:
        raise
    except Exception as error:  # so does msoffcrypto, of what is sealed in a way that it does not know
        raise Unreadable(
            f"it is sealed in a way that only Office opens ({error})", hint="Save it without a password."
        ) from error
    raise Encrypted("the password is wrong" if password else "it needs a password")
