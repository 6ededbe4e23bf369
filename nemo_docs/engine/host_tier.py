"""Blocks in main memory beside those on the disk, so that what left a GPU comes back without a file.

A block that was written by us or checked when it was read needs no second check, and pinned memory goes to a GPU at the
bus's full rate. Everything here is on the disk, too, and nothing is found here that is no longer there: so removing,
evicting and clearing files is enough to be rid of a block's use, and `forget` to be rid of its bytes.

Pinning stops all other calls of a GPU's driver (some 40 ms for 128 MiB), and reading files takes memory's bandwidth. So
both are done by one thread, and only while no request runs: a first reading fills what memory is pinned by then.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import finalize, ref

import torch

from nemo_docs.engine.machine import available_memory

SLAB_BYTES = 1 << 27
"""Pinned at once: torch takes powers of two, and two or more blocks waste little of it."""
MOST = 2
"""It takes at most one part in so many of the memory that programs can still take, whatever is asked for."""
SHARE = 8
"""And one part in so many if nothing is: pinned memory cannot be swapped, and other programs want theirs."""
LOOK_EVERY_S = 5.0
"""An idle thread looks this often whether it is still wanted."""


def host_bytes(wanted: int | None, device: torch.device) -> int:
    """What may be taken of what is wanted, None for a share: nothing where a device's memory is main memory itself."""
    if wanted == 0 or device.type != "cuda":
        return 0
    free = available_memory()
    return free // SHARE if wanted is None else min(wanted, free // MOST)


@dataclass(eq=False)
class Slot:
    """Memory for one block."""

    memory: memoryview
    """As long as the longest block's file."""
    n_bytes: int = 0
    """What is used of it; nothing as long as it holds no whole block."""
    labels: frozenset[str] = frozenset()
    """Texts that its numbers depend on."""
    request: int = 0
    """The last that used it."""
    users: int = 0
    """Who reads or fills it now."""

    def fill(self, n_bytes: int, labels: Set[str]) -> None:
        """So many bytes are a block, written or checked, of these texts."""
        self.n_bytes, self.labels = n_bytes, frozenset(labels)


class HostTier:
    """Keeps the blocks that were used last.

    Args:
        budget_bytes: What it may take; nothing is kept of 0.
        block_bytes: The longest file of a block.
        read: Reads a block from the disk, by its key, into memory, and checks it; returns its length, 0 if it is not to
            be had, and the labels of its texts.
        is_pinned: Whether for a GPU.
    """

    def __init__(
        self,
        budget_bytes: int,
        block_bytes: int,
        read: Callable[[str, memoryview], tuple[int, Set[str]]],
        *,
        is_pinned: bool,
    ) -> None:
        self._block_bytes, self._read, self._is_pinned = block_bytes, read, is_pinned
        self._unmade = budget_bytes // block_bytes
        self._slots: dict[str, Slot] = {}  # the least recently used first
        self._free: list[Slot] = []
        self._wanted: deque[str] = deque()
        self._request = self._running = 0
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        if self._unmade:
            self._wake = threading.Event()
            ended = threading.Event()
            thread = threading.Thread(target=_work, args=(ref(self), self._wake, ended), name="host-tier", daemon=True)
            finalize(self, _end, thread, self._wake, ended)  # before the interpreter ends, too
            thread.start()

    def begin(self) -> None:
        """A request begins: nothing is pinned or fetched until it ends."""
        with self._lock:
            self._request += 1
            self._running += 1

    def end(self, keys: Sequence[str]) -> None:
        """A request ends that used these blocks: those of them that are on the disk alone are fetched."""
        with self._lock:
            self._running -= 1
            if self._free or self._slots or self._unmade:
                self._wanted = deque(key for key in keys if key not in self._slots)
                self._wake.set()

    @contextmanager
    def found(self, key: str) -> Iterator[memoryview | None]:
        """A block's bytes, which stay as they are meanwhile; None if it is not here."""
        with self._lock:
            slot = self._slots.pop(key, None)
            if slot is not None:
                self._slots[key] = slot
                slot.request = self._request
                slot.users += 1
        if slot is None:
            yield None
            return
        try:
            yield slot.memory[: slot.n_bytes]
        finally:
            with self._lock:
                slot.users -= 1
                if not slot.users and not slot.n_bytes:  # released meanwhile
                    self._free.append(slot)

    @contextmanager
    def room(self, key: str) -> Iterator[Slot | None]:
        """Memory for a block, which counts once it was filled; None if there is none to spare."""
        slot = self._take()
        try:
            yield slot
        finally:
            if slot is not None:
                self._put(key, slot)

    def forget(self, labels: Set[str]) -> None:
        """Drop all that depends on these texts; whoever writes blocks of them has been stopped."""
        with self._fetching, self._lock:
            self._wanted.clear()
            for key in [key for key, slot in self._slots.items() if slot.labels & labels]:
                self._release(key)

    def holds(self, keys: Sequence[str]) -> bool:
        """Whether all of these blocks are here."""
        return all(key in self._slots for key in keys)

    @property
    def n_blocks(self) -> int:
        """How many are here."""
        return len(self._slots)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to pin or to fetch."""
        with self._fetching, self._lock:
            return not self._unmade and not self._wanted

    def step(self) -> bool:
        """Pin a slab, or fetch a block, unless a request runs; returns whether there may be more to do."""
        with self._fetching:
            with self._lock:
                if self._running or not (self._unmade or self._wanted):
                    return False
                key = "" if self._unmade else self._wanted.popleft()
            if not key:
                self._pin()
                return True
            with self.room(key) as slot:
                if slot is None:
                    self._wanted.clear()
                elif key not in self._slots:
                    slot.fill(*self._read(key, slot.memory))
        return True

    def _pin(self) -> None:
        count = min(self._unmade, max(1, SLAB_BYTES // self._block_bytes))
        try:
            slab = torch.empty(count * self._block_bytes, dtype=torch.uint8, pin_memory=self._is_pinned)
        except RuntimeError:  # the system lets no more be pinned
            self._unmade = 0
            return
        memory = memoryview(slab.numpy().data)
        with self._lock:
            self._unmade -= count
            self._free += [Slot(memory[n * self._block_bytes : (n + 1) * self._block_bytes]) for n in range(count)]

    def _take(self) -> Slot | None:
        with self._lock:
            if not self._free:
                # What this request itself used makes no room, or a document larger than all memory would drive itself
                # out, block by block.
                old = (key for key, slot in self._slots.items() if slot.request < self._request and not slot.users)
                if (key := next(old, None)) is not None:
                    self._release(key)
            return self._free.pop() if self._free else None

    def _put(self, key: str, slot: Slot) -> None:
        with self._lock:
            slot.request = self._request
            if slot.n_bytes and key not in self._slots:
                self._slots[key] = slot
            else:
                slot.n_bytes = 0
                self._free.append(slot)

    def _release(self, key: str) -> None:
        slot = self._slots.pop(key)
        slot.n_bytes, slot.labels = 0, frozenset()
        if not slot.users:
            self._free.append(slot)


def _work(tier: ref[HostTier], wake: threading.Event, ended: threading.Event) -> None:
    """The thread: it holds the tier only while it works for it."""
    while not ended.is_set() and (here := tier()) is not None:
        wake.clear()
        if not here.step():
            del here
            wake.wait(LOOK_EVERY_S)


def _end(thread: threading.Thread, wake: threading.Event, ended: threading.Event) -> None:
    ended.set()
    wake.set()
    if thread is not threading.current_thread():
        thread.join()
