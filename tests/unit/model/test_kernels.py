"""Every Triton kernel against its plain form: on a GPU where there is one, else through Triton's interpreter."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.protocol import Free, Request, Token
from nemo_docs.kv.cache import KVCache, Past
from nemo_docs.model.attention import Partial, attend, merge, plain
from nemo_docs.model.cuda import grids, products, reading
from nemo_docs.model.cuda.accelerating import FusedOperations, install
from nemo_docs.model.cuda.decoder import CudaDecoder
from nemo_docs.model.cuda.fp8 import Fp8Rows, rounded
from nemo_docs.model.cuda.language import TRITON
from nemo_docs.model.cuda.products import AnyRows, Around, DenseRows
from nemo_docs.model.cuda.writing import ADDRESSES, NUMBERS, Stretches
from nemo_docs.model.linear.base import Dense
from nemo_docs.model.linear.grouped import Grid, Grouped
from nemo_docs.model.operations import PlainOperations
from nemo_docs.model.transformer import Transformer
from tests.tiny import TINY, RandomWeights

pytestmark = pytest.mark.skipif(
    not TRITON, reason="Triton is not installed: torch brings it on Linux with CUDA; `pip install triton` elsewhere"
)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPES = {torch.float32: 1e-5, torch.float16: 5e-3}  # the interpreter cannot multiply matrices of bf16
every_dtype = pytest.mark.parametrize("dtype", list(DTYPES), ids=str)
FUSED = FusedOperations(has_cudnn=False)
SHAPE = replace(TINY, dim=80, n_layers=2, n_heads=8, n_kv_heads=2)


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))).to(DEVICE, dtype)


def unwritten(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Memory in which an element that nobody writes shows."""
    return torch.full(shape, math.nan, device=DEVICE, dtype=dtype)


def assert_close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    assert found.isfinite().all()
    assert (found.float() - wanted.float()).norm() <= tolerance * wanted.float().norm()


@every_dtype
@pytest.mark.parametrize("has_delta", [False, True])
def test_add_norm(dtype, has_delta):
    x, weight = random(5, 80, dtype=dtype), 1 + random(80, dtype=dtype) / 10
    delta = random(5, 80, dtype=dtype, seed=1) if has_delta else None
    wanted = PlainOperations().add_norm(x, delta, weight, 1e-5)
    found = FUSED.add_norm(x.clone(), delta, weight, 1e-5)
    for mine, theirs in zip(found, wanted, strict=True):
        assert_close(mine, theirs, DTYPES[dtype])


@every_dtype
def test_turned(dtype):
    heads, angles = random(19, 12, 16, dtype=dtype), 100 * random(19, 8)
    turns = torch.complex(angles.cos(), angles.sin())
    for mine, theirs in zip(
        FUSED.turned(heads, turns, 8, 2), PlainOperations().turned(heads, turns, 8, 2), strict=True
    ):
        assert mine.shape == theirs.shape
        assert_close(mine, theirs, DTYPES[dtype])


@every_dtype
def test_gated(dtype):
    x = 3 * random(7, 2 * 3000, dtype=dtype)
    assert_close(FUSED.gated(x), PlainOperations().gated(x), DTYPES[dtype])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_merged_pieces_are_merged_one_by_one(count):
    pieces = [reading.Piece(random(4, 40, 16, seed=n), 5 * random(4, 40, seed=n), 0.3 * n) for n in range(count)]
    wanted = Partial(pieces[0].out, pieces[0].lse + pieces[0].log_weight)
    for piece in pieces[1:]:
        wanted = merge(wanted, Partial(piece.out, piece.lse + piece.log_weight))
    assert_close(reading.merged(pieces, 37), wanted.out[:, :37], 1e-5)


@given(tokens=st.integers(0, 200_000))
def test_a_past_is_taken_in_few_sizes(tokens):
    lengths = reading.block_lengths(tokens)
    assert set(lengths) <= set(reading.BLOCK_TOKENS)
    assert 0 <= tokens - sum(lengths) < min(reading.BLOCK_TOKENS)


