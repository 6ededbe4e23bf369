from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.clean import OffsetMap, clean, clean_line

ESCAPES = ["\x1b[31m", "\x1b]8;;http://x\x07", "\x1b", "\0", "\x9b", "\u202e", "\u2066", "\U000e0041", "\ud800"]
SPACES = ["\r\n", "\r", "\n", "\n\n\n", " ", "\t", "\f", "\u2028", "\u00a0", "\u3000"]
LETTERS = ["a", "B", "é", "1", "ß", "ﬃ", "中", "ي", "न", "👨", "ˇ", "ǅ", "ª"]
JOINERS = ["-", "\u00ad", "\u2010", "\u200c", "\u200d", "\U000e0100"]
PIECES = st.sampled_from([*ESCAPES, *SPACES, *LETTERS, *JOINERS])
RAW = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))


@given(RAW)
def test_clean_maps_every_character_back_in_order(raw: str) -> None:
    cleaned = clean(raw)
    places = [cleaned.offsets.raw_offset(i) for i in range(len(cleaned.text))]
    assert places == sorted(places)
    assert all(0 <= place < len(raw) for place in places)
    for character, place in zip(cleaned.text, places, strict=True):
        source = raw[place]
        assert character == source or source.isspace() or source in "\u00ad\x1c\x1d\x1e\x85" or "ﬀ" <= source <= "ﬆ"


@given(RAW)
def test_clean_is_idempotent(raw: str) -> None:
    once = clean(raw).text
    assert clean(once).text == once
    assert clean(once).dropped == 0


@given(RAW)
def test_clean_leaves_nothing_that_a_terminal_obeys(raw: str) -> None:
    text = clean(raw).text
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text if c != "\n")
    assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u00ad\ufeff")
    assert not any("\U000e0000" <= c <= "\U000e007f" for c in text)
    assert "\n\n\n" not in text
    assert " \n" not in text
    assert text == text.strip(" \n")
    text.encode()


@given(RAW)
def test_offset_map_survives_packing(raw: str) -> None:
    offsets = clean(raw).offsets
    assert OffsetMap.unpack(offsets.pack()) == offsets


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Funda-\nmentalgruppe", "Fundamentalgruppe"),
        ("Funda\u00ad\nmentalgruppe", "Fundamentalgruppe"),
        ("Funda-  \r\nmentalgruppe", "Fundamentalgruppe"),
        ("Funda\u00admental", "Fundamental"),
        ("Schwarz-\nWeiß", "Schwarz-Weiß"),
        ("deutsch-\nfranzösisch, deutsch-französisch", "deutsch-französisch, deutsch-französisch"),
        ("pages 3-\n4", "pages 3-\n4"),
        ("- one\n- two", "- one\n- two"),
        ("oﬃce ﬂoor", "office floor"),
        ("a\t\u00a0b", "a  b"),
        ("a \n \n\n\n b", "a\n\n b"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07end", "red end"),
        ("\x1b[γ] and \x1b[a]", "[γ] and [a]"),
        ("f\x001(U)", "f1(U)"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("a\u200db", "ab"),
        ("葛\U000e0100", "葛\U000e0100"),
        ("a\U000e0100", "a"),
        ("[red]x[/red] [INST] <|im_end|>", "[red]x[/red] [INST] <|im_end|>"),
    ],
)
def test_clean_repairs(raw: str, text: str) -> None:
    assert clean(raw).text == text


def test_clean_leaves_hidden_stretches_out_but_for_their_white_space() -> None:
    assert clean("one\nsecret\ntwo", [(3, 11)]).text == "one\n\ntwo"
    assert clean("one\nsecret\ntwo", [(3, 11)]).dropped == 6


def test_clean_counts_what_cannot_be_shown_but_not_white_space() -> None:
    assert clean("a\0\x01b \r\n\n\n c\u202e").dropped == 3


def test_clean_takes_a_word_of_a_million_letters() -> None:
    """A search for compounds took time quadratic in the length of a word: a base64 line hung the reader."""
    assert len(clean("x" * 1_000_000 + "-\ny").text) == 1_000_001


def test_clean_line_is_one_short_line() -> None:
    assert clean_line("a\nb\x1b[2Jc\u202e") == "a bc"
    assert len(clean_line("x" * 1000)) == 200


def test_clean_of_the_book_holds_no_control_characters_and_no_ligatures(data_dir: Path) -> None:
    from nemo_docs.library.readers.pdf import PdfReader

    reader = PdfReader((data_dir / "pdf" / "009-GeoTopo-komprimiert.pdf").read_bytes(), password=None)
    raw = "\n".join(reader.page(number).text for number in range(1, 31))
    text = clean(raw).text
    assert sum(unicodedata.category(c) == "Cc" and c != "\n" for c in raw) > 5
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in text)
    assert any("ﬀ" <= c <= "ﬆ" for c in raw)
    assert not any("ﬀ" <= c <= "ﬆ" for c in text)
