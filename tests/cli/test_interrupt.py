"""Ctrl-C and a killed process during `add`: nothing is lost, and the next command works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs

PAGES = 3_000


@pytest.fixture
def book(tmp_path: Path) -> Path:
    file = tmp_path / "book.txt"
    file.write_text("\f".join(f"This is page {number} of the book.\n" for number in range(1, PAGES + 1)))
    return file


@pytest.mark.skipif(os.name != "posix", reason="signals to a process group are POSIX")
@pytest.mark.parametrize(("signal_number", "is_added_again"), [(signal.SIGINT, False), (signal.SIGKILL, True)])
def test_add_that_was_stopped_keeps_its_pages_and_goes_on_when_added_again_or_resumed(
    nemo_docs: NemoDocs, book: Path, signal_number: signal.Signals, is_added_again: bool
) -> None:
    command = [sys.executable, "-m", "nemo_docs", "add", str(book), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = 0
        while told < 5:
            told += json.loads(process.stdout.readline())["event"] == "page_done"
        os.killpg(process.pid, signal_number)  # a terminal's Ctrl-C reaches the child that reads, too
        process.stdout.read()
        narrated = process.stderr.read()
    if signal_number is signal.SIGINT:
        waits = "1 file waits in the queue; `nemo-docs add --resume` goes on.\n"
        assert (process.returncode, narrated) == (ExitCode.INTERRUPTED, f"{waits}Interrupted.\n")
    (document,) = nemo_docs("list", "--json").events
    assert document["status"] == "reading"
    kept = document["pages_read"]
    assert 5 <= kept < PAGES
    *_, done, _totals = nemo_docs("add", *([book] if is_added_again else ["--resume"]), "--json").events
    assert (done["handle"], done["pages"], done["resumed_at"]) == ("a", PAGES, kept + 1)
    assert [page["number"] for page in nemo_docs("pages", "a", "--json").events] == [*range(1, PAGES + 1)]
