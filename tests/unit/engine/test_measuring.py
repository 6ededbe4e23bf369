"""What is measured goes through the engine, and its floor follows from the model's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from nemo_docs.engine.ceilings import Ceilings, measure_ceilings
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.measuring import (
    QUESTION_TOKENS,
    SHORTEST_TOKENS,
    WRITTEN_TOKENS,
    Figure,
    Measurement,
    Skipped,
    default_lengths,
)
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.engine.work import reading_work
from nemo_docs.model.weights.random import RandomModel, RandomWeights
from tests.tiny import CPU, TINY

CEILINGS = Ceilings(bytes_per_s=1e9, operations_per_s=1e9)
FILES = RandomModel("random weights of a tiny model", RandomWeights(TINY), window_tokens=4_096)
SPEC = ModelSpec("", window_tokens=1_024, device="cpu", precision="fp32", threads=1)


def engine(**changes: object) -> Engine:
    return load_engine(replace(SPEC, **changes), files=FILES)  # type: ignore[arg-type]


def test_each_length_is_measured_cold_writing_and_warm() -> None:
    model = engine().model
    found = [*Measurement(engine(), CEILINGS, seconds=600).run([300, 100, 300])]
    assert [(each.length, each.what) for each in found] == [
        (length, what) for length in (100, 300) for what in ("prefill", "decode", "warm")
    ]
    weights = sum(p for p in (TINY.n_parameters, -TINY.vocab_size * TINY.dim)) * 4  # without the embedding
    assert model.streamed_bytes == weights - 4 * TINY.dim * (2 * TINY.n_layers + 1), "norms are not counted"
    kv = 2 * TINY.n_layers * TINY.n_kv_heads * TINY.head_dim * 4
    for figure in found:
        assert isinstance(figure, Figure)
        start, end = {
            "prefill": (0, figure.length),
            "decode": (figure.length, figure.length + 1),
            "warm": (figure.length - QUESTION_TOKENS, figure.length),
        }[figure.what]
        computing, reading = 2 * reading_work(TINY, start, end) / 1e9, (model.streamed_bytes + start * kv) / 1e9
        assert figure.floor_s == pytest.approx(max(computing, reading))
        assert figure.bound == ("operations" if computing > reading else "bytes")
        assert figure.tokens == end - start
        assert figure.tokens_per_s == pytest.approx(figure.tokens / figure.seconds)
        assert figure.floor_share == pytest.approx(figure.floor_s / figure.seconds)
        assert figure.memory_bytes > 0
        assert (figure.cold_s is None) == (figure.what != "warm")
    assert found[2].cold_s == found[0].seconds  # type: ignore[union-attr]


def test_a_prompt_as_short_as_the_first_one_is_cold_all_the_same() -> None:
    found = [*Measurement(engine(), CEILINGS, seconds=600).run([SHORTEST_TOKENS, SHORTEST_TOKENS + QUESTION_TOKENS])]
    assert [each.tokens for each in found if isinstance(each, Figure) and each.what == "prefill"] == [64, 96]


def test_without_time_nothing_is_measured_and_that_is_told() -> None:
    assert [*Measurement(engine(), CEILINGS, seconds=0).run([100, 200])] == [
        Skipped("prefill", length, "Of the 0 s for measuring not enough is left.") for length in (100, 200)
    ]


def test_without_memory_for_what_was_read_there_is_no_warm_figure() -> None:
    found = [*Measurement(engine(kv_memory=0), CEILINGS, seconds=600).run([100])]
    assert [(each.what, type(each)) for each in found] == [("prefill", Figure), ("decode", Figure), ("warm", Skipped)]


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_cancelling_keeps_what_was_measured_and_adds_nothing(after: int) -> None:
    wish: list[bool] = []

    def until_enough(events: Iterator[Figure | Skipped]) -> list[str]:
        kept = []
        if after == 0:
            wish.append(True)
        for event in events:
            kept.append(event.what)
            if len(kept) == after:
                wish.append(True)
        return kept

    found = until_enough(Measurement(engine(), CEILINGS, seconds=600, cancelled=lambda: bool(wish)).run([100, 200]))
    expected = {0: [], 1: ["prefill", "decode"], 4: ["prefill", "decode", "warm", "prefill", "decode"]}
    assert found == expected.get(after, ["prefill", "decode", "warm"][:after])


@pytest.mark.slow
def test_ceilings_are_of_the_device_and_can_be_cancelled() -> None:
    found = measure_ceilings(CPU, torch.float32)
    assert found is not None
    assert found.bytes_per_s > 1e8
    assert found.operations_per_s > 1e8
    assert found.floor(operations=0, n_bytes=found.bytes_per_s) == (1.0, "bytes")
    assert found.floor(operations=found.operations_per_s, n_bytes=0) == (1.0, "operations")
    assert measure_ceilings(CPU, torch.float32, lambda: True) is None


def test_default_lengths_end_where_the_window_does() -> None:
    assert default_lengths(CPU, 8_192) == (512, 2_048, 6_000)
    assert default_lengths(CPU, 2_048) == (512, 2_048 - WRITTEN_TOKENS)
    assert default_lengths(torch.device("cuda"), 128_000) == (2_048, 16_384, 128_000 - WRITTEN_TOKENS)


def test_random_weights_are_the_same_each_time_and_keep_activations_in_size() -> None:
    first, second = (RandomWeights(TINY) for _ in range(2))
    for name, shape in first.shapes.items():
        tensor = first.load(name, device=CPU, dtype=torch.float32)
        assert torch.equal(tensor, second.load(name, device=CPU, dtype=torch.float32))
        assert tuple(tensor.shape) == shape
        if len(shape) == 2:
            assert 0.8 < float(tensor.std()) * shape[1] ** 0.5 < 1.2
    assert first.names() == set(first.shapes)
    assert first.fingerprint() != RandomWeights(replace(TINY, n_layers=2)).fingerprint()
