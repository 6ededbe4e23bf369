"""Pictures as documents: a photograph or scan of text, through Pillow and Tesseract.

Pillow decodes (PNG, JPEG, TIFF with its pages, WebP), so that Tesseract is given nothing but pixels; what a picture
unpacks to is bounded before it is decoded, and the camera's note of which way is up is heeded.
"""

from __future__ import annotations

import io
import warnings

from nemo_docs.errors import ReaderError, Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.ocr import Recogniser, configured_languages

_MOST_PIXELS = 100_000_000
_READ_PIXELS = 25_000_000
_SMALL_WIDTH = 1_200
"""Pictures of the screen are this small, and read better at twice the size."""
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")


class PictureReader:
    """Reads a picture of text."""

    extractor = "tesseract"
    """Name, for the ledger; each page says version and language."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a picture.

        Raises:
            Unreadable: If it is no picture, damaged, or too large; or OCR is switched off or not installed.
        """
        try:
            from PIL import Image, UnidentifiedImageError
        except ImportError:
            raise Unreadable("it is a picture", hint="Install Pillow: `pip install 'nemo-docs[ocr]'`.") from None
        warnings.simplefilter("ignore")  # of sizes; the limit here is our own
        Image.MAX_IMAGE_PIXELS = None
        try:
            self._picture = Image.open(io.BytesIO(data), formats=_FORMATS)
            self.pages = int(getattr(self._picture, "n_frames", 1))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
            raise Unreadable("it is not a sound picture") from error
        languages = configured_languages()
        if languages is None:
            raise Unreadable("it is a picture, and OCR is off", hint="`nemo-docs config set ocr auto` switches it on.")
        try:
            self._recogniser = Recogniser(languages)
        except ReaderError as error:
            raise Unreadable(f"it is a picture, and {error.message}", hint=error.hint) from error

    def page(self, number: int) -> RawText:
        """What stands in one of its pictures, from 1.

        Raises:
            Unreadable: If it is larger than any scan.
            ReaderError: If reading takes too long, or Tesseract fails.
        """
        from PIL import Image, ImageOps

        self._picture.seek(number - 1)
        width, height = self._picture.size
        if width * height > _MOST_PIXELS:
            raise Unreadable(f"it has {width * height:,} pixels; the limit is {_MOST_PIXELS:,}")
        upright = ImageOps.exif_transpose(self._picture)
        if upright.has_transparency_data:  # what is transparent is seen on paper's white
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
        grey = upright.convert("L")
        if grey.width < _SMALL_WIDTH:
            grey = grey.resize((grey.width * 2, grey.height * 2), Image.Resampling.LANCZOS)
        elif grey.width * grey.height > _READ_PIXELS:
            factor = (_READ_PIXELS / (grey.width * grey.height)) ** 0.5
            grey = grey.resize((int(grey.width * factor), int(grey.height * factor)), Image.Resampling.LANCZOS)
        return self._recogniser.read(b"P5 %d %d 255\n" % grey.size + grey.tobytes())