def fused(q, k, v, *, causal):
    """What cuDNN and flash attention promise, in plain form: fewer key heads than query heads are taken."""
    repeated = (x.repeat_interleave(len(q) // len(k), dim=0) for x in (k, v))
    return plain(q, *repeated, causal=causal, mask=None)


def one_of_few(shapes: set):
    def call(q, k, v, *, causal):
        shapes.add((q.shape, k.shape, k.stride(), causal))
        return fused(q, k, v, causal=causal)

    return call


@pytest.mark.parametrize("tokens", [2, 20, 32])
@pytest.mark.parametrize("cuts", [[0], [7], [200], [3, 70, 33]])
def test_chunk_in_fixed_shapes_is_attention(tokens, cuts, monkeypatch):
    monkeypatch.setattr(reading, "FULL_CHUNK", 32)
    monkeypatch.setattr(reading, "BLOCK_TOKENS", (64, 32))
    shapes: set = set()
    q = random(8, tokens, 16)
    past = [Past(random(2, cut, 16, seed=n), random(2, cut, 16, seed=9 + n), 0.5 * n) for n, cut in enumerate(cuts)]
    last = past[-1]
    past[-1] = Past(*(torch.cat((x, random(2, tokens, 16, seed=77)), 1) for x in last[:2]), last.log_weight)
    found = reading.attend_to_chunk(q, past, any_shape=fused, few_shapes=one_of_few(shapes))
    assert_close(found, attend(q, past), 1e-5)
    assert len(shapes) <= 3
    assert bool(shapes) == (tokens >= 20)


AROUNDS = list(product([False, True], repeat=3))


def around(flags: tuple[bool, ...], m: int, n: int, columns: int, dtype: torch.dtype) -> Around:
    norm, gate, residual = flags
    return Around(
        1 + random(columns, dtype=dtype) / 10 if norm else None,
        1e-5,
        gate,
        random(m, n, dtype=dtype, seed=3) if residual else None,
    )


@every_dtype
@pytest.mark.parametrize("flags", AROUNDS, ids=str)
@pytest.mark.parametrize("m", [1, 3, 16])
def test_dense_rows(dtype, flags, m):
    n, columns = 50, 600
    x, weight = random(m, columns, dtype=dtype), random(n * (1 + flags[1]), columns, dtype=dtype) * columns**-0.5
    found, wanted = unwritten(m, n, dtype=dtype), unwritten(m, n, dtype=dtype)
    what = around(flags, m, n, columns, dtype)
    DenseRows(weight)(x, found, what)
    AnyRows(Dense(weight))(x, wanted, what)
    assert_close(found, wanted, DTYPES[dtype])


@pytest.mark.parametrize("flags", AROUNDS, ids=str)
@pytest.mark.parametrize("m", [1, 4, 12])
@pytest.mark.parametrize("columns", [600, 8_400])
def test_fp8_rows_are_scaled(m, flags, columns):
    wide = random(50 * (1 + flags[1]), columns) * columns**-0.5
    scales = wide.abs().amax(1, keepdim=True) / 448
    narrow = (wide / scales).to(torch.float8_e4m3fn)
    x, found, wanted = random(m, columns), unwritten(m, 50), unwritten(m, 50)
    what = around(flags, m, 50, columns, torch.float32)
    Fp8Rows(narrow, scales)(x, found, what)
    AnyRows(Dense(narrow.float() * scales))(x, wanted, what)
    assert_close(found, wanted, 1e-5)


def test_rows_are_rounded_to_fp8_each_on_its_own():
    """Numbers that e4m3 has come back as they are; the interpreter rounds others wrongly, a carry is lost."""
    wanted = (100 * random(4, 96)).clamp(-440, 440).to(torch.float8_e4m3fn)
    wanted[:, 7] = 448.0
    factors = torch.tensor([1.0, 2.0**-12, 128.0, 0.0], device=DEVICE).unsqueeze(1)
    codes, scales = rounded(wanted.float() * factors)
    assert codes.dtype == torch.float8_e4m3fn
    assert torch.equal(codes[:3].float(), wanted[:3].float())
    torch.testing.assert_close(scales[:3], factors[:3])
    assert not codes[3].float().any()


def grid(bits: int, n: int, columns: int, group: int, minimums: bool, two_steps: bool) -> Grid:
    """A random grid of one of the forms of GGUF files."""
    generator = torch.Generator().manual_seed(bits + n + group)

    def whole(low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=generator)

    groups = columns // group
    factors = groups // 4 if two_steps else groups
    codes = whole(0, 256, n, columns // 2).to(torch.uint8) if bits == 4 else whole(-127, 128, n, columns).to(torch.int8)
    spread = 2.0 ** -(bits + (6 if two_steps else 0))
    return Grid(
        codes,
        (torch.rand(n, factors, generator=generator) * spread).half(),
        (-torch.rand(n, factors, generator=generator) * spread * 8).half() if minimums else None,
        whole(1, 64, n, groups).to(torch.uint8) if two_steps else None,
        whole(0, 64, n, groups).to(torch.uint8) if two_steps and minimums else None,
    ).to(DEVICE)


FORMS = {
    "Q4_0": (4, 32, False, False),
    "Q4_1": (4, 32, True, False),
    "Q4_K": (4, 32, True, True),
    "64 columns": (4, 64, True, False),
    "Q6_K": (8, 16, False, True),
    "Q8_0": (8, 32, False, False),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))


@every_form
def test_grid_is_unpacked_as_it_says(form):
    bits, group, minimums, two_steps = form
    held = grid(bits, 10, 1280, group, minimums, two_steps)
    torch.testing.assert_close(grids.dense(held, unwritten(10, 1280)), held.dense(torch.float32), rtol=1e-6, atol=1e-7)


@every_dtype
@every_form
@pytest.mark.parametrize("flags", [(False, False, True), (True, True, False)], ids=str)
@pytest.mark.parametrize("m", [1, 5])
def test_grid_rows(dtype, form, flags, m):
    bits, group, minimums, two_steps = form
    n, columns = 40, 384
    held = grid(bits, n * (1 + flags[1]), columns, group, minimums, two_steps)
    what = around(flags, m, n, columns, dtype)
    x, found, wanted = (random(m, columns, dtype=dtype), *(unwritten(m, n, dtype=dtype) for _ in range(2)))
    grids.GridRows(held)(x, found, what)
    AnyRows(Grouped(held))(x, wanted, what)
    assert_close(found, wanted, DTYPES[dtype])


def test_grid_of_many_rows_is_unpacked_once():
    held = grid(4, 40, 384, 32, True, True)
    x = random(products.MOST_ROWS + 3, 384)
    assert_close(grids.GridRows(held)(x), Grouped(held)(x), 1e-5)


def stored(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Int8 codes with a scale a row, as the cache keeps them."""
    scales = (x.float().abs().amax(-1) / 127).bfloat16()
    return (x.float() / scales.float().unsqueeze(-1)).round().to(torch.int8), scales


@every_dtype
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("tokens", [1, 3])
def test_stretches_are_one_past_with_weights(dtype, int8, tokens):
    """Two sequences, of two stretches and of one; new tokens are written behind the last and seen causally."""
    layer, layers, heads, size, capacity = 1, 2, (8, 2, 16), 16, 160
    lengths, weights, owners = [130, 70, 9], [0.4, 0.0, 0.0], [0, 0, 1]
    rows = [random(2, layers, 2, capacity, size, dtype=dtype, seed=n) for n in range(3)]  # k and v of each stretch
    codes = [stored(each) if int8 else (each, None) for each in rows]
    numbers = [[length, owner, n > 0, 0] for n, (length, owner) in enumerate(zip(lengths, owners, strict=True))]
    tables = Stretches(2, tokens, torch.tensor(numbers, dtype=torch.int32, device=DEVICE), heads, 3, int8)
    assert tables.addresses.shape[1] == ADDRESSES
    assert tables.numbers.shape[1] == NUMBERS
    tables.addresses.copy_(
        torch.tensor(
            [
                [held[0].data_ptr(), held[1].data_ptr(), *([s[0].data_ptr(), s[1].data_ptr()] if int8 else [0, 0]),
                 *held.stride()[1:3], *(s.stride()[1:3] if int8 else (0, 0))]
                for held, s in codes
            ]
        )
    )  # fmt: skip
    tables.weights.copy_(torch.tensor(weights))
    tables.last.copy_(torch.tensor([1, 2]))
    tables.first.copy_(torch.tensor([0, 2, 3]))

    fresh, angles = random(2 * tokens, 12, size, dtype=dtype), 100 * random(2 * tokens, size // 2)
    turns = torch.complex(angles.cos(), angles.sin())
    q = unwritten(2 * tokens, 8, size, dtype=dtype)
    out = unwritten(2 * tokens, 8, size, dtype=dtype)
    tables.write(fresh, torch.view_as_real(turns).flatten(-2), q, layer)
    tables.attend(q, out, layer)

    wanted_q, wanted_k, wanted_v = PlainOperations().turned(fresh, turns, 8, 2)
    for sequence, own in enumerate(([0, 1], [2])):
        mine = slice(sequence * tokens, (sequence + 1) * tokens)
        past = []
        for n in own:
            held, scales = codes[n]
            kv = (held.float() * scales.float().unsqueeze(-1) if int8 else held)[:, layer].clone()
            if n == own[-1]:
                for which, new in enumerate((wanted_k[:, mine], wanted_v[:, mine])):
                    written, scale = stored(new) if int8 else (new, None)
                    kv[which, :, lengths[n] : lengths[n] + tokens] = (
                        written.float() * scale.float().unsqueeze(-1) if int8 else written
                    )
            seen = lengths[n] + (tokens if n == own[-1] else 0)
            past.append(Past(kv[0, :, :seen].float(), kv[1, :, :seen].float(), weights[n]))
        wanted = attend(wanted_q[:, mine].float(), past).transpose(0, 1)
        assert_close(out[mine], wanted, 1e-2 if int8 else DTYPES[dtype])  # the interpreter cuts bf16 scales off


def pair(dtype: torch.dtype) -> tuple[Transformer, Transformer]:
    """The same weights in plain form and with every kernel."""
    models = [Transformer(RandomWeights(SHAPE), device=DEVICE, dtype=dtype) for _ in range(2)]
    install(models[1], FUSED, processors=6)
    return models[0], models[1]


@pytest.mark.slow
@every_dtype
def test_decoder_is_the_plain_forward_pass_while_the_cache_moves(dtype):
    slow, fast = pair(dtype)
    ids = torch.randint(0, SHAPE.vocab_size, (300,), generator=torch.Generator().manual_seed(3)).tolist()
    cache, start = KVCache(slow.kv_layout, 200), 250
    slow.forward(ids[:start], cache)
    cache.commit(ids[:start], ends_chunk=True)
    caches = [cache, cache.copy_of(start, start)]
    for length in (1, 5, 1, 16, 1):  # the cache grows behind 256
        part = ids[start : start + length]
        wanted, found = (
            model.forward(part, cache, rows=slice(None)) for model, cache in zip((slow, fast), caches, strict=True)
        )
        assert_close(found, wanted, DTYPES[dtype])
        for cache in caches:
            cache.commit(part, ends_chunk=False)
        start += length


def test_sequences_of_different_lengths_step_together():
    slow, fast = pair(torch.float32)
    caches = []
    for prompt in ([5] * 40, [7, 8, 9] * 20, [1]):
        caches.append(KVCache(slow.kv_layout, 64))
        slow.forward(prompt, caches[-1])
        caches[-1].commit(prompt, ends_chunk=True)
    new = [[3, 4], [5, 6], [7, 8]]
    assert isinstance(fast.decoder, CudaDecoder)
    found = fast.decoder.step_together(new, caches)
    wanted = [slow.forward(ids, cache, rows=slice(None)) for ids, cache in zip(new, caches, strict=True)]
    assert_close(found, torch.cat(wanted), 1e-5)


@pytest.mark.slow
def test_greedy_answers_are_the_same_with_kernels_and_without():
    request = Request((tuple(range(40)), (5, 6, 7)), (Free(5, stops=()),))
    answers = []
    for model in pair(torch.float32):
        engine = Engine(model, window_tokens=200, chunk_tokens=24, pool_bytes=0)
        answers.append([event.id for event in engine.run(request) if isinstance(event, Token)])
    assert len(answers[0]) == 5
    assert answers[0] == answers[1]
