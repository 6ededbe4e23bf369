"""Each thing that `nemo-docs doctor` looks at: real probes, each on its own, so that one failure hides no other.

Looking changes nothing: no folder is made, no file is mended, nothing is fetched.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nemo_docs.errors import NemoDocsError
from nemo_docs.paths import Paths
from nemo_docs.settings import Configuration, load

_LOW_DISK_BYTES = 2 * 10**9
_TORCH_PROBE = """
import json, torch
accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
name = torch.cuda.get_device_name() if accelerator and accelerator.type == "cuda" else ""
print(json.dumps([torch.__version__, str(accelerator or "cpu"), name, torch.get_num_threads()]))
"""


class Status(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """Works, but should be looked at."""
    BROKEN = "broken"
    """Something that the user needs does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    """What was looked at."""
    status: Status
    detail: str
    """What was found, in one line."""
    hint: str = ""
    """What to do; empty where nothing need be done."""


def check_all() -> Iterator[Check]:
    """Look at everything, cheapest first."""
    yield Check("python", Status.OK, f"{platform.python_version()} on {platform.platform()}")
    yield _sqlite()
    try:
        configuration = load()
    except NemoDocsError as error:
        yield Check("settings", Status.BROKEN, error.message, error.hint)
        return
    yield _settings(configuration)
    yield _machine()
    yield _disk(configuration.paths)
    yield _modes(configuration.paths)
    yield _library(configuration.paths.library)
    yield _torch()
    yield from _models(configuration)


def _sqlite() -> Check:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("create virtual table probe using fts5(text)")
        except sqlite3.OperationalError as error:
            return Check(
                "sqlite", Status.BROKEN, f"{sqlite3.sqlite_version} without FTS5: {error}", "Use another build of Python."
            )
    return Check("sqlite", Status.OK, f"{sqlite3.sqlite_version} with FTS5")


def _settings(configuration: Configuration) -> Check:
    changed = sum(origin != "default" for origin in configuration.origins.values())
    return Check("settings", Status.OK, f"{configuration.paths.config}, {changed} not at their default")


def _machine() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    return Check(
        "machine",
        Status.OK,
        f"{os.cpu_count()} cores, {_gb(memory.available)} of {_gb(memory.total)} memory available",
    )


def _disk(paths: Paths) -> Check:
    free = free_bytes(paths.library)
    if free < _LOW_DISK_BYTES:
        return Check("disk", Status.WARNING, f"{_gb(free)} free at {paths.library.parent}", "Make room.")
    return Check("disk", Status.OK, f"{_gb(free)} free at {paths.library.parent}")


def _modes(paths: Paths) -> Check:
    """Whether others on this machine could read what is the user's alone."""
    if os.name != "posix":
        return Check("privacy", Status.OK, "the folders inherit the user's own access list")
    open_to_others = [
        path
        for path in (paths.config, paths.library, paths.library.parent, paths.kv, paths.state)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        listed = ", ".join(str(path) for path in open_to_others)
        return Check("privacy", Status.WARNING, f"others may read {listed}", f"chmod go-rwx {listed}")
    return Check("privacy", Status.OK, "files and folders are readable by their owner alone")


def _torch() -> Check:
    """Ask in a process of its own: a broken build can end the process that imports it."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _TORCH_PROBE], capture_output=True, text=True, timeout=180, check=True
        )
        version, device, name, threads = json.loads(answer.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        return Check("torch", Status.BROKEN, f"cannot be used: {reason.strip().splitlines()[-1]}", "Install torch again.")
    return Check("torch", Status.OK, f"{version} on {f'{device} ({name})' if name else device}, {threads} threads")


def free_bytes(path: Path) -> int:
    """Bytes free on the disk that holds `path`, or will once it is made."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def _gb(amount: float) -> str:
    return f"{amount / 1e9:,.1f} GB"
