"""From a file on disk to an engine that answers, in the precision that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nemo_docs.engine import placing
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.loading import ModelSpec, load_engine
from nemo_docs.engine.protocol import Free, Request, Token
from nemo_docs.errors import DoesNotFit
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


def answer(engine: Engine) -> list[int]:
    return [event.id for event in engine.run(REQUEST) if isinstance(event, Token)]


@pytest.mark.parametrize("share", [0.0, placing.DENSE_SHARE], ids=["on its grid", "with a dense copy"])
def test_file_on_a_grid_answers_as_its_dense_weights_do(
    share: float, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "DENSE_SHARE", share)
    engine = load(file, "auto")
    dense = load(file, "fp32" if engine.model.dtype == torch.float32 else "bf16")
    assert len(answer(engine)) == 24
    assert answer(engine) == answer(dense)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_that_was_asked_for_is_taken(precision: str, dtype: torch.dtype, file: Path) -> None:
    assert load(file, precision).model.dtype == dtype


def test_weights_are_counted_as_they_are_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A four-bit file of NeMo was refused where memory holds the file and not its bf16 weights."""
    room = placing.MARGIN_BYTES + 128 * CONFIG.kv_bytes_per_token(4) + 3 * CONFIG.n_parameters // 2
    monkeypatch.setattr(placing, "available_memory", lambda: room)
    assert len(answer(load(file, "auto"))) == 24
    with pytest.raises(DoesNotFit):
        load(file, "bf16")
