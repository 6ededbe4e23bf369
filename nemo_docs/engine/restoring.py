"""Bringing what is stored back into a cache: read, checked and copied by several threads, ahead of its use.

What main memory holds, too, comes from there.

A cache counts what was brought in whole chunks and in order; the first block that is not there, or is not what it says,
ends it, and what follows is computed. Requests that are answered together begin to bring all that they need at once, so
that the later ones' blocks come while the model reads for the first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set
from concurrent.futures import Future, wait
from time import perf_counter

import torch

from nemo_docs.engine.host_tier import HostTier
from nemo_docs.engine.prefix import Prefix
from nemo_docs.engine.saving import header_of
from nemo_docs.engine.staging import Staging
from nemo_docs.kv.block_file import expect, unpack
from nemo_docs.kv.block_layout import CHECKSUM_BYTES, Damaged, Expected, RunningChecksum, inspect
from nemo_docs.kv.cache import KVCache
from nemo_docs.kv.store import BlockStore


def read_checked(store: BlockStore, key: str, memory: memoryview) -> tuple[int, Set[str]]:
    """Read a block from the disk into memory, all of it checked.

    Returns:
        Its length and the labels of its texts; 0 and none if it is not to be had.
    """
    checksum = RunningChecksum(memory)
    size = store.read_into(key, memory, checksum.seen)
    try:
        header = inspect(memory[:size], checksum.digest())
    except Damaged:
        return 0, frozenset()
    if (header.key, header.seed) != (key, store.seed.hex()):
        return 0, frozenset()
    return size, {label for label, _ in header.labels}


class Restoring:
    """Tokens on their way into a cache that is lent; `wait` until it is over, or `abandon`, before it is given back."""

    def __init__(self, prefix: Prefix, cache: KVCache, tasks: list[tuple[int, Future[float | None]]]) -> None:
        self._prefix, self._cache, self._tasks = prefix, cache, deque(tasks)
        self._before = self._begin = len(cache)
        self._began = self._ended = perf_counter()

    @property
    def tokens(self) -> int:
        """How many have come and count."""
        return len(self._cache) - self._before

    @property
    def seconds(self) -> float:
        """From when they were asked for until the last of them had come, whoever waited for it."""
        return self._ended - self._began

    def wait(self, timeout_s: float) -> bool:
        """Count what comes within so many seconds; returns whether nothing more will."""
        until = perf_counter() + timeout_s
        while self._tasks:
            n, task = self._tasks[0]
            try:
                came = task.result(max(0.0, until - perf_counter()))
            except TimeoutError:
                return False
            self._tasks.popleft()
            block = self._prefix.blocks[n]
            if came is None:
                self.abandon()
                break
            self._ended = max(self._ended, came)
            if block.ends_chunk:
                self._cache.commit(self._prefix.ids[self._begin : block.end], ends_chunk=True)
                self._begin = block.end
        return True

    def abandon(self) -> None:
        """Let nothing more come."""
        tasks = [task for _, task in self._tasks]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        wait([task for task in tasks if not task.cancelled()])


class Restorer:
    """Reads blocks from a store.

    Args:
        store: Where they are.
        host: Main memory where some of them are, too.
        staging: Memory to copy through.
        device: Where caches are.
        threads: How many blocks come at once.
    """

    def __init__(self, store: BlockStore, host: HostTier, staging: Staging, device: torch.device, threads: int) -> None:
        self._store, self._host, self._staging, self._device = store, host, staging, device
        self._threads = staging.threads(threads, "restore")

    def begin(self, prefix: Prefix, cache: KVCache, tokens: int) -> Restoring:
        """Bring the tokens up to `tokens` behind those that a cache holds; both are ends of chunks."""
        free = None
        if self._device.type == "cuda":  # the cache's memory may still be used by work that was asked for before
            free = torch.cuda.Event()  # type: ignore[no-untyped-call]
            free.record()
        blocks = [*prefix.between(len(cache), tokens)]
        self._store.touch([prefix.keys[n] for n in range(blocks[-1] + 1)])
        return Restoring(
            prefix,
            cache,
            [
                (n, self._threads.submit(self._bring, prefix, n, self._expected(prefix, n, cache), cache, free))
                for n in blocks
            ],
        )

    def _expected(self, prefix: Prefix, n: int, cache: KVCache) -> Expected:
        """A block as this engine would have saved it."""
        rows, _ = cache.rows(prefix.blocks[n].start, prefix.blocks[n].end)
        return expect(header_of(prefix, n, self._store.seed, rows))

    def _bring(
        self, prefix: Prefix, n: int, expected: Expected, cache: KVCache, free: torch.cuda.Event | None
    ) -> float | None:
        """Put a block into a cache; returns when it was there, None if it is not to be had."""
        key, block = prefix.keys[n], prefix.blocks[n]
        with torch.inference_mode(), self._staging.lent(free) as buffer, self._host.found(key) as held:
            if held is None:
                checksum = RunningChecksum(buffer)
                data = buffer[: self._store.read_into(key, buffer, checksum.seen)]
                digest = checksum.digest()
            else:  # was checked when it came there
                data, digest = held, bytes(held[-CHECKSUM_BYTES:])
            ids = prefix.ids[block.start : block.end]
            found = unpack(data, key=key, seed=self._store.seed, ids=ids, digest=digest, expected=expected)
            if found is None or not cache.suits(block.start, *found[1:]):
                self._store.discard(key)
                return None
            _, k, v = found
            cache.place(block.start, k, v)
        return perf_counter()
