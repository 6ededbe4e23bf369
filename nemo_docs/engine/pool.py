"""Caches of recent sequences, kept within a budget of bytes.

Each window of a document keeps a cache of its own, so a second question finds every window that the first one read. The
least recently used goes first. A cache in use is lent out: it counts, and eviction cannot touch it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from weakref import WeakKeyDictionary

from nemo_docs.kv.cache import KVCache, KVLayout


class CachePool:
    """Finds the cache that shares most with a prompt.

    Args:
        layout: What a new cache is made of.
        max_bytes: What the resting caches may hold together.
        before_drop: Told of a cache that is going to be let go.
    """

    def __init__(
        self, layout: KVLayout, max_bytes: int, before_drop: Callable[[KVCache], None] = lambda cache: None
    ) -> None:
        self._layout = layout
        self._max_bytes = max_bytes
        self._before_drop = before_drop
        self._labels: WeakKeyDictionary[KVCache, Set[str]] = WeakKeyDictionary()
        self._forgotten: set[str] = set()
        self._resting: list[KVCache] = []  # least recently used first
        self._lent: list[KVCache] = []

    def can_lend(self, tokens: int) -> bool:
        """Whether a cache for so many tokens may be taken now: one always may, more only within the budget."""
        return not self._lent or self.has_room(tokens)

    def has_room(self, tokens: int) -> bool:
        """Whether caches for so many tokens, beside those that are lent, stay within the budget."""
        return self._bytes_of(tokens) + _bytes(self._lent) <= self._max_bytes

    @property
    def most_tokens(self) -> int:
        """What the budget holds."""
        return self._max_bytes // self._layout.bytes_per_token

    @property
    def is_empty(self) -> bool:
        """Whether no cache rests here, so that nothing can be shared."""
        return not self._resting

    def shared(self, ids: Sequence[int], boundaries: Sequence[int]) -> int:
        """How many leading tokens of a prompt a resting cache holds; changes nothing."""
        return max((cache.reusable(ids, boundaries) for cache in [*self._resting]), default=0)

    @property
    def tokens(self) -> int:
        """Held by the resting caches."""
        return sum(len(cache) for cache in [*self._resting])

    def take(self, ids: Sequence[int], boundaries: Sequence[int], capacity: int) -> KVCache:
        """A cache cut back to what it shares with the prompt, or a new one; lent until it is given back.

        A cache that holds more of another prompt than it shares with this one is copied from, not cut: a preamble that
        all windows share must not cost a window that was read.

        Args:
            ids: The prompt.
            boundaries: Ends of its chunks that may be reused.
            capacity: Tokens that the cache will need in all.
        """
        shared, best = max(
            ((cache.reusable(ids, boundaries), index) for index, cache in enumerate(self._resting)), default=(0, -1)
        )
        found = self._resting[best] if shared else None
        if found is not None and 2 * shared >= found.chunk_ends[-1] and self._can_hold(found, capacity):
            self._resting.pop(best)
            self._make_room(found.n_bytes + (self._bytes_of(capacity) if capacity > found.capacity else 0))
            found.truncate(shared)
            found.reserve(capacity)
            self._lent.append(found)
            return found
        capacity = self._with_headroom(capacity)
        self._make_room(self._bytes_of(capacity))
        if found is not None and not any(found is each for each in self._resting):
            found = None  # there is no room for both
        cache = KVCache(self._layout, capacity) if found is None else found.copy_of(shared, capacity)
        self._lent.append(cache)
        return cache

    def _can_hold(self, cache: KVCache, capacity: int) -> bool:
        """Whether a cache is long enough, or can be moved to a longer one within the budget."""
        moving = cache.n_bytes + self._bytes_of(capacity) + _bytes(self._lent)
        return capacity <= cache.capacity or moving <= self._max_bytes

    def _with_headroom(self, tokens: int) -> int:
        """A cache that could not be moved within the budget gets a sixteenth more, so that follow-ups find room."""
        most = self._max_bytes // self._layout.bytes_per_token
        return tokens if 2 * tokens <= most else max(tokens, min(tokens + tokens // 16, most))

    def lend(self, cache: KVCache) -> None:
        """Count a cache that was made elsewhere as lent until it is given back."""
        self._lent.append(cache)
        self._make_room(0)

    def give(self, cache: KVCache, *, keep: bool = True) -> None:
        """Take a cache back: put it to rest as the most recently used one, or let it go."""
        self._lent = [each for each in self._lent if each is not cache]
        if keep and not self._forgotten & self._labels.get(cache, set()):
            self._resting.append(cache)
        self._make_room(0)

    def mark(self, cache: KVCache, labels: Set[str]) -> None:
        """Note whose texts a cache that is lent holds."""
        self._labels[cache] = labels
        self._forgotten -= labels  # they are asked about anew

    def forget(self, labels: Set[str]) -> None:
        """Let every cache go that holds one of these texts; those that are lent when they come back.

        Of a cache without labels nobody knows what it holds, such as quotes that an answer was made over: it goes, too.
        """
        self._forgotten |= labels
        for cache in self._lent:
            self._labels[cache] = self._labels.get(cache) or labels
        for cache in [each for each in self._resting if labels & (self._labels.get(each) or labels)]:
            self._resting = [each for each in self._resting if each is not cache]
            self._before_drop(cache)

    def clear(self) -> None:
        """Let every resting cache go."""
        while self._resting:
            self._before_drop(self._resting.pop(0))

    def _make_room(self, incoming_bytes: int) -> None:
        needed = incoming_bytes + _bytes(self._lent)
        while self._resting and needed + _bytes(self._resting) > self._max_bytes:
            self._before_drop(self._resting.pop(0))

    def _bytes_of(self, tokens: int) -> int:
        return tokens * self._layout.bytes_per_token


def _bytes(caches: Sequence[KVCache]) -> int:
    return sum(cache.n_bytes for cache in caches)
