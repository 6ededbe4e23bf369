from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Horizontal
from textual.filter import LineFilter
from textual.strip import Strip
from textual.widgets import Static

from nemo_docs.settings import load
from nemo_docs.tui.bidi import MARK, MarkingFilter, OrderingFilter, bidi_filter
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from tests.tui.support import until

BLACK = Color(0, 0, 0)
BOLD = Style(bold=True)
PIECES = st.sampled_from(
    ["שלום", "עולם ", "مرحبا", "بِسْمِ", "٣١", "abc ", "12,5 ", "(", ")", "  ", " │ ", "漢字", " ", "\u200f", "é"]
)
LINES = st.lists(st.tuples(PIECES, st.sampled_from([None, BOLD, Style(italic=True)])), max_size=12).map(
    lambda parts: [Segment(text, style) for text, style in parts]
)


def applied(a_filter: LineFilter, segments: list[Segment]) -> str:
    return "".join(segment.text for segment in a_filter.apply(segments, BLACK))


def test_each_column_with_right_to_left_text_stands_between_marks() -> None:
    line = [Segment("│ שלום, 12 "), Segment("(עולם)", BOLD), Segment("  12 pages │ abc │"), Segment("سلام│")]
    assert applied(MarkingFilter(), line) == f"│ {MARK}שלום, 12 (עולם){MARK}  12 pages │ abc │{MARK}سلام{MARK}│"


def test_a_line_without_right_to_left_text_is_left_as_it_is() -> None:
    line = [Segment("│ abc"), Segment(" 漢字 é", BOLD)]
    for each in (MarkingFilter(), OrderingFilter()):
        assert each.apply(line, BLACK) is line


@given(LINES)
def test_marks_take_no_cell_and_nothing_else_changes(segments: list[Segment]) -> None:
    marked = MarkingFilter().apply(segments, BLACK)
    before, after = ("".join(each.text for each in line) for line in (segments, marked))
    assert after.replace(MARK, "") == before
    assert sum(each.cell_length for each in marked) == sum(each.cell_length for each in segments)
    styles = [(character, each.style) for each in marked for character in each.text if character != MARK]
    assert styles == [(character, each.style) for each in segments for character in each.text]


@settings(deadline=None)  # the first example imports
@given(LINES)
def test_ordering_keeps_every_character_with_its_style_and_width(segments: list[Segment]) -> None:
    ordered = OrderingFilter().apply(segments, BLACK)

    def drawn(line: list[Segment]) -> list[tuple[str, str]]:
        return sorted((c.replace("(", ")"), str(each.style)) for each in line for c in each.text)

    assert drawn(ordered) == drawn(segments)
    assert sum(each.cell_length for each in ordered) == sum(each.cell_length for each in segments)


@given(LINES, st.integers(0, 60), st.integers(0, 60))
def test_a_marked_strip_is_cropped_as_if_it_were_not(segments: list[Segment], start: int, length: int) -> None:
    plain = Strip(segments)
    marked = plain.apply_filter(MarkingFilter(), BLACK)
    cut = marked.crop(start, start + length)
    assert cut.text.replace(MARK, "") == plain.crop(start, start + length).text.replace(MARK, "")
    assert cell_len(cut.text) == cut.cell_length


@pytest.mark.parametrize(
    ("stored", "drawn"),
    [
        ("שלום", "םולש"),
        ("see שלום עולם now", "see םלוע םולש now"),
        ("שלום 12 (אב)", "(בא) 12 םולש"),
        ("בִּ", "בִּ"),
        ("אבִּג", "גבִּא"),
        ("│ אב  גד │", "│ בא  דג │"),
    ],
)
def test_text_is_ordered_column_by_column(stored: str, drawn: str) -> None:
    assert applied(OrderingFilter(), [Segment(stored)]) == drawn


def test_lit_words_stay_lit_when_they_move() -> None:
    ordered = OrderingFilter().apply([Segment("אב "), Segment("גד", BOLD)], BLACK)
    assert [(each.text, each.style) for each in ordered] == [("דג", BOLD), (" בא", None)]


@pytest.mark.parametrize(
    ("setting", "environ", "kind"),
    [
        ("terminal", {"WT_SESSION": "1"}, MarkingFilter),
        ("app", {}, OrderingFilter),
        ("auto", {}, MarkingFilter),
        ("auto", {"VTE_VERSION": "7600"}, MarkingFilter),
        ("auto", {"WT_SESSION": "1"}, OrderingFilter),
        ("auto", {"TERM": "foot"}, OrderingFilter),
    ],
)
def test_who_orders_is_set_or_taken_from_the_terminals_name(
    setting: str, environ: dict[str, str], kind: type[LineFilter]
) -> None:
    assert type(bidi_filter(setting, environ)) is kind


class Reading(Habits):
    CSS = "Static { width: 1fr; }"

    def compose(self) -> ComposeResult:
        yield Horizontal(Static("שלום"), Static("עולם [12]", markup=False))


@pytest.mark.asyncio
async def test_panes_stay_apart_on_the_screen_and_the_setting_holds_at_once() -> None:
    app = Reading(Desk(load(options={"bidi": "terminal"})))

    def seen() -> str:
        return "".join(segment.text for segment in app.screen._compositor.render_strips()[0])

    async with app.run_test(size=(40, 4)) as pilot:
        await until(pilot, lambda: f"{MARK}שלום{MARK}" in seen() and f"{MARK}עולם [12]{MARK}" in seen())
        assert cell_len(seen()) == 40
        assert seen().replace(MARK, "").index("עולם") == 20
        app.take_configuration(load(options={"bidi": "app"}))
        await until(pilot, lambda: "םולש" in seen() and "[12] םלוע" in seen())
        assert MARK not in seen()
        assert [str(each.content) for each in app.query(Static)] == ["שלום", "עולם [12]"]
