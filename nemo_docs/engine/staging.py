"""Memory through which blocks go between a store and a cache: one piece a thread, used again and again.

On a GPU it is pinned, which takes longer than a copy and is therefore done once, and each thread has a stream of its
own, so that copies run beside the work of the model.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


class Staging:
    """Lends its piece to each thread.

    Args:
        device: Where caches are.
        n_bytes: The largest block, with all that a file holds beside it.
    """

    def __init__(self, device: torch.device, n_bytes: int) -> None:
        self._device, self._n_bytes = device, n_bytes
        self._mine = threading.local()

    def threads(self, count: int, name: str) -> ThreadPoolExecutor:
        """Threads that lend memory from here; before the process ends, all that was given to them is done.

        On a GPU they are begun now, so that nobody waits for memory to be pinned later.
        """
        threads = ThreadPoolExecutor(count, thread_name_prefix=name, initializer=self._prepare)
        if self._device.type == "cuda":
            together = threading.Barrier(count)
            for _ in range(count):  # a thread that waits for the others takes no second one
                threads.submit(together.wait)
        return threads

    @contextmanager
    def lent(self, after: torch.cuda.Event | None = None) -> Iterator[memoryview]:
        """This thread's piece, and on a GPU its stream, which begins behind `after`."""
        if self._mine.stream is None:
            yield memoryview(self._mine.memory)
            return
        with torch.cuda.stream(self._mine.stream):
            if after is not None:
                self._mine.stream.wait_event(after)
            yield memoryview(self._mine.memory)

    def _prepare(self) -> None:
        is_cuda = self._device.type == "cuda"
        try:
            memory = torch.empty(self._n_bytes, dtype=torch.uint8, pin_memory=is_cuda)
        except RuntimeError:  # the system lets no more be pinned; copies are slower then
            memory = torch.empty(self._n_bytes, dtype=torch.uint8)
        self._mine.memory = memory.numpy()
        self._mine.stream = torch.cuda.Stream(self._device) if is_cuda else None  # type: ignore[no-untyped-call]
