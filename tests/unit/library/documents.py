"""Small documents in the formats of other programs, made by hand, so that each test says all that it reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping, Sequence
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


_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_SLIDE = f'xmlns:p="p" xmlns:a="a" xmlns:c="c" xmlns:d="d" xmlns:r="{_RELATIONS}"'


def slides(
    *shapes: str,
    notes: Mapping[int, str] | None = None,
    parts: Mapping[str, str] | None = None,
    targets: Mapping[str, str] | None = None,
) -> bytes:
    """A PPTX: the shapes of each slide, of notes by number; parts by kind, x1 and on, for all slides."""

    def related(relations: Mapping[str, tuple[str, str]]) -> str:
        each = (
            f'<Relationship Id="{i}" Type="{_RELATIONS}/{kind}" Target="{to}"/>' for i, (kind, to) in relations.items()
        )
        return f"<Relationships>{''.join(each)}</Relationships>"

    def tree(kind: str, inside: str) -> str:
        return f"<p:{kind} {_SLIDE}><p:cSld><p:spTree>{inside}</p:spTree></p:cSld></p:{kind}>"

    order = "".join(f'<p:sldId id="{255 + n}" r:id="r{n}"/>' for n in range(1, len(shapes) + 1))
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": related({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": f"<p:presentation {_SLIDE}><p:sldIdLst>{order}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": related(
            {f"r{n}": ("slide", f"slides/s{n}.xml") for n in range(1, len(shapes) + 1)}
        ),
    }
    more = {f"x{n}": (kind, (targets or {}).get(kind, f"../{kind}.xml")) for n, kind in enumerate(parts or {}, 1)}
    for number, inside in enumerate(shapes, 1):
        members[f"ppt/slides/s{number}.xml"] = tree("sld", inside)
        own = {"n": ("notesSlide", f"../notes{number}.xml")} if number in (notes or {}) else {}
        members[f"ppt/slides/_rels/s{number}.xml.rels"] = related(more | own)
    members |= {f"ppt/notes{number}.xml": tree("notes", inside) for number, inside in (notes or {}).items()}
    return zipped(members | {f"ppt/{kind}.xml": part for kind, part in (parts or {}).items()})


def odf(kind: str, body: str, *, automatic: str = "", styles: str = "", **more: str | bytes) -> bytes:
    """An OpenDocument file of this kind, with automatic styles, and styles."""
    names = "office text table draw style fo presentation dc"
    spaces = " ".join(f'xmlns:{name}="urn:{name}"' for name in names.split())
    members: dict[str, str | bytes] = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": f"<office:content {spaces}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:content>",
        "styles.xml": f"<office:root {spaces}><office:styles>{styles}</office:styles></office:root>",
    }
    return zipped(members | more)


def workbook(sheets: Mapping[str, Sequence[Sequence[str | float | bool]]], *, hidden: Collection[str] = ()) -> bytes:
    """An XLSX with these rows of cells in its sheets."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"

    def cell(row: int, column: int, value: str | float | bool) -> str:
        place = f"{chr(ord('A') + column)}{row}"
        if isinstance(value, bool):
            return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>' if value else ""
        return f'<c r="{place}"><v>{value}</v></c>'

    states = {name: ' state="hidden"' if name in hidden else "" for name in sheets}
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"{state}/>' for n, (name, state) in enumerate(states.items(), 1)
    )
    related = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{_RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">{related}</Relationships>',
    }
    for number, rows in enumerate(sheets.values(), 1):
        cells = (
            f'<row r="{at}">{"".join(cell(at, column, value) for column, value in enumerate(row))}</row>'
            for at, row in enumerate(rows, 1)
        )
        members[f"xl/worksheets/s{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{"".join(cells)}</sheetData></worksheet>'
        )
    return zipped(members)
