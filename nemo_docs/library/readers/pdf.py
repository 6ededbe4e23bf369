"""PDF through pypdf, with its limits lowered: a file is data from a stranger.

pypdf is pure Python, so a bad file can cost time and memory but not the process's integrity; the child process around
it bounds both. Trade-off: at 25 to 50 pages a second it is slow beside C libraries, and right more often on our PDFs.
"""

from __future__ import annotations

import io
import logging

import pypdf
from pypdf.errors import FileNotDecryptedError

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.hidden import HiddenText
from nemo_docs.library.readers.ocr import ScanReader

_MEBIBYTE = 1 << 20
_DECODED_BYTES = 32 * _MEBIBYTE
"""Of one stream: far above any page of text, and far below what was seen to need 10 GB."""


class PdfReader:
    """Reads the text layer of a PDF."""

    extractor = f"pypdf {pypdf.__version__}"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None) -> None:
        """Open a PDF.

        Raises:
            Encrypted: If it needs a password, or the one given is wrong.
            Unreadable: If it is no PDF, damaged beyond repair, or has no pages.
        """
        logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # its complaints would be shown once a glyph
        pypdf.overwrite_configuration(
            zlib_maximum_output_length=_DECODED_BYTES,
            lzw_maximum_output_length=_DECODED_BYTES,
            run_length_maximum_output_length=_DECODED_BYTES,
            array_based_stream_maximum_output_length=_DECODED_BYTES,
            maximum_declared_stream_length=_DECODED_BYTES,
            jbig2_maximum_output_length=0,
            jbig2dec_binary=None,
        )
        try:
            self._reader = pypdf.PdfReader(io.BytesIO(data), strict=False, root_object_recovery_limit=1_000)
            if self._reader.is_encrypted and not self._decrypt(password):
                raise Encrypted("the password is wrong" if password else "it needs a password")
            self.pages = len(self._reader.pages)
        except Encrypted:
            raise
        except FileNotDecryptedError as error:
            raise Encrypted("it needs a password") from error
        except Exception as error:  # damaged files make pypdf raise errors of every class, not only its own
            raise Unreadable(f"it is not a sound PDF ({error or type(error).__name__})") from error
        if self.pages == 0:
            raise Unreadable("it is a PDF without pages")
        self._scans = ScanReader(data, password)

    def _decrypt(self, password: str | None) -> bool:
        """Many PDFs are sealed with an empty password, to forbid printing; they open whatever password was given."""
        return any(self._reader.decrypt(attempt) for attempt in dict.fromkeys((password or "", "")))

    def page(self, number: int) -> RawText:
        """The text layer of one page, in the order of the page's content; of a scan, what OCR reads."""
        page = self._reader.pages[number - 1]
        hidden = HiddenText(page)
        text = page.extract_text(visitor_operand_after=hidden.after_operator, visitor_text=hidden.take)
        # the stretches tell places in the text only as long as together they are the text
        raw = RawText(text, tuple(hidden.spans) if hidden.text == text else ())
        return raw if text.strip() else self._scans.page(number, raw)
