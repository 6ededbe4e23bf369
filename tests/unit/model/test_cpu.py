"""Decode on a CPU: the compiled kernels give the numbers of the plain forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.kv.cache import KVCache, Past
from nemo_docs.kv.form import PLAIN, Form, Int8
from nemo_docs.model.attention import attend as plain_attend
from nemo_docs.model.cpu.attention import Rows, attend
from nemo_docs.model.cpu.decoder import CpuDecoder
from nemo_docs.model.cpu.linear import PackedGrouped
from nemo_docs.model.cpu.packing import pack, packed_rows
from nemo_docs.model.cpu.products import MOST_TOKENS, multiply
from nemo_docs.model.cpu.unpacking import dense
from nemo_docs.model.linear.grouped import Grid, Grouped
from nemo_docs.model.transformer import Transformer
from tests.tiny import CPU, TINY, RandomWeights

FORMS = ("Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K")


def random_grid(form: str, rows: int, columns: int, seed: int = 0) -> Grid:
    """A grid of the form in which GGUF files keep weights, with random numbers."""
    generator = torch.Generator().manual_seed(seed)

    def factors(count: int) -> torch.Tensor:
        return (torch.randn(rows, count, generator=generator) * 0.01).half()

    def whole(count: int, low: int, high: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.randint(low, high, (rows, count), generator=generator).to(dtype)

    match form:
        case "Q4_1":
            return Grid(whole(columns // 2, 0, 256, torch.uint8), factors(columns // 32), factors(columns // 32))
        case "Q4_0":
            scales = factors(columns // 32)
            return Grid(whole(columns // 2, 0, 256, torch.uint8), scales, scales * -8)
        case "Q8_0":
            return Grid(whole(columns, -127, 128, torch.int8), factors(columns // 32))
        case "Q4_K":
            return Grid(
                whole(columns // 2, 0, 256, torch.uint8),
                factors(columns // 256),
                factors(columns // 256),
                whole(columns // 32, 0, 64, torch.uint8),
                whole(columns // 32, 0, 64, torch.uint8),
            )
        case _:
            return Grid(
                whole(columns, -32, 32, torch.int8),
                factors(columns // 256),
                sub_scales=whole(columns // 16, -128, 128, torch.int8),
            )


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tokens", [1, 3, MOST_TOKENS])
def test_a_product_is_that_of_the_dense_weights(form, tokens):
    grid = random_grid(form, 70, 512)  # 70 rows: the last block is filled up
    x = torch.randn(tokens, 512, generator=torch.Generator().manual_seed(1))
    wanted = x.double() @ grid.dense(torch.float64).t()
    assert relative(torch.from_numpy(multiply(pack(grid), x.numpy())), wanted) < 1e-6


@given(
    st.sampled_from(FORMS), st.integers(1, 100), st.integers(1, 3), st.lists(st.integers(0, 99), min_size=1, max_size=5)
)
def test_packing_loses_nothing(form, rows, width, wanted):
    grid = random_grid(form, rows, 256 * width)
    packed = pack(grid)
    assert torch.equal(packed_rows(packed, np.arange(rows)).dense(torch.float32), grid.dense(torch.float32))
    ids = torch.tensor([row % rows for row in wanted])
    assert torch.equal(packed_rows(packed, ids.numpy()).dense(torch.float32), grid.dense(torch.float32)[ids])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unpacked_weights_are_those_of_the_grid(form, dtype):
    grid = random_grid(form, 70, 512)
    assert torch.equal(dense(pack(grid), dtype), grid.dense(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
@pytest.mark.parametrize(("past", "tokens"), [(1, 1), (5, 4), (700, 1), (3_000, 3)])
def test_attention_is_that_of_the_plain_form(dtype, past, tokens):
    generator = torch.Generator().manual_seed(past)
    q = torch.randn(tokens, 6, 32, generator=generator)
    k, v = (torch.randn(2, past, 32, generator=generator) for _ in range(2))
    kept = []
    if dtype == torch.int8:
        stored = [Int8().store(part) for part in (k, v)]
        k, v = (Int8().load(part, torch.float32) for part in stored)
        kept = [Rows(part.codes.numpy(), part.scales.float().numpy()) for part in stored]
    else:
        k, v = k.to(dtype), v.to(dtype)
        kept = [Rows(part.view(torch.uint16).numpy() if dtype == torch.bfloat16 else part.numpy()) for part in (k, v)]
    wanted = plain_attend(q.transpose(0, 1), [Past(k.float(), v.float())]).transpose(0, 1)
    out, lse = attend((q * 32**-0.5).numpy(), *kept, tokens)
    assert relative(torch.from_numpy(out), wanted) < 1e-5
    scores = torch.einsum("hd,shd->hs", q[-1] * 32**-0.5, k.float().repeat_interleave(3, 0).transpose(0, 1))
    assert np.allclose(lse[-1], scores.logsumexp(-1), atol=1e-4)  # the last token sees all


class GridLoader:
    """Random grids in the place of a model's weights."""

    def __init__(self, make) -> None:
        self._make = make

    def linear(self, *names: str):
        return self._make(
            random_grid("Q4_1", sum(SHAPES[name][0] for name in names), SHAPES[names[0]][1], len(names[0]))
        )

    def table(self, name: str):
        return self._make(random_grid("Q8_0", *SHAPES[name], len(name)))


