from __future__ import annotations

import os
from pathlib import Path

import pytest

from nemo_docs.errors import NothingFound
from nemo_docs.tui.viewer import open_file, viewer_command

EVIL = "/home/a b/$(rm -rf ~); 'x' \"y\".pdf"


def only(*names: str):
    return lambda name: f"/usr/bin/{name}" if name in names else None


@pytest.mark.parametrize(
    ("platform", "programs", "command"),
    [
        ("linux", ("evince", "xdg-open"), ["/usr/bin/evince", "--page-index=7", EVIL]),
        ("linux", ("okular",), ["/usr/bin/okular", "--page", "7", EVIL]),
        ("linux", ("zathura",), ["/usr/bin/zathura", "--page=7", EVIL]),
        ("linux", ("mupdf",), ["/usr/bin/mupdf", EVIL, "7"]),
        ("freebsd14", ("xdg-open",), ["/usr/bin/xdg-open", EVIL]),
        ("darwin", ("Skim", "open"), ["open", "-a", "Skim", EVIL]),
        ("darwin", ("open",), ["/usr/bin/open", EVIL]),
        ("win32", ("SumatraPDF",), ["/usr/bin/SumatraPDF", "-page", "7", EVIL]),
        ("win32", (), None),
        ("linux", (), None),
    ],
)
def test_a_pdf_is_opened_at_its_page_where_the_viewer_knows_one(
    platform: str, programs: tuple[str, ...], command: list[str] | None
) -> None:
    assert viewer_command(EVIL, 7, platform, only(*programs)) == command


def test_other_files_go_to_what_the_system_chooses() -> None:
    assert viewer_command("/a/{page}.txt", 7, "linux", only("evince", "xdg-open")) == [
        "/usr/bin/xdg-open",
        "/a/{page}.txt",
    ]


def test_braces_in_a_name_are_left_alone() -> None:
    command = viewer_command("/a/{page} {path}.pdf", 7, "linux", only("mupdf"))
    assert command == ["/usr/bin/mupdf", "/a/{page} {path}.pdf", "7"]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NothingFound, match=r"gone\.pdf is no longer at"):
        open_file(str(tmp_path / "gone.pdf"), 1)


@pytest.mark.skipif(os.name == "nt", reason="Windows always has a screen")
def test_without_a_screen_the_path_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF")
    with pytest.raises(NothingFound, match="session over SSH") as remote:
        open_file(str(file), 1, {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"})
    assert str(file) in remote.value.hint
    with pytest.raises(NothingFound, match="no viewer"):
        open_file(str(file), 1, {})


@pytest.mark.skipif(os.name == "nt", reason="takes a program without a suffix")
def test_the_viewer_is_started_with_the_path_as_one_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a b; echo {page}.pdf"
    file.write_bytes(b"%PDF")
    seen = tmp_path / "seen"
    viewer = tmp_path / "bin" / "evince"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}.part && mv {seen}.part {seen}\n')
    viewer.chmod(0o700)
    monkeypatch.setenv("PATH", f"{viewer.parent}:{os.environ['PATH']}")
    said = open_file(str(file), 3, {"DISPLAY": ":0"})
    assert said == "Opened a b; echo {page}.pdf at page 3 in evince."
    while not seen.exists():
        os.sched_yield()
    assert seen.read_text().splitlines() == ["--page-index=3", str(file)]
