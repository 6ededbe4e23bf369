"""What becomes of a PDF's page: which extractor reads it, what is hidden, in which order, and what the flags say."""

from __future__ import annotations

import io
import unicodedata
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.clean import clean
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.brackets import turned
from nemo_docs.library.readers.columns import Glyph, read_by_columns
from nemo_docs.library.readers.garble import HARDLY_TEXT, SUSPICIOUS, garble
from nemo_docs.library.readers.pdf import PdfReader
from nemo_docs.library.records import PageFlag
from nemo_docs.library.samples import samples_folder
from nemo_docs.settings import LANGUAGES

MakePdf = Callable[..., bytes]


def page_with(make_pdf: MakePdf, content: bytes, *, image: bool = False) -> bytes:
    """A page of 595 by 842 points with this content; /Im0 is a grey dot."""
    pdf = make_pdf(["Text"]).replace(b"(Text) Tj T* ", content + b" ").replace(b"/Length ", b"/Len ")
    if image:
        dot = (
            b"9 0 obj\n<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray "
            b"/BitsPerComponent 8 /Length 1 >>\nstream\n\x80\nendstream\nendobj\n"
        )
        pdf = pdf.replace(b"/Resources << /Font", b"/Resources << /XObject << /Im0 9 0 R >> /Font")
        pdf = pdf.replace(b"xref\n", dot + b"xref\n", 1)
    return pdf


def first_page(data: bytes) -> RawText:
    return PdfReader(data, password=None).page(1)


def shown(raw: RawText) -> str:
    return clean(raw.text, raw.hidden, raw.order).text


SCAN = b"q 595 0 0 842 0 0 cm /Im0 Do Q "
SEEN = b"BT /F1 11 Tf 50 700 Td (Seen.) Tj ET "


@pytest.mark.parametrize(
    "hidden",
    [
        b"1 1 1 rg (Hidden words.) Tj 0 g",
        b"1 g (Hidden words.) Tj 0 g",
        b"0 0 0 0 k (Hidden words.) Tj 0 g",
        b"/F1 1 Tf (Hidden words.) Tj /F1 11 Tf",
        b"3 Tr (Hidden words.) Tj 0 Tr",
        b"q 3 Tr (Hidden words.) Tj Q",
        b"(Seen.) Tj 1 g ( Hidden words.) Tj 0 g",
        b"ET 0 0 1 rg 40 600 300 100 re f BT /F1 11 Tf 60 650 Td (Hidden words.) Tj 0 g",
        b"ET 0 g 40 600 300 100 re f BT /F1 11 Tf 60 650 Td (Hidden words.) Tj ET BT /F1 11 Tf 50 100 Td",
    ],
)
def test_text_that_nobody_sees_stays_out_of_the_page(make_pdf: MakePdf, hidden: bytes) -> None:
    raw = first_page(page_with(make_pdf, hidden + b" ET " + SEEN + b"BT "))
    assert "Hidden" in raw.text
    assert "Hidden" not in shown(raw)
    assert "Seen." in shown(raw)


@pytest.mark.parametrize(
    "seen",
    [
        b"ET 0 0 1 rg 40 600 300 100 re f 1 g BT /F1 11 Tf 60 650 Td (White on blue.) Tj",
        b"1 0 0 rg (Red.) Tj",
        b"0.6 g (Grey.) Tj",
        b"/F1 5 Tf (Small.) Tj",
        b"2 Tr 1 g 0 G (Outlined in black.) Tj",
        b"ET 0 g 40 600 300 1 re f BT /F1 11 Tf 60 650 Td (Black over a black rule.) Tj",
    ],
)
def test_text_that_can_be_seen_stays(make_pdf: MakePdf, seen: bytes) -> None:
    raw = first_page(page_with(make_pdf, seen))
    assert raw.hidden == ()
    assert shown(raw)


def test_white_text_on_a_drawing_of_its_own_is_seen(make_pdf: MakePdf) -> None:
    """A dark form beneath white text: nothing in the page's own content tells that it is dark."""
    pdf = page_with(make_pdf, b"ET /Dark Do 1 g BT /F1 11 Tf 60 650 Td (White on dark.) Tj")
    form = b"9 0 obj\n<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] /Length 27 >>\nstream\n"
    form += b"0 g 40 600 300 100 re f    \nendstream\nendobj\n"
    pdf = pdf.replace(b"/Resources << ", b"/Resources << /XObject << /Dark 9 0 R >> ").replace(
        b"xref\n", form + b"xref\n", 1
    )
    assert shown(first_page(pdf)) == "White on dark."


