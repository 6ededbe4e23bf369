"""Folders watched: real files that come, grow, move and go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nemo_docs.errors import NothingFound, Unreadable
from nemo_docs.library.watched import WatchedFolders
from nemo_docs.library.watching import watch


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_what_is_there_comes_first_then_what_comes_to_rest_then_what_goes(
    tmp_path: Path, stop: threading.Event
) -> None:
    folder = tmp_path / "watched"
    (tmp_path / "moved" / "deep").mkdir(parents=True)
    (tmp_path / "moved" / "deep" / "c.txt").write_text("It was moved here with its folder.")
    folder.mkdir()
    told = watch([str(folder)], stop, excludes=["*.tmp.txt"])
    assert next(told) == [str(folder)]
    file = folder / "a.txt"
    growing, sizes = threading.Event(), list[int]()

    def write() -> None:
        with file.open("w") as stream:
            for _ in range(4):
                stream.write("more " * 100)
                stream.flush()
                growing.wait(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    (folder / ".hidden.txt").write_text("hidden")
    (folder / "x.tmp.txt").write_text("excluded")
    (folder / "picture.xyz").write_text("of no kind")
    (tmp_path / "moved").rename(folder / "moved")
    seen: list[str] = []
    while len(seen) < 2:
        paths = next(told)
        sizes += [file.stat().st_size for path in paths if path == str(file)]
        seen += paths
    writer.join()
    assert sorted(seen) == [str(file), str(folder / "moved" / "deep" / "c.txt")]
    assert sizes == [4 * 500], "half a file was told of"
    file.unlink()
    assert next(told) == [str(file)]
    stop.set()
    assert list(told) == []


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path, stop: threading.Event) -> None:
    with pytest.raises(Unreadable, match="cannot be watched"):
        next(watch([str(tmp_path / "nowhere")], stop))


def test_watched_folders_are_remembered_and_forgotten(library_path: Path, tmp_path: Path) -> None:
    folders = WatchedFolders(library_path)
    assert folders.items() == []
    folders.add(tmp_path, collections=["Law"], excludes=["*.tmp", "drafts/"])
    folders.add(tmp_path, collections=["Work"], excludes=["*.tmp"])
    (found,) = WatchedFolders(library_path).items()
    assert (found.path, found.collections, found.excludes) == (str(tmp_path), ("Work",), ("*.tmp",))
    with pytest.raises(NothingFound):
        folders.add(tmp_path / "nowhere")
    folders.remove(tmp_path)
    assert folders.items() == []
    with pytest.raises(NothingFound):
        folders.remove(tmp_path)
