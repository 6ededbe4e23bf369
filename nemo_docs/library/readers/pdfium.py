"""Pages of a PDF through PDFium, the library of Chrome: fast, right about Arabic where pypdf is not, and it can look.

It knows each character's box and can draw the page, so it settles what pypdf's reading leaves in doubt: whether text
stands out from what is beneath it, and whether columns were read across. It is C code that reads hostile files, so it
runs in the limited child process alone. Trade-off: it puts the signs of Devanagari where they are seen, not where they
are spelled.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
import pypdfium2
import pypdfium2.raw as c

from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.brackets import turned
from nemo_docs.library.readers.columns import Glyph, read_by_columns
from nemo_docs.library.records import PageFlag

_HYPHENS = ("\x02", "\ufffe")
"""What PDFium puts in the place of a hyphen and the line break behind it."""
_FILLED = frozenset((c.FPDF_TEXTRENDERMODE_FILL, c.FPDF_TEXTRENDERMODE_FILL_CLIP))
_SMALLEST_POINTS = 1.5
_CONTRAST = 24
"""Of 255: less between the lightest and the darkest dot of a character is not seen."""
_SEEN = 0.2
"""A stretch of which this share of the characters stands out is seen."""
_NEARLY = 26
"""Of 255: closer colours may not be told apart."""
_LARGE_POINTS = 6
_COVERS = 0.5
_MOST_OBJECTS = 5_000
_MOST_DOTS = 4_000_000
_DOTS_A_POINT = 2.0
Colour = tuple[int, int, int]


class _Character(NamedTuple):
    text: str
    box: tuple[float, float, float, float]
    owner: int
    is_generated: bool


class _Owner(NamedTuple):
    """What a text object says of all its characters."""

    invisible: bool
    tiny: bool
    colour: Colour | None


class _Background(NamedTuple):
    grounds: frozenset[Colour]
    has_picture: bool
    is_covered: bool


class PdfiumPages:
    """Reads the text layer of a PDF."""

    extractor = f"pdfium {pypdfium2.PDFIUM_INFO.build}"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None) -> None:
        """Open a PDF."""
        self._file = pypdfium2.PdfDocument(data, password=password)

    def page(self, number: int) -> RawText:
        """The text layer of one page; where columns were read across, in the order of the columns."""
        page = self._file[number - 1]
        layer = page.get_textpage()
        try:
            return self._read(page, layer)
        finally:
            layer.close()
            page.close()

    def _read(self, page: Any, layer: Any) -> RawText:
        owners: dict[int, _Owner] = {}
        characters = _characters(layer, owners)
        background = _look(page)
        hidden = _hidden(page, characters, owners, background)
        starts, at = [], 0
        for character in characters:
            starts.append(at)
            at += len(character.text)
        text = turned("".join(character.text for character in characters))
        spans = _spans([(starts[n], starts[n] + len(characters[n].text)) for n in hidden])
        flags = []
        unseen = {n for n, character in enumerate(characters) if owners[character.owner].invisible}
        if (background.is_covered and unseen) or (background.has_picture and not text.strip()):
            flags.append(PageFlag.SCAN)
        glyphs = [
            Glyph(starts[n], each.text, *each.box)
            for n, each in enumerate(characters)
            if not each.is_generated and each.text.strip()
        ]
        layout = read_by_columns(glyphs, len(text))
        if layout.order:
            flags.append(PageFlag.REORDERED)
        if layout.is_table:
            flags.append(PageFlag.TABLE)
        return RawText(text, spans, flags=tuple(flags), order=layout.order)


def _characters(layer: Any, owners: dict[int, _Owner]) -> list[_Character]:
    found: list[_Character] = []
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    pending = ""
    owners[0] = _Owner(invisible=False, tiny=False, colour=None)
    for n in range(c.FPDFText_CountChars(layer)):
        text = chr(c.FPDFText_GetUnicode(layer, n))
        if "\ud800" <= text <= "\udbff":  # where a wchar_t has 16 bits
            pending = text
            continue
        if pending and "\udc00" <= text <= "\udfff":
            text = (pending + text).encode("utf-16", "surrogatepass").decode("utf-16")
        pending = ""
        if text in _HYPHENS:
            text = "-\n"
        elif c.FPDFText_HasUnicodeMapError(layer, n) == 1:
            text = "\0"
        handle = c.FPDFText_GetTextObject(layer, n)
        owner = ctypes.cast(handle, ctypes.c_void_p).value or 0
        if owner not in owners:
            owners[owner] = _owner(handle)
        c.FPDFText_GetCharBox(layer, n, left, right, bottom, top)
        box = (left.value, bottom.value, right.value, top.value)
        found.append(_Character(text, box, owner, c.FPDFText_IsGenerated(layer, n) == 1))
    return found


def _owner(handle: Any) -> _Owner:
    size, matrix = ctypes.c_float(), c.FS_MATRIX()
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    mode = c.FPDFTextObj_GetTextRenderMode(handle)
    colour: Colour | None = None
    if c.FPDFPageObj_GetFillColor(handle, red, green, blue, alpha):
        colour = (red.value, green.value, blue.value)
    points = 0.0
    if c.FPDFTextObj_GetFontSize(handle, size) and c.FPDFPageObj_GetMatrix(handle, matrix):
        points = abs(size.value) * abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
    return _Owner(
        invisible=mode == c.FPDF_TEXTRENDERMODE_INVISIBLE
        or (mode in _FILLED and colour is not None and not alpha.value),
        tiny=0 < points < _SMALLEST_POINTS,
        colour=colour if mode in _FILLED else None,
    )


def _look(page: Any) -> _Background:
    """The colours that text can stand on, and how much of the page is pictures."""
    grounds: set[Colour] = {(255, 255, 255)}
    pictures = 0.0
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    for n in range(min(c.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        item = c.FPDFPage_GetObject(page, n)
        kind = c.FPDFPageObj_GetType(item)
        if kind not in (c.FPDF_PAGEOBJ_PATH, c.FPDF_PAGEOBJ_IMAGE, c.FPDF_PAGEOBJ_FORM):
            continue
        if not c.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            continue
        width, height = right.value - left.value, top.value - bottom.value
        if kind == c.FPDF_PAGEOBJ_IMAGE:
            pictures += width * height
        elif (
            kind == c.FPDF_PAGEOBJ_PATH
            and min(width, height) >= _LARGE_POINTS
            and c.FPDFPageObj_GetFillColor(item, red, green, blue, alpha)
        ):
            grounds.add((red.value, green.value, blue.value))
    width, height = page.get_size()
    return _Background(frozenset(grounds), pictures > 0, pictures >= _COVERS * width * height > 0)


def _hidden(page: Any, characters: list[_Character], owners: dict[int, _Owner], background: _Background) -> list[int]:
    """Which characters cannot be seen."""
    hidden: list[int] = []
    doubtful: dict[int, list[int]] = {}
    for n, character in enumerate(characters):
        owner = owners[character.owner]
        if not character.text.strip():
            continue
        if owner.tiny or (owner.invisible and not background.is_covered):
            hidden.append(n)
        elif not owner.invisible and owner.colour is not None and _is_near_any(owner.colour, background.grounds):
            doubtful.setdefault(character.owner, []).append(n)
    if doubtful:
        picture = _Picture(page)
        for group in doubtful.values():
            seen = sum(picture.shows(characters[n].box) for n in group)
            if seen < _SEEN * len(group):
                hidden += group
    return sorted(hidden)


class _Picture:
    """A page as it is seen."""

    def __init__(self, page: Any) -> None:
        width, height = page.get_size()
        scale = min(_DOTS_A_POINT, (_MOST_DOTS / max(1.0, width * height)) ** 0.5)
        bitmap = page.render(scale=scale)
        self._dots = bitmap.to_numpy()
        self._place = bitmap.get_posconv(page)

    def shows(self, box: tuple[float, float, float, float]) -> bool:
        """Whether anything stands out in a box, given as left, bottom, right, top in points."""
        (x0, y0), (x1, y1) = self._place.to_bitmap(*box[:2]), self._place.to_bitmap(*box[2:])
        part = self._dots[max(0, min(y0, y1)) : max(y0, y1) + 1, max(0, min(x0, x1)) : max(x0, x1) + 1]
        if part.size == 0:
            return False
        part = part.reshape(-1, part.shape[-1])[:, :3].astype(np.int16)
        return bool((part.max(axis=0) - part.min(axis=0)).max() >= _CONTRAST)


def _is_near_any(colour: Colour, grounds: frozenset[Colour]) -> bool:
    return any(all(abs(a - b) <= _NEARLY for a, b in zip(colour, ground, strict=True)) for ground in grounds)


def _spans(pieces: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Stretches that touch made one."""
    spans: list[tuple[int, int]] = []
    for start, end in pieces:
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return tuple(spans)
