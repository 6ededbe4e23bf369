"""`nemo-docs pages`: the ledger, its filter, and pages read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs
from tests.unit.library.conftest import pdf_bytes

Write = Callable[[str, str], Path]


@pytest.fixture
def lease(nemo_docs: NemoDocs, tmp_path: Path) -> Path:
    file = tmp_path / "lease.pdf"
    file.write_bytes(pdf_bytes(["The rent is due on the first day of each month.", "", "The lease ends in May."]))
    assert nemo_docs("add", file).code == 0
    return file


def test_each_page_tells_what_it_is(nemo_docs: NemoDocs, lease: Path) -> None:
    first, second, _third = nemo_docs("pages", "a", "--json").events
    assert (first["number"], first["script"], first["language"], first["flags"]) == (1, "Latin", "en", [])
    assert first["extractor"].startswith("pypdf")
    assert (second["status"], second["flags"], second["characters"]) == ("empty", ["empty"], 0)
    lines = nemo_docs("pages", "a").out.splitlines()
    assert len(lines) == 3
    assert all(word in lines[0] for word in ("ok", "en", "Latin", "pypdf"))
    assert "empty" in lines[1]


def test_pages_are_filtered_by_flag(nemo_docs: NemoDocs, lease: Path) -> None:
    assert [page["number"] for page in nemo_docs("pages", "a", "--flag", "empty", "--json").events] == [2]
    both = nemo_docs("pages", "a", "--flag", "empty", "--flag", "scan", "--json").events
    assert [page["number"] for page in both] == [2]
    assert nemo_docs("pages", "a", "--flag", "garbled").out == ""
    assert nemo_docs("pages", "a", "--flag", "purple").code == ExitCode.USAGE


def test_pages_are_read_again_with_another_extractor(nemo_docs: NemoDocs, lease: Path) -> None:
    done = nemo_docs("pages", "a", "--redo", "1,3", "--with", "pdfium")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["1", "3"]
    used = [page["extractor"].split()[0] for page in nemo_docs("pages", "a", "--json").events]
    assert used == ["pdfium", "pypdf", "pdfium"]
    again = nemo_docs("pages", "a", "--redo", "all", "--json").events
    assert [(event["event"], event["page"]) for event in again] == [("page_redone", n) for n in (1, 2, 3)]
    assert nemo_docs("pages", "a", "--flag", "empty", "--redo", "all", "--json").events[0]["page"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--redo", "4"), ExitCode.USAGE, "a has no page 4."),
        (("--redo", "x"), ExitCode.USAGE, "'x' names no pages."),
        (("--with", "pdfium"), ExitCode.USAGE, "--with goes with --redo PAGES."),
        (("--password",), ExitCode.USAGE, "--password goes with --redo PAGES."),
        (("--redo", "1", "--with", "magic"), ExitCode.USAGE, "'magic' is not one of"),
        (("--flag", "garbled", "--redo", "all"), ExitCode.NOTHING_FOUND, "No page of lease.pdf has such a flag."),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    nemo_docs: NemoDocs, lease: Path, arguments: tuple[str, ...], code: ExitCode, said: str
) -> None:
    done = nemo_docs("pages", "a", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err.splitlines()[0]


def test_a_file_that_changed_is_not_read_again(nemo_docs: NemoDocs, lease: Path) -> None:
    lease.write_bytes(pdf_bytes(["Another lease."]))
    done = nemo_docs("pages", "a", "--redo", "1")
    assert (done.code, done.out) == (ExitCode.FAILED, "")
    assert "other bytes" in done.err
    assert "\nhint: Add it again" in done.err
