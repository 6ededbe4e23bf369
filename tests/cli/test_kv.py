"""`nemo-docs kv`: what was read and is kept: looked at, checked, pinned, cleared. Blocks are real, numbers made up."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_docs.backends.shares import asked_for
from nemo_docs.errors import ExitCode
from nemo_docs.kv import catalogue
from nemo_docs.settings import load
from tests.cli.conftest import NemoDocs
from tests.stored import keep
from tests.unit.kv.stored import IDENTITY
from tests.unit.test_imports import RUN, python

Write = Callable[[str, str], Path]


@pytest.fixture
def labels(nemo_docs: NemoDocs, write: Write) -> dict[str, str]:
    """The hashes of two documents, by handle; both are in the library."""
    for name, text in (("lease.txt", "The rent is due."), ("notes.txt", "The landlord is away.")):
        assert nemo_docs("add", write(name, text)).code == 0  # of two at once each child would load the languages
    return {event["handle"]: event["sha256"] for event in nemo_docs("list", "--json").events}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What is asked of the engine for a model that is on this machine."""
    folder = tmp_path / "some-model"
    folder.mkdir()
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(folder))
    configuration = load()
    asked = asked_for(configuration.settings, configuration.paths.models)
    assert asked
    return asked


def rows(nemo_docs: NemoDocs, *arguments: str) -> list[dict[str, Any]]:
    return [event for event in nemo_docs("kv", "show", *arguments, "--json").events if event["event"] == "kv"]


def test_an_empty_store_holds_nothing_and_is_not_made_by_looking(nemo_docs: NemoDocs, home: Path) -> None:
    done = nemo_docs("kv")
    assert done.code == 0
    assert done.out.startswith("0 blocks take 0 bytes of at most ")
    (room,) = nemo_docs("kv", "show", "--json").events
    assert (room["event"], room["blocks"], room["bytes"], room["folder"]) == ("kv_room", 0, 0, str(home / "kv"))
    assert room["floor_bytes"] == 2 * 10**9
    for command in (["verify"], ["clear"]):
        assert nemo_docs("kv", *command).code == 0
    assert not home.exists()


def test_show_tells_tokens_blocks_bytes_and_whose_they_are(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], model: str
) -> None:
    keep(home / "kv", [(labels["a"], range(300))], asks=model, of=400)
    keep(home / "kv", [("0" * 64, range(20))], asks=model)
    one, gone, first = rows(nemo_docs)
    assert (one["documents"], one["title"], one["tokens_read"], one["tokens"]) == (["a"], "lease.txt", 300, 400)
    assert (one["blocks"], one["precision"], one["kv"], one["is_pinned"]) == (2, "bf16", "full", False)
    assert one["model"] == json.loads(model)["path"]
    assert (gone["documents"], gone["tokens_read"], gone["label"]) == ([], 20, "0" * 64)
    assert (first["label"], first["blocks"]) == ("", 1)
    (room,) = [event for event in nemo_docs("kv", "show", "--json").events if event["event"] == "kv_room"]
    files = [*(home / "kv").rglob("*.kv")]
    assert room["blocks"] == len(files) == 4
    assert room["bytes"] == sum(file.stat().st_size for file in files) == sum(row["bytes"] for row in rows(nemo_docs))
    said = nemo_docs("kv").out
    assert "a   lease.txt: 300 of 400 tokens, 2 blocks, " in said
    assert "removed from the library (000000000000): 20 of 20 tokens" in said


def test_show_of_a_document_is_of_that_alone(nemo_docs: NemoDocs, home: Path, labels: dict[str, str]) -> None:
    keep(home / "kv", [(labels["a"], range(30))])
    keep(home / "kv", [(labels["a"], range(30))], identity=dataclasses.replace(IDENTITY, precision="int8"))
    assert [(row["documents"], row["precision"]) for row in rows(nemo_docs, "lease")] == [
        (["a"], "bf16"),
        (["a"], "int8"),
    ]
    done = nemo_docs("kv", "show", "b")
    assert (done.code, done.err.splitlines()[0]) == (ExitCode.NOTHING_FOUND, "Error: Nothing of b is read yet.")


def test_an_earlier_version_is_told_as_such(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], write: Write
) -> None:
    keep(home / "kv", [(labels["a"], range(30))])
    assert nemo_docs("add", write("lease.txt", "The rent was raised.")).code == 0
    (row, _) = rows(nemo_docs)
    assert (row["documents"], row["is_current"]) == (["a"], False)
    assert "lease.txt (an earlier version): 30 of 30 tokens" in nemo_docs("kv").out


