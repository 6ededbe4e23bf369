"""Laws of drafting: what is written never changes, what is guessed rightly saves passes, what fails is given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.engine.drafting import LENGTHS, WIDTH, NGramIndex, Record
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.protocol import (
    Bans,
    Choose,
    Copy,
    EngineEvent,
    Finished,
    Force,
    Free,
    Option,
    Prefilled,
    Request,
    Sampling,
    Start,
    Step,
    Token,
)
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.template import Turn, render
from nemo_docs.model.transformer import Transformer
from tests.properties import examples
from tests.tiny import TINY, tiny_model

REFRAIN = (11, 12, 13, 14, 15, 16, 17, 18)
WINDOW = tuple(token for verse in range(9) for token in (30 + verse, 40 + 3 * verse, *REFRAIN, 21 + verse % 3))
QUESTION = (5, 6, 7)
MODELS = 4
model = cache(tiny_model)


def engine(seed: int = 0) -> Engine:
    return Engine(model(seed), window_tokens=4096, chunk_tokens=32, pool_bytes=1 << 30)


def run(
    steps: Sequence[Step], *, drafting: bool = True, seed: int = 0, sampling: Sampling | None = None
) -> list[EngineEvent]:
    request = Request((WINDOW, QUESTION), tuple(steps), sampling or Sampling(), drafting)
    return list(engine(seed).run(request))


def written(events: Sequence[EngineEvent]) -> list[EngineEvent]:
    """Everything but what tells of time."""
    return [event for event in events if not isinstance(event, Prefilled | Finished)]


def finished(events: Sequence[EngineEvent]) -> Finished:
    (last,) = (event for event in events if isinstance(event, Finished))
    return last


def tokens_of(events: Sequence[EngineEvent]) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


def passes(steps: Sequence[Step], **options: bool) -> int:
    """How often the model ran, by how often it asked between layers whether to go on."""
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return False

    events = list(engine().run(Request((WINDOW, QUESTION), tuple(steps), **options), cancelled))
    return (asked - len(tokens_of(events))) // TINY.n_layers


ids = st.integers(0, TINY.vocab_size - 1)
few_ids = st.lists(ids, max_size=4).map(tuple)
frees = st.builds(Free, st.integers(0, 40), few_ids, st.builds(Bans, few_ids, few_ids, few_ids))
forces = st.lists(ids, max_size=12).map(tuple).map(Force)
sources = st.sampled_from([WINDOW, (*WINDOW[3:40], *WINDOW[:9]), REFRAIN * 4])


@st.composite
def copies(draw: st.DrawFn) -> Copy:
    source = draw(sources)
    places = st.integers(0, len(source) - 1)
    starts = draw(st.dictionaries(places, st.floats(-3, 0), min_size=1, max_size=8))
    return Copy(
        source,
        tuple(Start(position, weight) for position, weight in sorted(starts.items())),
        tuple(sorted(draw(st.sets(places.map(lambda p: p + 1), max_size=4)))),
        max_tokens=draw(st.integers(1, 40)),
        min_tokens=draw(st.integers(1, 6)),
        model_weight=draw(st.sampled_from([0.0, 0.3, 1.0])),
    )


@st.composite
def programs(draw: st.DrawFn) -> tuple[Step, ...]:
    steps: list[Step] = []
    count = draw(st.integers(1, 6))
    for index in range(count):
        options = st.builds(
            Option,
            st.lists(ids, min_size=1, max_size=4).map(tuple),
            st.floats(-2, 0),
            st.none() | st.integers(index + 1, count),
        )
        choices = st.lists(options, min_size=1, max_size=3).map(tuple).map(Choose)
        steps.append(draw(st.one_of(frees, frees, copies(), copies(), choices, forces)))
    return tuple(steps)


samplings = st.one_of(
    st.just(Sampling()),
    st.builds(Sampling, st.sampled_from([0.3, 0.8, 1.5]), st.sampled_from([0.8, 1.0]), st.integers(0, 5)),
)


@examples(60)
@given(programs(), samplings, st.integers(0, MODELS - 1))
@example((Free(60, ()), Force((1, 2)), Free(20, ())), Sampling(), 2)
def test_any_program_writes_the_same_with_and_without(steps: tuple[Step, ...], sampling: Sampling, seed: int) -> None:
    plain = run(steps, drafting=False, seed=seed, sampling=sampling)
    drafted = run(steps, seed=seed, sampling=sampling)
    assert written(drafted) == written(plain)
    assert finished(drafted).tokens_generated == finished(plain).tokens_generated
    assert finished(plain).tokens_drafted == 0
    assert finished(drafted).tokens_accepted <= finished(drafted).tokens_drafted


@examples(40)
@given(programs(), st.integers(0, 60), st.integers(0, MODELS - 1))
def test_cancel_between_tokens_ends_at_the_same_token(steps: tuple[Step, ...], after: int, seed: int) -> None:
    def until(drafting: bool) -> list[EngineEvent]:
        seen: list[EngineEvent] = []
        eng = engine(seed)
        for event in eng.run(
            Request((WINDOW, QUESTION), steps, drafting=drafting), lambda: len(tokens_of(seen)) >= after > 0
        ):
            seen.append(event)
        return seen

    drafted = until(True)
    assert tokens_of(drafted) == tokens_of(until(False))
    assert tokens_of(drafted) == tokens_of(run(steps, seed=seed))[: after or None]


@examples(40)
@given(programs(), st.integers(0, 400))
def test_cancel_anywhere_leaves_only_the_prompt(steps: tuple[Step, ...], after: int) -> None:
    """A cancel in the midst of a pass leaves neither drafted nor written tokens: the next answer is as from nothing."""
    eng, asked = engine(), 0
    prompt_asks = 6 * TINY.n_layers  # of reading what stands before the program, at most

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > prompt_asks + after

    cut = list(eng.run(Request((WINDOW, QUESTION), steps), cancelled))
    whole = run(steps)
    assert tokens_of(cut) == tokens_of(whole)[: len(tokens_of(cut))]
    again = list(eng.run(Request((WINDOW, QUESTION), steps)))
    assert written(again) == written(whole)
    assert finished(again).tokens_cached == len(WINDOW)


@pytest.mark.parametrize("seed", range(MODELS))
def test_drafts_of_repeated_text_come_true(seed: int) -> None:
    """Small random models go in circles: were no draft accepted here, the laws above would prove nothing."""
    last = finished(run((Free(60, ()),), seed=seed))
    assert 0 < last.tokens_accepted <= last.tokens_drafted


CIRCLING = Bans(always=tuple(token for token in range(TINY.vocab_size) if token not in (3, 4)))


def test_accepted_drafts_save_passes() -> None:
    steps = (Free(320, (), CIRCLING),)
    assert tokens_of(run(steps)) == tokens_of(run(steps, drafting=False))
    assert passes(steps) <= 0.4 * passes(steps, drafting=False)


def test_first_draft_is_of_what_waits_to_be_fed() -> None:
    last = finished(run((Force(REFRAIN[:3]), Free(5, ()))))
    assert last.tokens_drafted == WIDTH - 3, (
        "the refrain stood in the window; five tokens are too few for another draft"
    )


@pytest.mark.parametrize("seed", range(MODELS))
def test_choice_is_made_behind_what_was_written_not_behind_what_was_drafted(seed: int) -> None:
    copy = verses(likeliest=4, ends=(52,))
    steps = (Force((3,)), copy, Choose(tuple(Option((first, first + 30)) for first in range(1, 60))), Free(3, ()))
    drafted = run(steps, seed=seed)
    assert finished(drafted).tokens_accepted == 3 < finished(drafted).tokens_drafted, "some of the draft is left over"
    assert written(drafted) == written(run(steps, seed=seed, drafting=False))


def verses(likeliest: int, ends: tuple[int, ...] = ()) -> Copy:
    """Nine verses of twelve tokens that part from each other three times."""
    shape = (50, lambda n: 60 + n // 6, 51, lambda n: 70 + n % 2, 52, lambda n: 80 + n, 53, 54, 55, 56, 57, 58)
    source = tuple(each(n) if callable(each) else each for n in range(9) for each in shape)
    starts = tuple(Start(12 * verse, 0.0 if verse == likeliest else -9.0) for verse in range(9))
    return Copy(source, starts, ends, max_tokens=12, model_weight=0.1)


def test_copy_of_many_starts_goes_on_in_one_pass_where_the_likeliest_place_holds() -> None:
    steps = (Force((3,)), verses(likeliest=4))
    drafted = run(steps)
    assert tokens_of(drafted) == list(verses(likeliest=4).source[48:60])
    assert finished(drafted).tokens_accepted == WIDTH - 2, "all behind the forced token and the one that all share"
    assert passes(steps) == passes(steps, drafting=False) - 2


def test_draft_needs_no_more_room_than_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache was made for prompt and answer: one more token would move all of it."""
    held: list[int] = []
    forward = Transformer.forward

    def watched(self, fed, cache, **options):
        held.append(len(cache) + len(fed))
        return forward(self, fed, cache, **options)

    monkeypatch.setattr(Transformer, "forward", watched)
    for length in range(1, 40):
        held.clear()
        assert finished(run((Free(length, (), CIRCLING),))).tokens_accepted >= length // 2 - WIDTH
        assert max(held) <= len(WINDOW) + len(QUESTION) + length


