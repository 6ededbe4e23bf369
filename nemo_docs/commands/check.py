"""One finding of `nemo-docs doctor`, and what its checks share."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


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
    facts: Mapping[str, Any] | None = None
    """The same in more detail, as plain data."""


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def free_bytes(path: Path) -> int:
    """Bytes free on the disk that holds `path`, or will once it is made."""
    return shutil.disk_usage(existing(path)).free