def test_list_and_show_tell_how_much_of_a_document_the_model_has_read(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], model: str
) -> None:
    keep(home / "kv", [(labels["a"], range(399))], asks=model, of=400)
    keep(
        home / "kv",
        [(labels["b"], range(30))],
        asks="another way to ask",
        identity=dataclasses.replace(IDENTITY, kv="int8"),
    )
    events = {event["handle"]: event for event in nemo_docs("list", "--json").events}
    assert (events["a"]["tokens_read"], events["a"]["tokens"]) == (399, 400)
    assert (events["b"]["tokens_read"], events["b"]["tokens"]) == (0, None)
    assert nemo_docs("list").out.splitlines() == [
        "a   en   1 page      99% read  lease.txt",
        "b   en   1 page      unread    notes.txt",
    ]
    (shown,) = nemo_docs("show", "a", "--json").events
    assert (shown["tokens_read"], shown["tokens"]) == (399, 400)


def test_what_two_versions_share_counts_for_both(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], model: str
) -> None:
    """Blocks that were written for an earlier version made a changed document look unread that was read whole."""
    keep(home / "kv", [(labels["a"], [*range(600)])], asks=model)
    keep(home / "kv", [(labels["b"], [*range(512), *range(1_000, 1_050)])], asks=model)
    counts = [(event["tokens_read"], event["tokens"]) for event in nemo_docs("list", "--json").events]
    assert counts == [(600, 600), (562, 562)]


def test_without_the_model_nothing_is_told_of_reading(nemo_docs: NemoDocs, home: Path, labels: dict[str, str]) -> None:
    keep(home / "kv", [(labels["a"], range(30))])
    (event, _) = nemo_docs("list", "--json").events
    assert (event["tokens_read"], event["tokens"]) == (None, None)
    assert nemo_docs("list").out.splitlines()[0] == "a   en   1 page      lease.txt"


def test_another_precision_device_or_adapter_is_another_reader(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(home / "kv", [(labels["a"], range(30))], asks=model)
    assert nemo_docs("list", "--json").events[0]["tokens_read"] == 30
    for name, value in (("PRECISION", "int8"), ("KV", "int8"), ("DEVICE", "cpu"), ("THREADS", "3")):
        with monkeypatch.context() as patch:
            patch.setenv(f"NEMO_DOCS_{name}", value)
            assert nemo_docs("list", "--json").events[0]["tokens_read"] == 0


def test_a_model_that_was_added_is_told_by_its_name(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nemo_docs("model", "add", tiny_folder, "--name", "mine").code == 0
    monkeypatch.setenv("NEMO_DOCS_MODEL", "mine")
    configuration = load()
    asked = asked_for(configuration.settings, configuration.paths.models)
    assert asked
    keep(home / "kv", [(labels["a"], range(30))], asks=asked)
    assert rows(nemo_docs)[0]["model"] == "mine"
    assert nemo_docs("list", "--json").events[0]["tokens_read"] == 30


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "zeros"])
def test_verify_names_a_damaged_file_and_removes_it_if_asked(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], damage: str
) -> None:
    keep(home / "kv", [(labels["a"], range(600))])
    assert nemo_docs("kv", "verify", "--json") == (0, '{"v": 1, "event": "verified", "blocks": 4, "damaged": 0}\n', "")
    file = sorted((home / "kv").rglob("*.kv"))[1]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes({"flip": data, "cut": data[:-3], "empty": b"", "zeros": bytes(len(data))}[damage])
    done = nemo_docs("kv", "verify", "--json")
    bad, end = done.events
    assert (done.code, bad["path"], end["damaged"]) == (ExitCode.FAILED, str(file), 1)
    assert bad["reason"]
    assert str(file) in nemo_docs("kv", "verify").out
    done = nemo_docs("kv", "verify", "--remove", "--json")
    assert (done.code, done.events[0]["is_removed"]) == (0, True)
    assert not file.exists()
    assert nemo_docs("kv", "verify").code == 0


def test_pinned_documents_stay_until_they_are_named_or_asked_for(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str]
) -> None:
    for n, label in enumerate(labels.values()):
        keep(home / "kv", [(label, range(n, n + 30))])
    (event,) = nemo_docs("kv", "pin", "lease", "--json").events
    assert event == {"v": 1, "event": "pinned", "document": "a", "title": "lease.txt", "label": labels["a"]}
    assert [row["is_pinned"] for row in rows(nemo_docs)] == [True, False, False]
    (event,) = nemo_docs("kv", "clear", "--json").events
    assert event["blocks"] == 1
    assert [row["documents"] for row in rows(nemo_docs)] == [["a"], []]
    assert nemo_docs("kv", "unpin", "a").err == "a  lease.txt is no longer pinned\n"
    assert nemo_docs("kv", "pin", "a", "b").code == 0
    assert nemo_docs("kv", "clear", "--pinned").err.startswith("Cleared 2 blocks, ")
    assert not [*(home / "kv").rglob("*.kv")]


