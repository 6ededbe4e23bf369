"""Collections: put together, listed, asked about by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs

Write = Callable[[str, str], Path]


@pytest.fixture
def library(nemo_docs: NemoDocs, write: Write) -> NemoDocs:
    """Three documents: a and b in the collection Law."""
    nemo_docs("add", write("lease.txt", "Rent is due.\n\fRent on page two.\n"), "--tag", "Law")
    nemo_docs("add", write("deed.txt", "Rent of the deed.\n"), write("law of nature.txt", "Rent in nature.\n"))
    nemo_docs("tag", "b", "law")
    return nemo_docs


def test_list_show_and_json_name_the_collections(library: NemoDocs) -> None:
    library("tag", "a", "Home, sweet".replace(",", ""))
    assert library("list").out.splitlines()[0] == "a   en   2 pages     lease.txt  in Home sweet, Law"
    assert library("list").out.splitlines()[2].endswith("law of nature.txt")
    assert [event["collections"] for event in library("list", "--json").events] == [["Home sweet", "Law"], ["Law"], []]
    assert "\ncollections: Home sweet, Law\n" in library("show", "a").out
    assert library("show", "b", "--json").events[0]["collections"] == ["Law"]


def test_tagging_narrates_on_stderr_and_emits_one_event(library: NemoDocs) -> None:
    assert library("tag", "deed", "LAW") == (0, "", "b  deed.txt is in Law\n")
    assert library("tag", "b", "law", "--remove") == (0, "", "b  deed.txt is no longer in Law\n")
    (event,) = library("tag", "b", "law", "--json").events
    assert event == {"v": 1, "event": "tagged", "document": "b", "title": "deed.txt", "collection": "Law"}
    (event,) = library("tag", "b", "law", "--remove", "--json").events
    assert event["event"] == "untagged"
    done = library("tag", "b", "law", "--remove")
    assert done.code == ExitCode.NOTHING_FOUND
    assert "hint: nemo-docs list" in done.err


@pytest.mark.parametrize("name", ["", "a:3", "a,b", "x" * 61, "\x1b[2J", "\u202e"])
def test_what_is_no_name_is_a_usage_error(library: NemoDocs, write: Write, name: str) -> None:
    new = write("new.txt", "Nothing of this is read.\n")
    for arguments in (["tag", "a", name], ["tag", "a", name, "--remove"], ["add", str(new), "--tag", name]):
        done = library(*arguments)
        assert (done.code, done.out) == (ExitCode.USAGE, "")
        assert not {"\x1b", "\u202e"} & set(done.err)
    assert len(library("list", "--json").events) == 3


def test_search_keeps_to_a_collection(library: NemoDocs) -> None:
    def places(*arguments: str) -> set[tuple[str, int]]:
        return {(hit["document"], hit["page"]) for hit in library("search", "rent", "--json", *arguments).events}

    assert places("--in", "law") == {("a", 1), ("a", 2), ("b", 1)}, "its whole name wins over a part of a title"
    assert places("--in", "law of") == {("c", 1)}
    assert places("--in", "LAW", "--in", "c") == {("a", 1), ("a", 2), ("b", 1), ("c", 1)}
    assert places("--in", "a:2", "--in", "deed") == {("a", 2), ("b", 1)}


def test_pages_are_those_of_a_document(library: NemoDocs) -> None:
    done = library("search", "rent", "--in", "law:1")
    assert done.code == ExitCode.USAGE
    assert done.err == "Error: 'law' is a collection; only a document has pages.\nhint: Give the document's handle.\n"


def test_a_handle_is_its_document_whatever_collections_are_called(library: NemoDocs) -> None:
    library("tag", "c", "A")
    assert {hit["document"] for hit in library("search", "rent", "--in", "a", "--json").events} == {"a"}
    assert {hit["document"] for hit in library("search", "rent", "--in", "A", "--json").events} == {"c"}


def test_add_tags_what_is_new_and_what_is_there(nemo_docs: NemoDocs, write: Write) -> None:
    lease, deed = write("lease.txt", "Rent is due.\n"), write("deed.txt", "A deed.\n")
    nemo_docs("add", lease)
    done = nemo_docs("add", lease, deed, "no/such.txt", "--tag", "law", "--tag", "Home")
    assert done.code == ExitCode.FAILED
    assert [event["collections"] for event in nemo_docs("list", "--json").events] == [["Home", "law"]] * 2


def test_add_tags_what_could_be_kept_of_a_file(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    from tests.unit.library.conftest import pdf_bytes

    (tmp_path / "scan.pdf").write_bytes(pdf_bytes([""]))
    assert nemo_docs("add", tmp_path / "scan.pdf", "--tag", "scans").code == ExitCode.FAILED
    assert nemo_docs("list", "--json").events[0]["collections"] == ["scans"]


def test_hostile_names_are_shown_as_text(library: NemoDocs) -> None:
    library("tag", "a", "[red]x[/]\x1b[2J \u202eevil")
    done = library("list")
    assert "in [red]x[/] evil, Law" in done.out
    assert json.loads(library("list", "--json").out.splitlines()[0])["collections"] == ["[red]x[/] evil", "Law"]


def test_removed_documents_leave_no_collection_behind(library: NemoDocs) -> None:
    assert library("remove", "a", "b").code == 0
    done = library("search", "rent", "--in", "law")
    assert {line.split(".")[0] for line in done.out.splitlines()[::2]} == {"c"}, "now it is a part of a title"


def test_ask_takes_a_collection(nemo_docs: NemoDocs, write: Write, default_model: Path, home: Path) -> None:
    (home / "models").parent.mkdir(exist_ok=True)
    (home / "models").symlink_to(default_model.parent)
    nemo_docs("add", write("lease.txt", "The rent is due on the first day of each month.\n"), "--tag", "law")
    nemo_docs("add", write("poem.txt", "The owl flew over the lake.\n"))
    plans = [
        event
        for event in nemo_docs("ask", "When is the rent due?", "--in", "law", "--json", "--answer-tokens", "8").events
        if event["event"] == "plan"
    ]
    assert {plan["documents"] for plan in plans} == {1}
