"""Slides, workbooks, OpenDocument and sealed files: what people see of them gets in, the rest is named or left out."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from nemo_docs.errors import Encrypted, ReaderError, Unreadable
from nemo_docs.library.clean import clean
from nemo_docs.library.readers import READERS, RawText, load_reader, reader_name
from nemo_docs.library.readers.office import OfficeReader
from nemo_docs.library.records import PageFlag
from tests.unit.library.documents import odf, paragraph, slides, word, workbook, zipped


def read(data: bytes, password: str | None = None) -> list[RawText]:
    reader = OfficeReader(data, password=password)
    return [reader.page(number + 1) for number in range(reader.pages)]


def shown(data: bytes) -> list[str]:
    return [clean(raw.text, raw.hidden).text for raw in read(data)]


def shape(*paragraphs: str, kind: str | None = None, name: str = "sp") -> str:
    place = "" if kind is None else f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
    texts = "".join(each if each.startswith("<") else f"<a:p><a:r><a:t>{each}</a:t></a:r></a:p>" for each in paragraphs)
    return f"<p:{name}>{place}<p:txBody>{texts}</p:txBody></p:{name}>"


def item(text: str, level: int, bullet: str) -> str:
    return f'<a:p><a:pPr lvl="{level}">{bullet}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'


CHART = (
    '<c:chart xmlns:c="c"><c:chart><c:ser><c:tx><c:pt idx="0"><c:v>Umsatz</c:v></c:pt></c:tx><c:cat><c:pt idx="0">'
    '<c:v>2023</c:v></c:pt></c:cat><c:val><c:pt idx="0"><c:v>4.3</c:v></c:pt></c:val></c:ser></c:chart></c:chart>'
)
DIAGRAM = (
    '<d:dataModel xmlns:d="d" xmlns:a="a"><d:ptLst><d:pt type="node"><d:t><a:p><a:r><a:t>Kreis</a:t></a:r></a:p></d:t>'
    '</d:pt><d:pt type="pres"><d:t><a:p><a:r><a:t>doppelt</a:t></a:r></a:p></d:t></d:pt></d:ptLst></d:dataModel>'
)


def test_a_slide_is_a_page_named_after_its_title() -> None:
    body = item("Eins", 0, '<a:buAutoNum type="arabicPeriod"/>') + item("Zwei", 0, '<a:buAutoNum type="arabicPeriod"/>')
    body += item("tiefer", 1, '<a:buChar char="–"/>')
    cells = "<a:tr>" + "".join(
        f"<a:tc><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>" for text in ("Stadt", "Köln")
    )
    table = f"<p:graphicFrame><a:tbl>{cells}</a:tr></a:tbl></p:graphicFrame>"
    number = '<a:p><a:fld type="slidenum"><a:t>7</a:t></a:fld></a:p>'
    data = slides(
        shape(body, kind="body") + shape("Plan", kind="title") + f"<p:grpSp>{shape('Im Rahmen')}</p:grpSp>" + table,
        shape(number, kind="sldNum"),
        '<p:graphicFrame><c:chart r:id="x1"/></p:graphicFrame><p:graphicFrame><d:relIds r:dm="x2"/></p:graphicFrame>',
        notes={1: shape("Langsam sprechen.", kind="body") + shape("1", kind="sldNum")},
        parts={"chart": CHART, "diagramData": DIAGRAM},
    )
    first, second, third = read(data)
    assert clean(first.text).text == (
        "Plan\n\n1. Eins\n2. Zwei\n  – tiefer\n\nIm Rahmen\n\nStadt | Köln\n\n[Notes] Langsam sprechen."
    )
    assert (first.label, second.text, second.label) == ("Plan", "", "")
    assert shown(data)[2] == "| Umsatz\n2023 | 4.3\n\nKreis"
    assert third.flags == ()


def test_a_slide_that_is_a_picture_says_so_and_a_damaged_one_costs_itself_alone() -> None:
    data = slides("<p:pic/>", "<p:sp>", shape("Heil"))
    reader = OfficeReader(data)
    assert reader.page(1).flags == (PageFlag.SCAN,)
    assert reader.page(3).text == "Heil"
    with pytest.raises(ReaderError, match="not sound XML"):
        reader.page(2)


LIST_STYLE = (
    '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>'
    '</text:list-style><style:style style:name="H" style:family="text"><style:text-properties text:display="none"/>'
    '</style:style><style:style style:name="W" style:family="text"><style:text-properties fo:color="#FFFFFF"/>'
    '</style:style><style:style style:name="S" style:family="text"><style:text-properties '
    'style:text-position="super 58%"/></style:style><style:style style:name="B" style:family="paragraph">'
    '<style:paragraph-properties fo:break-before="page"/></style:style>'
)
OUTLINE = (
    '<text:outline-style><text:outline-level-style text:level="1" style:num-format="I" style:num-suffix="."/>'
    "</text:outline-style>"
)


def test_a_text_document_has_its_numbers_notes_and_pages() -> None:
    inner = "<text:list><text:list-item><text:p>tief</text:p></text:list-item></text:list>"
    body = (
        '<text:tracked-changes><text:p>gelöscht</text:p></text:tracked-changes><text:h text:outline-level="1">Vertrag'
        '</text:h><text:p>Ein<text:s text:c="3"/>Satz<text:note><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>Siehe Anlage.</text:p></text:note-body></text:note>"
        '<text:span text:style-name="H">versteckt</text:span>, 10<text:span text:style-name="S">6</text:span>.'
        "<office:annotation><dc:creator>Anna</dc:creator><dc:date>2024</dc:date><text:p>Wirklich?</text:p>"
        "</office:annotation></text:p>"
        f'<text:list text:style-name="L"><text:list-item><text:p>eins</text:p></text:list-item><text:list-item>{inner}'
        "</text:list-item><text:list-item><text:p>zwei</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Strom</text:p></table:table-cell><table:table-cell>"
        '<text:p><text:span text:style-name="W">40</text:span></text:p></table:table-cell></table:table-row>'
        '</table:table><text:p text:style-name="B">Neue <text:soft-page-break/>Seite.</text:p>'
        '<text:h text:outline-level="1"><text:soft-page-break/>Preis</text:h><draw:frame><draw:text-box><text:p>Kasten'
        "</text:p></draw:text-box></draw:frame>"
    )
    data = odf("text", body, automatic=LIST_STYLE, styles=OUTLINE)
    assert shown(data) == [
        "I. Vertrag\n\nEin   Satz[1], 10⁶.\n\n1. eins\n  a) tief\n2. zwei\n\nStrom | 40\n\n[1] Siehe Anlage.\n\n"
        "[Anna] Wirklich?",
        "Neue",
        "Seite.",
        "II. Preis\n\nKasten",
    ]
    assert [page.label for page in read(data)] == ["I. Vertrag"] * 3 + ["II. Preis"]
    assert "versteckt" in read(data)[0].text


def test_slides_of_opendocument_are_pages() -> None:
    frame = '<draw:frame presentation:class="{}"><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>'
    notes = f"<presentation:notes>{frame.format('notes', 'Langsam.')}</presentation:notes>"
    page = f"<draw:page>{frame.format('subtitle', 'Unten')}{frame.format('title', 'Oben')}{notes}</draw:page>"
    pages = read(odf("presentation", page + "<draw:page><draw:frame><draw:image/></draw:frame></draw:page>"))
    assert (pages[0].text, pages[0].label) == ("Oben\n\nUnten\n\n[Notes] Langsam.", "Oben")
    assert pages[1].flags == (PageFlag.SCAN,)


def test_a_workbook_is_read_sheet_by_sheet() -> None:
    rows = [["Stadt", 'Datum<x t="s"'], ["Köln", 45352, 0.1 + 0.2, True], [], [], ["", 7]]
    data = workbook({"Übersicht": rows, "Leer": [], "Intern": [["geheim"]]}, hidden={"Intern"})
    overview, hidden = read(data)
    assert overview.text == 'Stadt | Datum<x t="s"\nKöln | 45352 | 0.3 | TRUE\n\n | 7'
    assert (overview.label, hidden.label) == ("Übersicht", "Intern")
    assert clean(hidden.text, hidden.hidden).text == ""
    assert OfficeReader(data).extractor.startswith("calamine ")


def sealed(data: bytes, password: str) -> bytes:
    out, packed = io.BytesIO(), io.BytesIO(data)
    with zipfile.ZipFile(packed, "a") as archive:  # msoffcrypto seals no file of less than four kilobytes rightly
        archive.writestr("filling", random.Random(5).randbytes(5_000))
    OOXMLFile(packed).encrypt(password, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [(word(paragraph("Vertraulich.")), "Vertraulich."), (slides(shape("Folie")), "Folie"),
     (workbook({"A": [["Wert"]]}), "Wert")],
    ids=["word", "slides", "workbook"],
)  # fmt: skip
def test_sealed_files_open_with_their_password(data: bytes, text: str) -> None:
    locked = sealed(data, "Geheimnis")
    assert read(locked, "Geheimnis")[0].text == text
    with pytest.raises(Encrypted, match="it needs a password"):
        read(locked)
    with pytest.raises(Encrypted, match="the password is wrong"):
        read(locked, "falsch")
    assert read(sealed(data, "VelvetSweatshop"))[0].text == text


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MANIFEST = '<m:manifest xmlns:m="m"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OLE + b"\0" * 2000, "damaged file of Office's older format"),
        (zipped({"[Content_Types].xml": "", "other.xml": "<x/>"}), "no document, presentation or workbook"),
        (slides(), "without slides"),
        (odf("text", ""), "holds no text"),
        (odf("text", "<text:p>x</text:p>", **{"META-INF/manifest.xml": MANIFEST}), "sealed with a password"),
        (odf("text", "<text:section>" * 20_000 + "</text:section>" * 20_000), "nested too deeply"),
        (odf("text", " " * (20 << 20)), "more than any document's"),
        (odf("drawing", ""), "no document, presentation or workbook|neither text nor slides"),
        (workbook({"A": [[" " * (20 << 20)]]}), "more than any document's"),
        (workbook({"A": []}), "without any values"),
        (zipped({"xl/workbook.xml": "<x"}), "not a sound workbook"),
    ],
    ids=["ole", "other", "no slides", "empty", "sealed", "deep", "bomb", "drawing", "sheet bomb", "blank", "damaged"],
)  # fmt: skip
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(data)


def test_slides_nested_too_deeply_cost_themselves() -> None:
    data = slides("<p:grpSp>" * 20_000 + "</p:grpSp>" * 20_000, shape("Heil"))
    reader = OfficeReader(data)
    with pytest.raises(ReaderError, match="nested too deeply"):
        reader.page(1)
    assert reader.page(2).text == "Heil"


@pytest.mark.parametrize("target", ["../../../../etc/passwd", "http://x/y.xml", "/etc/passwd"])
def test_what_a_part_refers_to_is_looked_for_in_the_archive_alone(target: str) -> None:
    data = slides(shape("Folie"), parts={"diagramData": DIAGRAM}, targets={"diagramData": target})
    assert shown(data) == ["Folie"]


@pytest.mark.parametrize("name", ["offer.docx", "offer", "offer.txt", "offer.pdf"])
def test_a_file_is_opened_by_what_it_holds(name: str) -> None:
    for data, text in ((odf("text", "<text:p>Text</text:p>"), "Text"), (workbook({"A": [["Wert"]]}), "Wert")):
        found = reader_name(name, data[:1024])
        assert found == READERS[".docx"]
        assert load_reader(found)(data, password=None).page(1).text == text