def test_the_text_layer_of_a_scan_stays_and_is_flagged(make_pdf: MakePdf) -> None:
    layer = b"ET " + SCAN + b"BT /F1 11 Tf 50 700 Td 3 Tr (What the scanner read.) Tj"
    raw = first_page(page_with(make_pdf, layer, image=True))
    assert (shown(raw), raw.flags) == ("What the scanner read.", (PageFlag.SCAN,))
    small = layer.replace(b"595 0 0 842", b"20 0 0 20")
    raw = first_page(page_with(make_pdf, small, image=True))
    assert (shown(raw), raw.flags) == ("", (PageFlag.SCAN,))
    assert raw.hidden


@pytest.mark.parametrize("layer", [b"3 Tr (~ | .) Tj", b"(~ | .) Tj", b"(Page 7) Tj"], ids=["layer", "text", "stamp"])
def test_a_scan_with_hardly_any_text_is_a_scan(make_pdf: MakePdf, layer: bytes) -> None:
    raw = first_page(page_with(make_pdf, b"ET " + SCAN + b"BT /F1 11 Tf 50 700 Td " + layer, image=True))
    assert raw.flags == (PageFlag.SCAN,)
    assert shown(raw)
    text = b"BT /F1 11 Tf 50 700 Td (A page of text on a picture that is its ground.) Tj"
    assert first_page(page_with(make_pdf, b"ET " + SCAN + text, image=True)).flags == ()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_that_is_turned_is_read_as_it_was_written(make_pdf: MakePdf, turn: int) -> None:
    pdf = make_pdf(["One line.\nAnd another."]).replace(b"/MediaBox", b"/Rotate %d /MediaBox" % turn)
    assert shown(first_page(pdf)) == "One line.\nAnd another."


def test_a_picture_without_text_is_a_scan_and_a_drawing_is_not(make_pdf: MakePdf) -> None:
    assert first_page(page_with(make_pdf, b"ET " + SCAN + b"BT", image=True)).flags == (PageFlag.SCAN,)
    assert first_page(make_pdf([""])).flags == ()


def test_what_the_file_says_that_glyphs_mean_is_taken(make_pdf: MakePdf) -> None:
    meant = b"(A ) Tj /Span << /ActualText (fine) >> BDC (f) Tj (1ne) Tj EMC ( day) Tj"
    assert shown(first_page(page_with(make_pdf, meant))) == "A fine day"
    utf16 = meant.replace(b"(fine)", b"<" + "﻿日本".encode("utf-16-be").hex().encode() + b">")
    assert shown(first_page(page_with(make_pdf, utf16))) == "A 日本 day"


LEFT = [f"The left column says line {n} of it," for n in range(12)]
RIGHT = [f"while the right one holds line {n}." for n in range(12)]


def lines(cells: list[tuple[float, float, str]]) -> bytes:
    return b" ".join(b"1 0 0 1 %.1f %.1f Tm (%s) Tj" % (x, y, text.encode()) for x, y, text in cells)


def test_columns_written_across_are_read_downwards(make_pdf: MakePdf) -> None:
    cells = [(50.0, 780.0, "A heading over both of the columns, as wide as the page is with all of its words")]
    for n, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        cells += [(50.0, 740.0 - 14 * n, left), (310.0, 740.0 - 14 * n, right)]
    raw = first_page(page_with(make_pdf, lines(cells)))
    assert shown(raw).split("\n") == [cells[0][2], *LEFT, *RIGHT]
    assert PageFlag.REORDERED in raw.flags
    inorder = [cells[0], *cells[1::2], *cells[2::2]]
    raw = first_page(page_with(make_pdf, lines(inorder)))
    assert shown(raw).split("\n") == [cells[0][2], *LEFT, *RIGHT]
    assert raw.flags == ()


