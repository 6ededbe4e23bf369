"""Watching a child process that fetches into a folder.

Installers and hub clients have no progress that another program could read, and no clean way to be stopped. As children
they can be killed without loss, their errors cannot take the program with them, and the growing folder is the progress.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_EVERY_S = 0.2


class ChildFailed(Exception):
    """The child ended with an error; the text is what it wrote."""


def watch(command: Sequence[str], folder: Path) -> Iterator[int]:
    """Run `command` with `folder` as its place for temporary files; yield the bytes within, five times a second.

    The child is ended when the iterator is closed or interrupted.

    Raises:
        ChildFailed: If it exits with an error.
    """
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while True:
                try:
                    child.wait(timeout=_EVERY_S)
                    break
                except subprocess.TimeoutExpired:
                    yield bytes_within(folder)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode:
            output.seek(0)
            raise ChildFailed(output.read().decode("utf-8", errors="replace"))
    yield bytes_within(folder)


def bytes_within(folder: Path) -> int:
    """Bytes of all files in `folder`; files that vanish meanwhile count for nothing."""
    total = 0
    for place, _, names in os.walk(folder):  # skips what vanishes under its feet, as Path.rglob does not
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def ran_out_of_room(output: str) -> bool:
    """Whether a child's output says that the disk was full."""
    return any(sign in output for sign in ("No space left on device", "File too large", "not enough space on the disk"))


def last_line(output: str) -> str:
    """The line of a child's output that says what went wrong, fit to be shown: one line, no control characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["it gave no reason"]
    return "".join(c if c.isprintable() else " " for c in errors[-1])[:300].removeprefix("ERROR: ")
