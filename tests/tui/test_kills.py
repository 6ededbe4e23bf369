"""What becomes of people's work when a process is ended in the middle of it: real processes, on a real terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nemo_docs.engine.process.wire import Status
from nemo_docs.library.records import VersionStatus
from tests.terminal import Terminal
from tests.tui.living import comes_true, documents, engine, environment, is_at_work, link, open_app, paste, texts, turns
from tests.tui.shelf import shelve

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")]
LEASE = "The rent is due on the first day of each month. The deposit is two months' rent.\n"
QUESTION = b"When is the rent due?"
LONG_PAGES = 4_000
LONGER_PAGES = 60_000
"""More than are read while a shell starts, however slow it is."""


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tmp_path: Path) -> Iterator[None]:
    """A small document, a tiny model whose answers take a while, and no engine left behind."""
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
    monkeypatch.setenv("NEMO_DOCS_ANSWER_TOKENS", "3000")
    monkeypatch.setenv("NEMO_DOCS_TEMPERATURE", "1")  # else it repeats itself and is stopped
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shelve(tmp_path / "files", {"lease.txt": LEASE})
    yield
    link().stop()


def kill(process: int | None) -> None:
    assert process is not None
    os.kill(process, signal.SIGKILL)
    comes_true(lambda: not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE)


def ask(app: Terminal) -> None:
    """Ask, and return when the engine writes the answer."""
    app.send(QUESTION + b"\r")
    app.seen(b"Writing")
    comes_true(is_at_work)


def ask_again(app: Terminal) -> None:
    """Go to the conversation, and once it has the keys ask the last question again."""
    mark = app.mark
    app.send(b"\x1bOS")
    app.seen(b"Next quote", mark)
    app.send(b"g")
    app.seen(b"Writing", mark)


def stop(app: Terminal) -> None:
    """Stop the answer, and wait until it has."""
    mark = app.mark
    app.send(b"\x1b")
    app.seen(b"Stopped", mark)
    comes_true(lambda: not is_at_work())


def engine_pid() -> int:
    """Of the engine, as soon as it says so: one that has just begun to write may be slow to answer."""
    found: list[Status] = []

    def is_there() -> bool:
        found.extend(filter(None, [engine()]))
        return bool(found)

    comes_true(is_there)
    return found[-1].pid


def engines() -> list[int]:
    home = os.environ["NEMO_DOCS_HOME"]
    words = [(each.pid, " ".join(each.info["cmdline"] or ())) for each in psutil.process_iter(["cmdline"])]
    return [pid for pid, line in words if "nemo_docs.engine.process" in line and home in line]


def write_long(folder: Path, pages: int = LONG_PAGES) -> Path:
    file = folder / "long.txt"
    file.write_text("\f".join(f"Page {number} says that {number * 7} is its own number." for number in range(pages)))
    return file


def long_document() -> str | None:
    return next((each.handle for each in documents() if each.title == "long.txt"), None)


def pages_read() -> int:
    return next((each.pages_read for each in documents() if each.title == "long.txt"), 0)


def start_reading(app: Terminal, file: Path, pages: int = LONG_PAGES) -> None:
    app.send(paste(str(file)))
    comes_true(lambda: pages_read() > 10)
    assert pages_read() < pages, "it was read before it could be killed"


def test_a_killed_engine_is_told_and_the_question_is_asked_again() -> None:
    with open_app() as app:
        ask(app)
        first = engine_pid()
        kill(first)
        app.seen(b"ended before it had finished")
        app.seen(QUESTION)
        ask_again(app)
        assert engine_pid() != first
        stop(app)
        assert [turn.question for turn in turns()] == [QUESTION.decode()] * 2
        assert b"Traceback" not in app.written


def test_an_app_killed_in_the_middle_of_reading_goes_on_by_itself(tmp_path: Path) -> None:
    file = write_long(tmp_path)
    with open_app() as app:
        start_reading(app, file)
        kill(app.process.pid)
    assert 10 < pages_read() < LONG_PAGES
    with open_app() as app:
        app.seen(b"Going on with long.txt")
        comes_true(lambda: all(each.status is VersionStatus.COMPLETE for each in documents()))
    assert sorted(each.title for each in documents()) == ["lease.txt", "long.txt"]
    handle = long_document()
    assert handle is not None
    resumed = texts(handle)
    os.environ["NEMO_DOCS_HOME"] = str(tmp_path / "another")
    ((_, other),) = shelve(tmp_path / "again", {"long.txt": file.read_text()}).items()
    assert resumed == texts(other)
    assert [number for number, _ in resumed] == list(range(1, LONG_PAGES + 1))


def test_both_are_killed_and_nothing_stands_in_the_way(tmp_path: Path) -> None:
    file = write_long(tmp_path)
    with open_app() as app:
        ask(app)
        start_reading(app, file)
        kill(engine_pid_of_note())
        kill(app.process.pid)
    with open_app() as app:
        app.seen(b"was not answered")
        ask_again(app)
        comes_true(lambda: pages_read() == LONG_PAGES)
        stop(app)
    assert len(engines()) == 1


def engine_pid_of_note() -> int:
    note = link().place.note()
    assert note is not None
    return note.pid


def test_an_app_killed_in_mid_answer_frees_the_engine_and_keeps_the_question() -> None:
    with open_app() as app:
        ask(app)
        pid = engine_pid()
        kill(app.process.pid)
    comes_true(lambda: not is_at_work())
    assert engine_pid() == pid
    with open_app() as app:
        app.seen(b"was not answered")
    assert [(turn.question, turn.answer) for turn in turns()] == [(QUESTION.decode(), None)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_app_in_order(number: signal.Signals) -> None:
    with open_app() as app:
        ask(app)
        app.process.send_signal(number)
        assert app.process.wait(30) == 128 + number
        app.seen(b"\x1b[?1049l")  # the screen as it was before
        comes_true(lambda: not is_at_work())
    with open_app() as app:
        app.seen(QUESTION)
    assert [turn.question for turn in turns()] == [QUESTION.decode()]


def test_an_app_whose_terminal_is_closed_leaves() -> None:
    app = open_app()
    ask(app)
    app.hang_up()
    app.process.wait(30)
    comes_true(lambda: not is_at_work())


def test_a_suspended_app_holds_up_nobody() -> None:
    with open_app() as app:
        ask(app)
        app.process.send_signal(signal.SIGSTOP)
        assert answered_in_a_shell() == 0
        app.process.send_signal(signal.SIGCONT)
        stop(app)


def test_an_app_that_is_suspended_by_its_shell_comes_back() -> None:
    with open_app() as app:
        app.process.send_signal(signal.SIGTSTP)
        comes_true(lambda: psutil.Process(app.process.pid).status() == psutil.STATUS_STOPPED)
        mark = app.mark
        app.process.send_signal(signal.SIGCONT)
        app.seen(b"\x1b[?1049h", mark)
        app.send(b"are you there")
        app.seen(b"there", mark)


def test_ctrl_c_says_how_to_leave() -> None:
    with open_app() as app:
        app.send(b"\x03")
        app.seen(b"ctrl+q")
        app.send(b"\x11")
        assert app.process.wait(30) == 0


def test_two_apps_and_a_shell_share_one_engine() -> None:
    with open_app(NEMO_DOCS_ANSWER_TOKENS="8") as one, open_app(NEMO_DOCS_ANSWER_TOKENS="8") as other:
        for app in (one, other):
            app.send(QUESTION + b"\r")
        assert answered_in_a_shell() == 0
        for app in (one, other):
            app.seen(b"of 1 page")
        assert len(engines()) == 1


def answered_in_a_shell() -> int:
    command = [sys.executable, "-m", "nemo_docs", "ask", "What is the deposit?"]
    return subprocess.run(
        command, env=environment(NEMO_DOCS_ANSWER_TOKENS="8"), capture_output=True, timeout=120, check=False
    ).returncode


def test_a_document_is_removed_by_another_program_while_it_is_asked_about() -> None:
    with open_app() as app:
        ask(app)
        assert in_a_shell("remove", "a") == 0
        comes_true(lambda: not documents())
        app.seen(b"No documents yet")
        app.send(b"\x1b")
        comes_true(lambda: not is_at_work())
        assert app.process.poll() is None
        comes_true(lambda: [turn.answer for turn in turns()] == [None])


def test_a_document_is_removed_by_another_program_while_it_is_read(tmp_path: Path) -> None:
    file = write_long(tmp_path, LONGER_PAGES)
    with open_app() as app:
        start_reading(app, file, LONGER_PAGES)
        handle = long_document()
        assert handle is not None
        assert in_a_shell("remove", handle) == 0
        app.seen(b"1 paused or removed elsewhere")
    assert [each.title for each in documents()] == ["lease.txt"]


def in_a_shell(*arguments: str) -> int:
    command = [sys.executable, "-m", "nemo_docs", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, timeout=120, check=False).returncode
