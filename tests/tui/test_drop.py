"""One test for each form that a terminal sends; the files are real, but for those of Windows."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nemo_docs.tui.drop import LONGEST_DROP, dropped_paths


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A plain name, and one with everything that shells quote."""
    made = tmp_path / "plain.pdf", tmp_path / 'Bob\'s (final) report & "notes" $1.pdf'
    for each in made:
        each.touch()
    return str(made[0]), str(made[1])


def escaped(path: str) -> str:
    """As macOS Terminal, iTerm2 and Ghostty do."""
    return re.sub(r"([^\w/.\-~:@%+=,])", r"\\\1", path)


def uri(path: str) -> str:
    """As VTE and file managers do."""
    return "file://" + quote(os.fsencode(path))


def test_one_path_as_it_is(files: tuple[str, str]) -> None:
    assert dropped_paths(files[0]) == [files[0]]


def test_backslash_escapes(files: tuple[str, str]) -> None:
    plain, odd = files
    assert dropped_paths(escaped(odd)) == [odd]
    assert dropped_paths(f"{escaped(odd)} {escaped(plain)} ") == [odd, plain]


def test_single_quotes(files: tuple[str, str]) -> None:
    plain, odd = files
    assert dropped_paths(shlex.quote(odd)) == [odd]
    assert dropped_paths(f"'{plain}' {shlex.quote(odd)}") == [plain, odd]


def test_double_quotes(tmp_path: Path) -> None:
    spaced = tmp_path / "two words.pdf"
    spaced.touch()
    assert dropped_paths(f'"{spaced}"') == [str(spaced)]
    assert dropped_paths(f'"{spaced}" "{tmp_path}"') == [str(spaced), str(tmp_path)]


@pytest.mark.parametrize("host", ["file://", "file://localhost", "file:", "FILE://LOCALHOST"])
def test_file_uris(files: tuple[str, str], host: str) -> None:
    plain, odd = (host + quote(path) for path in files)
    assert dropped_paths(odd) == [files[1]]
    assert dropped_paths(f"{plain}\r\n{odd}\r\n") == list(files)
    assert dropped_paths(f"{plain} {odd}") == list(files)


def test_file_uri_of_another_host_is_no_drop(files: tuple[str, str]) -> None:
    assert dropped_paths(f"file://server{files[0]}") == []


def test_raw_path_with_spaces_and_the_space_behind(files: tuple[str, str]) -> None:
    """Alacritty types it so, with nothing quoted."""
    plain, odd = files
    assert dropped_paths(odd) == [odd]
    assert dropped_paths(f"{odd} ") == [odd]
    assert dropped_paths(f"{odd} {plain} ") == [odd, plain]
    assert dropped_paths(f"{plain} {odd}") == [plain, odd]


def test_name_that_ends_in_a_space_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "odd "
    file.touch()
    for text in (f"{file}", f"{file} ", escaped(str(file)), f"'{file}'", f"'{file}' "):
        assert dropped_paths(text) == [str(file)]


def test_one_path_a_line_quoted_or_not(files: tuple[str, str]) -> None:
    plain, odd = files
    assert dropped_paths(f"{odd}\n{plain}\n") == [odd, plain]
    assert dropped_paths(f"\n{escaped(odd)}\r\n{uri(plain)}") == [odd, plain]


def test_no_break_space_in_a_name_parts_nothing(tmp_path: Path, files: tuple[str, str]) -> None:
    file = tmp_path / "Screenshot 2026-01-02 at 3.05.10\u202fPM.pdf"
    file.touch()
    typed = str(file).replace(" ", "\\ ")
    assert dropped_paths(f"{typed} {files[0]}") == [str(file), files[0]]


def test_folders_and_forms_mixed(files: tuple[str, str], tmp_path: Path) -> None:
    plain, odd = files
    assert dropped_paths(f"{tmp_path}/ {uri(odd)} {shlex.quote(plain)}") == [f"{tmp_path}/", odd, plain]


def test_each_path_comes_once(files: tuple[str, str]) -> None:
    assert dropped_paths(f"{files[0]} {files[0]}") == [files[0]]


