r"""What a terminal types when files are dropped on it, turned back into paths.

There is no event for a drop: the terminal pastes or types the paths, and each terminal quotes them in its own way:
`/a\ b` (macOS Terminal, iTerm2, Ghostty), `'/a b'` (GNOME Terminal, foot, kitty), `"C:\a b"` (Windows Terminal),
`file:///a%20b` (some VTE), `/a b ` with nothing quoted and a space behind (Alacritty). So a text is read in several
ways, and the first way counts in which *all* of it are absolute paths that exist; else the text is only text. A
question is never mistaken for a drop, at the price that a drop with one missing file is not one either.

Hostile text costs little: a reading ends at its first missing path, and no pattern goes back (`++`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

KINDS = (
    "PDF, Word, OpenDocument, RTF, slides, workbooks, EPUB, HTML, Markdown, text; "
    "where Tesseract is installed scans and pictures, too"
)
"""What can be added, for people."""

LONGEST_DROP = 262_144
"""Characters: some thousands of paths. A longer paste is a text, and the disk is not asked about it."""

_ABSOLUTE = r"(?:/|~[^\s/\\]*[/\\]|[Ff][Ii][Ll][Ee]:/|[A-Za-z]:[\\/]|\\\\[^\\\s])"
_BEGINS = re.compile(rf"\s*['\"]?{_ABSOLUTE}", re.ASCII)
_NEXT = re.compile(rf"(?<!\s)\s++(?=['\"]?{_ABSOLUTE})", re.ASCII)
_POSIX_TOKEN = re.compile(r"""((?:\\.|'[^']*+'|"(?:\\.|[^"\\])*+"|[^\s\\'"]++)++)(?:\s++|\Z)""", re.ASCII | re.DOTALL)
_POSIX_PART = re.compile(r"""\\(.)|'([^']*)'|"((?:\\.|[^"\\])*)"|([^\s\\'"]+)""", re.ASCII | re.DOTALL)
_WINDOWS_TOKEN = re.compile(r'("[^"]*+"|[^\s"]++)(?:\s++|\Z)', re.ASCII)
_LINE_END = re.compile(r"[\r\n]+")
_BLANKS = " \t\r\n\f\v"
"""Only these part one path from the next; names of screenshots on macOS hold a narrow no-break space."""

_URI = re.compile(r"file:(?://(?:localhost)?)?(/[^/].*)", re.IGNORECASE | re.DOTALL)
_DRIVE = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)
_SHARE = re.compile(r"\\\\[^\\/?]+\\.+", re.DOTALL)
_SHARE_OF_WSL = re.compile(r"\\\\wsl(?:\$|\.localhost)\\([^\\]+)(\\.+)", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Exists = Callable[[str], bool]
Place = Callable[[str], "str | None"]


def dropped_paths(
    text: str, *, exists: Exists = os.path.lexists, wsl: bool | None = None, windows: bool | None = None
) -> list[str]:
    """Return the paths that `text` is wholly made of, each once; empty where it is anything else.

    Args:
        text: What was pasted, or typed as a question.
        exists: Whether there is such a file or folder.
        wsl: Whether this is Linux under Windows; None finds out.
        windows: Whether this is Windows; None finds out.
    """
    if not may_be_drop(text):
        return []
    windows = os.name == "nt" if windows is None else windows
    wsl = is_wsl() if wsl is None else wsl

    def place(written: str) -> str | None:
        path = _path(written, wsl=wsl, windows=windows)
        return path if path and not _CONTROL.search(path) and exists(path) else None

    for reading in _readings(text, place, escapes=not windows):
        if paths := _all(reading):
            return paths
    return []


def may_be_drop(text: str) -> bool:
    """Whether it is worth asking the disk; this itself does not, and takes no time."""
    return len(text) <= LONGEST_DROP and _BEGINS.match(text) is not None


def is_wsl() -> bool:
    """Whether this is Linux under Windows, where drives are mounted at `/mnt`."""
    return "WSL_DISTRO_NAME" in os.environ or (hasattr(os, "uname") and "microsoft" in os.uname().release.lower())


def _readings(text: str, place: Place, *, escapes: bool) -> Iterator[Iterable[str | None]]:
    """All ways to read the text, the strictest first; None stands for a part that is no path."""
    yield [_one(text, place, escapes=escapes)]
    if escapes:
        yield (place(token) for token in _posix_tokens(text))
    yield (place(token) for token in _windows_tokens(text))
    yield (_one(line, place, escapes=escapes) for line in _LINE_END.split(text) if line.strip(_BLANKS))
    yield (_one(part, place, escapes=escapes) for part in _NEXT.split(text.strip(_BLANKS)))


def _all(paths: Iterable[str | None]) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        if path is None:
            return []
        found[path] = None
    return list(found)


def _one(text: str, place: Place, *, escapes: bool) -> str | None:
    """One path, quoted in any way or not at all."""
    bare = text.strip(_BLANKS)
    written = [text, text[:-1] if text[-1:] in _BLANKS else text, bare]
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        written.append(bare[1:-1])  # also where an apostrophe within was not escaped, as Windows Terminal did for WSL
    if escapes and len(tokens := list(islice(_posix_tokens(text), 2))) == 1:
        written += tokens
    return next((path for each in dict.fromkeys(written) if (path := place(each))), None)


def _posix_tokens(text: str) -> Iterator[str]:
    """As a shell would split it; a token that is not well quoted ends with an empty one, which is no path."""
    for token in _tokens(text, _POSIX_TOKEN):
        yield "".join(
            part[1] or part[2] or re.sub(r'\\([$`"\\\n])', r"\1", part[3] or "") or part[4] or ""
            for part in _POSIX_PART.finditer(token)
        )


def _windows_tokens(text: str) -> Iterator[str]:
    """Double quotes around what holds spaces; a backslash is only a backslash."""
    for token in _tokens(text, _WINDOWS_TOKEN):
        yield token.strip('"')


def _tokens(text: str, token: re.Pattern[str]) -> Iterator[str]:
    position = len(text) - len(text.lstrip(_BLANKS))
    while position < len(text):
        match = token.match(text, position)
        yield match[1] if match else ""
        if not match:
            return
        position = match.end()


def _path(written: str, *, wsl: bool, windows: bool) -> str | None:
    """An absolute path of this machine, or None."""
    if uri := _URI.fullmatch(written):
        from urllib.parse import unquote

        written = unquote(uri[1], errors="surrogateescape")
        if (wsl or windows) and _DRIVE.fullmatch(written[1:]):  # file:///C:/a
            written = written[1:]
    elif written.startswith("~"):
        written = os.path.expanduser(written)
    if windows:
        return written if _DRIVE.fullmatch(written) or _SHARE.fullmatch(written) else None
    if wsl and (drive := _DRIVE.fullmatch(written)):
        return f"/mnt/{drive[1].lower()}/" + drive[2].replace("\\", "/")
    if wsl and (share := _SHARE_OF_WSL.fullmatch(written)):
        is_ours = share[1].lower() == os.environ.get("WSL_DISTRO_NAME", "").lower()
        return share[2].replace("\\", "/") if is_ours else None
    return written if written.startswith("/") and written.strip("/") else None
