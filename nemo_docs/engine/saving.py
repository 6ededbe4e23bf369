"""Saving what is read, while the model reads on.

A chunk that was committed does not change while its cache is lent or rests, so it is copied out later, by threads of
their own: on a GPU behind the work that made it, through memory that is pinned once. What cannot be saved is told once
and costs nothing else. On a CPU reading waits for the chunk before the last to be on the disk, which takes a tenth of
the time of a chunk: so a process that is killed loses one chunk at most. On a GPU it does not wait.
"""

from __future__ import annotations

from collections.abc import Set
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from nemo_docs import crash
from nemo_docs.engine.host_tier import HostTier
from nemo_docs.engine.plan import Chunk
from nemo_docs.engine.prefix import Prefix
from nemo_docs.engine.staging import Staging
from nemo_docs.kv.block_file import Header, describe, pack
from nemo_docs.kv.cache import KVCache
from nemo_docs.kv.form import Rows
from nemo_docs.kv.store import BlockStore

CHUNKS_BEHIND = {"cpu": 1, "mps": 1}
"""Chunks that may wait to be saved before reading waits for them; on other devices any number."""


NO_ROOM = (
    "What is read is not kept on the disk: it would take more than store_size allows, "
    "or leave less of the disk free than store_floor."
)


def header_of(prefix: Prefix, n: int, seed: bytes, rows: Rows) -> Header:
    """What the file of a block says of itself. Shapes: rows [L, K, T, D], its keys or its values."""
    parent = prefix.keys[n - 1] if n else seed.hex()
    labels = [(text.label, text.tokens) for text in prefix.texts[n]]
    return describe(seed, parent, prefix.keys[n], prefix.blocks[n], labels, rows)


@dataclass(eq=False)
class Saving:
    """One part of a request, as far as it is saved."""

    prefix: Prefix
    reason: str = ""
    """Why nothing more is saved; a sentence."""
    chunks: list[list[Future[None]]] = field(default_factory=list)
    """What was begun for each chunk."""


class Saver:
    """Writes blocks to a store.

    Args:
        store: Where.
        host: Main memory that keeps what was written.
        staging: Memory to copy through where that has no room.
        device: Where caches are.
        threads: How many blocks are written at once; one keeps them in order.
    """

    def __init__(self, store: BlockStore, host: HostTier, staging: Staging, device: torch.device, threads: int) -> None:
        self._store, self._host, self._staging, self._device = store, host, staging, device
        self._threads = staging.threads(threads, "save")
        self._of_cache: WeakKeyDictionary[KVCache, list[Saving]] = WeakKeyDictionary()
        self._noted: Future[None] | None = None

    def begin(self, prefix: Prefix, cache: KVCache) -> Saving:
        """A part that is going to be read."""
        saving = Saving(prefix)
        self._of_cache.setdefault(cache, []).append(saving)
        return saving

    def chunk(self, saving: Saving, cache: KVCache, chunk: Chunk) -> None:
        """Save a chunk that the cache has committed."""
        made = None
        if self._device.type == "cuda":
            made = torch.cuda.Event()  # type: ignore[no-untyped-call]
            made.record()
        tasks = [
            self._threads.submit(self._save, saving, n, cache.rows(block.start, block.end), made)
            for n in saving.prefix.between(*chunk)
            for block in [saving.prefix.blocks[n]]
            if not saving.reason
        ]
        saving.chunks.append(tasks)
        behind = CHUNKS_BEHIND.get(self._device.type)
        if behind is not None and len(saving.chunks) > behind:
            wait(saving.chunks[-1 - behind])

    def end(self, saving: Saving) -> None:
        """All of a part that will be saved was begun: note, behind it, how much of each text is stored now."""
        if any(saving.chunks):
            self._noted = self._threads.submit(self._note)

    def settle(self, cache: KVCache) -> None:
        """Wait until nothing of a cache is to be copied any more: it is going to be overwritten, or let go."""
        for saving in self._of_cache.pop(cache, []):
            for tasks in saving.chunks:
                wait(tasks)

    def stop(self, labels: Set[str], reason: str) -> None:
        """Save nothing more of these texts; what is being written is written when this returns."""
        for saving in [each for savings in [*self._of_cache.values()] for each in savings]:
            if any(text.label in labels for texts in saving.prefix.texts for text in texts):
                saving.reason = reason
                for tasks in saving.chunks:
                    wait(tasks)

    def flush(self) -> None:
        """Wait until all is saved."""
        for cache in [*self._of_cache]:
            self.settle(cache)
        if self._noted is not None:
            wait([self._noted])

    def _note(self) -> None:
        with suppress(OSError):  # it is for display, and made again where it is missing
            self._store.note_shares()

    def _save(self, saving: Saving, n: int, rows: tuple[Rows, Rows], made: torch.cuda.Event | None) -> None:
        prefix, seed = saving.prefix, self._store.seed
        block, key = prefix.blocks[n], prefix.keys[n]
        if saving.reason or self._store.size_of(key):
            return
        header = header_of(prefix, n, seed, rows[0])
        try:
            with torch.inference_mode(), self._staging.lent(made) as buffer, self._host.room(key) as slot:
                memory = buffer if slot is None else slot.memory
                data = pack(header, prefix.ids[block.start : block.end], *rows, memory)
                if not self._store.write(key, data):
                    saving.reason = NO_ROOM
                elif slot is not None:
                    slot.fill(len(data), {text.label for text in prefix.texts[n]})
        except OSError as error:
            saving.reason = f"What is read is not kept on the disk: {error.strerror or error}."
        except Exception as error:  # a thread's own: nobody else would hear of it
            saving.reason = crash.record(error)[0]
