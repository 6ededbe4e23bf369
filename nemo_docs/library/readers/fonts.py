"""What an embedded font says of its glyphs and pypdf does not hear.

TeX's symbol fonts have their minus sign as character 0, which pypdf gives no letter: formulas would lose it. And they
have an arrow or a Greek letter as character 32, which pypdf takes for a space: only a gap of half an arrow would become
a space. Source: Adobe Technical Note 5176, 12.
"""

from __future__ import annotations

import io
from typing import Any

from fontTools.cffLib import CFFFontSet
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject

_SPACE = 32
_SPACE_WIDTH = 400
"""In thousandths of the size. pypdf makes a gap of half of it a space; TeX's around operators are 222 to 278."""


def tell_what_fonts_say(page: Any, looked_at: set[int]) -> None:
    """Write into the fonts of a page what their character 0 is, and that 32 is no space, where only the font tells.

    Args:
        page: A pypdf PageObject; its fonts are changed in memory.
        looked_at: Identities of fonts that are done; kept by the caller for the whole file.
    """
    resources = page.get("/Resources")
    fonts = resources.get_object().get("/Font") if resources is not None else None
    for entry in fonts.get_object().values() if fonts is not None else ():
        font = entry.get_object()
        if id(font) in looked_at or not isinstance(font, DictionaryObject):
            continue
        looked_at.add(id(font))
        if font.get("/Subtype") != "/Type1" or "/ToUnicode" in font or "/Encoding" in font:
            continue
        descriptor = font.get("/FontDescriptor")
        program = descriptor.get_object().get("/FontFile3") if descriptor is not None else None
        encoding, first = _encoding(program.get_object().get_data()) if program is not None else ([], "")
        if first:
            differences = ArrayObject([NumberObject(0), NameObject(f"/{first}")])
            font[NameObject("/Encoding")] = DictionaryObject({NameObject("/Differences"): differences})
        widths, place = font.get("/Widths"), _SPACE - int(font.get("/FirstChar", 0))
        widths = ArrayObject(widths.get_object()) if widths is not None else ArrayObject()
        if encoding and encoding[_SPACE] != "space" and 0 <= place < len(widths):
            widths[place] = NumberObject(_SPACE_WIDTH)
            font[NameObject("/Widths")] = widths


def _encoding(program: bytes) -> tuple[list[str], str]:
    """The names of a CFF font's 256 characters, and of its character 0; empty where it has none of its own.

    fontTools leaves code 0 out of an encoding: it is of the one glyph that no other code has.
    """
    fonts = CFFFontSet()
    try:
        fonts.decompile(io.BytesIO(program), None)
        encoding, glyphs = fonts[0].Encoding, fonts[0].charset
    except MemoryError:
        raise
    except Exception:  # a damaged font says nothing; fontTools raises errors of every class
        return [], ""
    if not isinstance(encoding, list) or len(encoding) <= _SPACE:
        return [], ""
    left = {str(name) for name in glyphs} - {*encoding, ".notdef"}
    return encoding, left.pop() if len(left) == 1 else ""