def test_random_text_gives_drafts_up() -> None:
    """Pairs repeat in 600 tokens of a vocabulary of 97, and say nothing of what follows."""
    last = finished(run((Free(600, ()),), sampling=Sampling(temperature=1e3, seed=1)))
    assert last.tokens_generated == 600
    assert 0 < last.tokens_drafted < 40 * (WIDTH - 1)


sequences = st.lists(st.integers(0, 3), max_size=80)


@given(sequences, sequences)
def test_index_finds_what_a_search_finds(known: list[int], later: list[int]) -> None:
    index, sequence = NGramIndex(known), list(known)
    for token in (*later, None):
        assert index.find() == searched(sequence)
        if token is not None:
            index.extend((token,))
            sequence.append(token)
    assert len(index) == len(sequence)


def searched(sequence: list[int]) -> tuple[int, int] | None:
    """The longest n-gram at the end that stood before, and where it ended last, by looking everywhere."""
    for length in LENGTHS:
        for end in range(len(sequence) - 1, length - 1, -1):
            if sequence[end - length : end] == sequence[-length:]:
                return length, end
    return None


@given(st.lists(st.integers(0, 131_071), min_size=1, max_size=30), st.integers(0, 29), st.integers(0, 40))
def test_what_follows_is_the_sequence_repeated(sequence: list[int], position: int, count: int) -> None:
    position %= len(sequence)
    expected = list(sequence)
    while len(expected) < position + count:
        expected.append(expected[len(expected) - (len(sequence) - position)])
    assert list(NGramIndex(sequence).following(position, count)) == expected[position : position + count]


