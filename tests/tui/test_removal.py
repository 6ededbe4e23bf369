"""Removing a document in the app: what the model in this process has read of it goes, from disk and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_docs.answering.events import Progress
from nemo_docs.kv import catalogue
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk

TEXT = "The rent is due on the first day of each month. The deposit is two months' rent.\n\n"


@pytest.fixture
def desk(tiny_folder: Path, tmp_path: Path) -> Desk:
    """Two documents, read by a tiny model in this process."""
    desk = Desk(load(options={"model": str(tiny_folder), "store_floor": "0"}))
    for name in ("lease", "notes"):
        (tmp_path / f"{name}.txt").write_text("".join(f"{n}. In the {name}: {TEXT}" for n in range(20)))
    add(desk, tmp_path / "lease.txt", tmp_path / "notes.txt")
    desk.queue().add(["a", "b"])
    for _ in desk.read_queue(lambda: False):
        pass
    return desk


def held(desk: Desk, folder: Path) -> dict[str, int]:
    """Blocks on the disk by handle."""
    labels = {each.sha256: each.handle for each in desk.documents()}
    found: dict[str, int] = {}
    for entry in catalogue.entries(folder):
        for label, _ in entry.labels:
            handle = labels.get(label, "removed")
            found[handle] = found.get(handle, 0) + 1
    return found


def is_read(desk: Desk, handle: str) -> bool:
    """Whether a question about a document would find all of it read."""
    fit = [*desk.fit([handle], lambda: False)][-1]
    return fit.windows_cached == fit.windows


def add(desk: Desk, *paths: Path) -> None:
    for _ in desk.add([str(path) for path in paths], lambda: False):
        pass


def test_removing_in_the_app_forgets_what_was_read(desk: Desk, home: Path, tmp_path: Path) -> None:
    assert held(desk, home / "kv").keys() == {"a", "b"}
    desk.remove("a")
    assert held(desk, home / "kv").keys() == {"b"}
    assert is_read(desk, "b")
    add(desk, tmp_path / "lease.txt")
    assert not is_read(desk, "c")


@pytest.mark.parametrize("way", ["read", "ask"])
def test_a_document_that_is_removed_while_it_is_read_leaves_nothing(
    tiny_folder: Path, tmp_path: Path, home: Path, way: str
) -> None:
    """Who was reading it asked for its next window, and that was saved after the removal."""
    options = {"model": str(tiny_folder), "store_floor": "0", "answer_tokens": "4", "window": "512", "threads": "1"}
    desk = Desk(load(options=options))
    long = tmp_path / "long.txt"
    long.write_text("".join(f"{n}. In year {n} there is {TEXT}" for n in range(400)))
    add(desk, long)
    if way == "read":
        desk.queue().add(["a"])
        events: Iterator[Any] = desk.read_queue(lambda: False)
    else:
        events = desk.ask("When is the rent due?", ["a"], lambda: False)
    windows: set[int] = set()
    for event in events:
        if isinstance(event, Progress) and event.stage == "reading":
            if not windows:
                assert event.windows > 1
                desk.remove("a")
            windows.add(event.window)
    assert len(windows) > 1, "it was read on"
    assert held(desk, home / "kv").keys() <= {""}
    assert not desk.documents()
