from __future__ import annotations

import io

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import Unreadable
from nemo_docs.library.clean import clean
from nemo_docs.library.readers.docx import DocxReader
from tests.properties import examples
from tests.unit.library.documents import paragraph, run, table, word

LEVELS = "".join(
    f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
    for level, (form, text) in enumerate([("upperRoman", "Article %1"), ("decimal", "%1.%2"), ("lowerLetter", "(%3)")])
)
BULLETS = '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="\uf0b7"/></w:lvl>'
NUMBERING = (
    f'<w:abstractNum w:abstractNumId="0">{LEVELS}</w:abstractNum>'
    f'<w:abstractNum w:abstractNumId="1">{BULLETS}</w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/>'
    "</w:lvlOverride></w:num>"
)


def shown(data: bytes) -> list[str]:
    reader = DocxReader(data)
    raws = [reader.page(number + 1) for number in range(reader.pages)]
    return [clean(raw.text, raw.hidden).text for raw in raws]


def item(text: str, number: int, level: int = 0) -> str:
    inside = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    return paragraph(text, properties=inside)


def test_a_document_of_python_docx_is_read_in_order() -> None:
    document = docx.Document()
    document.add_heading("Bericht", 0)
    document.add_paragraph("Erster Absatz.")
    document.add_heading("Zahlen", 1)
    document.add_paragraph("eins", style="List Number")
    document.add_paragraph("zwei", style="List Number")
    document.add_paragraph("Punkt", style="List Bullet")
    cells = document.add_table(2, 2)
    for place, text in (((0, 0), "Stadt"), ((0, 1), "Einwohner"), ((1, 0), "Köln"), ((1, 1), "1.087.000")):
        cells.cell(*place).text = text
    document.add_paragraph("中文段落。")
    document.add_paragraph("فقرة عربية.")
    document.sections[0].footer.paragraphs[0].text = "Vertraulich"
    packed = io.BytesIO()
    document.save(packed)
    assert shown(packed.getvalue()) == [
        "Bericht\n\nErster Absatz.\n\nZahlen\n\n1. eins\n2. zwei\n• Punkt\n\nStadt | Einwohner\nKöln | 1.087.000\n\n"
        "中文段落。\n\nفقرة عربية.\n\nVertraulich"
    ]
    assert DocxReader(packed.getvalue()).page(1).label == "Bericht"


def test_clauses_have_the_numbers_that_word_shows() -> None:
    heading = '<w:numPr><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="0"/>'
    body = paragraph("Term", properties=heading) + item("Two years.", 1, 1) + item("Renewal", 1, 1)
    body += item("by letter", 1, 2) + item("by mail", 1, 2) + paragraph("Price", properties=heading)
    body += item("Ten.", 1, 1) + item("dot", 2) + item("Anew", 3) + paragraph("plain") + item("on", 3)
    (text,) = shown(word(body, numbering=NUMBERING))
    assert text == (
        "Article I Term\n\n  I.1 Two years.\n  I.2 Renewal\n    (a) by letter\n    (b) by mail\n\n"
        "Article II Price\n\n  II.1 Ten.\n• dot\nArticle I Anew\n\nplain\n\nArticle II on"
    )
    assert DocxReader(word(body, numbering=NUMBERING)).page(1).label == "Article I Term"


def test_insertions_are_kept_and_deletions_are_not() -> None:
    body = paragraph(
        run("Der Preis ist "),
        f"<w:del>{run('x').replace('w:t', 'w:delText')}</w:del>",
        f"<w:ins>{run('100')}</w:ins>",
        f"<w:moveFrom>{run(' weg')}</w:moveFrom>",
        run(" Euro."),
    )
    gone = "<w:tr><w:trPr><w:del/></w:trPr><w:tc>" + paragraph("gone") + "</w:tc></w:tr>"
    rows = table(("a", "b")).replace("</w:tbl>", f"{gone}</w:tbl>")
    assert shown(word(body + rows)) == ["Der Preis ist 100 Euro.\n\na | b"]


def test_notes_and_comments_stand_at_the_foot_of_their_page() -> None:
    footnotes = f'<w:footnote w:id="5">{paragraph("Siehe Anlage.")}</w:footnote>'
    comments = f'<w:comment w:id="0" w:author="Anna">{paragraph("Wirklich?")}</w:comment>'
    first = paragraph(
        run("Satz"),
        '<w:r><w:footnoteReference w:id="5"/></w:r>',
        run(" eins."),
        '<w:r><w:commentReference w:id="0"/></w:r>',
    )
    body = first + paragraph('<w:r><w:br w:type="page"/></w:r>', run("Seite zwei."))
    assert shown(word(body, footnotes=footnotes, comments=comments)) == [
        "Satz[1] eins.\n\n[1] Siehe Anlage.\n\n[Anna] Wirklich?",
        "Seite zwei.",
    ]


def test_pages_break_where_word_broke_them() -> None:
    saved = "<w:r><w:lastRenderedPageBreak/></w:r>"
    body = paragraph(run("Ein Satz, der "), saved, run("weitergeht.")) + paragraph('<w:r><w:br w:type="page"/></w:r>')
    body += paragraph(saved, run("Drei.")) + paragraph("Vier.", properties="<w:pageBreakBefore/>")
    assert shown(word(body)) == ["Ein Satz, der", "weitergeht.", "Drei.", "Vier."]


