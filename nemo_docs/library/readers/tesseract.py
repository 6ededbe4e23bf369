"""The program `tesseract`, where it is installed: what it can read, and one picture read by it.

It is started anew for each picture, is given the picture on standard input and answers on standard output, so it needs
no file and works where none can be written. It is C++ that reads pictures from strangers: it only ever gets pixels that
were decoded before (portable graymap), within the limits of the process that starts it, and goes with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from nemo_docs.errors import ReaderError

LANGUAGES = {
    "en": "eng", "fr": "fra", "de": "deu", "es": "spa", "it": "ita", "pt": "por", "zh": "chi_sim", "ja": "jpn",
    "ko": "kor", "ar": "ara", "hi": "hin",
}  # fmt: skip
"""ISO 639-1 code > what Tesseract calls the language."""

_SCRIPTS = {"Arabic": "ar", "Devanagari": "hi", "Han": "zh", "Hangul": "ko", "Japanese": "ja", "Korean": "ko"}
"""Script, as its detection names it > a language that is written in it; all others are read as English first."""
_LOSES_LINES = ("kor",)
"""Read as one column as well: the search for columns lost a quarter of a Korean page (recall .65 beside .91)."""
_MORE_LETTERS = 1.1
_LIST_S = 10.0
_READ_S = 50.0
"""For one picture; under the limit of a page, so that a slow one is told by its reason."""
_PLACES = {
    "win32": (r"C:\Program Files\Tesseract-OCR\tesseract.exe",),
    "darwin": ("/opt/homebrew/bin/tesseract", "/usr/local/bin/tesseract"),
}
"""Where installers put it without telling the PATH."""


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program as it is installed.

    Attributes:
        program: Path of it.
        version: "5.3.0".
        languages: What it can read, as it names them, without "osd".
        has_scripts: Whether it can tell scripts and the way up ("osd").
    """

    program: str
    version: str
    languages: tuple[str, ...]
    has_scripts: bool

    def read(self, picture: bytes, language: str, *, dots_per_inch: int = 0) -> str:
        """What stands in a picture.

        Args:
            picture: A portable graymap.
            language: One of `languages`, or several joined by "+".
            dots_per_inch: Its resolution, where that is known.

        Raises:
            ReaderError: If it takes too long, or the program fails.
        """
        resolution = ["--dpi", str(dots_per_inch)] if dots_per_inch else []
        text = self._run(["--psm", "1" if self.has_scripts else "3", *resolution, "-l", language], picture)
        if language not in _LOSES_LINES:
            return text
        column = self._run(["--psm", "4", *resolution, "-l", language], picture)
        return column if _letters(column) > _MORE_LETTERS * _letters(text) else text

    def script_language(self, picture: bytes) -> str:
        """The ISO 639-1 code of a language in whose script a picture seems written; "en" where that cannot be told."""
        if not self.has_scripts:
            return "en"
        try:
            said = self._run(["--psm", "0", "-l", "osd"], picture)
        except ReaderError:  # too few letters to tell
            return "en"
        found = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
        return _SCRIPTS.get(found.get("Script", ""), "en")

    def _run(self, options: list[str], picture: bytes) -> str:
        try:
            done = subprocess.run(
                [self.program, "stdin", "stdout", *options],
                input=picture,
                capture_output=True,
                timeout=_READ_S,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},  # its threads cost more than they bring
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ReaderError(f"OCR took longer than {_READ_S:g} seconds") from None
        except OSError as error:
            raise ReaderError(f"OCR could not be started ({error.strerror})") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise ReaderError(f"OCR failed ({said[-1] if said else f'code {done.returncode}'})")
        return done.stdout.decode(errors="replace").replace("\f", "")


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def find() -> str:
    """The path of the program; empty where it is not installed. Starts nothing."""
    return shutil.which("tesseract") or next(filter(os.path.exists, _PLACES.get(sys.platform, ())), "")


def installed() -> Tesseract | None:
    """The program, asked for its version and languages; None where there is none that works with any language."""
    program = find()
    return _asked(program) if program else None


@cache
def _asked(program: str) -> Tesseract | None:
    try:
        version = _said(program, "--version").split()[1].lstrip("v")
        languages = _said(program, "--list-langs").splitlines()[1:]
    except (OSError, IndexError, subprocess.SubprocessError):
        return None
    usable = tuple(name for name in languages if name not in ("osd", "equ", "snum"))
    return Tesseract(program, version, usable, "osd" in languages) if usable else None


def _said(program: str, option: str) -> str:
    done = subprocess.run(
        [program, option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIST_S,
        check=True,
    )  # fmt: skip
    return done.stdout.decode(errors="replace")


def how_to_install(*languages: str) -> str:
    """What to do to have OCR on this system, as one sentence.

    Args:
        languages: ISO 639-1 codes of those that are wanted; none means English and German, as an example.
    """
    names = [LANGUAGES.get(code, code) for code in languages or ("en", "de")]
    if sys.platform == "darwin":
        return "For OCR install Tesseract: `brew install tesseract tesseract-lang`."
    if sys.platform == "win32":
        return "For OCR install Tesseract: `winget install UB-Mannheim.TesseractOCR`, with the languages you need."
    if shutil.which("apt-get"):
        packs = " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in names)
        return f"For OCR install Tesseract: `sudo apt install tesseract-ocr {packs}`."
    if shutil.which("dnf"):
        packs = " ".join(f"tesseract-langpack-{name}" for name in names)
        return f"For OCR install Tesseract: `sudo dnf install tesseract {packs}`."
    if shutil.which("pacman"):
        packs = " ".join(f"tesseract-data-{name}" for name in names)
        return f"For OCR install Tesseract: `sudo pacman -S tesseract {packs}`."
    return f"For OCR install the program `tesseract` with the languages {', '.join(names)}."
