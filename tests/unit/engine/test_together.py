"""Requests answered together: each gets what it would get alone, whatever becomes of the others."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.protocol import (
    BatchRequest,
    Choose,
    Copy,
    Finished,
    Force,
    Free,
    OfOne,
    Option,
    Prefilled,
    Request,
    Start,
    Token,
    Windows,
)
from nemo_docs.errors import ContextExceeded
from nemo_docs.kv.cache import KVCache
from tests.properties import examples
from tests.tiny import TINY, tiny_model

PREAMBLE = tuple(range(1, 8))
QUESTION = (5, 6, 7, 8)


def window(n: int, tokens: int) -> tuple[int, ...]:
    return tuple((n * at) % 89 + 3 for at in range(tokens))


def engine(pool_bytes: int = 1 << 30, window_tokens: int = 4096, seed: int = 0) -> Engine:
    return Engine(tiny_model(seed), window_tokens=window_tokens, chunk_tokens=32, pool_bytes=pool_bytes)


def free(n: int, tokens: int, steps: int) -> Request:
    return Request((PREAMBLE, window(n, tokens), QUESTION), (Free(steps, stops=()),))


THREE = (free(7, 150, 12), free(11, 40, 5), free(5, 97, 20))


def told(events: list) -> dict[int, list]:
    """What was said of each request, progress and times aside."""
    found = defaultdict(list)
    for event in events:
        if isinstance(event, OfOne) and not isinstance(event.event, Prefilled | Finished):
            found[event.index].append(event.event)
    return found


def alone(request: Request, seed: int = 0) -> list:
    return [event for event in engine(seed=seed).run(request) if not isinstance(event, Prefilled | Finished)]


tokens = st.integers(0, TINY.vocab_size - 1)
ids = st.lists(tokens, min_size=1, max_size=4).map(tuple)
sources = st.lists(st.integers(3, 9), min_size=4, max_size=30).map(tuple)


@st.composite
def copies(draw):
    source = draw(sources)
    starts = draw(st.sets(st.integers(0, len(source) - 1), min_size=1))
    ends = draw(st.sets(st.integers(1, len(source))))
    return Copy(source, tuple(Start(at, 0.0) for at in sorted(starts)), tuple(sorted(ends)), draw(st.integers(1, 9)))


steps = st.one_of(
    st.builds(Force, ids),
    st.builds(Free, st.integers(0, 8), st.just(())),
    copies(),
    st.builds(Choose, st.lists(st.builds(Option, ids), min_size=1, max_size=3).map(tuple)),
)
requests = st.builds(
    lambda window, question, steps: Request((PREAMBLE, window, question), tuple(steps)),
    st.lists(tokens, max_size=70).map(tuple),
    ids,
    st.lists(steps, max_size=4),
)


@examples(50)
@given(st.lists(requests, max_size=5))
def test_each_gets_what_it_would_get_alone(batch):
    """With one of two models: with the other two tokens may be as likely as each other, but for rounding."""
    for seed in (0, 1):
        events = [*engine(seed=seed).run(BatchRequest(tuple(batch)))]
        expected = {index: found for index, request in enumerate(batch) if (found := alone(request, seed))}
        if told(events) == expected:
            break
    assert told(events) == expected
    assert sum(isinstance(e, OfOne) and isinstance(e.event, Finished) for e in events) == len(batch)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "done"


def test_programs_take_turns_token_by_token():
    order = [e.index for e in engine().run(BatchRequest(THREE)) if isinstance(e, OfOne) and isinstance(e.event, Token)]
    assert order[: 3 * 5] == [0, 1, 2] * 5
    assert order[3 * 5 :] == [0, 2] * 7 + [2] * 8


def test_each_ends_with_what_it_took():
    events = [*engine().run(BatchRequest(THREE))]
    ended = {e.index: e.event for e in events if isinstance(e, OfOne) and isinstance(e.event, Finished)}
    assert [ended[n].tokens_generated for n in range(3)] == [12, 5, 20]
    assert [ended[n].tokens_prefilled for n in range(3)] == [sum(map(len, request.segments)) for request in THREE]
    assert events[-1].tokens_generated == 37
    assert events[-1].tokens_prefilled == sum(each.tokens_prefilled for each in ended.values())


def test_second_batch_reads_the_questions_only():
    eng = engine()
    list(eng.run(BatchRequest(THREE)))
    events = [*eng.run(BatchRequest(THREE[::-1]))]
    assert events[-1].tokens_prefilled == 3 * len(QUESTION)
    assert told(events) == {2 - index: alone(request) for index, request in enumerate(THREE)}


@pytest.mark.parametrize("caches", [0, 1, 2])
def test_without_memory_for_all_the_rest_wait(caches):
    eng = engine(pool_bytes=caches * KVCache(tiny_model().kv_layout, 256).n_bytes)
    events = [*eng.run(BatchRequest(THREE))]
    assert told(events) == {index: alone(request) for index, request in enumerate(THREE)}
    order = [e.index for e in events if isinstance(e, OfOne) and isinstance(e.event, Token)]
    assert order == sorted(order) if caches == 0 else order != sorted(order)


@examples(25)
@given(gone=st.integers(0, 2), after=st.integers(0, 12))
def test_one_that_is_cancelled_does_not_hold_up_the_others(gone, after):
    eng, seen = engine(), []
    events = []
    for index, event in eng.run_together(THREE, lambda index: index == gone and len(seen) >= after):
        events.append((index, event))
        if index == gone and isinstance(event, Token):
            seen.append(event)
    for n, request in enumerate(THREE):
        mine = [event for index, event in events if index == n]
        assert isinstance(mine[-1], Finished)
        written = [event for event in mine if not isinstance(event, Prefilled | Finished)]
        if n == gone and after < (12, 5, 20)[n]:
            assert mine[-1].reason == "cancelled"
            assert written == alone(request)[: len(written)]
            assert sum(isinstance(event, Token) for event in written) == after
        elif n != gone:
            assert mine[-1].reason == "done"
            assert written == alone(request)
    again = [*eng.run(BatchRequest(THREE))]
    assert told(again) == {index: alone(request) for index, request in enumerate(THREE)}


def test_cancel_of_all_acts_within_one_token():
    eng, seen = engine(), []
    for event in eng.run(BatchRequest(THREE), lambda: len([e for e in seen if isinstance(e, Token)]) >= 4):
        seen.append(event.event if isinstance(event, OfOne) else event)
    assert len([event for event in seen if isinstance(event, Token)]) <= 3 * 2
    assert [event.reason for event in seen if isinstance(event, Finished)] == ["cancelled"] * 4
    events = [*eng.run(BatchRequest(THREE))]
    assert events[-1].tokens_prefilled == 3 * len(QUESTION)


def test_cancel_between_layers_of_a_shared_pass_leaves_nothing_half_written():
    eng, asked, began = engine(), 0, False

    def cancelled() -> bool:
        nonlocal asked
        asked += began
        return asked > 7

    for event in eng.run(BatchRequest(THREE), cancelled):
        began = began or (isinstance(event, OfOne) and isinstance(event.event, Token))
    events = [*eng.run(BatchRequest(THREE))]
    assert told(events) == {index: alone(request) for index, request in enumerate(THREE)}


def test_consumer_that_walks_away_leaves_a_sound_engine():
    eng = engine()
    stream = eng.run(BatchRequest(THREE))
    for event in stream:
        if isinstance(event, OfOne) and isinstance(event.event, Token):
            break
    stream.close()
    events = [*eng.run(BatchRequest(THREE))]
    assert events[-1].tokens_prefilled == 3 * len(QUESTION)
    assert told(events) == {index: alone(request) for index, request in enumerate(THREE)}


def test_prompts_behind_several_windows_can_be_answered_together():
    both = Windows((PREAMBLE,), ((window(7, 50),), (window(11, 80),)))
    batch = (Request((QUESTION,), (Free(9, stops=()),), behind=both), THREE[1])
    events = [*engine().run(BatchRequest(batch))]
    assert told(events) == {index: alone(request) for index, request in enumerate(batch)}


def test_one_that_does_not_fit_refuses_the_batch_before_anything_is_read():
    eng = engine(window_tokens=100)
    with pytest.raises(ContextExceeded):
        list(eng.run(BatchRequest((THREE[1], THREE[0]))))
    assert not eng.holds_anything()


def test_an_empty_batch_is_done_at_once():
    assert [event.reason for event in engine().run(BatchRequest(()))] == ["done"]
