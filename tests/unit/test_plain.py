from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.plain import json_line, printable

ANYTHING = st.text(alphabet=st.characters())  # lone surrogates too
DANGEROUS = {"Cc", "Cs", "Zl", "Zp"}
OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def acts_on_a_terminal(text: str) -> bool:
    return any(unicodedata.category(character) in DANGEROUS or character in OVERRIDES for character in text)


@given(ANYTHING)
@example("\x1b]0;owned\x07 \x9b2J \u202egnp.exe\r\n")
def test_printable_text_never_acts_on_a_terminal(text: str) -> None:
    assert not acts_on_a_terminal(printable(text))


@given(ANYTHING)
def test_with_lines_only_newlines_and_tabs_are_left(text: str) -> None:
    shown = printable(text, lines=True)
    assert shown.count("\n") == text.count("\n")
    assert shown.count("\t") == text.count("\t")
    assert not acts_on_a_terminal(shown.replace("\n", "").replace("\t", ""))


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp"))))
@example("[red]bold[/red] [@click=app.quit]x[/] [INST] <|im_end|>")
@example("क्‍ष فارسی‌ها \u200eLRM\u200f")
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


@given(ANYTHING)
def test_printable_text_can_be_written_as_utf8(text: str) -> None:
    printable(text).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31m", r"\x1b[31m"), ("a\nb", r"a\nb"), ("\u202e", r"\u202e"), ("\x9b", r"\x9b"), ("\udcff", r"\udcff")],
)
def test_what_acts_on_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANYTHING, st.booleans())
def test_json_line_reads_back_exactly_and_never_acts_on_a_terminal(text: str, ascii_only: bool) -> None:
    line = json_line({"text": text, text: [text]}, ascii_only=ascii_only)
    assert json.loads(line) == {"text": text, text: [text]}
    assert not acts_on_a_terminal(line)
    assert not ascii_only or line.isascii()