@pytest.mark.parametrize(
    ("drawn", "meant"),
    [
        ("نص )بين قوسين( بعده ]مربع[", "نص (بين قوسين) بعده [مربع]"),
        ("قال »مرحبا« عام )2024( ثم\n}ثلاثة{ > واحد <", "قال «مرحبا» عام (2024) ثم\n{ثلاثة} < واحد >"),
        ("نص )على\nسطرين( هنا", "نص (على\nسطرين) هنا"),
        ("نص (بين قوسين) بعده", "نص (بين قوسين) بعده"),
        ("نص see (page 3) ثم", "نص see (page 3) ثم"),
        ("Plain ) text ( stays", "Plain ) text ( stays"),
    ],
)
def test_brackets_of_arabic_are_as_they_are_spelled(drawn: str, meant: str) -> None:
    assert turned(drawn) == meant
    assert turned(meant) == meant


@given(st.text(alphabet="ab أب()[]«»\n1", max_size=40))
def test_turning_brackets_moves_nothing(text: str) -> None:
    mended = turned(text)
    assert len(mended) == len(text)
    assert all(a == b or {a, b} in ({"(", ")"}, {"[", "]"}, {"«", "»"}) for a, b in zip(text, mended, strict=True))


def test_three_columns_below_a_heading_and_above_a_footnote_are_read_downwards(make_pdf: MakePdf) -> None:
    texts = [[f"{name} column has line {n}" for n in range(12)] for name in ("the first", "a second", "one more")]
    texts[1] = texts[1][:9]
    heading = "A heading over all of the three columns, as wide as the page is with all of its words"
    note = "1 A note at the foot of the page, across all of the three columns, with words enough to be wide."
    cells = [(40.0, 780.0, heading)]
    for n in range(12):
        cells += [(40.0 + 180 * at, 740.0 - 14 * n, column[n]) for at, column in enumerate(texts) if n < len(column)]
    raw = first_page(page_with(make_pdf, lines([*cells, (40.0, 60.0, note)])))
    assert shown(raw).split("\n") == [heading, *texts[0], *texts[1], *texts[2], note]
    assert raw.flags == (PageFlag.REORDERED,)


def test_a_table_of_sentences_stays_in_rows(make_pdf: MakePdf) -> None:
    cells = [
        (40.0 + 180 * at, 740.0 - 14 * row, f"{name} of row {row} is here")
        for row in range(12)
        for at, name in enumerate(("The cell", "The next", "The last"))
    ]
    raw = first_page(page_with(make_pdf, lines(cells)))
    assert shown(raw).split("\n")[0].split()[6:9] == ["here", "The", "next"]
    assert raw.flags == (PageFlag.TABLE,)


def test_columns_of_a_script_from_right_to_left_begin_at_the_right() -> None:
    glyphs, at = [], 0
    for row in range(8):
        for left in (300, 0):
            for n in range(24):
                glyphs.append(
                    Glyph(at, "ب", left + 240 - 10.0 * n, 700 - 14 * row, left + 249 - 10.0 * n, 710 - 14 * row)
                )
                at += 1
    order = read_by_columns(glyphs, at).order
    assert [start for start, _ in order] == [*range(0, at, 48), *range(24, at, 48)]


def test_a_table_is_read_by_rows_and_flagged(make_pdf: MakePdf) -> None:
    cells = [
        (x, 740.0 - 14 * row, f"{name} {row}")
        for row in range(12)
        for x, name in ((50.0, "Item"), (200.0, "Price"), (350.0, "Sum"))
    ]
    raw = first_page(page_with(make_pdf, lines(cells)))
    assert shown(raw).split("\n")[0].split() == ["Item", "0", "Price", "0", "Sum", "0"]
    assert raw.flags == (PageFlag.TABLE,)


