"""Memory through which blocks go between a store and a cache: one piece a thread, used again and again.

On a GPU it is pinned, which takes longer than a copy and is therefore done once, and each thread has a stream of its
own, so that copies run beside the work of the model.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray


class Staging:
    """Lends its piece to each thread.

    Args:
        device: Where caches are.
        n_bytes: The largest block, with all that a file holds beside it.
    """

    def __init__(self, device: torch.device, n_bytes: int) -> None:
        self._device, self._n_bytes = device, n_bytes
        self._mine = threading.local()

    @contextmanager
    def lent(self, after: torch.cuda.Event | None = None) -> Iterator[memoryview]:
        """This thread's piece, and on a GPU its stream, which begins behind `after`."""
        if not hasattr(self._mine, "memory"):
            is_cuda = self._device.type == "cuda"
            self._mine.memory = _pinned(self._n_bytes) if is_cuda else np.empty(self._n_bytes, np.uint8)
            self._mine.stream = torch.cuda.Stream(self._device) if is_cuda else None  # type: ignore[no-untyped-call]
        if self._mine.stream is None:
            yield memoryview(self._mine.memory)
            return
        with torch.cuda.stream(self._mine.stream):
            if after is not None:
                self._mine.stream.wait_event(after)
            yield memoryview(self._mine.memory)


def _pinned(n_bytes: int) -> NDArray[np.uint8]:
    """Pinned in place: torch's own pinned memory comes in powers of two. Where that fails, copies are slower."""
    memory = np.empty(n_bytes, np.uint8)
    torch.cuda.cudart().cudaHostRegister(memory.ctypes.data, n_bytes, 0)  # type: ignore[no-untyped-call]
    return memory
