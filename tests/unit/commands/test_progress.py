from __future__ import annotations

import io
import re

import pytest

from nemo_docs.commands.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """What a terminal shows in the end: carriage returns and `erase line` carried out."""
    return [re.split(r"\r\x1b\[K", line)[-1] for line in written.split("\n")]


def test_terminal_shows_one_line_that_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    with Progress(terminal) as progress:
        for page in range(1, 4):
            progress.update("Reading", page, 3, "pages")
            assert screen(terminal.getvalue()) == [f"Reading: {page} of 3 pages"]
        progress.update("x" * 100, 1, 2)
        assert screen(terminal.getvalue()) == ["x" * 39]
        progress.update("契約書" * 30, 1, 2)
        assert screen(terminal.getvalue()) == [("契約書" * 30)[:19]], "two cells each: a wrapped line cannot be erased"
        progress.say("a note")
        assert screen(terminal.getvalue()) == ["a note", ""]
        progress.update("Reading", 3, 3)
    assert screen(terminal.getvalue()) == ["a note", ""]


def test_elsewhere_a_long_task_is_told_in_three_lines_and_a_short_one_in_none() -> None:
    log = io.StringIO()
    with Progress(log) as progress:
        for page in range(1001):
            progress.update("book.pdf", page, 1000, "pages")
        for page in range(1, 5):
            progress.update("leaflet.pdf", page, 4, "pages")
    assert log.getvalue().splitlines() == [f"book.pdf: {page} of 1,000 pages" for page in (250, 500, 750)]


def test_hostile_title_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    Progress(terminal).update("\x1b[2J\r\n", 1, 2)
    assert terminal.getvalue().count("\x1b") == 1  # our own erase-line
    assert "\n" not in terminal.getvalue()
