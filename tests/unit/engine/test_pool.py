"""Caches within a budget of bytes: never two where there is room for one."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.engine.pool import CachePool
from nemo_docs.kv.cache import KVCache, KVLayout

LAYOUT = KVLayout(n_layers=1, n_kv_heads=1, head_dim=2, dtype=torch.float32, device=torch.device("cpu"))


def filled(cache: KVCache, ids: list[int], ends: list[int]) -> KVCache:
    for start, end in zip([0, *ends], ends, strict=False):
        if start >= len(cache):
            cache.commit(ids[start:end], ends_chunk=True)
    return cache


def test_a_long_cache_grows_for_a_follow_up_where_it_is() -> None:
    """At NeMo's size the longer one beside it would not fit the card, and reading anew takes 13 seconds."""
    pool = CachePool(LAYOUT, 20_000 * LAYOUT.bytes_per_token)
    ids = list(range(16_000))
    first = filled(pool.take(ids, [8_000, 16_000], 16_000), ids, [8_000, 16_000])
    pool.give(first)
    again = pool.take(ids, [8_000, 16_000], 16_900)
    assert again is first
    assert len(again) == 16_000
    assert again.capacity >= 16_900


def test_a_cache_that_cannot_be_moved_within_the_budget_is_read_anew() -> None:
    pool = CachePool(LAYOUT, 16_384 * LAYOUT.bytes_per_token)
    ids = list(range(12_000))
    pool.give(filled(pool.take(ids, [6_000, 12_000], 12_000), ids, [6_000, 12_000]))
    again = pool.take(ids, [6_000, 12_000], 16_000)
    assert len(again) == 0
    assert pool.tokens == 0, "the old one has gone before there was the new one"


def test_a_shared_preamble_is_not_copied_where_there_is_no_room_for_both() -> None:
    pool = CachePool(LAYOUT, 10_240 * LAYOUT.bytes_per_token)
    one, other = list(range(9_000)), [*range(100), *range(20_000, 28_000)]
    pool.give(filled(pool.take(one, [100, 9_000], 9_000), one, [100, 9_000]))
    assert len(pool.take(other, [100, 8_100], 8_100)) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(300, 6_000)), max_size=12), st.integers(1, 16))
def test_caches_stay_within_the_budget_whatever_is_asked(prompts: list[tuple[int, int]], thousands: int) -> None:
    budget = thousands * 1_024 * LAYOUT.bytes_per_token
    pool = CachePool(LAYOUT, budget)
    for kind, length in prompts:
        ids = [*range(200), *range(10_000 * (kind + 1), 10_000 * (kind + 1) + length)]
        ends = [200, len(ids)]
        cache = pool.take(ids, ends, len(ids))
        resting = sum(each.n_bytes for each in pool._resting)
        assert cache.capacity >= len(ids)
        assert not resting or resting + cache.n_bytes <= budget + 256 * LAYOUT.bytes_per_token
        pool.give(filled(cache, ids, ends))


def test_forgetting_a_text_takes_its_caches_and_those_of_which_nobody_knows_what_they_hold() -> None:
    """Answers are made over quotes, in a prompt that is no window of any document."""
    pool = CachePool(LAYOUT, 10_000 * LAYOUT.bytes_per_token)
    prompts = {
        name: list(range(start, start + 100)) for name, start in (("a", 0), ("b", 200), ("", 400), ("lent", 600))
    }
    for name, ids in prompts.items():
        cache = filled(pool.take(ids, [50, 100], 100), ids, [50, 100])
        pool.mark(cache, {name} if name in "ab" and name else set())
        if name != "lent":
            pool.give(cache)
    pool.forget({"a"})
    pool.give(cache)
    assert {name: pool.shared(ids, [50, 100]) for name, ids in prompts.items()} == {"a": 0, "b": 100, "": 0, "lent": 0}
