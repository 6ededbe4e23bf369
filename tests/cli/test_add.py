"""The queue of files from the command line, folders with what is left alone in them, and folders watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs

Write = Callable[[str, str], Path]


def test_what_failed_is_told_listed_retried_and_let_go(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("The rent is due.")
    bad.write_bytes(b"")
    done = nemo_docs("add", good, bad)
    assert done.code == ExitCode.FAILED
    assert done.err.splitlines()[-1].startswith("1 file failed: `nemo-docs add --queue` says why")
    assert nemo_docs("add", "--queue").out == f"failed   {bad}: bad.txt is empty: it has 0 bytes.\n"
    (item,) = nemo_docs("add", "--queue", "--json").events
    assert (item["event"], item["state"], item["path"], item["kind"]) == (
        "queued_file",
        "failed",
        str(bad),
        "Unreadable",
    )
    assert "1 failed" in nemo_docs("doctor").out
    assert nemo_docs("add", "--retry").code == ExitCode.FAILED
    bad.write_text("It has words now.")
    assert nemo_docs("add", "--retry", bad).out == "b   bad.txt: 1 page, en\n"
    assert nemo_docs("add", "--queue").out == "The queue is empty.\n"
    bad.write_bytes(b"")
    nemo_docs("add", bad)
    assert nemo_docs("add", "--forget").out == "The queue is empty.\n"
    assert nemo_docs("add", "--resume") == (0, "", "")


def test_acts_on_the_queue_refuse_what_has_no_meaning(nemo_docs: NemoDocs, write: Write) -> None:
    file = write("a.txt", "Words.")
    for arguments in (
        ["--drop"],
        ["--queue", file],
        ["--forget", "--tag", "x"],
        ["--pause", "--password"],
        ["--resume", "--watch"],
        [file, "--watch"],
        [],
    ):
        done = nemo_docs("add", *arguments)
        assert (done.code, done.out) == (ExitCode.USAGE, ""), arguments
        assert "hint: " in done.err


def test_a_paused_file_is_passed_over_until_it_is_resumed(nemo_docs: NemoDocs, home: Path, tmp_path: Path) -> None:
    from nemo_docs.library.adding_queue import AddingQueue

    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for file in files:
        file.write_text(f"The rent of {file.name} is due.")
    AddingQueue(home / "library.db").add([*map(str, files)])
    assert nemo_docs("add", "--pause", files[0]).out == f"paused   {files[0]}\nwaiting  {files[1]}\n"
    assert nemo_docs("add", "--resume", files[1]).out == "a   b.txt: 1 page, en\n"
    assert nemo_docs("add", "--queue").out == f"paused   {files[0]}\n"
    assert nemo_docs("add", "--resume").out == "b   a.txt: 1 page, en\n"


def test_a_copy_is_named_with_what_it_is_a_copy_of(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("contract.pdf.txt", "The rent is due."))
    copy = write("copy.txt", "The rent is due.")
    assert nemo_docs("add", copy).out == "a   copy.txt: already here as a, contract.pdf.txt\n"


def test_what_patterns_leave_alone_is_counted(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "drafts").mkdir(parents=True)
    (folder / "a.txt").write_text("The rent is due.")
    (folder / "b.txt").write_text("The fee is due.")
    (folder / "drafts" / "c.txt").write_text("Nothing is due.")
    (folder / ".nemoignore").write_text("drafts/\n")
    done = nemo_docs("add", folder, "--exclude", "b.*")
    assert done.out == "a   a.txt: 1 page, en\n"
    assert done.err == "Left alone in folders: 1 hidden, 2 excluded.\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_watched_folder_is_added_with_what_comes_until_ctrl_c(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "a.txt"
    file.write_text("The rent is due.")
    command = [sys.executable, "-m", "nemo_docs", "add", str(folder), "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None

        def until(name: str) -> dict[str, object]:
            assert process.stdout is not None
            for line in process.stdout:
                event: dict[str, object] = json.loads(line)
                if event["event"] == name:
                    return event
            raise AssertionError(f"no {name} came")

        assert until("file_done")["handle"] == "a"
        assert until("totals")["added"] == 1
        (folder / "b.txt").write_text("The fee is due.")
        assert until("file_done")["handle"] == "b"
        file.write_text("The rent is due, and it has changed.")
        done = until("file_done")
        assert (done["handle"], done["is_new_version"]) == ("a", True)
        until("totals")
        file.unlink()
        assert any("is gone from its folder; its document is kept as a." in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.wait()
    assert process.returncode == ExitCode.INTERRUPTED
    assert [event["handle"] for event in nemo_docs("list", "--json").events] == ["a", "b"]
