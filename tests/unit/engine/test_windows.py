"""A prompt behind several windows: the numbers of plain attention over all their keys, and caches as sound as ever."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.protocol import (
    Choose,
    Copy,
    Finished,
    Force,
    Free,
    Option,
    Prefilled,
    Request,
    Scored,
    ScoreRequest,
    Start,
    Token,
    Windows,
)
from nemo_docs.errors import ContextExceeded, EngineError
from nemo_docs.kv.cache import KVCache
from nemo_docs.kv.joined import JoinedCache
from tests.properties import examples
from tests.tiny import TINY, tiny_model

Ids = tuple[int, ...]

PREAMBLE = tuple(range(1, 8))
FIRST = tuple((7 * n) % 89 + 3 for n in range(150))
SECOND = tuple((11 * n) % 83 + 5 for n in range(97))
THIRD = tuple((5 * n) % 71 + 2 for n in range(40))
QUESTION = (5, 6, 7, 8)
TWELVE_TOKENS = (Free(12, stops=()),)


def engine(chunk_tokens: int = 32, pool_bytes: int = 1 << 30, window_tokens: int = 4096) -> Engine:
    return Engine(tiny_model(), window_tokens=window_tokens, chunk_tokens=chunk_tokens, pool_bytes=pool_bytes)


def behind(*windows: Ids, preamble: Ids = PREAMBLE, log_weight: float = 0.0) -> Windows:
    return Windows((preamble,), tuple((window,) for window in windows), log_weight)


def ask(eng: Engine, *windows: Ids, question: Ids = QUESTION, log_weight: float = 0.0) -> list:
    return list(eng.run(Request((question,), TWELVE_TOKENS, behind=behind(*windows, log_weight=log_weight))))


def tokens_of(events: list) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


def over_all_keys(preamble: Ids, windows: Sequence[Ids], tokens: Ids) -> Tensor:
    """Logits of `tokens` by the textbook: one pass over everything, a mask that says who sees whom.

    Shapes: fp32 [T, V].
    """
    model = tiny_model()
    ids, positions, owners = [*preamble], [*range(len(preamble))], [0] * len(preamble)
    for owner, window in enumerate(windows, start=1):
        ids += window
        positions += range(len(preamble), len(preamble) + len(window))
        owners += [owner] * len(window)
    start = len(preamble) + max(map(len, windows))
    ids += tokens
    positions += range(start, start + len(tokens))
    owners += [-1] * len(tokens)
    whose = torch.tensor(owners)
    sees = (whose[:, None] == whose) | (whose == 0) | (whose[:, None] == -1)
    logits = model.forward(ids, KVCache(model.kv_layout, 1), positions=positions, mask=sees.tril(), rows=slice(None))
    return logits[len(ids) - len(tokens) :]


some_ids = st.lists(st.integers(0, TINY.vocab_size - 1), max_size=20).map(tuple)
prompts = st.lists(st.integers(0, TINY.vocab_size - 1), min_size=1, max_size=6).map(tuple)


@examples(60)
@given(
    preamble=some_ids,
    windows=st.lists(some_ids, min_size=1, max_size=5),
    question=prompts,
    branch=st.lists(st.integers(0, TINY.vocab_size - 1), min_size=2, max_size=5).map(tuple),
    chunk_tokens=st.integers(1, 40),
)
def test_numbers_are_those_of_plain_attention_over_all_keys(preamble, windows, question, branch, chunk_tokens):
    request = ScoreRequest((question,), (branch,), len(branch) - 1, behind=behind(*windows, preamble=preamble))
    (scored,) = [event for event in engine(chunk_tokens).run(request) if isinstance(event, Scored)]
    predicted = over_all_keys(preamble, windows, (*question, *branch))[-len(branch) : -1].log_softmax(-1)
    wanted = predicted.gather(-1, torch.tensor(branch[1:])[:, None]).mean()
    assert scored.values[0] == pytest.approx(float(wanted), abs=2e-5)


def test_what_is_written_is_what_plain_attention_over_all_keys_would_write():
    written = tokens_of(ask(engine(), FIRST, SECOND, THIRD))
    logits = over_all_keys(PREAMBLE, (FIRST, SECOND, THIRD), (*QUESTION, *written[:-1]))
    assert logits[len(QUESTION) - 1 :].argmax(-1).tolist() == written
    assert written != tokens_of(ask(engine(), FIRST)), "the other windows are seen"


def test_weight_of_two_counts_every_window_twice():
    model = tiny_model()
    caches = [read(model, (*PREAMBLE, *window)) for window in (FIRST, SECOND)]
    joined = JoinedCache(caches, len(PREAMBLE), math.log(2.0), 8)
    got = model.forward(QUESTION, joined, rows=slice(None))
    wanted = over_all_keys(PREAMBLE, (FIRST, SECOND, FIRST, SECOND), QUESTION)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
    once = over_all_keys(PREAMBLE, (FIRST, SECOND), QUESTION)
    assert not torch.allclose(wanted, once, atol=1e-3)


def test_copies_of_a_window_that_share_its_weight_are_that_window():
    alone = tokens_of(ask(engine(), FIRST))
    assert tokens_of(ask(engine(), FIRST, FIRST, FIRST, log_weight=-math.log(3.0))) == alone


def test_one_window_is_an_ordinary_prompt():
    steps = (Choose((Option((9, 10)), Option((11,)))), Copy(FIRST, (Start(3, 0.0), Start(50, 0.0)), (20, 60), 30))
    plain = [*engine().run(Request((PREAMBLE, FIRST, QUESTION), (*steps, *TWELVE_TOKENS)))]
    joined = [*engine().run(Request((QUESTION,), (*steps, *TWELVE_TOKENS), behind=behind(FIRST)))]
    assert [e for e in plain if not isinstance(e, Prefilled | Finished)] == [
        e for e in joined if not isinstance(e, Prefilled | Finished)
    ]
    branches = ((5, 9, 11), (8, 60, 61))
    plain = [*engine().run(ScoreRequest((PREAMBLE, FIRST, QUESTION), branches, 2))]
    joined = [*engine().run(ScoreRequest((QUESTION,), branches, 2, behind=behind(FIRST)))]
    assert [e for e in plain if isinstance(e, Scored)] == [e for e in joined if isinstance(e, Scored)]


def test_no_window_at_all_is_the_preamble_alone():
    plain = tokens_of([*engine().run(Request((PREAMBLE, QUESTION), TWELVE_TOKENS))])
    assert tokens_of(ask(engine())) == plain


@pytest.mark.parametrize("chunk_tokens", [1, 7, 1000])
def test_chunks_do_not_change_the_answer(chunk_tokens):
    assert tokens_of(ask(engine(chunk_tokens), FIRST, SECOND)) == tokens_of(ask(engine(), FIRST, SECOND))


def test_choices_and_copies_work_behind_windows():
    steps = (
        Force((2,)),
        Copy(SECOND, (Start(20, 0.0),), (32,), 30),
        Choose((Option((9, 10)), Option((11,)))),
        Free(5, ()),
    )
    events = [*engine().run(Request((QUESTION,), steps, behind=behind(FIRST, SECOND)))]
    written = [2, *SECOND[20:32]]
    assert [e.id for e in events if isinstance(e, Token) and e.step == 1] == written[1:]
    choice = next(e.choice for e in events if getattr(e, "choice", None) is not None)
    logits = over_all_keys(PREAMBLE, (FIRST, SECOND), (*QUESTION, *written, 9, 10)).log_softmax(-1)
    long, short = (logits[-3, 9] + logits[-2, 10]) / 2, logits[-3, 11]
    assert choice == int(short > long)


def test_windows_read_once_serve_in_any_combination():
    eng = engine()
    ask(eng, FIRST, SECOND)
    ask(eng, THIRD)
    together = len(PREAMBLE) * 3 + len(FIRST) + len(SECOND) + len(THIRD)
    events = ask(eng, THIRD, FIRST, SECOND)
    assert (events[-1].tokens_cached, events[-1].tokens_prefilled) == (together, len(QUESTION))
    assert tokens_of(events) == tokens_of(ask(engine(), THIRD, FIRST, SECOND))
    alone = [*eng.run(Request((PREAMBLE, SECOND, QUESTION), TWELVE_TOKENS))]
    assert alone[-1].tokens_cached == len(PREAMBLE) + len(SECOND)
    assert tokens_of(alone) == tokens_of(ask(engine(), SECOND))


def test_progress_counts_the_tokens_of_all_windows_once():
    progress = [event for event in ask(engine(), FIRST, SECOND) if isinstance(event, Prefilled)]
    assert [event.done for event in progress] == sorted({event.done for event in progress})
    assert progress[-1].done == progress[-1].of == 2 * len(PREAMBLE) + len(FIRST) + len(SECOND) + len(QUESTION)
    assert progress[-1].seconds_left == 0


@pytest.mark.parametrize("after_passes", [1, 6, 8, 11])
def test_cancel_while_reading_keeps_what_was_read(after_passes):
    eng = engine()
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > TINY.n_layers * after_passes + 1

    events = [*eng.run(Request((QUESTION,), TWELVE_TOKENS, behind=behind(FIRST, SECOND)), cancelled)]
    assert events[-1].reason == "cancelled"
    read = [event for event in events if isinstance(event, Prefilled)][-1].done
    assert events[-1].tokens_prefilled == read > 0
    again = ask(eng, FIRST, SECOND)
    windows = 2 * len(PREAMBLE) + len(FIRST) + len(SECOND)
    assert again[-1].tokens_cached == min(read, windows)
    assert tokens_of(again) == tokens_of(ask(engine(), FIRST, SECOND))


def test_consumer_that_walks_away_leaves_a_sound_engine():
    eng = engine()
    stream = eng.run(Request((QUESTION,), (Free(50, stops=()),), behind=behind(FIRST, SECOND)))
    for event in stream:
        if isinstance(event, Token):
            break
    stream.close()
    assert tokens_of(ask(eng, SECOND, FIRST)) == tokens_of(ask(engine(), SECOND, FIRST))
    assert eng.can_begin(Request((FIRST,), TWELVE_TOKENS))


def test_windows_in_use_are_not_forgotten_while_others_come():
    one = KVCache(tiny_model().kv_layout, 256).n_bytes
    eng = engine(pool_bytes=one)
    first = eng.run(Request((QUESTION,), TWELVE_TOKENS, behind=behind(FIRST, SECOND)))
    seen = [next(event for event in first if isinstance(event, Token))]
    assert not eng.can_begin(Request((THIRD, QUESTION), TWELVE_TOKENS))
    ask(eng, THIRD)
    ask(eng, SECOND)
    seen += list(first)
    assert tokens_of(seen) == tokens_of(ask(engine(), FIRST, SECOND))


def test_pool_without_room_for_all_windows_keeps_the_first():
    layout = tiny_model().kv_layout
    eng = engine(pool_bytes=KVCache(layout, 256).n_bytes)
    ask(eng, FIRST, SECOND)
    assert ask(eng, FIRST)[-1].tokens_cached == len(PREAMBLE) + len(FIRST)


def test_position_counts_against_the_window_not_the_sum():
    needed = len(PREAMBLE) + len(FIRST) + len(QUESTION) + 12
    assert tokens_of(ask(engine(window_tokens=needed), FIRST, SECOND)) == tokens_of(ask(engine(), FIRST, SECOND))
    with pytest.raises(ContextExceeded, match="1 more than the model's window"):
        ask(engine(window_tokens=needed - 1), FIRST, SECOND)


def test_windows_that_memory_cannot_hold_together_are_refused():
    total = 2 * len(PREAMBLE) + len(FIRST) + len(SECOND) + len(QUESTION) + 12
    with pytest.raises(ContextExceeded, match=f"hold {total:,} tokens together, {total - 200} more"):
        ask(engine(pool_bytes=0, window_tokens=200), FIRST, SECOND)


def test_tokens_of_a_window_beyond_the_vocabulary_are_refused():
    with pytest.raises(EngineError, match="vocabulary"):
        ask(engine(), FIRST, (TINY.vocab_size,))


def read(model, ids: Ids) -> KVCache:
    cache = KVCache(model.kv_layout, len(ids))
    model.forward(ids, cache)
    cache.commit(ids, ends_chunk=True)
    return cache
