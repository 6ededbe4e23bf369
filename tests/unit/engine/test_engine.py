"""The engine's laws on a tiny real model: chunked = whole, warm = cold, decode = re-prefill, a cancel keeps chunks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.protocol import (
    Bans,
    Choose,
    Copy,
    Finished,
    Force,
    Free,
    Option,
    Prefilled,
    Request,
    Sampling,
    Scored,
    ScoreRequest,
    Start,
    StepEnded,
    Token,
)
from nemo_docs.errors import ContextExceeded
from nemo_docs.kv.cache import KVCache
from tests.properties import examples
from tests.tiny import TINY, tiny_model

PREAMBLE = tuple(range(1, 8))
WINDOW = tuple((7 * n) % 89 + 3 for n in range(150))
QUESTION = (5, 6, 7, 8)


def engine(chunk_tokens: int = 32, pool_bytes: int = 1 << 30, window_tokens: int = 4096) -> Engine:
    return Engine(tiny_model(), window_tokens=window_tokens, chunk_tokens=chunk_tokens, pool_bytes=pool_bytes)


def tokens_of(events: list) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


TWELVE_TOKENS = (Free(12, stops=()),)


def ask(eng: Engine, question=QUESTION, window=WINDOW, steps=TWELVE_TOKENS, **options) -> list:
    return list(eng.run(Request((PREAMBLE, window, question), steps, **options)))


@pytest.mark.parametrize("chunk_tokens", [1, 7, 32, 1000])
def test_prefill_in_any_chunks_gives_the_same_answer(chunk_tokens):
    assert tokens_of(ask(engine(chunk_tokens))) == tokens_of(ask(engine(64)))


def test_second_question_prefills_only_the_question():
    eng = engine()
    ask(eng)
    events = ask(eng, question=(9, 10, 11))
    assert events[-1].tokens_cached == len(PREAMBLE) + len(WINDOW)
    assert events[-1].tokens_prefilled == 3


def test_what_is_cached_is_known_before_it_is_asked_for():
    eng = engine()
    assert eng.cached((PREAMBLE, WINDOW)) == 0
    ask(eng)
    assert eng.cached((PREAMBLE, WINDOW)) == len(PREAMBLE) + len(WINDOW)
    assert eng.cached((PREAMBLE, tuple(reversed(WINDOW)))) == len(PREAMBLE)
    assert ask(eng)[-1].tokens_cached == len(PREAMBLE) + len(WINDOW), "looking changes nothing"


def test_warm_answer_equals_cold_answer():
    eng = engine()
    ask(eng, question=(20, 21))
    assert tokens_of(ask(eng)) == tokens_of(ask(engine()))


def test_windows_keep_caches_of_their_own():
    eng = engine()
    other = tuple(reversed(WINDOW))
    ask(eng)
    ask(eng, window=other)
    for window in (WINDOW, other):
        assert ask(eng, window=window)[-1].tokens_cached == len(PREAMBLE) + len(window)


def test_pool_over_budget_forgets_the_least_recently_used():
    one = KVCache(tiny_model().kv_layout, 256).n_bytes
    eng = engine(pool_bytes=one)
    ask(eng)
    ask(eng, window=tuple(reversed(WINDOW)))
    assert ask(eng)[-1].tokens_cached <= len(PREAMBLE)


def test_decode_equals_reading_the_answer_again():
    eng = engine()
    answer = tokens_of(ask(eng))
    for n in range(len(answer)):
        again = ask(engine(), question=(*QUESTION, *answer[:n]), steps=(Free(1, stops=()),))
        assert tokens_of(again) == [answer[n]]


def test_prompt_of_one_segment_pushes_no_window_out_of_the_pool():
    eng = engine(pool_bytes=2 * KVCache(tiny_model().kv_layout, 256).n_bytes)
    ask(eng)
    for _ in range(3):
        list(eng.run(Request((PREAMBLE + QUESTION,), TWELVE_TOKENS)))
    assert ask(eng)[-1].tokens_cached == len(PREAMBLE) + len(WINDOW)


def test_progress_counts_every_token_once():
    progress = [event for event in ask(engine()) if isinstance(event, Prefilled)]
    assert [event.done for event in progress] == sorted({event.done for event in progress})
    assert progress[0].done == 0
    assert progress[-1].done == progress[-1].of == len(PREAMBLE) + len(WINDOW) + len(QUESTION)
    assert progress[-1].seconds_left == 0


def test_prompt_longer_than_window_says_by_how_much():
    with pytest.raises(ContextExceeded, match="73 more than"):
        ask(engine(window_tokens=100))


def test_cancel_while_reading_keeps_whole_chunks_only():
    eng = engine()
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2 * TINY.n_layers + 1  # in the middle of the third chunk

    events = list(eng.run(Request((PREAMBLE, WINDOW, QUESTION)), cancelled))
    assert events[-1].reason == "cancelled"
    assert events[-1].tokens_prefilled == len(PREAMBLE) + 32
    assert ask(eng)[-1].tokens_cached == len(PREAMBLE) + 32
    assert tokens_of(ask(eng)) == tokens_of(ask(engine()))


def test_cancel_while_writing_acts_within_one_token():
    eng = engine()
    seen: list[int] = []
    events = []
    for event in eng.run(Request((PREAMBLE, WINDOW, QUESTION), (Free(50, stops=()),)), lambda: len(seen) >= 3):
        events.append(event)
        if isinstance(event, Token):
            seen.append(event.id)
    assert len(seen) == 3
    assert events[-1].reason == "cancelled"


def test_consumer_that_walks_away_leaves_a_sound_engine():
    eng = engine()
    stream = eng.run(Request((PREAMBLE, WINDOW, QUESTION), (Free(50, stops=()),)))
    for event in stream:
        if isinstance(event, Token):
            break
    stream.close()
    events = ask(eng)
    assert events[-1].tokens_cached == len(PREAMBLE) + len(WINDOW)
    assert tokens_of(events) == tokens_of(ask(engine()))


@examples(30)
@given(data=st.data())
def test_copy_is_verbatim_and_from_where_it_says(data):
    source = tuple(data.draw(st.lists(st.integers(3, 9), min_size=2, max_size=60)))
    starts = data.draw(st.sets(st.integers(0, len(source) - 1), min_size=1))
    ends = tuple(sorted(data.draw(st.sets(st.integers(1, len(source))))))
    longest = data.draw(st.integers(1, 20))
    step = Copy(source, tuple(Start(p, -0.1 * p) for p in sorted(starts)), ends, max_tokens=longest)
    events = ask(engine(), steps=(step,))
    ended = next(event for event in events if isinstance(event, StepEnded))
    assert ended.start in starts
    assert tuple(tokens_of(events)) == source[ended.start : ended.end]
    assert ended.end - ended.start <= longest
    if ended.reason == "end":
        assert ended.end in ends or ended.end == len(source)


def test_copy_prefers_the_weighted_start():
    source = tuple(range(10, 40))
    for wanted in (3, 17):
        starts = tuple(Start(p, 0.0 if p == wanted else -50.0) for p in (3, 9, 17))
        ended = next(e for e in ask(engine(), steps=(Copy(source, starts, (30,), 5),)) if isinstance(e, StepEnded))
        assert (ended.start, ended.end, ended.reason) == (wanted, wanted + 5, "length")


def test_copied_text_is_in_the_cache_of_what_follows():
    steps = (Force((2, 3)), Copy(WINDOW, (Start(40, 0.0),), (52,), 30), Force((4,)), Free(6, stops=()))
    events = ask(engine(), steps=steps)
    free = [e.id for e in events if isinstance(e, Token) and e.step == 3]
    written = (*QUESTION, 2, 3, *WINDOW[40:52], 4)
    assert free == tokens_of(ask(engine(), question=written, steps=(Free(6, stops=()),)))


def test_choice_takes_the_weighted_option_and_jumps():
    steps = (
        Choose((Option((11, 12), log_weight=-100.0), Option((13,), goto=2))),
        Force((14,)),
        Free(1, stops=()),
    )
    events = ask(engine(), steps=steps)
    ended = [event for event in events if isinstance(event, StepEnded)]
    assert [(e.step, e.choice) for e in ended] == [(0, 1), (2, None)]


def test_choice_without_weights_is_the_likelier_option():
    logits = []
    eng = engine()
    for option in ((31, 32), (33, 34)):
        events = list(eng.run(ScoreRequest((PREAMBLE, WINDOW, QUESTION), (QUESTION[-1:] + option,), 1)))
        logits.append(events)
    chosen = ask(engine(), steps=(Choose((Option((31,)), Option((33,)))), Free(1, stops=())))
    best = ask(engine(), steps=(Copy((31, 33), (Start(0, 0.0), Start(1, 0.0)), (1, 2), 1),))
    choice = next(e.choice for e in chosen if isinstance(e, StepEnded))
    assert tokens_of(best) == [(31, 33)[choice]]


def test_banned_tokens_never_come():
    free = tokens_of(ask(engine(), steps=(Free(20, stops=()),)))
    banned = Bans(always=tuple(set(free)))
    assert not set(free) & set(tokens_of(ask(engine(), steps=(Free(20, stops=(), bans=banned),))))


def test_banned_after_opener_only_there():
    free = tokens_of(ask(engine(), steps=(Free(20, stops=()),)))
    bans = Bans(openers=(free[3],), after_opener=(free[4],))
    again = tokens_of(ask(engine(), steps=(Free(20, stops=(), bans=bans),)))
    assert again[:4] == free[:4]
    assert again[4] != free[4]


def test_stop_token_ends_free_text_unseen():
    free = tokens_of(ask(engine(), steps=(Free(20, stops=()),)))
    first = next(n for n, token in enumerate(free) if token not in free[:n] and n > 2)
    events = ask(engine(), steps=(Free(20, stops=(free[first],)),))
    assert tokens_of(events) == free[:first]
    assert [e.reason for e in events if isinstance(e, StepEnded)] == ["stop"]


def test_seed_repeats_and_differs():
    draw = Sampling(temperature=2.0, top_p=0.95, seed=3)
    first = tokens_of(ask(engine(), sampling=draw))
    assert first == tokens_of(ask(engine(), sampling=draw))
    assert first != tokens_of(ask(engine(), sampling=replace(draw, seed=4)))


def test_a_temperature_next_to_nothing_is_none():
    frozen = tokens_of(ask(engine(), sampling=Sampling(temperature=1e-300)))
    assert frozen == tokens_of(ask(engine()))


def test_scores_equal_the_likelihood_of_reading_each_branch_alone():
    model = tiny_model()
    branches = ((5, 9, 11, 12), (5, 60, 61), (8, 9, 11, 12, 13))
    eng = engine()
    (scored,) = [e for e in eng.run(ScoreRequest((PREAMBLE, WINDOW, QUESTION), branches, 2)) if isinstance(e, Scored)]
    for branch, value in zip(branches, scored.values, strict=True):
        cache = KVCache(model.kv_layout, 256)
        logits = model.forward((*PREAMBLE, *WINDOW, *QUESTION, *branch), cache, rows=slice(None)).log_softmax(-1)
        rows = [logits[-3, branch[-2]], logits[-2, branch[-1]]]
        assert value == pytest.approx(float(torch.stack(rows).mean()), abs=1e-5)


def test_scoring_leaves_the_cache_as_it_was():
    eng = engine()
    list(eng.run(ScoreRequest((PREAMBLE, WINDOW, QUESTION), ((5, 9), (6, 8)), 1)))
    events = ask(eng)
    assert events[-1].tokens_cached == len(PREAMBLE) + len(WINDOW)
    assert tokens_of(events) == tokens_of(ask(engine()))


def test_every_request_ends_with_finished():
    for steps in ((), (Force((3,)),), (Free(0, stops=()),), (Free(2, stops=()),)):
        events = ask(engine(), steps=steps)
        assert isinstance(events[-1], Finished)
        assert sum(isinstance(event, Finished) for event in events) == 1
