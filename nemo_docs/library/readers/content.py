"""The operators of a page's content, made ready for pypdf: so that it hands text over wherever something changes.

pypdf gives a visitor text line by line, or font by font. Where text turns invisible, or where the file says itself what
some glyphs mean (/ActualText), the pieces have to end just there: an operator that changes nothing (`cm` with the
identity) makes pypdf give up what it holds. And glyphs of which the file does not say what letter they are would come
out as the letter that has their number; they are made to come out as NUL, which cleaning drops and scoring counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pypdf.generic import ContentStream, DecodedStreamObject, DictionaryObject, NameObject, create_string_object

from nemo_docs.library.readers.operations import Operation, operations

_HAND_OVER: Operation = ([1, 0, 0, 1, 0, 0], b"cm")
_SHADED: Operation = ([], b"sh")
"""In the place of a drawing: something of unknown colour may stand beneath the text."""
_MARKS = (b"Tj", b"TJ", b"'", b'"', b"Do", b"BI")
_CHANGES = frozenset((b"Tr", b"Q", b"g", b"rg", b"k", b"sc", b"scn", b"cs"))
_SHOW = frozenset((b"Tj", b"TJ", b"'", b'"'))
_SECTION = re.compile(rb"begin(bfchar|bfrange)(.*?)endbf", re.DOTALL)
_PAIR = re.compile(rb"<([0-9A-Fa-f\s]*)>\s*<([0-9A-Fa-f\s]*)>")
_RANGE = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*(?:<([0-9A-Fa-f]*)>|\[)")
_WIDEST_RANGE = 0x10000


def actual_text(operands: Any, resources: Any) -> str | None:
    """What a marked stretch says that it means; None where it says nothing.

    Args:
        operands: Of BDC: a tag, and properties or their name.
        resources: Of the page, for named properties.
    """
    properties: Any = operands[1] if len(operands) > 1 else None
    if isinstance(properties, NameObject):
        named = resources.get("/Properties") if hasattr(resources, "get") else None
        properties = named.get_object().get(properties) if named is not None else None
    properties = properties.get_object() if properties is not None else None
    said = properties.get("/ActualText") if hasattr(properties, "get") else None
    if isinstance(said, bytes):  # pypdf leaves strings within content as they are
        return str(create_string_object(bytes(said)))
    return str(said) if isinstance(said, str) else None


def content_of(page: Any, pdf: Any) -> ContentStream | None:
    """A page's content, parsed, with a handing over wherever visibility or meaning changes; None without content."""
    found = page.get("/Contents")
    if found is None or (found := found.get_object()) is None:
        return None
    content = ContentStream(found, pdf, "bytes")
    resources = page.get("/Resources")
    resources = resources.get_object() if resources is not None else {}
    parsed = operations(content.get_data())
    handing_over: list[Operation] = []
    marked: list[bool] = []
    for operands, operator in content.operations if parsed is None else parsed:
        if operator in _CHANGES:
            handing_over.append(_HAND_OVER)
        elif operator in (b"BDC", b"BMC"):
            marked.append(operator == b"BDC" and actual_text(operands, resources) is not None)
            if marked[-1]:
                handing_over.append(_HAND_OVER)
        elif operator == b"EMC" and marked and marked.pop():
            handing_over.append(_HAND_OVER)
        if operator == b"Do" and operands and _is_drawing(resources, operands[0]):
            handing_over.append(_SHADED)
        else:
            handing_over.append((operands, operator))
    content.operations = handing_over
    return content


def _is_drawing(resources: Any, name: Any) -> bool:
    """Whether an object is a form that holds no text and no image: parsing a figure takes longer than all else."""
    objects = resources.get("/XObject")
    item = objects.get_object().get(name) if objects is not None else None
    form = item.get_object() if item is not None else None
    if form is None or form.get("/Subtype") != "/Form":
        return False
    try:
        data = form.get_data()
    except MemoryError:
        raise
    except Exception:  # pypdf passes a damaged form over, too
        return True
    return not any(mark in data for mark in _MARKS)


@contextmanager
def unmapped_as_nul(page: Any, content: ContentStream) -> Iterator[None]:
    """Make glyphs without a letter come out as NUL: of the fonts that number their glyphs with two bytes.

    The fonts' maps are changed in memory for the codes that the page shows, and changed back, so that what a page gives
    does not depend on which pages were read before.
    """
    changed: list[tuple[Any, Any]] = []
    resources = page.get("/Resources")
    fonts = resources.get_object().get("/Font") if resources is not None else None
    fonts = fonts.get_object() if fonts is not None else {}
    shown: dict[str, set[int]] = {}
    codes: set[int] = set()
    for operands, operator in content.operations:
        if operator == b"Tf" and operands:
            codes = shown.setdefault(operands[0], set())
        elif operator in _SHOW:
            for text in operands[0] if operator == b"TJ" and operands else operands[-1:]:
                if isinstance(text, bytes):
                    codes.update(int.from_bytes(text[at : at + 2]) for at in range(0, len(text) - 1, 2))
    for name, used in shown.items():
        entry = fonts.get(name)
        font: Any = entry.get_object() if entry is not None else None
        told = font.raw_get("/ToUnicode") if isinstance(font, DictionaryObject) and "/ToUnicode" in font else None
        if told is None or font.get("/Subtype") != "/Type0" or font.get("/Encoding") != "/Identity-H":
            continue
        cmap = told.get_object().get_data()
        if unknown := sorted(used - _mapped(cmap)):
            more = b"".join(b"<%04X> <0000>\n" % code for code in unknown)
            stream = DecodedStreamObject()
            section = b"%d beginbfchar\n%sendbfchar\nendcmap" % (len(unknown), more)
            stream.set_data(cmap.replace(b"endcmap", section, 1))
            changed.append((font, told))
            font[NameObject("/ToUnicode")] = stream
    try:
        yield
    finally:
        for font, told in changed:
            font[NameObject("/ToUnicode")] = told


def _mapped(cmap: bytes) -> set[int]:
    """The codes that a ToUnicode map gives a text for. Source: Adobe Technical Note 5411."""
    mapped: set[int] = set()
    for kind, body in _SECTION.findall(cmap):
        if kind == b"bfchar":
            mapped.update(int(code, 16) for code, text in _PAIR.findall(body) if code.strip() and text.strip())
        else:
            for first, last, _ in _RANGE.findall(body):
                mapped.update(range(int(first, 16), min(int(last, 16), int(first, 16) + _WIDEST_RANGE) + 1))
    return mapped
