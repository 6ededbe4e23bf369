"""What the app was asked to add, on disk until it is added: after a kill, or on leaving, the next start goes on.

Half-read documents show in the library by themselves; the files of a dropped folder that nobody has begun do not. Each
process keeps a small file of its own, readable by its user alone; who starts takes over the files of processes that
have ended, each exactly once. Passwords are never kept.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from nemo_docs.paths import private_folder, write_private


class Drop(NamedTuple):
    """What was asked for in one act."""

    paths: tuple[str, ...]
    """Of files and folders; hostile text."""
    collections: tuple[str, ...] = ()
    """Their documents are put into these."""
    excludes: tuple[str, ...] = ()
    """Patterns as in .gitignore, for what is in folders."""


class Wanted:
    """The paths that this process still has to add.

    Args:
        state: The folder of state.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file = state / f"adding-{os.getpid()}.json"
        self._lock = threading.Lock()
        self._newest = 0

    def keep(self, drops: Sequence[Drop], order: int) -> None:
        """Keep these, and nothing else; an older order than one that was kept is passed over.

        Raises:
            OSError: If it cannot be written.
        """
        with self._lock:
            if order < self._newest:
                return
            self._newest = order
            if drops:
                private_folder(self._state)
                write_private(self._file, json.dumps({"v": 2, "started": _started(os.getpid()), "drops": [*drops]}))
            else:
                self._file.unlink(missing_ok=True)

    def take_over(self) -> list[Drop]:
        """What processes that have ended were asked to add and had not; a second time nothing."""
        found: list[Drop] = []
        for file in sorted(self._state.glob("adding-*.json")):
            mine = self._state / f"adding-{os.getpid()}.taken"
            try:
                pid = int(file.stem.partition("-")[2])
                kept = json.loads(file.read_text(encoding="utf-8"))
                if file == self._file or kept["started"] == _started(pid):
                    continue
                os.replace(file, mine)  # only one process can
                found += [_drop(each) if kept["v"] == 2 else _drop([each]) for each in kept["drops"]]
            except (OSError, ValueError, KeyError, TypeError):  # another one took it, or it is none of ours
                continue
            finally:
                with suppress(OSError):
                    mine.unlink(missing_ok=True)
        return found


def _drop(kept: Any) -> Drop:
    """As it was written: lists of paths, collections and patterns; the first version had paths alone."""
    return Drop(*(tuple(map(str, each)) for each in kept))


def _started(pid: int) -> float | None:
    """When a process began, so that another one of the same number is not taken for it; None if there is none."""
    import psutil  # type: ignore[import-untyped]

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
