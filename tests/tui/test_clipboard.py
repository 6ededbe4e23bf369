"""Small shell scripts stand for the tools of the outside world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.tui.clipboard import HARD_LIMIT_BYTES, TERMINAL, USUAL_LIMIT_BYTES, Copied, copy

TEXT = "“Zitat” – 引用 – اقتباس\nsecond line"
Tool = Callable[..., Path]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Make an executable that keeps what it is given, and return where it keeps it."""
    (tmp_path / "bin").mkdir()

    def make(name: str, ending: str = "exit 0") -> Path:
        kept = tmp_path / f"{name}.kept"
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\necho "$@" > {kept}.arguments\n/bin/cat > {kept}\n{ending}\n')
        script.chmod(0o755)
        return kept

    return make


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(tmp_path / "bin")}


@pytest.mark.parametrize(
    ("name", "platform", "variable", "arguments"),
    [
        ("pbcopy", "darwin", "LANG", ""),
        ("wl-copy", "linux", "WAYLAND_DISPLAY", ""),
        ("xclip", "linux", "DISPLAY", "-selection clipboard"),
        ("xsel", "linux", "DISPLAY", "--clipboard --input"),
    ],
)
def test_local_tool_takes_the_text_and_that_is_certain(
    name: str, platform: str, variable: str, arguments: str, tool: Tool, environ: dict[str, str]
) -> None:
    kept = tool(name)
    done = copy(TEXT, "the quote", environ={**environ, variable: "x"}, platform=platform)
    assert done == Copied(name, True, "The quote was copied.")
    assert kept.read_text("utf-8") == TEXT
    assert Path(f"{kept}.arguments").read_text().strip() == arguments


@pytest.mark.parametrize(("platform", "variable"), [("win32", "OS"), ("linux", "WSL_DISTRO_NAME")])
def test_windows_takes_utf16_with_its_mark(platform: str, variable: str, tool: Tool, environ: dict[str, str]) -> None:
    kept = tool("clip.exe")
    assert copy(TEXT, environ={**environ, variable: "x"}, platform=platform).is_certain
    assert kept.read_bytes().startswith(b"\xff\xfe")
    assert kept.read_bytes().decode("utf-16") == TEXT


def test_tool_that_leaves_a_child_behind_is_not_waited_for(tool: Tool, environ: dict[str, str]) -> None:
    tool("xclip", "/bin/sleep 30 &")
    assert copy(TEXT, environ={**environ, "DISPLAY": ":0"}, platform="linux", limit_s=20).is_certain


def test_failing_or_hanging_tool_gives_way_to_the_next(tool: Tool, environ: dict[str, str]) -> None:
    tool("wl-copy", "exit 1")
    tool("xclip", "exec /bin/sleep 30")
    kept = tool("xsel")
    both = {**environ, "WAYLAND_DISPLAY": "x", "DISPLAY": ":0"}
    assert copy(TEXT, environ=both, platform="linux", limit_s=1).how == "xsel"
    assert kept.read_text("utf-8") == TEXT


def test_failed_tool_is_named_and_nothing_is_called_copied(tool: Tool, environ: dict[str, str]) -> None:
    tool("pbcopy", "exit 1")
    done = copy(TEXT, "the quote", environ=environ, platform="darwin")
    assert (done.how, done.is_certain) == (TERMINAL, False)
    assert done.message.startswith("The quote was sent to the terminal (pbcopy did not take it); if it did not arrive")


@pytest.mark.parametrize("variable", ["SSH_CONNECTION", "SSH_TTY"])
def test_over_ssh_the_clipboard_of_this_machine_is_left_alone(
    variable: str, tool: Tool, environ: dict[str, str]
) -> None:
    kept = tool("pbcopy")
    done = copy(TEXT, environ={**environ, variable: "x"}, platform="darwin")
    assert (done.how, done.is_certain) == (TERMINAL, False)
    assert not kept.exists()


def test_tmux_keeps_it_and_hands_it_on_without_a_promise(tool: Tool, environ: dict[str, str]) -> None:
    kept = tool("tmux")
    done = copy(TEXT, environ={**environ, "TMUX": "x", "SSH_TTY": "x"}, platform="linux")
    assert (done.how, done.is_certain) == ("tmux", False)
    assert "copied" not in done.message
    assert kept.read_text("utf-8") == TEXT
    assert Path(f"{kept}.arguments").read_text() == "load-buffer -w -\n"


def test_without_any_tool_the_terminal_is_asked_and_its_limit_told(environ: dict[str, str]) -> None:
    short = copy(TEXT, environ=environ, platform="linux")
    long = copy("é" * (USUAL_LIMIT_BYTES // 2 + 1), environ=environ, platform="linux")
    assert (short.how, long.how) == (TERMINAL, TERMINAL)
    assert "if it did not arrive" in short.message
    assert "75.0 kB" in long.message
    assert not {word for word in ("copied", "done") if word in short.message + long.message}


def test_text_too_long_for_any_terminal_is_not_sent(environ: dict[str, str]) -> None:
    done = copy("x" * (HARD_LIMIT_BYTES + 1), "the answer", environ=environ, platform="linux")
    assert (done.how, done.is_certain) == ("", False)
    assert done.message.startswith("The answer was not copied")


def test_lone_surrogate_does_not_break_it(tool: Tool, environ: dict[str, str]) -> None:
    kept = tool("pbcopy")
    assert copy("a\udcff", environ=environ, platform="darwin").is_certain
    assert kept.read_text("utf-8") == "a?"
