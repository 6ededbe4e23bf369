"""Text into the clipboard, and the truth about whether it arrived.

Three ways, the surest first. A tool of this machine (pbcopy, wl-copy, xclip, xsel, clip.exe) says by its exit code that
it took the text; it is of use only where the person sits at this machine. tmux keeps the text in its own buffer and
hands it on. OSC 52 asks the terminal itself: it crosses SSH, but many terminals refuse it or cut it, and none answers.
So only the first is ever called copied. Everything here may block for as long as a tool takes; call it in a job.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nemo_docs.plain import size
from nemo_docs.tui.drop import is_wsl

TERMINAL = "osc52"
"""The way that the app has to go itself: `App.copy_to_clipboard`."""

USUAL_LIMIT_BYTES = 74_994
"""What fits into an escape sequence of 100,000 bytes, the bound of hterm and of many terminals after it."""

HARD_LIMIT_BYTES = 1_000_000
"""More than this would hold up the screen while it is written."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of the text.

    Attributes:
        how: Name of the tool that took it; `TERMINAL` where the app still has to send it to the terminal; empty where
            it went nowhere.
        is_certain: Whether it is known to be in the clipboard.
        message: One or two sentences for people.
    """

    how: str
    is_certain: bool
    message: str


@dataclass(frozen=True, slots=True)
class _Tool:
    command: tuple[str, ...]
    encoding: str = "utf-8"


def copy(
    text: str,
    what: str = "the text",
    *,
    environ: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    limit_s: float = 3.0,
) -> Copied:
    """Give the text to the surest way there is.

    Args:
        text: What to copy.
        what: What to call it in the message.
        environ: Environment variables; None for this process's own.
        platform: As `sys.platform`.
        limit_s: How long a tool may take.
    """
    environ = os.environ if environ is None else environ
    name = what[:1].upper() + what[1:]
    failed = []
    for tool in _tools(environ, platform):
        if (program := shutil.which(tool.command[0], path=environ.get("PATH"))) is None:
            continue
        if _takes([program, *tool.command[1:]], text.encode(tool.encoding, "replace"), environ, limit_s):
            if tool.command[0] == "tmux":
                return Copied(
                    "tmux",
                    False,
                    f"{name} is in tmux's paste buffer and was sent on to the terminal; "
                    "if pasting does not bring it, paste it with tmux.",
                )
            return Copied(tool.command[0], True, f"{name} was copied.")
        failed.append(tool.command[0])
    return _to_terminal(text, name, failed)


def _to_terminal(text: str, name: str, failed: list[str]) -> Copied:
    length = len(text.encode("utf-8", "replace"))
    why = f" ({', '.join(failed)} did not take it)" if failed else ""
    if length > HARD_LIMIT_BYTES:
        return Copied(
            "", False, f"{name} was not copied{why}: it is {size(length)}, and terminals take {size(HARD_LIMIT_BYTES)}."
        )
    if length > USUAL_LIMIT_BYTES:
        doubt = f"it is {size(length)}, and many terminals take no more than {size(USUAL_LIMIT_BYTES)}"
    else:
        doubt = "if it did not arrive, allow clipboard access (OSC 52) in the terminal's settings"
    return Copied(TERMINAL, False, f"{name} was sent to the terminal{why}; {doubt}.")


def _tools(environ: Mapping[str, str], platform: str) -> Iterator[_Tool]:
    """What could take the text here, the surest first."""
    if not ("SSH_CONNECTION" in environ or "SSH_TTY" in environ):
        if platform == "darwin":
            yield _Tool(("pbcopy",))
        if platform == "win32" or "WSL_DISTRO_NAME" in environ or (environ is os.environ and is_wsl()):
            yield _Tool(("clip.exe",), "utf-16")  # with its mark at the start, or it is read in the local code page
        if "WAYLAND_DISPLAY" in environ:
            yield _Tool(("wl-copy",))
        if "DISPLAY" in environ:
            yield _Tool(("xclip", "-selection", "clipboard"))
            yield _Tool(("xsel", "--clipboard", "--input"))
    if "TMUX" in environ:
        yield _Tool(("tmux", "load-buffer", "-w", "-"))


def _takes(command: list[str], data: bytes, environ: Mapping[str, str], limit_s: float) -> bool:
    """Whether a tool took the text.

    xclip and wl-copy leave a child behind that serves the selection: it must not hold our pipes, nor end with us.
    """
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            timeout=limit_s,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
