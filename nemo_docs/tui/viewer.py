"""Opening the real file of a document at a page, in the system's own viewer.

A list of arguments, never a shell: file names are hostile text. A viewer that knows pages is preferred for a PDF; else
the program that the system itself would choose.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from nemo_docs.errors import NothingFound
from nemo_docs.plain import printable

Which = Callable[[str], str | None]
"""Finds a program by its name, or says that there is none."""

_PAGED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "linux": (
        ("evince", ("--page-index={page}", "{path}")),
        ("okular", ("--page", "{page}", "{path}")),
        ("atril", ("--page-index={page}", "{path}")),
        ("xreader", ("--page-index={page}", "{path}")),
        ("zathura", ("--page={page}", "{path}")),
        ("mupdf", ("{path}", "{page}")),
        ("mupdf-x11", ("{path}", "{page}")),
    ),
    "darwin": (("Skim", ("-a", "Skim", "{path}")),),
    "win32": (
        ("SumatraPDF", ("-page", "{page}", "{path}")),
        ("sumatrapdf", ("-page", "{page}", "{path}")),
    ),
}
_PLAIN = {"linux": "xdg-open", "darwin": "open"}


def viewer_command(path: str, page: int, platform: str, which: Which) -> list[str] | None:
    """The command that opens a file at a page.

    Args:
        path: Absolute path of the file.
        page: From 1; told to viewers of PDF files that know pages.
        platform: As `sys.platform` says it.
        which: Finds programs.

    Returns:
        Its arguments; None where no program is known, as on Windows, whose shell opens files itself.
    """
    family = platform if platform in ("darwin", "win32") else "linux"
    if path.lower().endswith(".pdf"):
        for name, arguments in _PAGED[family]:
            if found := which(name):
                program = "open" if family == "darwin" else found
                return [program, *(path if each == "{path}" else each.format(page=page) for each in arguments)]
    plain = which(_PLAIN[family]) if family in _PLAIN else None
    return [plain, path] if plain else None


def open_file(path: str, page: int, environ: Mapping[str, str] | None = None) -> str:
    """Open a file in a viewer that goes on without this program, and say so in one sentence.

    Args:
        path: Absolute path of the file.
        page: From 1.
        environ: The environment; the process's own by default.

    Raises:
        NothingFound: If the file or a viewer is missing.
    """
    environ = os.environ if environ is None else environ
    name = printable(os.path.basename(path))
    if not os.path.exists(path):
        raise NothingFound(f"{name} is no longer at {printable(path)}.", hint="Add it again from where it is now.")
    has_display = sys.platform in ("darwin", "win32") or any(environ.get(e) for e in ("DISPLAY", "WAYLAND_DISPLAY"))
    is_remote = bool(environ.get("SSH_CONNECTION"))
    if is_remote and (not has_display or sys.platform in ("darwin", "win32")):
        raise NothingFound(
            "A viewer would open on the other machine: this is a session over SSH.",
            hint=f"The file is {printable(path)} there.",
        )
    command = viewer_command(path, page, sys.platform, _which) if has_display else None
    if command is None and sys.platform == "win32":
        os.startfile(path)
        return f"Opened {name}."
    if command is None:
        raise NothingFound(f"This machine has no viewer for {name}.", hint=f"The file is {printable(path)}.")
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    at = f" at page {page}" if any(str(page) in each for each in command[1:] if each != path) else ""
    where = " (on the other machine: this is a session over SSH)" if is_remote else ""
    return f"Opened {name}{at} in {Path(command[0]).stem}{where}."


def _which(name: str) -> str | None:
    """A program in the search path, or an application of macOS."""
    application = f"/Applications/{name}.app"
    if sys.platform == "darwin" and os.path.isdir(application):
        return application
    return shutil.which(name)