def test_a_number_stands_behind_the_page_break_that_its_paragraph_begins_with() -> None:
    saved = "<w:r><w:lastRenderedPageBreak/></w:r>"
    numbered = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    heading = numbered + '<w:outlineLvl w:val="0"/>'
    body = paragraph("Eins", properties=heading) + paragraph(saved, run("Zwei"), properties=heading)
    body += paragraph(saved, run("drei"), properties=numbered)
    assert shown(word(body, numbering=NUMBERING)) == ["Article I Eins", "Article II Zwei", "Article III drei"]


def test_without_breaks_pages_are_cut_before_headings() -> None:
    text = "Ein Satz mit Wörtern. " * 110
    heading = '<w:pStyle w:val="Heading1"/>'
    body = "".join(paragraph(f"Kapitel {n}", properties=heading) + paragraph(text) for n in range(3))
    reader = DocxReader(word(body))
    assert [reader.page(n + 1).label for n in range(reader.pages)] == ["Kapitel 0", "Kapitel 1", "Kapitel 2"]


@pytest.mark.parametrize(
    "properties", ["<w:vanish/>", '<w:color w:val="FFFFFF"/>', '<w:sz w:val="2"/>', '<w:vanish w:val="true"/>']
)
def test_what_nobody_sees_is_kept_apart(properties: str) -> None:
    raw = DocxReader(word(paragraph(run("Offen "), run("geheim", properties), run(" Ende")))).page(1)
    assert "geheim" in raw.text
    assert clean(raw.text, raw.hidden).text.split() == ["Offen", "Ende"]


def test_white_text_on_a_ground_is_seen() -> None:
    white = '<w:color w:val="FFFFFF"/>'
    body = paragraph(run("Kopf", white + '<w:shd w:fill="000000"/>')) + paragraph(run("aus", '<w:vanish w:val="0"/>'))
    body += f"<w:tbl><w:tr><w:tc>{paragraph(run('Zelle', white))}</w:tc></w:tr></w:tbl>"
    assert shown(word(body)) == ["Kopf\n\naus\n\nZelle"]


def test_of_two_ways_to_say_the_same_one_is_read() -> None:
    box = f"<w:txbxContent>{paragraph('Kasten')}</w:txbxContent>"
    space = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = (
        f"<w:r><mc:AlternateContent {space}><mc:Choice><w:drawing>{box}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert shown(word(paragraph(run("vor "), both, run("nach")))) == ["vor nach\n\nKasten"]


def test_small_things_of_runs() -> None:
    inside = (
        run("10") + run("6", '<w:vertAlign w:val="superscript"/>') + "<w:r><w:tab/></w:r>" + run("E")
        + '<w:r><w:noBreakHyphen/></w:r>' + run("Mail") + '<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>'
        + "<w:r><w:instrText>PAGE</w:instrText></w:r><w:hyperlink>" + run(" Verweis") + "</w:hyperlink>"
    )  # fmt: skip
    assert shown(word(f"<w:p>{inside}</w:p>")) == ["10⁶ E-Mail☑ Verweis"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (word(""), "no text"),
        (word(paragraph("&x;"), before='<!DOCTYPE d [<!ENTITY x "y">]>').replace(b"&amp;", b"&"), "declares entities"),
        (word("<w:sdt>" * 20_000 + paragraph("x") + "</w:sdt>" * 20_000), "nested too deeply"),
        (word(" " * (20 << 20)), "more than any document's"),
        (word("<w:p>"), "not sound XML"),
    ],
    ids=["empty", "entities", "deep", "bomb", "damaged"],
)
def test_what_is_no_plain_document_is_refused_by_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        DocxReader(data)


def test_tables_within_tables_cost_little() -> None:
    body = "<w:tbl><w:tr><w:tc>" * 60 + paragraph("innen") + "</w:tc></w:tr></w:tbl>" * 60
    assert shown(word(body)) == ["innen"]


WORDS = st.lists(st.text("abcäß中文العربيةहि0", min_size=1, max_size=6), min_size=1, max_size=5).map(" ".join)
BLOCKS = st.one_of(
    st.builds(paragraph, WORDS),
    st.builds(lambda text: paragraph(text, properties='<w:pStyle w:val="Heading1"/>'), WORDS),
    st.builds(lambda text: paragraph(f"<w:ins>{run(text)}</w:ins>"), WORDS),
    st.builds(lambda text: item(text, 2), WORDS),
    st.builds(lambda a, b: table((a, b), (b, a)), WORDS, WORDS),
    st.builds(lambda text: paragraph(run(text), "<w:r><w:lastRenderedPageBreak/></w:r>", run(text)), WORDS),
)


@examples(40)
@given(st.lists(BLOCKS, min_size=1, max_size=12))
def test_every_visible_word_is_there_in_order(blocks: list[str]) -> None:
    import re

    body = "".join(blocks)
    spaced = re.sub(r"</w:p>|<w:lastRenderedPageBreak/>", " ", body)
    words = re.sub(r"<[^>]*>", "", spaced).split()
    text = " ".join(shown(word(body, numbering=NUMBERING)))
    assert [each for each in text.split() if each not in ("•", "|")] == words
