"""A request under way: the caches that were lent for it, what it has read into them, and what it costs.

Its caches are taken before anything is read, so that what is lent is known from the beginning, and whatever happens
they go back with the whole chunks that were read, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from time import perf_counter

from torch import Tensor

from nemo_docs.engine.branches import log_likelihoods
from nemo_docs.engine.keeper import Keeper, Kept
from nemo_docs.engine.parts import Part, parts_of, shared_tokens
from nemo_docs.engine.plan import Chunk
from nemo_docs.engine.pool import CachePool
from nemo_docs.engine.program import Program
from nemo_docs.engine.protocol import Finished, Prefilled, Request, Restored, Scored, ScoreRequest, Unsaved
from nemo_docs.engine.work import ReadingClock
from nemo_docs.kv.cache import KVCache
from nemo_docs.kv.chain import BLOCK_TOKENS
from nemo_docs.kv.joined import JoinedCache
from nemo_docs.model.transformer import Transformer


class Cancelled(Exception):
    """Raised between layers when the caller no longer wants the answer; never leaves the engine."""


class Underway:
    """One request; it takes its caches when it is made, and `end` gives them back.

    Args:
        model: What computes.
        request: What to read.
        pool: Where caches are.
        chunk_tokens: How many tokens go through the model at once.
        cancelled: Whether the answer is no longer wanted.
        keeper: What outlives the engine, if anything does.
    """

    def __init__(
        self,
        model: Transformer,
        request: Request | ScoreRequest,
        pool: CachePool,
        chunk_tokens: int,
        cancelled: Callable[[], bool],
        keeper: Keeper | None = None,
    ) -> None:
        self._model, self._request, self._pool = model, request, pool
        self._cancelled, self._keeper = cancelled, keeper
        self._parts = parts_of(request, chunk_tokens)
        self._taken: list[tuple[Part, KVCache]] = []
        self._kept: list[Kept | None] = []
        try:
            self._caches = self._take()
            for part, cache in zip(self._parts, self._caches, strict=True):
                pool.mark(cache, {text.label for _, texts in part.texts for text in texts})
                self._kept.append(keeper.begin(part, cache) if keeper else None)
        except BaseException:
            self._give_back()
            raise
        self._cached = sum(map(len, self._caches))
        self._restored, self._restore_s = 0, 0.0
        self._prefilled = 0
        self._logits: Tensor | None = None
        self._program: Program | None = None
        self._began = perf_counter()
        self._read: float | None = None
        self._writing: float | None = None

    def _take(self) -> list[KVCache]:
        """A cache for each part; first where most is held, or room for another could be made by losing it."""
        behind, pool = self._request.behind, self._pool
        windows = self._parts if behind is None else self._parts[:-1]
        found: dict[int, KVCache] = {}
        for n in sorted(range(len(windows)), key=lambda n: -pool.shared(windows[n].ids, windows[n].reusable)):
            found[n] = pool.take(windows[n].ids, windows[n].reusable, windows[n].capacity)
            self._taken.append((windows[n], found[n]))
        caches = [found[n] for n in range(len(windows))]
        if behind is not None:
            own = self._parts[-1]
            caches.append(JoinedCache(caches, shared_tokens(behind), behind.log_weight, own.capacity))
            pool.lend(caches[-1])
            self._taken.append((own, caches[-1]))
        return caches

    def read(self) -> Iterator[Prefilled | Restored | Unsaved]:
        """Read what neither the caches nor the store hold, chunk by chunk."""
        self._began = perf_counter()
        yield from self._restore()
        unread = [
            (part, chunk, cache, kept)
            for part, cache, kept in zip(self._parts, self._caches, self._kept, strict=True)
            for chunk in part.chunks
            if chunk.end > len(cache)
        ]
        of, done = sum(len(part.ids) for part in self._parts), self._cached
        clock = ReadingClock(
            self._model.config, [Chunk(part.seen + chunk.start, part.seen + chunk.end) for part, chunk, *_ in unread]
        )
        yield Prefilled(done=done, of=of, cached=self._cached, seconds_left=None)
        for number, (part, chunk, cache, kept) in enumerate(unread, start=1):
            ids = part.ids[chunk.start : chunk.end]
            logits = self._model.forward(ids, cache, between_layers=self._check)
            cache.commit(ids, ends_chunk=True)
            if kept is not None:
                yield from kept.read(chunk)
            done += len(ids)
            if cache is self._caches[-1]:
                self._logits = logits[-1]
            yield Prefilled(done=done, of=of, cached=self._cached, seconds_left=clock.seconds_left(number))
        self._read = perf_counter()
        if self._keeper and not self._restored and done - self._cached >= BLOCK_TOKENS:  # fewer say nothing of a rate
            self._keeper.rates.computed(clock.work, self._read - self._began)

    def _restore(self) -> Iterator[Prefilled | Restored]:
        """Wait for what comes from the store, and tell how far that is."""
        of = sum(len(part.ids) for part in self._parts)
        for restored in chain.from_iterable(kept.restored() for kept in self._kept if kept):
            self._cached = sum(map(len, self._caches))
            if restored is None:
                self._check()
                yield Prefilled(done=self._cached, of=of, cached=self._cached, seconds_left=None)
                continue
            self._restored += 0 if restored.computes else restored.tokens
            yield restored
        self._restore_s = perf_counter() - self._began if self._restored else 0.0

    def program(self, request: Request, *, drafting: bool) -> Program:
        """What writes behind the prompt that was read, with or without guesses."""
        assert self._logits is not None  # the last segment holds a token and is never taken from the cache
        self._writing = perf_counter()
        self._program = Program(
            self._model, self._caches[-1], self._logits, request.sampling, self._check, drafting=drafting
        )
        return self._program

    def scored(self, request: ScoreRequest) -> Scored:
        """How likely the branches are behind the prompt that was read."""
        self._writing = perf_counter()
        values = log_likelihoods(self._model, self._caches[-1], request.branches, request.tail, self._check)
        return Scored(tuple(values))

    def _check(self) -> None:
        if self._cancelled():
            raise Cancelled

    def end(self, reason: str) -> Finished:
        """Give the caches back with what was read, and say what it took; a second time gives back nothing."""
        if self._taken:
            self._prefilled = sum(min(len(cache), len(part.ids)) for part, cache in self._taken) - self._cached
            self._give_back()
        now = perf_counter()
        read = now if self._read is None else self._read  # else it was cancelled while reading
        return Finished(
            reason=reason,
            tokens_cached=self._cached,
            tokens_prefilled=self._prefilled,
            tokens_generated=self._program.generated if self._program else 0,
            prefill_s=read - self._began,
            generate_s=0.0 if self._writing is None else now - self._writing,
            tokens_drafted=self._program.drafted if self._program else 0,
            tokens_accepted=self._program.accepted if self._program else 0,
            tokens_restored=self._restored,
            restore_s=self._restore_s,
        )

    def _give_back(self) -> None:
        """The last one first: one that stands behind others is let go, which makes room for those."""
        for kept in self._kept:
            if kept is not None:
                kept.end()
        while self._taken:
            part, cache = self._taken.pop()
            cache.truncate(min(len(cache), len(part.ids)))
            self._pool.give(cache, keep=part.is_kept)