def test_a_page_of_one_column_and_a_list_stay_as_they_are(make_pdf: MakePdf) -> None:
    listed = [(x, 740.0 - 14 * n, text) for n, line in enumerate(LEFT) for x, text in ((50.0, f"{n}."), (90.0, line))]
    raw = first_page(page_with(make_pdf, lines(listed)))
    assert shown(raw).split("\n") == [f"{n}. {line}" for n, line in enumerate(LEFT)]
    assert raw.flags == ()


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(0, 60), st.integers(1, 30)).map(
            lambda t: (t[0], 800 - 12 * t[1], "w" * t[2])
        ),
        max_size=60,
    )
)
def test_an_order_is_always_all_of_the_text_once(words: list[tuple[int, int, str]]) -> None:
    glyphs, at = [], 3
    for x, y, word in words:
        for n, letter in enumerate(word):
            glyphs.append(Glyph(at, letter, x + 6.0 * n, y, x + 6.0 * n + 6, y + 10.0))
            at += 1
        at += 1
    order = read_by_columns(glyphs, at).order
    assert not order or sorted(order) == [
        (start, end)
        for start, end in zip(sorted(s for s, _ in order), [*sorted(s for s, _ in order)[1:], at], strict=True)
    ]


@given(st.text(alphabet="ab -\n­ﬁ", max_size=60), st.lists(st.integers(0, 60), max_size=5), st.randoms())
def test_a_mended_order_maps_every_character_back(raw: str, cuts: list[int], chance: object) -> None:
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    order = list(pairwise(places))
    chance.shuffle(order)  # type: ignore[attr-defined]
    cleaned = clean(raw, order=order)
    for n, character in enumerate(cleaned.text):
        source = raw[cleaned.offsets.raw_offset(n)]
        assert character == source or character in "\n- " or source in "ﬁ­"
    again = clean(raw, order=[(0, len(raw))] if raw else ())
    assert sorted(again.text.replace("-", "").split()) == sorted(clean(raw).text.replace("-", "").split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_true_text_is_not_garbled(language: str) -> None:
    assert garble((samples_folder() / f"udhr.{language}.txt").read_text(encoding="utf-8")) < SUSPICIOUS / 10


@pytest.mark.parametrize(
    "text",
    ["\x00H\x00e\x00l\x00l\x00o", "\ue001\ue002\ue003 text", "Űवधानसभा के सदŨय", "चिंाहिए िक ाकया", "ab\ufffd\ufffdcd"],
)
def test_what_no_language_has_is_garbled(text: str) -> None:
    assert garble(text) >= HARDLY_TEXT


def test_a_page_of_codes_is_flagged(make_pdf: MakePdf) -> None:
    raw = first_page(page_with(make_pdf, b"(\\001\\002\\003\\004 \\005\\006\\007 Text) Tj"))
    assert PageFlag.GARBLED in raw.flags


def test_the_book_is_read_with_its_minus_signs_and_spaces(data_dir: Path) -> None:
    reader = PdfReader((data_dir / "pdf" / "009-GeoTopo-komprimiert.pdf").read_bytes(), password=None)
    text = shown(reader.page(32))
    assert "Dimension n − 1" in " ".join(text.split())
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in text)


def test_a_page_does_not_depend_on_the_pages_read_before(data_dir: Path) -> None:
    data = (data_dir / "pdf" / "026-multicolumn.pdf").read_bytes()
    forwards, backwards = PdfReader(data, password=None), PdfReader(data, password=None)
    one = [forwards.page(n) for n in (1, 2, 3)]
    assert [backwards.page(n) for n in (3, 2, 1)][::-1] == one
    assert {each.flags for each in one} == {()}


def test_what_pypdf_cannot_read_pdfium_may(make_pdf: MakePdf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A font whose map nests too deep makes pypdf raise; the page is not lost."""
    import pypdf

    def refuse(*_: object, **__: object) -> str:
        raise pypdf.errors.PdfReadError("too deep")

    monkeypatch.setattr(pypdf.PageObject, "extract_text", refuse)
    raw = first_page(make_pdf(["Still read."]))
    assert shown(raw) == "Still read."
    assert raw.extractor.startswith("pdfium")


def test_streams_that_swell_are_refused(make_pdf: MakePdf) -> None:
    packed = zlib.compress(b"(x) Tj " * 20_000_000, 9)
    content = b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed)
    pdf = make_pdf(["Text"])
    start = pdf.index(b"<< /Length")
    bomb = pdf[:start] + content + pdf[pdf.index(b"endstream", start) + len(b"endstream") :]
    reader = PdfReader(io.BytesIO(bomb).getvalue(), password=None)
    with pytest.raises(Exception, match=r"(?i)limit|output|memory"):
        reader.page(1)
