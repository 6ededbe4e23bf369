"""What the cache promises: rows stay where they were, reuse goes by whole chunks, nothing uncommitted counts."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.kv.cache import KVCache, KVLayout
from tests.tiny import CPU

LAYOUT = KVLayout(n_layers=2, n_kv_heads=1, head_dim=4, dtype=torch.float32, device=CPU)


def filled(ids: list[int], chunk: int) -> KVCache:
    """A cache whose rows are the ids themselves."""
    cache = KVCache(LAYOUT, len(ids) or 1)
    for start in range(0, len(ids), chunk):
        piece = ids[start : start + chunk]
        rows = torch.tensor(piece, dtype=torch.float32).view(1, -1, 1).expand(1, -1, 4)
        for layer in range(2):
            cache.write(layer, rows, -rows)
        cache.commit(piece, ends_chunk=True)
    return cache


ids = st.lists(st.integers(0, 3), min_size=1, max_size=30)


@given(held=ids, prompt=ids, held_chunk=st.integers(1, 8), prompt_chunk=st.integers(1, 8))
def test_reusable_is_a_common_prefix_in_equal_chunks(held, prompt, held_chunk, prompt_chunk):
    cache = filled(held, held_chunk)
    bounds = [min(end, len(prompt)) for end in range(prompt_chunk, len(prompt) + prompt_chunk, prompt_chunk)]
    shared = cache.reusable(prompt, bounds)
    assert prompt[:shared] == held[:shared]
    assert shared == 0 or (shared in cache.chunk_ends and shared in bounds)
    longer = [end for end in bounds if end > shared]
    if held_chunk == prompt_chunk and longer and longer[0] in cache.chunk_ends:
        assert prompt[: longer[0]] != held[: longer[0]]


@given(held=ids, keep=st.integers(0, 30), chunk=st.integers(1, 8))
def test_rows_survive_truncating_growing_and_copying(held, keep, chunk):
    keep = min(keep, len(held))
    cache = filled(held, chunk)
    cache.truncate(keep)
    cache.reserve(1000)
    for other in (cache, cache.copy_of(keep, 10)):
        k, v = other.past(1, keep)
        assert k[0, :, 0].tolist() == [float(n) for n in held[:keep]]
        assert torch.equal(v, -k)
        assert other.ids == held[:keep]
        assert all(end <= keep for end in other.chunk_ends)


def test_rows_written_but_not_committed_do_not_count():
    cache = filled([1, 2, 3], 3)
    cache.write(0, torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
    assert len(cache) == 3
    assert cache.reusable([1, 2, 3, 0, 0], [3, 5]) == 3
