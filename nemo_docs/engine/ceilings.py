"""The two limits of a machine that no engine can pass: bytes of memory and arithmetic operations a second.

Both are measured, not looked up: a data sheet does not know a laptop's cooling, a shared server's neighbours or a
container's share of the cores. The best of a few tries counts, since a limit is what nothing else gets in the way of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from nemo_docs.engine.placing import free_bytes

_ARRAY_BYTES = {"cpu": 1 << 30, "mps": 1 << 30, "cuda": 1 << 32}
"""Several times the largest cache that such a device has, and long enough for starting the work not to count."""
_SHARE_OF_FREE = 0.2
_MATRIX = {"cpu": 2048, "mps": 4096, "cuda": 8192}
"""Rows and columns of matrices that keep all units of such a device busy."""
_LEAST_TRIES = 3
_TRYING_S = 0.5


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a device was measured to do at best."""

    bytes_per_s: float
    """Reading memory, or copying it, both directions counted: whichever is faster."""
    operations_per_s: float
    """Of a large matrix product in the arithmetic of the model; a multiplication and an addition are two."""

    def floor(self, operations: float, n_bytes: float) -> tuple[float, str]:
        """The least time that some work takes, and what bounds it.

        Args:
            operations: Additions and multiplications.
            n_bytes: Bytes that must be read.

        Returns:
            Seconds, and `operations` or `bytes`.
        """
        computing, reading = operations / self.operations_per_s, n_bytes / self.bytes_per_s
        return (computing, "operations") if computing > reading else (reading, "bytes")


def measure_ceilings(
    device: torch.device, dtype: torch.dtype, cancelled: Callable[[], bool] = lambda: False
) -> Ceilings | None:
    """Measure a device, within some seconds and a fifth of its free memory.

    Args:
        device: Which.
        dtype: Of the products.
        cancelled: Asked between two tries.

    Returns:
        None if it was cancelled.
    """
    bytes_per_s = _bytes_per_s(device, cancelled)
    operations_per_s = _operations_per_s(device, dtype, cancelled)
    return None if cancelled() else Ceilings(bytes_per_s, operations_per_s)


def _bytes_per_s(device: torch.device, cancelled: Callable[[], bool]) -> float:
    n_bytes = min(_ARRAY_BYTES[device.type], int(free_bytes(device) * _SHARE_OF_FREE / 2))
    source = torch.ones(max(1, n_bytes // 4), device=device)
    target = torch.empty_like(source)
    copying = _best_seconds(device, lambda: target.copy_(source), cancelled)
    reading = _best_seconds(device, source.sum, cancelled)
    return max(2 * source.nbytes / copying, source.nbytes / reading)


def _operations_per_s(device: torch.device, dtype: torch.dtype, cancelled: Callable[[], bool]) -> float:
    size = _MATRIX[device.type]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    return 2 * size**3 / _best_seconds(device, lambda: torch.mm(left, right, out=product), cancelled)


def _best_seconds(device: torch.device, work: Callable[[], object], cancelled: Callable[[], bool]) -> float:
    tries: list[float] = []
    began = perf_counter()
    while not tries or (not cancelled() and (len(tries) < _LEAST_TRIES or perf_counter() - began < _TRYING_S)):
        _wait_for(device)
        start = perf_counter()
        work()
        _wait_for(device)
        tries.append(perf_counter() - start)
    return min(tries)


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":  # whose work is done when the call returns
        torch.accelerator.synchronize(device)