def record_of(saved: Callable[[int], int], chances: int, worth: float = 1.0) -> list[int]:
    """At which of so many chances a draft was made."""
    record, made = Record(worth), []
    for chance in range(chances):
        if record.allows():
            made.append(chance)
            record.add(saved(chance))
    return made


def test_drafts_that_pay_go_on() -> None:
    assert record_of(lambda chance: 3 * (chance % 2), 500) == list(range(500))


def test_drafts_that_fail_are_tried_ever_more_rarely() -> None:
    made = record_of(lambda chance: 0, 20_000)
    gaps = [after - before for before, after in pairwise(made)]
    assert gaps == sorted(gaps)
    assert gaps[0] == 1
    assert gaps[-1] == Record.LONGEST_PAUSE + 1
    assert sum(chance < 1000 for chance in made) < 20


def test_drafts_that_come_true_again_are_made_again() -> None:
    made = record_of(lambda chance: 7 if chance > 3000 else 0, 6000)
    first = next(chance for chance in made if chance > 3000)
    assert made[made.index(first) :] == list(range(first, 6000))


@pytest.fixture(scope="module")
def smollm2(default_model: Path) -> tuple[ModelFiles, Engine]:
    files = ModelFiles(default_model, name="smollm2")
    loaded = Transformer(files.weights, device=torch.device("cpu"), dtype=torch.float32)
    return files, Engine(loaded, window_tokens=2048, chunk_tokens=256, pool_bytes=1 << 30)


@pytest.mark.slow
def test_answer_over_quotes_is_the_same_in_fewer_passes(smollm2: tuple[ModelFiles, Engine]) -> None:
    """The embedded default repeats an article of the declaration of human rights."""
    files, eng = smollm2
    article = (
        "Everyone has the right to freedom of thought, conscience and religion; this right includes freedom to change "
        "his religion or belief, and freedom, either alone or in community with others and in public or private, to "
        "manifest his religion or belief in teaching, practice, worship and observance."
    )
    prompt = render(files.template, files.tokenizer, [Turn("user", (f"Repeat this text exactly:\n\n{article}",))])
    plain, drafted = (
        list(eng.run(Request((tuple(prompt),), (Free(70, files.template.stops),), drafting=drafting)))
        for drafting in (False, True)
    )
    assert written(drafted) == written(plain)
    repeated = files.tokenizer.decode(tokens_of(drafted))
    assert "others and in public or private, to manifest his religion or belief in teaching" in repeated, (
        "else nothing is shown"
    )
    last = finished(drafted)
    assert last.tokens_accepted >= 0.6 * last.tokens_generated, "most tokens should need no pass of their own"
