"""How fast a model read on this machine, so that the next question can say how long it will take."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path


class Speed:
    """Tokens a second of one way to read, in a small file of all. Losing it loses nothing but an estimate.

    Args:
        path: The file; made when first written.
        way: Names all that the speed depends on: the model, the device, the precision of weights and cache.
    """

    def __init__(self, path: Path, way: str) -> None:
        self._path, self._way = path, way

    @property
    def last(self) -> float | None:
        """The last speed measured, or None."""
        speed = self._read().get(self._way)
        return float(speed) if isinstance(speed, int | float) and speed > 0 else None

    def measured(self, tokens_per_s: float) -> None:
        """Remember a speed; where the file cannot be written, it is not remembered."""
        speeds = {**self._read(), self._way: round(tokens_per_s, 1)}
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(speeds, file)
            os.replace(temporary, self._path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
