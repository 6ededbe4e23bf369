"""The SHA-256 of weight files, computed once and remembered.

Stored keys and values are only valid for the very weights that made them, and a safetensors header is the same for NeMo
Base and NeMo Instruct, so the content itself must be hashed: some twenty seconds for 24 GB. The result is remembered by
path, size, mtime and ctime. A file that was changed within the last two seconds is hashed but not remembered: a write
within the same tick of the clock would leave all four as they are.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nemo_docs.errors import SettingsError
from nemo_docs.paths import private_folder, write_private

_SETTLED_NS = 2_000_000_000
_BLOCK_BYTES = 1 << 22


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class FingerprintCache:
    """Remembers digests in one small JSON file, readable by its owner alone.

    A file that cannot be read or written costs time, never correctness: digests are then computed again.
    """

    def __init__(self, folder: Path) -> None:
        """Use `fingerprints.json` in `folder`, which is made when there is something to remember."""
        self._file = folder / "fingerprints.json"

    def sha256(self, path: Path) -> str:
        """SHA-256 (hex) of `path`, from memory when the file has not been touched since."""
        key, stamp = str(path.resolve()), _stamp(path)
        known = self._read()
        if key in known and known[key][:-1] == stamp:
            return known[key][-1]
        digest = sha256_of(path)
        if _stamp(path) == stamp:
            self.remember(path, digest)
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Note the digest of a file that has just been checked, and forget files that are gone."""
        if time.time_ns() - path.stat().st_mtime_ns > _SETTLED_NS:
            known = {name: row for name, row in self._read().items() if Path(name).exists()}
            self._write({**known, str(path.resolve()): [*_stamp(path), digest]})

    def _read(self) -> dict[str, list[str]]:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {key: row for key, row in known.items() if isinstance(row, list) and len(row) == 4}

    def _write(self, known: dict[str, list[str]]) -> None:
        with suppress(OSError, SettingsError):
            private_folder(self._file.parent)
            write_private(self._file, json.dumps(known))


def fingerprint(paths: Sequence[Path], cache: FingerprintCache | None) -> str:
    """One SHA-256 (hex) for all of `paths` in their order; for a single file, that file's own."""
    digests = [cache.sha256(path) if cache else sha256_of(path) for path in paths]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _stamp(path: Path) -> list[str]:
    state = path.stat()
    return [str(state.st_size), str(state.st_mtime_ns), str(state.st_ctime_ns)]