def test_whole_text_is_first_tried_as_one_path(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    both = tmp_path / f"a {tmp_path}".replace("/", "_")
    both.touch()
    assert dropped_paths(str(both)) == [str(both)]


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my notes.txt").touch()
    assert dropped_paths("~/my notes.txt") == [f"{tmp_path}/my notes.txt"]
    assert dropped_paths(r"~/my\ notes.txt") == [f"{tmp_path}/my notes.txt"]


def test_name_with_a_bidi_control_or_an_undecodable_byte_is_a_path(tmp_path: Path) -> None:
    for name in (b"\xff.pdf", "\u202egnp.pdf".encode()):
        file = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(file)).touch()
        assert dropped_paths(uri(os.fsdecode(file))) == [os.fsdecode(file)]


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "a\tb", "a\x7fb", "a\x9bb"])
def test_control_characters_in_names_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.touch()
    (tmp_path / "a").touch()
    for text in (str(file), shlex.quote(str(file)), uri(str(file)), escaped(str(file))):
        assert dropped_paths(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "//",
        "~",
        "file:///",
        "What is the notice period?",
        "/ask who pays?",
        "plain.pdf",
        "./plain.pdf",
        "'/unclosed",
        '"/unclosed',
        "/trailing\\",
        "https://example.org/a.pdf",
    ],
)
def test_other_text_is_no_drop(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain.pdf").touch()
    monkeypatch.chdir(tmp_path)
    assert dropped_paths(text) == []


def test_all_of_it_must_exist(files: tuple[str, str]) -> None:
    assert dropped_paths(f"{files[0]} {files[0]}x") == []
    assert dropped_paths(f"{files[0]} what is this?") == []
    assert dropped_paths(f"What is {files[0]}") == []


def test_long_text_is_not_looked_up() -> None:
    asked: list[str] = []

    def exists(path: str) -> bool:
        asked.append(path)
        return True

    assert dropped_paths("/a " * LONGEST_DROP, exists=exists) == []
    assert asked == []


@pytest.mark.parametrize("filler", [" ", "a", "\\", "'", '"', "~", "/", " /", " ~", "\n", "a\n", "'a", '"\\'])
def test_text_at_the_bound_asks_the_disk_a_few_times_only(filler: str) -> None:
    """It also returns at once: a pattern that goes back would never end here."""
    asked: list[str] = []

    def exists(path: str) -> bool:
        asked.append(path)
        return False

    text = ("/x" + filler * LONGEST_DROP)[: LONGEST_DROP - 2] + "'!"
    assert dropped_paths(text, exists=exists) == []
    assert len(asked) < 20


WINDOWS = {r"C:\Users\Ann\a.pdf", r"D:\two words\b c.pdf", r"\\server\share\d e.pdf", r"C:\it's.pdf", "C:\\"}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (r"C:\Users\Ann\a.pdf", [r"C:\Users\Ann\a.pdf"]),
        (r'"D:\two words\b c.pdf"', [r"D:\two words\b c.pdf"]),
        (r"D:\two words\b c.pdf ", [r"D:\two words\b c.pdf"]),
        (r'C:\Users\Ann\a.pdf "D:\two words\b c.pdf"', [r"C:\Users\Ann\a.pdf", r"D:\two words\b c.pdf"]),
        (r"D:\two words\b c.pdf C:\it's.pdf", [r"D:\two words\b c.pdf", r"C:\it's.pdf"]),
        (r"\\server\share\d e.pdf", [r"\\server\share\d e.pdf"]),
        ("C:\\it's.pdf\r\nC:\\Users\\Ann\\a.pdf", [r"C:\it's.pdf", r"C:\Users\Ann\a.pdf"]),
        (r"'C:\it's.pdf'", [r"C:\it's.pdf"]),
        (r"C:\missing.pdf", []),
        (r"C:relative.pdf", []),
        ("/etc/passwd", []),
    ],
)
def test_windows_paths(text: str, paths: list[str]) -> None:
    assert dropped_paths(text, exists=WINDOWS.__contains__, windows=True, wsl=False) == paths


def test_windows_file_uri() -> None:
    found = dropped_paths("file:///C:/a%20b.pdf", exists={"C:/a b.pdf"}.__contains__, windows=True, wsl=False)
    assert found == ["C:/a b.pdf"]


UNDER_WSL = {"/mnt/c/Users/a b.pdf", "/mnt/d/it's.pdf", "/mnt/c/c.pdf", "/home/ann/d.pdf"}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (r"C:\Users\a b.pdf", ["/mnt/c/Users/a b.pdf"]),
        (r'"C:\Users\a b.pdf" "C:\c.pdf"', ["/mnt/c/Users/a b.pdf", "/mnt/c/c.pdf"]),
        (r"C:\c.pdf C:\Users\a b.pdf", ["/mnt/c/c.pdf", "/mnt/c/Users/a b.pdf"]),
        ("'/mnt/c/Users/a b.pdf'", ["/mnt/c/Users/a b.pdf"]),
        ("'/mnt/d/it's.pdf'", ["/mnt/d/it's.pdf"]),
        ("'/mnt/d/it's.pdf' '/mnt/c/c.pdf'", ["/mnt/d/it's.pdf", "/mnt/c/c.pdf"]),
        ("file:///C:/Users/a%20b.pdf", ["/mnt/c/Users/a b.pdf"]),
        (r"\\wsl.localhost\Debian\home\ann\d.pdf", ["/home/ann/d.pdf"]),
        (r"\\wsl$\Debian\home\ann\d.pdf", ["/home/ann/d.pdf"]),
        (r"\\wsl$\Other\home\ann\d.pdf", []),
        ("/home/ann/d.pdf", ["/home/ann/d.pdf"]),
    ],
)
def test_paths_of_linux_under_windows(text: str, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian")
    assert dropped_paths(text, exists=UNDER_WSL.__contains__, windows=False, wsl=True) == paths


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40)


@settings(deadline=None)  # the disk takes its time
@given(NAMES, st.sampled_from(["escaped", "quoted", "uri", "raw", "raw and a space", "double"]))
def test_a_path_quoted_in_any_way_is_found_again(name: str, way: str) -> None:
    assume(name.strip(".") and len(name.encode()) < 250)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        Path(path).touch()
        text = {
            "escaped": escaped(path),
            "quoted": shlex.quote(path),
            "uri": uri(path),
            "raw": path,
            "raw and a space": f"{path} ",
            "double": '"' + re.sub(r'([$`"\\])', r"\\\1", path) + '"',
        }[way]
        assert dropped_paths(text) == [path]


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.sampled_from([escaped, shlex.quote, uri]))
def test_several_paths_quoted_alike_are_all_found(names: list[str], quoted: object) -> None:
    assume(all(name.strip(".") and len(name.encode()) < 250 for name in names))
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in names]
        for path in paths:
            Path(path).touch()
        assert callable(quoted)
        assert dropped_paths(" ".join(map(quoted, paths))) == paths


@given(st.text())
def test_no_text_breaks_it_or_names_what_is_not_there(text: str) -> None:
    assert dropped_paths("/" + text, exists=lambda _: False) == []
    assert all(os.path.lexists(path) for path in dropped_paths(text))
