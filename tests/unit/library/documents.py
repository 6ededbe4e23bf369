"""Small documents in the formats of other programs, made by hand, so that each test says all that it reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import cache
from html import escape

import docx

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_UNUSED = ("word/stylesWithEffects.xml", "docProps/thumbnail.jpeg", "word/theme/theme1.xml")
_EPUB_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            how = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, how)
    return packed.getvalue()


def word(body: str, *, before: str = "", **parts: str) -> bytes:
    """A DOCX with this body and further parts, each the inside of its root element."""
    members: dict[str, str | bytes] = dict(_empty())
    members["word/document.xml"] = f'{before}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    relations = ""
    for kind, content in parts.items():
        members[f"word/{kind}.xml"] = f'<w:{kind} xmlns:w="{WORD}">{content}</w:{kind}>'
        relations += f'<Relationship Id="{kind}" Type="http://x/{kind}" Target="{kind}.xml"/>'
    known = members["word/_rels/document.xml.rels"]
    assert isinstance(known, bytes)
    members["word/_rels/document.xml.rels"] = known.decode().replace("</Rel", f"{relations}</Rel", 1)
    return zipped(members)


@cache
def _empty() -> dict[str, bytes]:
    """What Word asks for, without the pictures and styles that no test needs."""
    packed = io.BytesIO()
    docx.Document().save(packed)
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name not in _UNUSED}


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def paragraph(*content: str, properties: str = "") -> str:
    """A paragraph of runs, or of plain text."""
    runs = "".join(each if each.startswith("<") else run(each) for each in content)
    return f"<w:p><w:pPr>{properties}</w:pPr>{runs}</w:p>"


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def book(files: Mapping[str, str], *, contents: Mapping[str, str] | None = None, **more: str | bytes) -> bytes:
    """An EPUB of XHTML files in their order, with a table of contents of EPUB 3."""
    links = "".join(f'<li><a href="{name}">{title}</a></li>' for name, title in (contents or {}).items())
    nav = f'<html><body><nav epub:type="toc"><ol>{links}</ol></nav></body></html>'
    items = "".join(f'<item id="i{at}" href="{name}"/>' for at, name in enumerate(files))
    order = "".join(f'<itemref idref="i{at}"/>' for at in range(len(files)))
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="nav" href="nav.xhtml" properties="nav"/>'
        f"{items}</manifest><spine>{order}</spine></package>"
    )
    members: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": _EPUB_CONTAINER}
    members |= {"OEBPS/book.opf": opf, "OEBPS/nav.xhtml": nav}
    members |= {f"OEBPS/{name}": page for name, page in files.items()}
    return zipped(members | more)