def test_clear_of_a_document_takes_what_was_read_behind_it(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str]
) -> None:
    """Rows of a text that stands behind another in a window come from that, too."""
    keep(home / "kv", [(labels["a"], range(30)), (labels["b"], range(40))])
    keep(home / "kv", [(labels["b"], range(40))])
    (event,) = nemo_docs("kv", "clear", "a", "--json").events
    assert (event["documents"], event["blocks"]) == (["a"], 2)
    assert [(row["documents"], row["tokens_read"]) for row in rows(nemo_docs)] == [(["b"], 40), ([], 3)]
    assert [event["handle"] for event in nemo_docs("list", "--json").events] == ["a", "b"]


def test_clear_can_take_what_the_library_no_longer_has(nemo_docs: NemoDocs, home: Path, labels: dict[str, str]) -> None:
    for n, label in enumerate((labels["a"], "0" * 64)):
        keep(home / "kv", [(label, range(n, n + 30))])
    (event,) = nemo_docs("kv", "clear", "--removed", "--json").events
    assert event["blocks"] == 1
    assert [row["documents"] for row in rows(nemo_docs)] == [["a"], []]
    assert nemo_docs("kv", "clear", "a", "--removed").code == ExitCode.USAGE


def test_what_cannot_be_deleted_is_told_and_the_document_stays(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str]
) -> None:
    keep(home / "kv", [(labels["a"], range(30))])
    shelves = {file.parent for file in (home / "kv").rglob("*.kv")}
    for shelf in shelves:
        shelf.chmod(0o500)
    try:
        if any(os.access(shelf, os.W_OK) for shelf in shelves):
            pytest.skip("this user may delete anything")
        for command in (["kv", "clear", "a"], ["remove", "a"]):
            done = nemo_docs(*command)
            assert done.code == ExitCode.FAILED
            assert "Permission denied" in done.err
            assert "hint: " in done.err
        assert len(nemo_docs("list", "--json").events) == 2
    finally:
        for shelf in shelves:
            shelf.chmod(0o700)
    assert nemo_docs("remove", "a").code == 0


def test_doctor_tells_the_store_and_warns_below_the_floor(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str]
) -> None:
    def store(*settings: str) -> dict[str, Any]:
        for name, value in zip(settings[::2], settings[1::2], strict=True):
            assert nemo_docs("config", "set", name, value).code == 0
        (row,) = [event for event in nemo_docs("doctor", "--json").events if event["name"] == "store"]
        return row

    keep(home / "kv", [(labels["a"], range(30))])
    row = store("store_floor", "1MB", "store_size", "5GB")
    assert row["status"] == "ok"
    assert "2 blocks" in row["detail"]
    assert "of at most 5.0 GB" in row["detail"]
    row = store("store_floor", "900TB")
    assert row["status"] == "warning"
    assert "store_floor" in row["hint"]
    assert "nothing that is read is kept" in store("store_size", "0")["detail"]


@pytest.mark.parametrize(
    "arguments",
    [["kv"], ["kv", "verify"], ["kv", "pin", "a"], ["kv", "unpin", "a"], ["kv", "clear", "a"], ["remove", "a"]],
)
def test_what_was_read_is_looked_after_without_torch(home: Path, labels: dict[str, str], arguments: list[str]) -> None:
    keep(home / "kv", [(labels["a"], range(30))])
    code, modules = json.loads(python(RUN, *arguments).stderr.splitlines()[-1])
    assert code == 0
    assert not {"torch", "numpy", "textual"} & set(modules)


def test_lists_tell_of_reading_without_torch(home: Path, labels: dict[str, str], model: str) -> None:
    keep(home / "kv", [(labels["a"], range(30))], asks=model)
    done = python(RUN, "list")
    assert "100% read" in done.stdout
    assert not {"torch", "numpy", "xxhash"} & set(json.loads(done.stderr.splitlines()[-1])[1])


def test_shares_are_noted_for_the_next_list(
    nemo_docs: NemoDocs, home: Path, labels: dict[str, str], model: str
) -> None:
    store = keep(home / "kv", [(labels["a"], range(30))], asks=model)
    nemo_docs("list")
    keep(home / "kv", [(labels["b"], range(40))], asks=model)
    assert [event["tokens_read"] for event in nemo_docs("list", "--json").events] == [30, 40]
    assert catalogue.shares(home / "kv", store.seed) == {labels["a"]: (30, 30), labels["b"]: (40, 40)}
