"""The forms for an Apple GPU, run on a CPU in the shapes that they have there, say what the plain forms say.

Where there is an Apple GPU, products and a whole model are compared on it too, through PyTorch's own kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import gguf
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nemo_docs.engine.branches import log_likelihoods
from nemo_docs.kv.cache import KVCache, Past
from nemo_docs.kv.form import PLAIN, Form, Int8
from nemo_docs.kv.joined import JoinedCache
from nemo_docs.model.apple.attention import (
    BUCKET_TOKENS,
    LONGEST_TOKENS,
    SCORE_ELEMENTS,
    AppleOperations,
    attend,
    lengths,
)
from nemo_docs.model.apple.products import MOST_ROWS, NibbleProduct, product_for
from nemo_docs.model.apple.unpacking import Int8InBuckets
from nemo_docs.model.attention import attend as attend_plainly
from nemo_docs.model.linear.base import LinearLoader
from nemo_docs.model.linear.grouped import Grid, Grouped
from nemo_docs.model.linear.on_load import Int4Loader, Int8Loader
from nemo_docs.model.operations import Operations, PlainOperations
from nemo_docs.model.transformer import Transformer
from nemo_docs.model.weights.gguf_grid import FORMS, grid_of
from tests.properties import examples
from tests.tiny import CPU, TINY, RandomWeights

from .test_gguf_grid import random_rows

H, K, D = 4, 2, 8
DEVICES = [CPU, *([torch.device("mps")] if torch.backends.mps.is_available() else [])]


def in_torch(x: Tensor, packed: Tensor, group: int, scales_and_zeros: Tensor) -> Tensor:
    """What `_weight_int4pack_mm` computes on an Apple GPU, and what it insists on, by PyTorch's `Quantized.metal`."""
    rows, columns = packed.shape[0] * 8, x.shape[1]
    assert x.is_contiguous()
    assert (packed.dtype, packed.dim(), packed.is_contiguous()) == (torch.int32, 4, True)
    assert packed.numel() * 8 == rows * columns
    assert group in (32, 64, 128, 256)
    assert scales_and_zeros.shape == (columns // group, rows, 2)
    assert scales_and_zeros.is_contiguous()
    assert scales_and_zeros.dtype == x.dtype
    halves = packed.view(torch.uint8).view(rows, -1)
    codes = torch.stack((halves & 15, halves >> 4), dim=-1).view(rows, -1, group)
    scales, zeros = (each.t().unsqueeze(-1) for each in scales_and_zeros.unbind(-1))
    weights = codes * scales + (zeros - 8 * scales)
    return x @ weights.view(rows, columns).t()


def kernel_of(device: torch.device) -> Callable[..., Tensor]:
    return torch._weight_int4pack_mm if device.type == "mps" else in_torch


class Shapes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Takes note of how many keys queries are multiplied with, and of the largest result of any operation.

    Args:
        size: Width of a head.
    """

    def __init__(self, size: int = D) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._size = size
        self.keys: set[int] = set()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func == torch.ops.aten.bmm.default and args[1].shape[1] == self._size:
            self.keys.add(args[1].shape[2])
        if isinstance(found, Tensor) and found._base is None:
            self.largest = max(self.largest, found.numel())
        return found


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pieces(sizes: Sequence[int], weights: Sequence[float], seed: int) -> list[Past]:
    k, v = random(K, sum(sizes), D, seed=seed), random(K, sum(sizes), D, seed=seed + 1)
    bounds = pairwise([sum(sizes[:n]) for n in range(len(sizes) + 1)])
    return [Past(k[:, a:b], v[:, a:b], weight) for (a, b), weight in zip(bounds, weights, strict=True)]


around_buckets = st.one_of(
    st.integers(0, 70),
    st.builds(lambda buckets, off: buckets * BUCKET_TOKENS + off, st.sampled_from([1, 2, 3, 16]), st.integers(-3, 3)),
)


@given(st.lists(around_buckets, min_size=1, max_size=4), st.integers(1, 20), st.booleans(), st.integers(0, 999))
@example([BUCKET_TOKENS], 1, False, 0)
@example([2 * LONGEST_TOKENS + 5, 0, 3], 2, False, 0)
@examples(40)
def test_attention_equals_the_plain_one(befores: list[int], tokens: int, masked: bool, seed: int) -> None:
    sizes = [*befores[:-1], befores[-1] + tokens]
    past = pieces(sizes, [0.3 * n - 0.5 for n in range(len(sizes))], seed)
    q = random(H, tokens, D, seed=seed + 2)
    mask = (random(tokens, tokens, seed=seed) > 0).logical_or(torch.eye(tokens).bool()) if masked else None
    torch.testing.assert_close(attend(q, past, mask), attend_plainly(q, past, mask), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 40])
def test_attention_in_bf16_stays_as_near_as_bf16_is(tokens: int) -> None:
    q, past = random(H, tokens, D), pieces([3 * BUCKET_TOKENS + 100, 700 + tokens], [0.0, -0.7], 5)
    exact = attend_plainly(
        q.bfloat16().float(), [Past(p.k.bfloat16().float(), p.v.bfloat16().float(), p.log_weight) for p in past]
    )
    short = [Past(p.k.bfloat16(), p.v.bfloat16(), p.log_weight) for p in past]
    got = attend(q.bfloat16(), short)
    assert got.dtype == torch.bfloat16
    assert (got - exact).norm() < 0.02 * exact.norm()


def test_decode_multiplies_in_few_lengths_whatever_the_past() -> None:
    k, q = random(K, 40_000, D), random(H, 1, D)
    with Shapes() as shapes:
        for tokens in [*range(1, 40_000, 611), 1_024, 2_048, 16_384, 16_385]:
            attend(q, [Past(k[:, :tokens], k[:, :tokens])])
    assert shapes.keys == {1_024, 2_048, 4_096, 8_192, 16_384}


@given(st.integers(0, 200_000))
def test_blocks_are_the_past_but_for_less_than_a_bucket(tokens: int) -> None:
    found = [*lengths(tokens)]
    assert 0 <= tokens - sum(found) < BUCKET_TOKENS
    assert found == sorted(found, reverse=True)
    assert all(BUCKET_TOKENS <= length <= LONGEST_TOKENS for length in found)


def test_scores_of_a_chunk_are_bounded() -> None:
    heads, tokens = 32, 300
    past = pieces([20_000 + tokens], [0.0], 1)
    q = random(heads, tokens, D)
    assert heads * tokens * LONGEST_TOKENS > 2 * SCORE_ELEMENTS
    with Shapes() as shapes:
        got = attend(q, past)
    assert SCORE_ELEMENTS / 2 < shapes.largest <= SCORE_ELEMENTS
    torch.testing.assert_close(got, attend_plainly(q, past), atol=2e-6, rtol=1e-5)


def apple(model: Transformer) -> Transformer:
    model.operations = AppleOperations()
    return model


def tiny(form: Form = PLAIN, device: torch.device = CPU) -> Transformer:
    return Transformer(RandomWeights(), device=device, dtype=torch.float32, kv_form=form)


IDS = [int(i) for i in torch.randint(0, TINY.vocab_size, (1_300,), generator=torch.Generator().manual_seed(2))]
CHUNKS = (0, 512, 1_020, 1_023, 1_024, 1_025, 1_290)


def read(model: Transformer, cache: KVCache, ends: Sequence[int] = CHUNKS) -> Iterator[Tensor]:
    """Logits of every token, chunk by chunk; a chunk of one token is a step of decode."""
    for start, end in pairwise(ends):
        yield model.forward(IDS[start:end], cache, rows=slice(None))
        cache.commit(IDS[start:end], ends_chunk=True)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("form", [PLAIN, Int8InBuckets()], ids=["plain", "int8"])
def test_model_says_what_the_plain_one_says(form: Form, device: torch.device) -> None:
    plain, ours = tiny(Int8() if form.packed else PLAIN), apple(tiny(form, device))
    caches = KVCache(plain.kv_layout, 10), KVCache(ours.kv_layout, 10)
    for wanted, got in zip(read(plain, caches[0]), read(ours, caches[1]), strict=True):
        # An 8-bit code may fall to the other side, because of an input that differs in the last place.
        torch.testing.assert_close(got.cpu(), wanted, atol=0.02 if form.packed else 1e-4, rtol=1e-4)
    branches = [IDS[-6:], IDS[-4:-1]]
    told = [log_likelihoods(model, cache, branches, 2) for model, cache in zip((plain, ours), caches, strict=True)]
    assert told[1] == pytest.approx(told[0], abs=0.02 if form.packed else 1e-4)


@given(st.integers(1, 3), st.integers(1, 3_000), st.sampled_from([torch.float32, torch.bfloat16]))
def test_eight_bits_are_unpacked_to_the_same_numbers_in_few_sizes(heads: int, tokens: int, dtype: torch.dtype) -> None:
    form = Int8InBuckets()
    rows = form.store(random(heads, tokens, D, seed=tokens))
    found = form.load(rows, dtype)
    assert torch.equal(found, Int8().load(rows, dtype))
    assert found.dtype == dtype
    assert found.untyped_storage().nbytes() % (heads * BUCKET_TOKENS * D * dtype.itemsize) == 0


def test_model_over_joined_windows_says_what_the_plain_one_says() -> None:
    found = []
    for model in (tiny(), apple(tiny())):
        windows = [KVCache(model.kv_layout, 10) for _ in range(2)]
        for window, ends in zip(windows, [(0, 512, 1_100), (0, 512, 700)], strict=True):
            assert [*read(model, window, ends)]
        joined = JoinedCache(windows, 512, -0.4, 10)
        found.append([model.forward(IDS[:5], joined), *read(model, joined, (0, 5, 6))][-1])
    torch.testing.assert_close(found[1], found[0], atol=1e-4, rtol=1e-4)


def test_sequences_decoded_together_use_the_same_few_lengths() -> None:
    found = []
    for model in (tiny(), apple(tiny())):
        caches = [KVCache(model.kv_layout, 10) for _ in range(2)]
        for cache, end in zip(caches, (1_100, 30), strict=True):
            assert [*read(model, cache, (0, end))]
        with Shapes(TINY.head_dim) as shapes:
            found.append(model.decode_together([3, 4], caches))
    assert shapes.keys == {BUCKET_TOKENS}
    torch.testing.assert_close(found[1], found[0], atol=1e-4, rtol=1e-4)


def test_memory_that_was_never_written_never_reaches_the_result() -> None:
    model = apple(tiny())
    wanted = [*read(model, KVCache(model.kv_layout, 2_000))]
    torch.use_deterministic_algorithms(True)  # fills new memory with what is no number
    try:
        assert torch.empty(1).isnan()
        got = [*read(model, KVCache(model.kv_layout, 2_000))]
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(map(torch.equal, wanted, got))


def grid(kind: str, rows: int, blocks: int = 2, seed: int = 0) -> Grid:
    """Random weights of about one in size, on the grid of a file."""
    if kind.endswith("K"):
        found = grid_of(kind, random_rows(kind, rows, blocks, seed))
        sizes = found.dense(torch.float32).abs().amax() / 3
        least = None if found.minimums is None else (found.minimums / sizes).half()
        return replace(found, scales=(found.scales / sizes).half(), minimums=least)
    values = random(rows, 64 * blocks, seed=seed).numpy()
    return grid_of(kind, gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind]))


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("tokens", [1, 2, MOST_ROWS, MOST_ROWS + 1])
@pytest.mark.parametrize("kind", sorted(FORMS))
def test_product_equals_the_plain_one_on_every_grid(kind: str, tokens: int, device: torch.device) -> None:
    weights = grid(kind, 48).to(device)
    product, x = NibbleProduct(weights, kernel_of(device)), random(tokens, weights.shape[1]).to(device)
    exact = x.cpu().double() @ weights.to(CPU).dense(torch.float32).double().t()
    assert (product(x).cpu() - exact).norm() < 1e-6 * exact.norm()
    got = product(x.bfloat16())
    if tokens <= MOST_ROWS:  # only the result is rounded: in bf16 weights would leave the grid
        assert torch.equal(got, product(x.bfloat16().float()).bfloat16())
    else:
        assert torch.equal(got, Grouped(weights)(x.bfloat16()))


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_rows_and_bytes_are_those_of_the_grid(kind: str) -> None:
    weights = grid(kind, 24)
    product, ids = NibbleProduct(weights, in_torch), torch.tensor([3, 23, 0, 3])
    assert product.n_bytes == weights.n_bytes
    assert torch.equal(product.rows(ids, torch.float32), weights.dense(torch.float32)[ids])


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0"])
def test_no_matrix_is_unpacked_for_a_few_rows(kind: str) -> None:
    weights = grid(kind, 512, blocks=4)
    largest = []

    def kernel(x: Tensor, packed: Tensor, group: int, scales_and_zeros: Tensor) -> Tensor:
        largest.append(max(x.numel(), scales_and_zeros.numel()))
        return x.new_zeros(len(x), packed.shape[0] * 8)

    with Shapes() as shapes:
        NibbleProduct(weights, kernel)(random(1, weights.shape[1]))
    assert max(*largest, shapes.largest) <= weights.codes.numel()


def test_scales_are_widened_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = grid("Q4_1", 512, blocks=4)
    strips = []

    def kernel(*given: Any) -> Tensor:
        strips.append(given[3].shape[1])
        return in_torch(*given)

    monkeypatch.setattr("nemo_docs.model.apple.products.WIDENED_GROUPS", 100 * 8)
    x = random(3, weights.shape[1])
    torch.testing.assert_close(NibbleProduct(weights, kernel)(x), Grouped(weights)(x), atol=1e-4, rtol=1e-4)
    assert strips == [96, 96, 96, 96, 96, 32]


def test_grids_that_the_kernel_does_not_take_are_multiplied_plainly() -> None:
    odd = grid("Q4_1", 44)
    product, x = product_for(odd, in_torch), random(1, odd.shape[1])
    assert isinstance(product, Grouped)
    assert torch.equal(product(x), Grouped(odd)(x))
    assert isinstance(product_for(grid("Q4_1", 48), in_torch), NibbleProduct)


@pytest.mark.parametrize("loader", [Int4Loader, Int8Loader])
def test_whole_model_of_few_bits_says_what_the_plain_one_says(loader: type[Int4Loader] | type[Int8Loader]) -> None:
    config = replace(TINY, dim=64, head_dim=32, vocab_size=96)
    source = RandomWeights(config)
    ids = [token % config.vocab_size for token in IDS[:60]]

    def logits(linears: LinearLoader, operations: Operations) -> Tensor:
        model = Transformer(source, device=CPU, dtype=torch.float32, linears=linears)
        model.operations = operations
        cache, found = KVCache(model.kv_layout, 10), []
        for start, end in pairwise((0, 40, 52, 53, 60)):
            found.append(model.forward(ids[start:end], cache, rows=slice(None)))
            cache.commit(ids[start:end], ends_chunk=True)
        return torch.cat(found)

    packed = loader(source, CPU, torch.float32, lambda grid: NibbleProduct(grid, in_torch))
    wanted = logits(loader(source, CPU, torch.float32), PlainOperations())
    torch.testing.assert_close(logits(packed, AppleOperations()), wanted, atol=1e-4, rtol=1e-4)
