"""What `nemo-docs doctor` says of the machine: SQLite, memory, disk, who may read the files, torch and its device."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from nemo_docs.commands.check import Check, Status, free_bytes
from nemo_docs.engine.memory_plan import Device
from nemo_docs.paths import Paths
from nemo_docs.plain import size

_LOW_DISK_BYTES = 2 * 10**9
_TORCH_PROBE = """
import dataclasses, json, sys, torch
from nemo_docs.engine.placing import choose_device, describe
from nemo_docs.errors import SettingsError

accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
name = torch.cuda.get_device_name() if accelerator and accelerator.type == "cuda" else ""
facts = [torch.__version__, str(accelerator or "cpu"), name, torch.get_num_threads()]
try:
    print(json.dumps([*facts, dataclasses.asdict(describe(choose_device(sys.argv[1])))]))
except SettingsError as error:
    print(json.dumps([*facts, error.message]))
"""


def full_text_search() -> Check:
    """Whether this Python's SQLite has FTS5."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("create virtual table probe using fts5(text)")
        except sqlite3.OperationalError as error:
            return Check(
                "sqlite",
                Status.BROKEN,
                f"{sqlite3.sqlite_version} has no FTS5: {error}",
                "Use another Python.",
            )
    return Check("sqlite", Status.OK, f"{sqlite3.sqlite_version} with FTS5")


def cores_and_memory() -> Check:
    """What the machine has of either."""
    memory = psutil.virtual_memory()
    return Check(
        "machine",
        Status.OK,
        f"{os.cpu_count()} cores, {size(memory.available)} of {size(memory.total)} memory available",
    )


def disk(paths: Paths) -> Check:
    """Whether there is room for a library."""
    free = free_bytes(paths.library)
    if free < _LOW_DISK_BYTES:
        return Check("disk", Status.WARNING, f"{size(free)} free at {paths.library.parent}", "Make room.")
    return Check("disk", Status.OK, f"{size(free)} free at {paths.library.parent}")


def privacy(paths: Paths) -> Check:
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
        command = shlex.join(["chmod", "go-rwx", *map(str, open_to_others)])
        return Check("privacy", Status.WARNING, f"others may read {listed}", command)
    return Check("privacy", Status.OK, "files and folders are readable by their owner alone")


def torch(wanted: str) -> tuple[Check, Device | None]:
    """Ask in a process of its own: a broken build can end the process that imports it.

    Args:
        wanted: The device that the settings name; what is free there comes back, too.
    """
    command = [sys.executable, "-P", "-c", _TORCH_PROBE, wanted]  # -P: a torch.py where the user stands is not torch
    here = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=180, check=True, env={**os.environ, "PYTHONPATH": here}
        )
        version, device, name, threads, found = json.loads(answer.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        said = str(error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else ""
        reason = (said.strip() or str(error)).splitlines()[-1]
        return Check("torch", Status.BROKEN, f"cannot be used: {reason}", "Install torch again."), None
    if isinstance(found, str):
        return Check("torch", Status.BROKEN, f"{version}: {found}", "Use --device auto."), None
    name = "Apple GPU, not measured yet" if device.startswith("mps") else name
    detail = f"{version} on {f'{device} ({name})' if name else device}, {threads} threads"
    return Check("torch", Status.OK, detail), Device(**found)
