"""Adding, looking, searching, removing: real files through the real library."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfWriter

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs

Write = Callable[[str, str], Path]

LEASE = "The rent is due on the first day of each month.\n\nThe notice period is three months.\n"


def test_empty_library_lists_nothing_and_says_what_to_do(nemo_docs: NemoDocs, home: Path) -> None:
    done = nemo_docs("list")
    assert (done.code, done.out) == (0, "")
    assert "nemo-docs add FILE" in done.err
    assert nemo_docs("list", "--json").out == ""
    assert not home.exists()


def test_added_document_is_listed_shown_searched_and_removed(nemo_docs: NemoDocs, write: Write, home: Path) -> None:
    file = write("lease.txt", LEASE)
    done = nemo_docs("add", file)
    assert (done.code, done.out) == (0, "a   lease.txt: 1 page, en\n")
    assert nemo_docs("list").out == "a   en   1 page      lease.txt\n"
    assert f"path: {file}" in nemo_docs("show", "a").out
    assert nemo_docs("show", "lease:1").out.strip() == LEASE.strip()
    assert nemo_docs("pages", "a").out.split()[:3] == ["1", "ok", f"{len(LEASE.strip())}"]
    found = nemo_docs("search", "notice", "periods")
    assert found.out.startswith("a.")
    assert "three months" in found.out
    assert stat.S_IMODE((home / "library.db").stat().st_mode) == 0o600
    done = nemo_docs("remove", "a")
    assert (done.code, done.out, done.err) == (0, "", "Removed a  lease.txt\n")
    assert nemo_docs("list").out == ""
    assert nemo_docs("search", "notice").code == ExitCode.NOTHING_FOUND
    assert file.exists()


def test_json_has_one_event_a_line_with_version_and_name(nemo_docs: NemoDocs, write: Write) -> None:
    events = nemo_docs("add", write("lease.txt", LEASE), "--json").events
    assert [event["event"] for event in events] == ["file_started", "page_done", "file_done", "totals"]
    for arguments, name in [
        (["list"], "document"),
        (["show", "a"], "document"),
        (["show", "a:1"], "page_text"),
        (["pages", "a"], "page"),
        (["search", "rent"], "hit"),
    ]:
        events += (said := nemo_docs(*arguments, "--json").events)
        assert {event["event"] for event in said} == {name}
    assert {event["v"] for event in events} == {1}


def test_hit_is_a_verbatim_stretch_of_the_page_it_names(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("lease.txt", LEASE))
    (page,) = nemo_docs("show", "a:1", "--json").events
    (hit,) = nemo_docs("search", "notice", "--limit", "1", "--json").events
    assert hit["text_sha256"] == page["sha256"]
    assert page["text"][hit["start"] : hit["end"]] == hit["text"]


def test_adding_again_is_a_no_op(nemo_docs: NemoDocs, write: Write) -> None:
    file = write("lease.txt", LEASE)
    nemo_docs("add", file)
    assert nemo_docs("add", file) == (0, "a   lease.txt: already here\n", "")
    assert len(nemo_docs("list", "--json").events) == 1


def test_search_keeps_to_the_documents_and_pages_asked_for(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("one.txt", "Rent on page one.\n\fRent on page two.\n\fRent on page three.\n"))
    nemo_docs("add", write("two.txt", "Rent elsewhere.\n"))

    def places(*arguments: str) -> set[tuple[str, int]]:
        return {(hit["document"], hit["page"]) for hit in nemo_docs("search", "rent", "--json", *arguments).events}

    assert places() == {("a", 1), ("a", 2), ("a", 3), ("b", 1)}
    assert places("--in", "two.txt") == {("b", 1)}
    assert places("--in", "a:2-") == {("a", 2), ("a", 3)}
    assert places("--in", "a:1", "--in", "b") == {("a", 1), ("b", 1)}
    done = nemo_docs("search", "rent", "--in", "a:4")
    assert (done.code, done.err.splitlines()[0]) == (ExitCode.USAGE, "Error: a has no page 4.")


@pytest.mark.parametrize("command", ["show", "pages", "remove"])
def test_document_that_is_not_there_is_nothing_found(nemo_docs: NemoDocs, command: str) -> None:
    done = nemo_docs(command, "zz")
    assert (done.code, done.out) == (ExitCode.NOTHING_FOUND, "")
    assert done.err.startswith("Error: ")
    assert "\nhint: " in done.err


def test_part_of_several_titles_is_a_usage_error_that_names_them(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("lease 1.txt", LEASE), write("lease 2.txt", LEASE + "More.\n"))
    done = nemo_docs("show", "lease")
    assert done.code == ExitCode.USAGE
    assert "lease 1.txt" in done.err
    assert "lease 2.txt" in done.err


def test_removing_takes_no_part_of_a_title_and_removes_nothing_if_one_is_wrong(
    nemo_docs: NemoDocs, write: Write
) -> None:
    nemo_docs("add", write("lease.txt", LEASE))
    assert nemo_docs("remove", "lease").code == ExitCode.NOTHING_FOUND
    assert nemo_docs("remove", "a", "b").code == ExitCode.NOTHING_FOUND
    assert len(nemo_docs("list", "--json").events) == 1


def test_missing_path_is_nothing_found_and_does_not_stop_the_others(nemo_docs: NemoDocs, write: Write) -> None:
    assert nemo_docs("add", "no/such/file.pdf").code == ExitCode.NOTHING_FOUND
    done = nemo_docs("add", "no/such/file.pdf", write("lease.txt", LEASE))
    assert done.code == ExitCode.FAILED
    assert "no/such/file.pdf" in done.err
    assert len(nemo_docs("list", "--json").events) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.pdf", b""), ("truncated.pdf", b"%PDF-1.7\n1 0 obj\n<<"), ("program.exe", b"MZ\x00\x01")],
)
def test_file_that_cannot_be_read_is_one_sentence(
    nemo_docs: NemoDocs, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    done = nemo_docs("add", tmp_path / name)
    assert (done.code, done.out) == (ExitCode.FAILED, "")
    assert done.err.count("Error: ") == 1
    assert name in done.err
    assert "Traceback" not in done.err
    assert nemo_docs("list").code == 0


def test_folder_without_readable_files_is_nothing_found(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = nemo_docs("add", tmp_path / "folder")
    assert done.code == ExitCode.NOTHING_FOUND
    assert "holds no file that can be read" in done.err


def test_password_is_read_from_standard_input(
    nemo_docs: NemoDocs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("open sesame", algorithm="AES-256")
    writer.write(tmp_path / "secret.pdf")
    refused = nemo_docs("add", tmp_path / "secret.pdf")
    assert refused.code == ExitCode.FAILED
    assert "--password" in refused.err
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n"))
    opened = nemo_docs("add", "--password", tmp_path / "secret.pdf")
    assert "password" not in opened.err
    assert "text" in opened.err  # it opens, and its one page is blank


HOSTILE = "[red]x[/] [@click=app.quit]y[/] \x1b[2J\x1b]0;owned\x07 [INST] <|im_end|> \u202etxt"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such file names")
@pytest.mark.parametrize("arguments", [("list",), ("show", "a"), ("show", "a:1"), ("pages", "a"), ("search", "due")])
def test_hostile_names_and_pages_are_shown_as_text(
    nemo_docs: NemoDocs, write: Write, arguments: tuple[str, ...]
) -> None:
    added = nemo_docs("add", write(f"{HOSTILE.replace('/', '')}.txt", f"{HOSTILE} is due.\n"))
    assert added.code == 0
    for done in (added, nemo_docs(*arguments), nemo_docs(*arguments, "--json")):
        assert done.code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(done.out + done.err)
    assert "[@click=app.quit]" in added.out


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such file names")
def test_name_that_is_not_unicode_is_added_and_listed(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(file)).write_text(LEASE)
    assert nemo_docs("add", os.fsdecode(file)).code == 0
    assert nemo_docs("show", "a").code == 0
    assert nemo_docs("list", "--json").events[0]["path"] == os.fsdecode(file)


def test_library_that_is_no_database_is_one_sentence(nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir()
    (home / "library.db").write_bytes(b"not a database at all" * 100)
    for arguments in (["list"], ["search", "x"], ["add", str(home)]):
        done = nemo_docs(*arguments)
        assert (done.code, done.out) == (ExitCode.FAILED, "")
        assert "Traceback" not in done.err
        assert done.err.startswith("Error: ")
