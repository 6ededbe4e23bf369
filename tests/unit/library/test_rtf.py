"""RTF: encodings, groups and destinations, notes, tables, what is hidden or deleted."""

from __future__ import annotations

import pytest

from nemo_docs.errors import Unreadable
from nemo_docs.library.clean import clean
from nemo_docs.library.readers.rtf import RtfReader

HEAD = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial CYR;}"
    rb"{\f2\fcharset128 MS Mincho;}{\f3\fcharset2 Symbol;}}{\colortbl;\red255\green255\blue255;\red0\green0\blue0;}"
    rb"{\stylesheet{\s0 Normal;}{\s1 heading 1;}}{\info{\title Unsichtbar}}"
)


def shown(body: bytes) -> list[str]:
    reader = RtfReader(HEAD + body + b"}")
    raws = [reader.page(number + 1) for number in range(reader.pages)]
    return [clean(raw.text, raw.hidden).text for raw in raws]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"\'84Eins\'93 \emdash  zwei", "„Eins“ — zwei"),
        (rb"\u8364? \u-10179?\u-8704?\uc0\u233 t\uc2\u233\'e9\'e9", "€ 😀été"),
        (rb"{\f1 \'cf\'f0\'e8} {\f2 \'93\'fa\'96\'7b}", "При 日本"),
        (b"{\\f1 \xcf\xf0}\\\nneue\\line Zeile", "Пр\n\nneue\nZeile"),
        (rb"a{\v weg}{\deleted weg}{\cf1 weg}{\fs2 weg}b{\cf2 c}", "abc"),
        (rb"10{\super 6} \{x\} a\~b in{\super st}", "10⁶ {x} a b inst"),
        (rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt Verweis}} {\upr{u}{\*\ud \u252?}} {\*\x weg}da", "Verweis ü da"),
        (rb"a {\pict\bin5 }}}}} 00ff}{\object{\*\objdata 00}{\result b}}", "a b"),
        (rb"{\pntext\f0 1.\tab}eins\par{\listtext\f3\'b7\tab}zwei\par drei", "1. eins\n• zwei\n\ndrei"),
        (rb"\trowd\pard\intbl a\cell b\cell\row\trowd c\cell\cell\row\pard nach", "a | b\nc |\n\nnach"),
        (rb"Satz{\footnote \pard {\super\chftn} Anlage.}!{\*\atnauthor Anna}{\*\annotation Wie?}\par",
         "Satz[1]!\n\n[1] Anlage.\n\n[Anna] Wie?"),
        (rb"{\header Kopf\par}{\headerl Kopf\par}Text{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt Kasten}}}",
         "Text\n\nKasten\n\nKopf"),
    ],
)  # fmt: skip
def test_what_is_seen_is_read(body: bytes, text: str) -> None:
    assert shown(body) == [text]


def test_pages_break_where_the_writer_broke_them_and_are_named_after_headings() -> None:
    body = rb"\pard\s1 Kapitel\par\pard Text{\footnote Note.}\page mehr\par\pard\outlinelevel0 Zwei\par"
    reader = RtfReader(HEAD + body + b"}danach")
    assert [reader.page(number).text for number in (1, 2)] == ["Kapitel\n\nText[1]\n\n[1] Note.", "mehr\n\nZwei"]
    assert [reader.page(number).label for number in (1, 2)] == ["Kapitel", "Kapitel"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"{\\rtf1 " + b"{" * 100_000 + b"tief", "tief"),
        (b"{\\rtf1 kurz\\'e", "kurze"),
        (b"{\\rtf1 kurz\\", "kurz"),
        (b"{\\rtf1 a\\bin999999999 b}", "a"),
        (b"{\\rtf1 a}}}}} b", "a"),
        (b"{\\rtf1\\ansicpg99999 \\f77\\'e9\\cf99\\u99999999999 ?b}", "éb"),
    ],
    ids=["deep", "cut", "backslash", "bin", "closed", "numbers"],
)
def test_damaged_files_give_what_they_hold(data: bytes, text: str) -> None:
    raw = RtfReader(data).page(1)
    assert "".join(c for c in clean(raw.text).text if c.isalpha() and c < "\u3000") == text


@pytest.mark.parametrize("data", [b"no rtf", b"{\\rtf1 {\\pict 00ff}}", b"{\\rtf1"])
def test_what_holds_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        RtfReader(data)
