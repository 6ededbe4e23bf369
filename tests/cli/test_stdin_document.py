"""`nemo-docs add -`: a document from standard input is kept privately, once, and goes with its document."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs, Pipe
from tests.unit.library.conftest import pdf_bytes

TEXT = "The rent is due on the first day of each month.\n\nThe notice period is three months.\n"


def copies(home: Path) -> list[Path]:
    return [path for path in (home / "inbox").rglob("*") if path.is_file()]


def test_a_document_comes_in_and_goes_with_its_copy(pipe: Pipe, nemo_docs: NemoDocs, home: Path) -> None:
    done = pipe(TEXT, "add", "-", "--title", "lease.md")
    assert (done.code, done.out) == (0, "a   lease.md: 1 page, en\n")
    assert "three months" in nemo_docs("show", "lease.md:1").out
    (copy,) = copies(home)
    assert copy.read_text() == TEXT
    if os.name == "posix":
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in (copy.parent, copy.parent.parent)} == {0o700}
    assert nemo_docs("remove", "a").code == 0
    assert [*(home / "inbox").iterdir()] == []


def test_the_same_bytes_again_are_here_already(pipe: Pipe, nemo_docs: NemoDocs, home: Path) -> None:
    assert pipe(TEXT, "add", "-").out == "a   stdin.txt: 1 page, en\n"
    for title in ("stdin.txt", "other.txt"):
        assert pipe(TEXT, "add", "-", "--title", title).out == "a   stdin.txt: already here\n"
    assert len(copies(home)) == 1
    assert pipe("Another text, called the same.", "add", "-").out.startswith("b   stdin.txt")
    assert nemo_docs("remove", "a").code == 0
    assert [copy.read_text() for copy in copies(home)] == ["Another text, called the same."]


def test_a_file_that_is_in_the_library_needs_no_copy(
    pipe: Pipe, nemo_docs: NemoDocs, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "lease.txt"
    file.write_text(TEXT)
    assert pipe(TEXT, "add", str(file), "-").out == (
        "a   lease.txt: 1 page, en\na   stdin.txt: already here as a, lease.txt\n"
    )
    assert copies(home) == []
    assert nemo_docs("remove", "a").code == 0
    assert file.exists(), "a user's own file stays"


def test_a_pdf_may_come_through_a_pipe(pipe: Pipe) -> None:
    assert pipe(pdf_bytes(["The first page.", "The second one."]), "add", "-").out.startswith("a   stdin.txt: 2 pages")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02" * 99, b"%PDF-1.4 and nothing else"])
def test_what_cannot_be_read_leaves_no_copy(pipe: Pipe, nemo_docs: NemoDocs, home: Path, content: bytes) -> None:
    done = pipe(content, "add", "-")
    assert done.code == ExitCode.FAILED
    assert done.err.startswith("Error: ")
    assert [*(home / "inbox").iterdir()] == []
    assert nemo_docs("list").out == ""


@pytest.mark.parametrize("title", ["../../evil.txt", "/etc/motd", "..", "", "C:\\x", ".hidden", "\x1b[2J\n", "é" * 300])
def test_a_title_never_leads_out_of_the_inbox(pipe: Pipe, home: Path, title: str) -> None:
    assert pipe(TEXT, "add", "-", "--title", title).code == 0
    (copy,) = copies(home)
    assert copy.parent.parent == home / "inbox"
    assert not copy.name.startswith(".")


@pytest.mark.parametrize("arguments", [("lease.txt", "--title", "x"), ("-", "--password")])
def test_options_that_mean_nothing_together_are_refused(pipe: Pipe, home: Path, arguments: tuple[str, ...]) -> None:
    done = pipe(TEXT, "add", *arguments)
    assert done.code == ExitCode.USAGE
    assert not home.exists()


def abandoned(path: Path, hours: float = 25) -> Path:
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


ADDING = "import sys; from nemo_docs.cli import run; run(['add', '-'])"


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_a_killed_add_left_is_swept_away_a_day_later(nemo_docs: NemoDocs, home: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ADDING], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(TEXT.encode() * 50_000)
        child.stdin.flush()
        child.send_signal(signal.SIGKILL)
    (left,) = copies(home)
    (tmp_path / "other.txt").write_text("Another text.")
    nemo_docs("add", tmp_path / "other.txt")
    assert left.exists(), "it may be somebody's work"
    abandoned(left)
    nemo_docs("add", tmp_path / "other.txt")
    assert copies(home) == []


def test_the_sweep_takes_only_what_no_document_knows(
    pipe: Pipe, nemo_docs: NemoDocs, home: Path, tmp_path: Path
) -> None:
    pipe(TEXT, "add", "-")
    (kept,) = copies(home)
    folders = [home / "inbox" / (digit * 64) for digit in "123"]
    for folder in folders:
        folder.mkdir()
    old, young = folders[0] / "old.txt", folders[1] / "young.txt"
    outside = tmp_path / "outside.txt"
    for file in (old, young, outside):
        file.write_text("Some text.")
    (folders[0] / "link").symlink_to(outside)
    for path in (kept, kept.parent, old, outside, folders[0], folders[1], folders[2]):
        abandoned(path)
    os.utime(folders[0] / "link", (0, 0), follow_symlinks=False)
    abandoned(folders[0])
    nemo_docs("add", outside)
    assert sorted(copies(home)) == sorted([kept, young])
    assert not folders[0].exists()
    assert not folders[2].exists()
    assert outside.exists()
    assert nemo_docs("show", "a:1").code == 0


def test_an_abandoned_copy_that_comes_again_is_taken_in(pipe: Pipe, home: Path) -> None:
    folder = home / "inbox" / hashlib.sha256(TEXT.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "lease.md").write_text(TEXT)
    abandoned(folder / "lease.md")
    abandoned(folder)
    assert pipe(TEXT, "add", "-").out == "a   lease.md: 1 page, en\n"
    assert [copy.name for copy in copies(home)] == ["lease.md"]
