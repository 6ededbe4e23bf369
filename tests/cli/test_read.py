"""`nemo-docs read`: the queue from the shell, what Ctrl-C and a kill leave of it, two readers at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_docs.errors import ExitCode
from nemo_docs.library.reading_queue import ReadingQueue
from nemo_docs.library.store import Library
from tests.cli.conftest import NemoDocs, Result
from tests.unit.library.test_store import put

FIELDS = {
    "reading": "document title waiting batch",
    "progress": "stage window windows tokens tokens_total tokens_cached seconds_left",
    "read": "document title windows tokens tokens_cached seconds",
    "not_read": "document title message hint",
    "stopped": "document title reason tokens",
    "waiting": "reason",
    "queued": "document title state reason",
    "error": "message hint exit_code",
}
LOCK = (
    "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); sys.stdin.read()"
)


@pytest.fixture
def shelf(nemo_docs: NemoDocs, home: Path, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents a (long), b and c (short, both in the collection Law), d (without text), and a tiny model."""
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
    book = "".join(f"Rule {n} of the house is about the {n} dogs of it.\n\n" for n in range(2_500))
    for name, text in (("book.txt", book), ("rent.txt", "The rent is due."), ("fee.txt", "A fee is due.")):
        (tmp_path / name).write_text(text)
        assert nemo_docs("add", tmp_path / name).code == 0
    with Library(home / "library.db") as library:
        put(library, "/no.txt", "")
    for handle in "bc":
        assert nemo_docs("tag", handle, "Law").code == 0


def queued(nemo_docs: NemoDocs) -> list[tuple[str, str]]:
    return [(event["document"], event["state"]) for event in nemo_docs("read", "--queue", "--json").events]


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def failed(result: Result, code: ExitCode, message: str) -> None:
    assert result.code == code
    assert message in result.err


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nemo_docs", "read", *arguments, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(stream: Iterator[str] | None, kind: str, **fields: object) -> None:
    assert stream is not None
    for line in stream:
        event = json.loads(line)
        if event["event"] == kind and fields.items() <= event.items():
            return
    raise AssertionError(f"the command ended before {kind}")


@pytest.mark.usefixtures("shelf")
def test_documents_are_read_with_a_line_for_each_and_leave_the_queue(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("read", "Law", "--in-process")
    assert done.code == 0
    line = r"{} read \d+ tokens in \d+\.\d s\n"
    assert re.fullmatch(line.format(r"b   rent\.txt:") + line.format(r"c   fee\.txt:"), done.out)
    assert queued(nemo_docs) == []
    assert nemo_docs("read", "--queue").out == "The queue is empty.\n"


@pytest.mark.usefixtures("shelf")
def test_events_say_what_is_read_and_how_far(nemo_docs: NemoDocs) -> None:
    events = nemo_docs("read", "c", "b", "--json").events
    for event in events:
        assert " ".join(event) == f"v event {FIELDS[event['event']]}"
    assert [event["document"] for event in of_kind(events, "reading")] == ["c", "b"]
    assert [event["waiting"] for event in of_kind(events, "reading")] == [1, 0]
    last = [event for event in events if event["event"] == "progress"][-1]
    assert last["tokens"] == last["tokens_total"] == of_kind(events, "read")[-1]["tokens"]


@pytest.mark.usefixtures("shelf")
def test_the_queue_is_kept_shown_and_changed(nemo_docs: NemoDocs) -> None:
    assert nemo_docs("read", "a", "--later").out == "a   book.txt: waiting\n"
    assert nemo_docs("read", "law", "--later", "--json").events[-1] == {
        "v": 1, "event": "queued", "document": "c", "title": "fee.txt", "state": "waiting", "reason": "",
    }  # fmt: skip
    assert nemo_docs("read", "a", "--pause").code == 0
    assert queued(nemo_docs) == [("a", "paused"), ("b", "waiting"), ("c", "waiting")]
    assert nemo_docs("read", "--drop", "b").code == 0
    assert nemo_docs("read", "--json").events[-1]["event"] == "read"
    assert queued(nemo_docs) == [("a", "paused")]
    nothing = nemo_docs("read")
    assert (nothing.code, nothing.out) == (0, "")
    assert "1 paused" in nothing.err
    assert nemo_docs("read", "--resume").out == "a   book.txt: waiting\n"
    assert nemo_docs("read", "--pause").out == "a   book.txt: paused\n"
    assert nemo_docs("read", "--clear").out == "The queue is empty.\n"


@pytest.mark.usefixtures("shelf")
def test_who_is_named_is_read_before_those_that_wait(nemo_docs: NemoDocs) -> None:
    nemo_docs("read", "c", "--later")
    events = nemo_docs("read", "b", "--json").events
    assert [event["document"] for event in of_kind(events, "read")] == ["b", "c"]


@pytest.mark.usefixtures("shelf")
def test_a_document_without_text_is_told_and_the_others_are_read(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("read", "d", "b")
    failed(done, ExitCode.FAILED, "Error: no.txt is not read: None of these pages holds any text.")
    assert "1 failed" in done.err
    assert done.out.startswith("b   rent.txt: read")
    assert nemo_docs("read", "--queue").out.startswith("d   no.txt: failed: None of these pages holds any text.")
    again = nemo_docs("read")
    assert (again.code, again.out) == (0, ""), "it is not tried again by itself"
    assert [event["event"] for event in nemo_docs("read", "d", "--json").events if event["event"] != "progress"] == [
        "reading",
        "not_read",
    ]


@pytest.mark.usefixtures("shelf")
def test_what_is_half_added_waits(nemo_docs: NemoDocs, home: Path) -> None:
    with Library(home / "library.db") as library:
        library.start_version(path="/half.txt", title="half.txt", sha256="half", pages=2)
    done = nemo_docs("read", "e", "b")
    failed(done, ExitCode.FAILED, "half.txt is still being added")
    assert done.out.startswith("b ")
    assert nemo_docs("read", "--queue").out == "e   half.txt: waiting, and is still being added\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), ExitCode.NOTHING_FOUND, "'nowhere'"),
        (("a:2",), ExitCode.USAGE, "read whole"),
        (("--later",), ExitCode.USAGE, "--later names no document"),
        (("--drop",), ExitCode.USAGE, "--drop names no document"),
        (("a", "--clear"), ExitCode.USAGE, "--clear is about the whole queue"),
        (("a", "--later", "--in-process"), ExitCode.USAGE, "--in-process has no meaning"),
        (("a", "--model", "missing"), ExitCode.USAGE, "missing"),
    ],
)
@pytest.mark.usefixtures("shelf")
def test_what_cannot_be_done_is_said(
    nemo_docs: NemoDocs, arguments: tuple[str, ...], code: ExitCode, message: str
) -> None:
    failed(nemo_docs("read", *arguments), code, message)


