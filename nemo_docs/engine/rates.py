"""Whether to bring tokens from the store or to compute them again: whichever is faster on this machine, measured.

On a laptop bringing always wins; on a fast GPU with a slow disk computing can. Both rates are those of the last real
work, because a file that is in main memory already comes ten times as fast as one that is not. A rate at which bringing
lost is believed for a while only: the next time the file may be in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

TRUSTED = 4
"""Bringing that lost is tried again behind this many times of computing."""


@dataclass
class Rates:
    """Measured rates; None before the first measurement."""

    bytes_per_s: float | None = None
    """Of bringing, from the disk or main memory to where the model is."""
    work_per_s: float | None = None
    """Of computing: multiply-adds, as `work.reading_work` counts them."""
    _lost: int = 0

    def brought(self, n_bytes: int, seconds: float) -> None:
        """So much was brought."""
        if n_bytes and seconds > 0:
            self.bytes_per_s = n_bytes / seconds

    def computed(self, work: float, seconds: float) -> None:
        """So much was computed."""
        if work and seconds > 0:
            self.work_per_s = work / seconds

    def bring_s(self, n_bytes: int) -> float | None:
        """What bringing is expected to take."""
        return n_bytes / self.bytes_per_s if self.bytes_per_s else None

    def compute_s(self, work: float) -> float | None:
        """What computing is expected to take."""
        return work / self.work_per_s if self.work_per_s else None

    def computing_is_faster(self, n_bytes: int, work: float) -> bool:
        """Whether to compute what could be brought."""
        bring, compute = self.bring_s(n_bytes), self.compute_s(work)
        if bring is None or compute is None or bring <= compute:
            self._lost = 0
            return False
        self._lost += 1
        if self._lost > TRUSTED:
            self._lost = 0
            return False
        return True
