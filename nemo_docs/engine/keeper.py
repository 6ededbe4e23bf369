"""What outlives the engine: finds the parts of a prompt in the store, brings them, and saves what had to be read.

Everything here may fail without harm: what does not come is computed, what cannot be saved is told.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import replace
from functools import partial

from nemo_docs.engine.host_tier import HostTier
from nemo_docs.engine.parts import Part
from nemo_docs.engine.plan import Chunk
from nemo_docs.engine.prefix import Prefix, prefix_of
from nemo_docs.engine.protocol import Restored, Unsaved
from nemo_docs.engine.rates import Rates
from nemo_docs.engine.restoring import Restorer, Restoring, read_checked
from nemo_docs.engine.saving import Saver, Saving
from nemo_docs.engine.staging import Staging
from nemo_docs.engine.work import reading_work
from nemo_docs.kv.cache import KVCache
from nemo_docs.kv.chain import BLOCK_TOKENS
from nemo_docs.kv.store import BlockStore
from nemo_docs.model.transformer import Transformer

BESIDE_BYTES = 1 << 16
"""What a file of a block holds at most beside keys and values."""
WAKE_EVERY_S = 0.05
"""While blocks come it is looked this often whether they are still wanted."""
THREADS = {"cpu": (1, 2), "mps": (1, 2), "cuda": (4, 14)}
"""How many save and how many bring blocks; of one the order is that of the blocks."""


class Keeper:
    """The store beside an engine.

    Args:
        store: Where blocks are, under the identity of the model.
        model: Whose caches they fill.
        host_bytes: Main memory in which blocks are kept, too.
    """

    def __init__(self, store: BlockStore, model: Transformer, *, host_bytes: int = 0) -> None:
        self._store, self._config = store, model.config
        self._token_bytes = model.kv_layout.bytes_per_token
        self._seed = store.seed
        self._in_use: Counter[str] = Counter()
        self.rates = Rates()
        """What bringing and computing were measured to take."""
        saving, restoring = (min(each, os.cpu_count() or 1) for each in THREADS[model.device.type])
        block_bytes = BLOCK_TOKENS * self._token_bytes + BESIDE_BYTES
        staging = Staging(model.device, block_bytes)
        self.host = HostTier(
            host_bytes, block_bytes, partial(read_checked, store), is_pinned=model.device.type == "cuda"
        )
        """Main memory where blocks are, too."""
        self.saver = Saver(store, self.host, staging, model.device, saving)
        """Writes what was read."""
        self._restorer = Restorer(store, self.host, staging, model.device, restoring)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stored for this model."""
        return self._store.is_empty

    def held(self, part: Part) -> int:
        """How many leading tokens of a part are stored, counted in whole chunks."""
        prefix = prefix_of(part, self._seed)
        return prefix.whole_chunks(self._store.held(prefix.keys))

    def begin(self, part: Part, cache: KVCache) -> Kept | None:
        """Bring what is stored of a part into its cache, and be ready to save the rest; None for nobody's text."""
        self.saver.settle(cache)
        prefix = prefix_of(part, self._seed)
        if not prefix.blocks:
            return None
        self.hold(prefix)
        self.host.begin()
        known = len(cache)
        stored = prefix.whole_chunks(self._store.held(prefix.keys), least=known)
        saving = self.saver.begin(prefix, cache)
        if stored <= known:
            return Kept(self, cache, saving)
        expected = self._expected(known, stored)
        in_memory = self.host.holds([prefix.keys[n] for n in prefix.between(known, stored)])
        if not in_memory and self.rates.computing_is_faster(
            expected.n_bytes, reading_work(self._config, known, stored)
        ):
            return Kept(self, cache, saving, computes=replace(expected, computes=True))
        return Kept(self, cache, saving, restoring=self._restorer.begin(prefix, cache, stored), in_memory=in_memory)

    def hold(self, prefix: Prefix) -> None:
        """Its blocks are in use: they are not evicted until they are let go."""
        self._in_use.update(prefix.keys)
        self._store.in_use.update(prefix.keys)

    def let_go(self, prefix: Prefix) -> None:
        """Its blocks may be evicted again, unless somebody else uses them, too."""
        self._in_use.subtract(prefix.keys)
        self._store.in_use.difference_update([key for key in prefix.keys if self._in_use[key] <= 0])
        self._in_use += Counter()  # without those that nobody uses
        self.host.end(prefix.keys)

    def forget(self, labels: Set[str]) -> None:
        """Save nothing more of these texts, and let main memory go of them."""
        self.saver.stop(labels, "The document was removed.")
        self.host.forget(labels)

    def brought(self, before: int, after: int, seconds: float, *, in_memory: bool) -> Restored:
        """Tokens before..after have come from the store; remembers how fast the disk was, if it was asked."""
        restored = replace(self._expected(before, after), seconds=seconds)
        if not in_memory:
            self.rates.brought(restored.n_bytes, seconds)
        return restored

    def flush(self) -> None:
        """Wait until what was read is saved."""
        self.saver.flush()

    def _expected(self, start: int, end: int) -> Restored:
        n_bytes = (end - start) * self._token_bytes
        seconds = self.rates.bring_s(n_bytes) or 0.0
        return Restored(
            end - start, n_bytes, seconds, compute_s=self.rates.compute_s(reading_work(self._config, start, end))
        )


class Kept:
    """One part of a request under way.

    Args:
        keeper: Whose it is.
        cache: The part's.
        saving: Where chunks go.
        restoring: What is on its way into the cache.
        computes: What is computed though it is stored.
        in_memory: Whether all that is on its way comes from main memory.
    """

    def __init__(
        self,
        keeper: Keeper,
        cache: KVCache,
        saving: Saving,
        *,
        restoring: Restoring | None = None,
        computes: Restored | None = None,
        in_memory: bool = False,
    ) -> None:
        self._keeper, self._cache, self._saving = keeper, cache, saving
        self._restoring, self._computes, self._in_memory = restoring, computes, in_memory
        self._is_told = False

    def restored(self) -> Iterator[Restored | None]:
        """Tell what has come from the store, or why it does not; None each time that more is waited for."""
        if self._computes is not None:
            yield self._computes
        if self._restoring is not None:
            while not self._restoring.wait(WAKE_EVERY_S):
                yield None
            tokens, seconds = self._restoring.tokens, self._restoring.seconds
            self._restoring = None
            before, after = len(self._cache) - tokens, len(self._cache)
            yield self._keeper.brought(before, after, seconds, in_memory=self._in_memory)

    def read(self, chunk: Chunk) -> Iterator[Unsaved]:
        """A chunk was computed and committed; tells, once, that it cannot be saved."""
        self._keeper.saver.chunk(self._saving, self._cache, chunk)
        if self._saving.reason and not self._is_told:
            self._is_told = True
            yield Unsaved(self._saving.reason)

    def end(self) -> None:
        """The request is over."""
        if self._restoring is not None:
            self._restoring.abandon()
        self._keeper.saver.end(self._saving)
        self._keeper.let_go(self._saving.prefix)