def test_a_queue_of_no_library_is_empty(nemo_docs: NemoDocs, home: Path) -> None:
    assert nemo_docs("read", "--queue").out == "The queue is empty.\n"
    assert nemo_docs("read").code == 0
    assert nemo_docs("read", "--pause").code == 0
    assert not home.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals to a process are POSIX")
@pytest.mark.parametrize("shared", [pytest.param("true", marks=pytest.mark.slow), "false"])
@pytest.mark.usefixtures("shelf")
def test_ctrl_c_keeps_what_was_read_and_nothing_is_read_twice(
    nemo_docs: NemoDocs, monkeypatch: pytest.MonkeyPatch, shared: str
) -> None:
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "false" if shared == "true" else "true")
    monkeypatch.setenv("NEMO_DOCS_WINDOW", "8k")
    with start("a", "b") as process:
        until(process.stdout, "progress", stage="reading", window=2)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stderr is not None
        rest = [json.loads(line) for line in process.stdout]
        narrated = process.stderr.read()
    assert process.returncode == ExitCode.INTERRUPTED
    assert "`nemo-docs read` goes on" in narrated
    assert narrated.endswith("Interrupted.\n")
    (stopped,) = of_kind(rest, "stopped")
    assert (stopped["document"], stopped["reason"]) == ("a, b", "cancelled")
    assert stopped["tokens"] > 0
    assert queued(nemo_docs) == [("a", "waiting"), ("b", "waiting")]
    if shared == "true":
        (read,) = of_kind(nemo_docs("read", "--json").events, "read")
        assert read["tokens_cached"] >= stopped["tokens"]
        assert queued(nemo_docs) == []
        assert nemo_docs("engine", "stop").code == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals to a process are POSIX")
@pytest.mark.usefixtures("shelf")
def test_a_second_reader_waits_and_takes_over_when_the_first_one_is_killed(nemo_docs: NemoDocs) -> None:
    with start("a", "b") as first:
        until(first.stdout, "progress", stage="reading")
        assert queued(nemo_docs) == [("a", "reading"), ("b", "waiting")]
        with start("c") as second:
            until(second.stdout, "waiting", reason="reader")
            first.kill()  # which has read c by now, or not: it is first in the queue
            until(second.stdout, "read", document="a")
            until(second.stdout, "read", document="b")
            assert second.stdout is not None
            assert second.stdout.read() == ""
        assert second.returncode == 0
    assert queued(nemo_docs) == []


@pytest.mark.usefixtures("shelf")
def test_a_reader_that_waits_for_another_ends_with_it(nemo_docs: NemoDocs, home: Path) -> None:
    ReadingQueue(home / "library.db").add(["b"])
    (home / "state").mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(home / "state" / "reading.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        with start() as waits:
            until(waits.stdout, "waiting")
            ReadingQueue(home / "library.db").clear()
            out, error = waits.communicate(timeout=60)
        assert (waits.returncode, out) == (0, "")
        assert error == ""
        other.kill()


@pytest.mark.usefixtures("shelf")
def test_a_removed_document_leaves_the_queue(nemo_docs: NemoDocs) -> None:
    nemo_docs("read", "b", "c", "--later")
    assert nemo_docs("remove", "b").code == 0
    assert queued(nemo_docs) == [("c", "waiting")]


@pytest.mark.slow
def test_the_embedded_default_reads_a_sample(nemo_docs: NemoDocs, home: Path, default_model: Path) -> None:
    from nemo_docs.library.samples import samples_folder

    assert nemo_docs("add", samples_folder() / "udhr.en.txt").code == 0
    (home / "models").symlink_to(default_model.parent)
    (read,) = of_kind(nemo_docs("read", "a", "--in-process", "--json").events, "read")
    assert (read["windows"], read["tokens"], read["tokens_cached"]) == (1, 2_163, 0)
