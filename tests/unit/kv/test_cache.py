"""What the cache promises: rows stay where they were, reuse goes by whole chunks, nothing uncommitted counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.kv.form import PLAIN, Form, Int8, Rows
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


every_form = pytest.mark.parametrize("form", [PLAIN, Int8()], ids=["plain", "int8"])


def random_cache(form: Form, tokens: int, capacity: int, dtype: torch.dtype = torch.bfloat16) -> KVCache:
    """Committed random rows."""
    layout = KVLayout(n_layers=2, n_kv_heads=3, head_dim=8, dtype=dtype, device=CPU, form=form)
    cache = KVCache(layout, capacity)
    generator = torch.Generator().manual_seed(tokens)
    for layer in range(2):
        cache.write(layer, *torch.randn(2, 3, tokens, 8, generator=generator))
    cache.commit(range(tokens), ends_chunk=True)
    return cache


def kept(cache: KVCache, tokens: int) -> list[torch.Tensor]:
    """What a cache keeps of its first tokens."""
    rows = cache.rows(0, tokens)
    return [tensor for each in rows for tensor in (each.codes, each.scales) if tensor is not None]


def same(a, b) -> bool:
    """Whether two pasts are equal in every tensor that they have."""
    return all((x is y is None) or torch.equal(x, y) for x, y in zip(a, b, strict=True))


@every_form
def test_bytes_held_are_those_of_its_tensors(form):
    cache = random_cache(form, 300, 300)
    assert cache.capacity == 512
    assert cache.n_bytes == sum(tensor.nbytes for tensor in kept(cache, cache.capacity))


def test_eight_bits_take_half_of_sixteen_and_a_scale_for_each_head():
    assert KVLayout(40, 8, 128, torch.bfloat16, CPU, PLAIN).bytes_per_token == 163_840
    assert KVLayout(40, 8, 128, torch.bfloat16, CPU, Int8()).bytes_per_token == 81_920 + 40 * 2 * 8 * 2


@every_form
def test_what_is_stored_survives_truncating_growing_and_copying(form):
    cache = random_cache(form, 300, 300)
    before = [tensor.clone() for tensor in kept(cache, 200)]
    copied = cache.copy_of(200, 1000)
    cache.truncate(200)
    cache.reserve(2000)
    for each in (cache, copied):
        assert same(kept(each, 200), before)


@every_form
def test_rows_placed_in_another_cache_are_the_same_past(form):
    cache, other = random_cache(form, 300, 300), random_cache(form, 100, 300)
    for start, end in ((100, 256), (256, 300)):
        rows = cache.rows(start, end)
        assert other.suits(start, *rows)
        other.place(start, *rows)
        assert len(other) == 100, "nothing counts until it is committed"
    other.place(0, *cache.rows(0, 100))
    assert same(kept(other, 300), kept(cache, 300))
    for layer in range(2):
        assert same(other.past(layer, 300), cache.past(layer, 300))


def test_rows_of_another_kind_do_not_suit():
    plain, packed = random_cache(PLAIN, 300, 300), random_cache(Int8(), 300, 300)
    k, v = plain.rows(0, 256)
    assert plain.suits(0, k, v)
    assert plain.suits(256, k, v)
    assert not plain.suits(257, k, v), "the cache holds 512"
    assert not plain.suits(0, *packed.rows(0, 256))
    assert not packed.suits(0, k, v)
    assert not random_cache(PLAIN, 300, 300, torch.float16).suits(0, k, v)
    for less in (k[:1], k[:, :1], Rows(k.codes[..., :1])):
        assert not plain.suits(0, less, less), "they would be spread over what they do not fill"
    assert not plain.suits(0, k, plain.rows(0, 255)[1])


@every_form
def test_a_past_can_begin_anywhere(form):
    cache = random_cache(form, 300, 300)
    whole, part = cache.past(1, 290), cache.past(1, 290, start=70)
    assert same([tensor[:, 70:] for tensor in whole], part)


@given(held=st.integers(0, 40), new=st.integers(1, 40), block=st.integers(1, 50))
def test_blocks_are_the_past_in_order_with_the_new_tokens_in_the_last(held, new, block):
    cache = random_cache(Int8(), held, 100)
    for layer in range(2):
        cache.write(layer, *torch.randn(2, 3, new, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nemo_docs.kv.cache.BLOCK_TOKENS", block)
        pieces = cache.pieces(1, held + new)
        k, v = cache.past(1, held + new)
        assert torch.equal(torch.cat([piece.k for piece in pieces], 1), k)
        assert torch.equal(torch.cat([piece.v for piece in pieces[:]], 1), v)
        assert pieces[-1].k.shape[1] >= new
        assert all(piece.k.shape[1] == block for piece in pieces[:-1])
        assert pieces[-1].k.shape[1] - new < block, "no more is unpacked together than a block and the new tokens"
