"""Pages of a PDF through pypdf, with its limits lowered: a file is data from a stranger.

pypdf is pure Python, so a bad file can cost time and memory but not the process's integrity; the child process around
it bounds both. Trade-off: at 25 to 50 pages a second it is slow beside C libraries, and right more often on our PDFs.
"""

from __future__ import annotations

import io
import logging
from contextlib import nullcontext
from typing import NamedTuple

import pypdf
from pypdf.errors import FileNotDecryptedError
from pypdf.generic import NameObject

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.content import content_of, unmapped_as_nul
from nemo_docs.library.readers.fonts import tell_what_fonts_say
from nemo_docs.library.readers.hidden import PageWalk
from nemo_docs.library.records import PageFlag

_MEBIBYTE = 1 << 20
_DECODED_BYTES = 32 * _MEBIBYTE
"""Of one stream: far above any page of text, and far below what was seen to need 10 GB."""


class Reading(NamedTuple):
    """A page, and what pypdf cannot be sure of.

    Attributes:
        raw: The page.
        has_camouflage: Text may have the colour of what it stands on.
        may_have_columns: Columns may have been read across.
        has_picture: There is a picture on the page.
        is_covered: Pictures cover most of it.
    """

    raw: RawText
    has_camouflage: bool
    may_have_columns: bool
    has_picture: bool
    is_covered: bool


class PypdfPages:
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
        self._fonts: set[int] = set()
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

    def _decrypt(self, password: str | None) -> bool:
        """Many PDFs are sealed with an empty password, to forbid printing; they open whatever password was given."""
        return any(self._reader.decrypt(attempt) for attempt in dict.fromkeys((password or "", "")))

    def page(self, number: int) -> RawText:
        """The text layer of one page, in the order of the page's content."""
        return self.read(number).raw

    def read(self, number: int, *, is_careful: bool = False) -> Reading:
        """The same with what is doubtful about it.

        Args:
            number: Of the page, from 1.
            is_careful: Glyphs that the file gives no letter come out as NUL, not as the letter that has their number.
        """
        page = self._reader.pages[number - 1]
        tell_what_fonts_say(page, self._fonts)
        walk = PageWalk(page)
        content = content_of(page, self._reader)
        text = ""
        if content is not None:
            before = page.raw_get("/Contents")
            page[NameObject("/Contents")] = content
            try:
                with unmapped_as_nul(page, content) if is_careful else nullcontext():
                    text = page.extract_text(
                        visitor_operand_before=walk.before, visitor_operand_after=walk.after, visitor_text=walk.take
                    )
            finally:  # parsed content is large, and the page stays in memory
                page[NameObject("/Contents")] = before
        # the pieces tell places in the text only as long as together they are the text
        is_whole = walk.is_mended or walk.text == text
        raw = RawText(walk.text, walk.hidden()) if is_whole else RawText(text)
        has_text = bool(text.strip())
        if walk.is_scan or (walk.has_picture and not has_text):
            raw = raw._replace(flags=(PageFlag.SCAN,))
        return Reading(raw, walk.is_doubtful, walk.may_have_columns, walk.has_picture, walk.is_covered)
