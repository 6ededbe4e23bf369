"""What the terminal sends, in whatever pieces it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, Paste
from textual.message import Message

if sys.platform == "win32":
    pytest.skip("Windows has no such terminal", allow_module_level=True)

from nemo_docs.tui.driver import PasteParser

BEGIN, END = "\x1b[200~", "\x1b[201~"
HOSTILE = "a\x1b[31mred\x11\r\x03\x1b]0;title\x07 \x1b[<0;1;1M\x9b2J [@click=app.quit]x[/] \x1b[20\x1b"


def heard(pieces: Iterable[str]) -> list[tuple[str, str]]:
    parser = PasteParser()
    return [told(message) for piece in pieces for message in parser.feed(piece)]


def told(message: Message) -> tuple[str, str]:
    if isinstance(message, Paste):
        return "paste", message.text
    assert isinstance(message, Key)
    return "key", message.key


def test_what_stands_in_a_paste_is_never_a_key() -> None:
    assert heard([BEGIN + HOSTILE + END]) == [("paste", HOSTILE)]


def test_keys_before_between_and_behind_pastes_stay_keys() -> None:
    sent = f"x\x1b[A{BEGIN}one{END}y{BEGIN}{END}{BEGIN}two{END}\r"
    keys = [("key", "x"), ("key", "up"), ("paste", "one"), ("key", "y"), ("paste", ""), ("paste", "two")]
    assert heard([sent]) == [*keys, ("key", "enter")]


@given(
    st.text(st.sampled_from("a\x1b[201~\r\x11é漢\u202e"), max_size=40).filter(lambda text: END not in text + END[:-1]),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_pieces_make_no_difference(body: str, cuts: list[int]) -> None:
    sent = f"x{BEGIN}{body}{END}y"
    places = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(places) if end > start]
    assert heard(pieces) == [("key", "x"), ("paste", body), ("key", "y")]


def test_a_million_lines_come_whole() -> None:
    body = "A line of a very long paste.\n" * 1_000_000
    sent = f"{BEGIN}{body}{END}q"
    found = heard(sent[start : start + 4_095] for start in range(0, len(sent), 4_095))
    assert found == [("paste", body), ("key", "q")]
