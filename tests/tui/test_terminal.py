"""The app on a real terminal: what it is sent, and what kind of terminal it is."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from nemo_docs.library.store import Library
from tests.terminal import Terminal
from tests.tui.living import PROMPT, comes_true, documents, environment, library, open_app, paste

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
IN_PROCESS = {"NEMO_DOCS_IN_PROCESS": "true"}


def test_a_million_lines_are_told_to_be_too_many_and_keys_go_on() -> None:
    with open_app(**IN_PROCESS) as app:
        app.send(paste("A line of a very long paste.\n" * 1_000_000) + b"still here")
        app.seen(b"29,000,000 characters are too many")
        app.seen(b"still here")


def test_keys_within_a_paste_are_not_pressed() -> None:
    with open_app(**IN_PROCESS) as app:
        app.send(paste("colour \x1b[31m\x11\r and leave"))
        app.seen(rb"colour \x1b[31m\x11")
        app.seen(b"and leave")
        assert app.process.poll() is None


def test_bytes_that_are_no_text_end_nothing() -> None:
    with open_app(**IN_PROCESS) as app:
        app.send(b"caf\xe9 \xff\xfe is open")
        app.seen(b"is open")
        app.send(b"\x11")
        assert app.process.wait(30) == 0


def test_a_dropped_file_whose_name_is_no_text_is_added(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")
    try:
        Path(name).write_text("The rent is due.")
    except OSError:
        pytest.skip("this file system takes no such name")
    with open_app(**IN_PROCESS) as app:
        app.send(paste(name))
        comes_true(lambda: [each.pages_read for each in documents()] == [1])


@pytest.mark.parametrize("kind", [{"NO_COLOR": "1"}, {"TERM": "linux"}, {"TERM": "unheard-of"}])
def test_every_kind_of_terminal_is_written_to(kind: dict[str, str]) -> None:
    with Terminal([sys.executable, "-m", "nemo_docs"], environment(**IN_PROCESS, **kind)) as app:
        app.seen(b"Ask a")
        app.send(b"typed")
        app.seen(b"typed")
        app.send(b"\x11")
        assert app.process.wait(30) == 0


def test_a_terminal_that_cannot_be_drawn_on_is_told_so() -> None:
    with Terminal([sys.executable, "-m", "nemo_docs"], environment(TERM="dumb")) as app:
        assert app.process.wait(30) == 2
        app.seen(b"cannot be drawn on this terminal (TERM is dumb)")


def test_the_smallest_terminal_and_every_size_in_between() -> None:
    command = [sys.executable, "-m", "nemo_docs"]
    with Terminal(command, environment(**IN_PROCESS), columns=20, rows=5) as app:
        app.seen(b"nemo-docs")
        for size in ((1, 1), (20, 5), (300, 100), (79, 3), (240, 48)):
            app.resize(*size)
        mark = app.mark
        app.resize(200, 50)
        app.seen(PROMPT, mark)
        app.send(b"\x11")
        assert app.process.wait(30) == 0


@pytest.mark.slow
def test_a_library_of_a_newer_program_is_told_and_left_alone() -> None:
    library().parent.mkdir(parents=True)
    with Library(library()):
        pass
    with closing(sqlite3.connect(library())) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    with open_app(**IN_PROCESS) as app:
        app.seen(b"schema 99")
        app.send(b"\x11")
        assert app.process.wait(30) == 0


def test_settings_that_are_not_understood_open_nothing() -> None:
    library().parent.mkdir(parents=True)
    (library().parent / "config.toml").write_text('modle = "nemo"\n')
    with Terminal([sys.executable, "-m", "nemo_docs"], environment(**IN_PROCESS)) as app:
        assert app.process.wait(30) == 2
        app.seen(b"There is no setting 'modle'")
        app.seen(b"Did you mean model?")
        assert b"\x1b[?1049h" not in app.written


def test_a_home_that_is_a_file_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "home-file").write_text("")
    known = environment(**IN_PROCESS, NEMO_DOCS_HOME=str(tmp_path / "home-file"))
    with Terminal([sys.executable, "-m", "nemo_docs"], known) as app:
        assert app.process.wait(30) == 2
        app.seen(b"which is not a folder")


@pytest.mark.slow
def test_a_full_disk_is_told_and_once_there_is_room_the_document_is_whole(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("\f".join(f"Page {number} of a long text." * 40 for number in range(500)))
    with Library(library()):
        pass
    with Terminal([sys.executable, "-c", _SMALL_FILES], environment(**IN_PROCESS), columns=240, rows=48) as app:
        app.seen(PROMPT)
        app.send(paste(str(tmp_path / "long.txt")))
        app.seen("✗ long.txt".encode())
        app.send(b"\x11")
        assert app.process.wait(30) == 0
    with open_app(**IN_PROCESS) as app:
        app.send(paste(str(tmp_path / "long.txt")))
        comes_true(lambda: [each.pages_read for each in documents()] == [500])


@pytest.mark.slow
def test_leaving_says_what_was_not_added_to_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(90):
        (folder / f"{number:02}.txt").write_text("\f".join(f"Page {page} of {number}." for page in range(100)))
    with open_app(**IN_PROCESS, NEMO_DOCS_FOLDER_LIMIT="1000") as app:
        app.send(paste(str(folder)))
        comes_true(documents)
        app.send(b"\x11")
        assert app.process.wait(30) == 0
        app.seen(b"Not added to the end: many (")
        app.seen(b"of 90 files). It goes on at the next start.")
    with open_app(**IN_PROCESS, NEMO_DOCS_FOLDER_LIMIT="10"):
        comes_true(lambda: [each.pages_read for each in documents()] == [100] * 90)


_SMALL_FILES = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from nemo_docs.cli import run
sys.exit(run([]))
"""
