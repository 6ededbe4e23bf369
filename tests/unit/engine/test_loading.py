"""From a file on disk to an engine that answers, in the precision that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nemo_docs.engine import memory_ways
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.protocol import Free, Request, Scored, ScoreRequest, Token
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.model.weights.base import expected_shapes
from tests.tiny import CPU, TINY, RandomWeights
from tests.unit.model.layouts import write_gguf

CONFIG = replace(TINY, dim=96, hidden_dim=160, n_heads=6, n_kv_heads=2)
REQUEST = Request((tuple(range(60)), (5, 6)), (Free(24, stops=()),))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = RandomWeights(CONFIG, seed=9)
    tensors = {name: weights.load(name, device=CPU, dtype=torch.float32) for name in expected_shapes(CONFIG)}
    return write_gguf(tmp_path_factory.mktemp("gguf") / "m.gguf", CONFIG, tensors, quantisation="Q4_1")


def load(file: Path, precision: str, window_tokens: int = 128) -> Engine:
    return load_engine(ModelSpec(str(file), window_tokens, device="cpu", precision=precision, kv_memory=1 << 20))


def likelihoods(engine: Engine) -> list[float]:
    request = ScoreRequest((tuple(range(60)), (5, 6)), tuple((7, n) for n in range(8, 40)), tail=1)
    return [value for event in engine.run(request) if isinstance(event, Scored) for value in event.values]


def answer(engine: Engine) -> list[int]:
    return [event.id for event in engine.run(REQUEST) if isinstance(event, Token)]


@pytest.mark.parametrize("share", [0.0, memory_ways.DENSE_SHARE], ids=["on its grid", "with a dense copy"])
def test_file_on_a_grid_weighs_continuations_as_its_dense_weights_do(
    share: float, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_ways, "DENSE_SHARE", share)
    engine, dense = load(file, "auto"), load(file, "fp32")
    assert len(answer(engine)) == 24
    assert likelihoods(engine) == pytest.approx(likelihoods(dense), abs=0.15)  # bf16 beside fp32
    assert max(likelihoods(dense)) - min(likelihoods(dense)) > 1.0, (
        "continuations must differ for this to show anything"
    )


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_that_was_asked_for_is_taken(precision: str, dtype: torch.dtype, file: Path) -> None:
    assert load(file, precision).model.dtype == dtype
