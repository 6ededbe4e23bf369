"""With keys and values in eight bits a warm run still equals a cold one to the last bit, however it became warm."""

from __future__ import annotations

import pytest
import torch

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.plan import chunk_plan
from nemo_docs.engine.protocol import Free, Request, Sampling, Scored, ScoreRequest, Token
from nemo_docs.kv.cache import KVCache
from nemo_docs.kv.form import PLAIN, Int8, Rows
from nemo_docs.model.transformer import Transformer
from tests.tiny import TINY, tiny_model

PREAMBLE = tuple(range(1, 8))
WINDOW = tuple((7 * n) % 89 + 3 for n in range(150))
QUESTION = (5, 6, 7, 8)
OTHER = (20, 21)
READ = len(PREAMBLE) + len(WINDOW)
CHUNK = 32

HOT = Sampling(temperature=3.0, seed=1)
"""Near-equal tokens are drawn by the last bits of their logits, which a greedy answer would hide."""

arithmetic = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])


@pytest.fixture(params=[16_384, 50], ids=["one block", "blocks"], autouse=True)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every law holds wherever a past is cut for unpacking."""
    monkeypatch.setattr("nemo_docs.kv.cache.BLOCK_TOKENS", request.param)


def model(dtype: torch.dtype) -> Transformer:
    return tiny_model(dtype=dtype, kv_form=Int8())


def engine(dtype: torch.dtype) -> Engine:
    return Engine(model(dtype), window_tokens=4096, chunk_tokens=CHUNK, pool_bytes=1 << 30)


def run(eng: Engine, question=QUESTION, window=WINDOW, cancelled=lambda: False, sampling=HOT) -> tuple[list[int], int]:
    """The answer, and how many tokens were found in a cache."""
    request = Request((PREAMBLE, window, question), (Free(24, stops=()),), sampling)
    events = list(eng.run(request, cancelled))
    return [event.id for event in events if isinstance(event, Token)], events[-1].tokens_cached


def scores(eng: Engine) -> tuple[float, ...]:
    """Likelihoods behind the question: numbers, where an answer is only choices."""
    request = ScoreRequest((PREAMBLE, WINDOW, QUESTION), ((5, 9, 11, 12), (8, 60, 61)), 2)
    return next(event.values for event in eng.run(request) if isinstance(event, Scored))


def read(transformer: Transformer, cache: KVCache, segments=(PREAMBLE, WINDOW)) -> KVCache:
    """Prefill as the engine does."""
    ids = [token for segment in segments for token in segment]
    for start, end in chunk_plan([len(segment) for segment in segments], CHUNK):
        transformer.forward(ids[start:end], cache)
        cache.commit(ids[start:end], ends_chunk=True)
    return cache


@arithmetic
def test_a_second_question_is_answered_as_if_it_were_the_first(dtype):
    warm = engine(dtype)
    run(warm, question=OTHER)
    assert run(warm) == (run(engine(dtype))[0], READ)
    assert scores(warm) == scores(engine(dtype))


@arithmetic
def test_a_window_behind_a_shared_preamble_is_read_as_if_it_were_the_first(dtype):
    """The preamble is copied from the cache of another window, which stays whole."""
    warm, window = engine(dtype), tuple(reversed(WINDOW))
    run(warm)
    assert run(warm, window=window) == (run(engine(dtype), window=window)[0], len(PREAMBLE))
    assert run(warm) == (run(engine(dtype))[0], READ)


@arithmetic
def test_a_window_that_changes_half_way_is_cut_there(dtype):
    warm, window = engine(dtype), (*WINDOW[:130], 90, *WINDOW[131:])
    run(warm)
    assert run(warm, window=window) == (run(engine(dtype), window=window)[0], len(PREAMBLE) + 128)


@arithmetic
def test_what_was_read_before_a_cancel_is_used(dtype):
    warm, asked = engine(dtype), 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2 * TINY.n_layers + 1  # in the middle of the third chunk

    run(warm, cancelled=cancelled)
    assert run(warm) == (run(engine(dtype))[0], len(PREAMBLE) + CHUNK)


@arithmetic
def test_a_past_that_was_only_stored_gives_the_same_logits(dtype):
    """What a disk will keep: token ids, where chunks ended, and the stored rows of every layer."""
    transformer = model(dtype)
    cold = read(transformer, KVCache(transformer.kv_layout, READ))
    plan = chunk_plan([100, READ - 100], 64)  # blocks of a file need not be chunks
    stored = [[Rows(each.codes.clone(), each.scales.clone()) for each in cold.rows(start, end)] for start, end in plan]
    wanted = transformer.forward(QUESTION, cold, rows=slice(None))

    warm = KVCache(transformer.kv_layout, 1000)
    for (start, end), rows in zip(plan, stored, strict=True):
        warm.place(start, *rows)
        warm.commit((*PREAMBLE, *WINDOW)[start:end], ends_chunk=False)
    assert torch.equal(transformer.forward(QUESTION, warm, rows=slice(None)), wanted)


@arithmetic
def test_new_tokens_see_each_other_as_they_were_stored(dtype):
    """A question in one pass, and the same question whose first tokens were stored before."""
    transformer = model(dtype)
    at_once, in_two = (read(transformer, KVCache(transformer.kv_layout, 1000)) for _ in range(2))
    logits = transformer.forward(QUESTION, at_once)
    for token in QUESTION[:-1]:
        transformer.forward((token,), in_two)
        in_two.commit((token,), ends_chunk=False)
    again = transformer.forward(QUESTION[-1:], in_two)
    assert (again - logits).norm() < (1e-5 if dtype == torch.float32 else 0.02) * logits.norm()


@arithmetic
def test_eight_bits_are_near_to_plain(dtype):
    transformer, plain = model(dtype), tiny_model(dtype=dtype)
    packed_logits, logits = (
        each.forward(QUESTION, read(each, KVCache(each.kv_layout, READ)), rows=slice(None))
        for each in (transformer, plain)
    )
    difference = float((packed_logits - logits).norm() / logits.norm())
    assert 0 < difference < 0.03


def test_a_pool_holds_more_windows_in_eight_bits():
    transformer = model(torch.float32)
    packed, plain = KVCache(transformer.kv_layout, 256), KVCache(tiny_model(kv_form=PLAIN).kv_layout, 256)
    assert plain.n_bytes > 3 * packed.n_bytes
    eng = Engine(transformer, window_tokens=4096, chunk_tokens=CHUNK, pool_bytes=2 * packed.n_bytes)
    other = tuple(reversed(WINDOW))
    run(eng)
    run(eng, window=other)
    assert run(eng)[1] == run(eng, window=other)[1] == READ