CONFIG = replace(TINY, dim=64, tied=True, n_kv_heads=2)
SHAPES = {name.removesuffix(".weight"): shape for name, shape in RandomWeights(CONFIG)._shapes.items()}


def model(make, dtype=torch.float32, kv_form: Form = PLAIN) -> Transformer:
    return Transformer(RandomWeights(CONFIG), device=CPU, dtype=dtype, linears=GridLoader(make), kv_form=kv_form)


def read(model: Transformer, ids: list[int]) -> KVCache:
    cache = KVCache(model.kv_layout, len(ids))
    model.forward(ids, cache)
    cache.commit(ids, ends_chunk=True)
    return cache


@pytest.mark.parametrize("kv_form", [PLAIN, Int8()], ids=["full", "int8"])
@pytest.mark.parametrize("tokens", [1, 5])
def test_a_step_gives_the_logits_and_the_past_of_the_plain_form(tokens, kv_form):
    plain, fast = model(Grouped, kv_form=kv_form), model(PackedGrouped, kv_form=kv_form)
    assert CpuDecoder.suits(fast)
    assert not CpuDecoder.suits(plain)
    ids, new = list(range(1, 60)), list(range(60, 60 + tokens))
    caches = read(plain, ids), read(fast, ids)
    fast.decoder = CpuDecoder(fast)
    wanted = plain.forward(new, caches[0], rows=slice(None))
    found = fast.forward(new, caches[1], rows=slice(None))
    assert relative(found, wanted) < 1e-5
    for layer in range(CONFIG.n_layers):
        for mine, theirs in zip(caches[1].past(layer, 59 + tokens), caches[0].past(layer, 59 + tokens), strict=True):
            assert relative(mine, theirs) < 1e-5
    assert torch.equal(fast.forward(new, caches[1], rows=torch.tensor([0]))[0], found[0])


def test_steps_together_are_those_of_each_alone():
    fast = model(PackedGrouped)
    prompts, new = [[*range(1, length)] for length in (9, 60, 33)], [70, 71, 72]
    caches = [read(fast, prompt) for prompt in prompts]
    fast.decoder = CpuDecoder(fast)
    together = fast.decode_together(new, caches)
    alone = [fast.forward([token], cache)[0] for token, cache in zip(new, caches, strict=True)]
    assert relative(together, torch.stack(alone)) < 1e-6


def test_a_step_is_not_farther_from_fp32_than_the_plain_bf16_form():
    wanted_model = model(Grouped)
    plain = model(PackedGrouped, torch.bfloat16)
    ids = list(range(1, 60))
    cache = read(plain, ids)
    by_plain = plain.forward([70] * (MOST_TOKENS + 1), read(plain, ids), rows=slice(0, 1))
    plain.decoder = CpuDecoder(plain)
    by_step = plain.forward([70], cache)
    wanted = wanted_model.forward([70], read(wanted_model, ids))
    assert relative(by_step, wanted) <= relative(by_plain, wanted)


def test_a_cancelled_step_counts_nothing():
    fast = model(PackedGrouped)
    cache = read(fast, [1, 2, 3])
    fast.decoder = CpuDecoder(fast)
    calls = iter(range(2))

    def stop() -> None:
        if next(calls) == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fast.forward([4], cache, between_layers=stop)
    assert cache.ids == [1, 2, 3]
    assert fast.forward([4], cache).isfinite().all()  # and the lock is free again
