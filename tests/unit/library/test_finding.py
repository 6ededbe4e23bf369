"""What a folder holds, and what is left alone in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nemo_docs.errors import UsageError
from nemo_docs.library import ingest
from nemo_docs.library.events import Totals
from nemo_docs.library.finding import find, is_wanted
from nemo_docs.library.store import Library


def tree(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"This is {name}.")


def names(folder: Path, *excludes: str) -> list[str]:
    found = find([folder], excludes).files
    everything = [os.path.join(parent, name) for parent, _, files in os.walk(folder) for name in files]
    wanted = [path for path in everything if is_wanted(path, str(folder), excludes)]
    assert sorted(wanted) == sorted(found), "both ways to ask must agree"
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in found]


def test_patterns_leave_files_and_folders_alone_and_are_counted(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    tree(folder, "a.txt", "a.md", "drafts/b.txt", "drafts/deep/c.txt", "notes/drafts.txt", "notes/keep.md")
    assert names(folder) == ["a.md", "a.txt", "drafts/b.txt", "drafts/deep/c.txt", "notes/drafts.txt", "notes/keep.md"]
    assert names(folder, "drafts/", "*.md", "!keep.md") == ["a.txt", "notes/drafts.txt", "notes/keep.md"]
    assert names(folder, "/a.*") == ["drafts/b.txt", "drafts/deep/c.txt", "notes/drafts.txt", "notes/keep.md"]
    totals = [*ingest.add(library, [folder], excludes=["drafts/", "*.md"])][-1]
    assert totals == Totals(added=2, pages=2, excluded=3)


def test_a_file_in_the_folder_says_what_is_left_alone_and_deeper_ones_come_first(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "a.md", "sub/b.txt", "sub/b.md", "sub/deep/c.md", ".gitignore")
    (tmp_path / ".nemoignore").write_text("# not these\n*.md\n")
    assert names(tmp_path) == ["a.txt", "sub/b.txt"]
    (tmp_path / "sub" / ".nemoignore").write_text("!b.md\nb.txt\n")
    assert names(tmp_path) == ["a.txt", "sub/b.md"]
    assert names(tmp_path, "b.*") == ["a.txt"], "what is said on the spot comes before them"
    (tmp_path / ".gitignore").write_text("*\n")
    assert names(tmp_path) == ["a.txt", "sub/b.md"], "it says what is not kept in git, and that is all"


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_loops_of_links_are_not_walked_and_links_to_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    tree(folder, "sub/a.txt")
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "self").symlink_to(".")
    (folder / "b.txt").symlink_to(folder / "sub" / "a.txt")
    assert names(folder) == ["b.txt", "sub/a.txt"]
    assert find([folder]).linked == 2


def test_hidden_files_are_left_alone_and_counted(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", ".b.txt", ".git/c.txt")
    assert names(tmp_path) == ["a.txt"]
    assert find([tmp_path]).hidden == 1
    assert find([tmp_path / ".b.txt"]).files == [str(tmp_path / ".b.txt")], "who names it means it"


def test_what_is_no_pattern_is_refused_before_anything_is_read(library: Library, tmp_path: Path) -> None:
    tree(tmp_path, "a.txt")
    with pytest.raises(UsageError):
        next(ingest.add(library, [tmp_path], excludes=["!"]))
