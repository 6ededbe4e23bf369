"""What stands where a library, a settings file or a document should be: pipes, folders, dead links, closed doors."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs
from tests.unit.library.conftest import pdf_bytes

Write = Callable[[str, str], Path]

needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
needs_modes = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="file modes do not bind this user"
)


@needs_fifo
@pytest.mark.parametrize("command", [("list",), ("search", "rent"), ("add", "notes.txt"), ("remove", "a")])
def test_a_pipe_for_a_library_is_refused_and_not_waited_for(
    command: tuple[str, ...], nemo_docs: NemoDocs, home: Path
) -> None:
    home.mkdir()
    os.mkfifo(home / "library.db")
    done = nemo_docs(*command)
    assert (done.code, done.out) == (ExitCode.FAILED, "")
    assert "is not a regular file" in done.err
    assert "hint:" in done.err


def test_a_folder_for_a_library_is_refused(nemo_docs: NemoDocs, home: Path) -> None:
    (home / "library.db").mkdir(parents=True)
    done = nemo_docs("list")
    assert done.code == ExitCode.FAILED
    assert "is not a regular file" in done.err


@needs_fifo
def test_a_pipe_for_settings_is_refused_and_not_waited_for(nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir()
    os.mkfifo(home / "config.toml")
    for command in (["list"], ["config", "set", "model", "smollm2"]):
        done = nemo_docs(*command)
        assert done.code == ExitCode.USAGE
        assert "is not a regular file" in done.err


@pytest.mark.parametrize("command", [("list",), ("config", "set", "model", "smollm2")])
def test_settings_in_no_encoding_are_told_in_words(command: tuple[str, ...], nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_bytes(b"model = '\xff'")
    done = nemo_docs(*command)
    assert done.code == ExitCode.USAGE
    assert "it is not UTF-8" in done.err
    assert "hint:" in done.err
    assert "codec" not in done.err


def test_an_empty_path_is_not_the_present_folder(
    nemo_docs: NemoDocs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private.txt").write_text("Not to be added by an empty variable.", encoding="utf-8")
    done = nemo_docs("add", "")
    assert (done.code, done.out) == (ExitCode.NOTHING_FOUND, "")


def test_what_office_puts_beside_an_open_document_is_hidden(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "~$letter.docx").write_bytes(b"\x05Anna" + b"\0" * 150)
    (folder / "letter.txt").write_text("A letter.", encoding="utf-8")
    done = nemo_docs("add", folder)
    assert (done.code, done.out) == (0, "a   letter.txt: 1 page, und\n")


def test_a_link_that_leads_nowhere_is_told(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing-here")
    done = nemo_docs("add", tmp_path / "gone.txt")
    assert done.code == ExitCode.FAILED
    assert "leads nowhere" in done.err


@needs_modes
def test_a_folder_that_cannot_be_looked_into_is_told(nemo_docs: NemoDocs, tmp_path: Path, write: Write) -> None:
    write("open.txt", "The rent is due on the first day of each month.")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    try:
        done = nemo_docs("add", tmp_path)
    finally:
        closed.chmod(0o700)
    assert done.code == ExitCode.FAILED
    assert done.out.startswith("a   open.txt")
    assert f"The folder {closed} cannot be read" in done.err


@needs_modes
def test_a_library_in_a_folder_that_cannot_be_written_is_read(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    assert nemo_docs("add", write("lease.txt", "The rent is due on the first day of each month.")).code == 0
    home.chmod(0o500)
    try:
        assert nemo_docs("list").out == "a   en   1 page      lease.txt\n"
        assert nemo_docs("search", "rent").code == 0
        assert sorted(each.name for each in home.glob("library*")) == ["library.db"]
    finally:
        home.chmod(0o700)


@needs_modes
def test_a_home_that_cannot_be_looked_into_is_not_an_empty_library(nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir(mode=0o000)
    try:
        done = nemo_docs("list")
    finally:
        home.chmod(0o700)
    assert done.code != 0
    assert "Permission denied" in done.err


def test_a_decompression_bomb_is_not_taken_for_a_scan(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    bomb = zlib.compress(b" " * 50_000_000, 9)
    plain = pdf_bytes([""])
    stream = b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(bomb), bomb)
    file = tmp_path / "bomb.pdf"
    file.write_bytes(plain.replace(b"<< /Length 13 >>\nstream\n0 0 m 9 9 l S\nendstream", stream))
    assert file.stat().st_size > len(plain)
    done = nemo_docs("add", file)
    assert done.code == ExitCode.FAILED
    assert "1 of 1 pages could not be read" in done.err
    assert "OCR" not in done.err
    assert "error" in nemo_docs("pages", "a").out


@pytest.mark.parametrize("query", ["", "  ", "()", "😀", '"', "*"])
def test_a_query_without_a_word_is_a_wrong_usage(query: str, nemo_docs: NemoDocs) -> None:
    done = nemo_docs("search", query)
    assert done.code == ExitCode.USAGE
    assert "holds no word to look for" in done.err


def test_words_that_look_like_options_say_how_they_are_given(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("search", "-right")
    assert done.code == ExitCode.USAGE
    assert "Put -- before" in done.err
    assert nemo_docs("search", "--", "-right").code == ExitCode.NOTHING_FOUND


def test_a_long_query_is_not_repeated_whole(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("search", "x" * 5000)
    assert done.code == ExitCode.NOTHING_FOUND
    assert len(done.err) < 400
