"""How far along, on stderr: one line that updates itself on a terminal, a few plain lines anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import time
import unicodedata
from typing import TextIO

from nemo_docs.plain import printable

_STEPS = 4  # parts of a task that are told where the output is not a terminal
_WORTH_TELLING = 20  # units; less is over before it is read


_PATIENCE_S = 2.0


class Progress:
    """Tells how far a task is. Use as a context manager, so that the line is gone before other output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._told: tuple[str, int] | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def update(self, task: str, done: int, of: int, note: str = "") -> None:
        """Tell that `done` of `of` units of `task` are done; `note` is a unit or the time left."""
        text = f"{printable(task)}: {done:,} of {of:,}" + (f" {printable(note)}" if note else "")
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{_fitting(text, width)}")
            self._stream.flush()
            self._told = (task, done)
        elif of >= _WORTH_TELLING and 0 < (step := _STEPS * done // of) < _STEPS and self._told != (task, step):
            self._told = (task, step)
            self._stream.write(f"{text}\n")

    def say(self, text: str) -> None:
        """Write one line of narration above the progress."""
        self.clear()
        self._stream.write(f"{printable(text)}\n")

    def clear(self) -> None:
        """Take the updating line away."""
        if self._live and self._told:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._told = None


class Upkeep:
    """Tells of what the library does within one act, if that takes long; see `library.upkeep`."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._task, self._begun = "", 0.0
        self._is_told = False

    def __call__(self, task: str, done: int, of: int) -> None:
        """Say once what goes on, and from then on how far it is."""
        if task != self._task:
            self._task, self._begun, self._is_told = task, time.monotonic(), False
        if time.monotonic() - self._begun < _PATIENCE_S:
            return
        if not self._is_told:
            self._is_told = True
            self._progress.say(f"{task}. This takes a while; Ctrl-C leaves the library as it was.")
        self._progress.update(task, done, of, "pages")
        if done >= of:
            self._progress.clear()


def _fitting(text: str, cells: int) -> str:
    """As much of a text as a terminal shows in so many cells: ideographs, Kana and Hangul take two."""
    taken = 0
    for at, character in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > cells:
            return text[:at]
    return text
