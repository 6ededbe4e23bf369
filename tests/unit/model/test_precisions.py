"""A model says the same whatever it is kept in: on the grid of its file, dense, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs.errors import SettingsError
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.cpu.linear import PackedGrouped
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.linear.base import Dense
from nemo_docs.model.linear.concatenated import Concatenated
from nemo_docs.model.linear.loading import linears_for
from nemo_docs.model.linear.with_dense import WithDense
from nemo_docs.model.transformer import Transformer
from nemo_docs.model.weights.base import expected_shapes
from nemo_docs.model.weights.gguf import GgufWeights
from tests.tiny import CPU, TINY, RandomWeights

from .layouts import planned_bytes, write_gguf

CONFIG = replace(TINY, vocab_size=96, dim=96, hidden_dim=160, head_dim=16, n_heads=6, n_kv_heads=2)
PROMPT = [int(i) for i in torch.randint(0, CONFIG.vocab_size, (40,), generator=torch.Generator().manual_seed(4))]
TEXT = Path(__file__).parents[3] / "assets" / "samples" / "udhr.en.txt"


def mixed(name: str) -> str:
    """As Q4_K_M mixes: the value projection in more bits than query and key; a table that has no grid."""
    return {"wv": "Q8_0", "w2": "Q5_1", "output": "F16"}.get(name.split(".")[-2], "Q4_1")


@pytest.fixture(params=["Q4_0", "Q4_1", "Q8_0", mixed], ids=lambda kind: kind if isinstance(kind, str) else "mixed")
def source(request: pytest.FixtureRequest, tmp_path: Path) -> GgufWeights:
    weights = RandomWeights(CONFIG, seed=5)
    tensors = {name: weights.load(name, device=CPU, dtype=torch.float32) for name in expected_shapes(CONFIG)}
    kind: str | Callable[[str], str] = request.param
    return GgufWeights(write_gguf(tmp_path / "m.gguf", CONFIG, tensors, quantisation=kind))


def model(source: GgufWeights, precision: str, dtype: torch.dtype, *, keep_dense: bool = False) -> Transformer:
    linears = linears_for(source, device=CPU, dtype=dtype, precision=precision, keep_dense=keep_dense)
    return Transformer(source, device=CPU, dtype=dtype, linears=linears)


def logits(of: Transformer, ids: list[int] = PROMPT) -> Tensor:
    """Of every token. Shapes: fp32 [T, V]."""
    return of.forward(ids, KVCache(of.kv_layout, len(ids)), rows=slice(None))


def test_model_on_its_grid_says_what_the_dense_one_says(source: GgufWeights) -> None:
    dense = logits(model(source, "fp32", torch.float32))
    assert torch.equal(dense, logits(Transformer(source, device=CPU, dtype=torch.float32)))
    assert dense.std() > 0.5, "the model must be lively enough for a difference to show"
    assert (logits(model(source, "file", torch.float32)) - dense).abs().max() < 1e-4


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_dense_copy_is_the_dense_model(precision: str, dtype: torch.dtype, source: GgufWeights) -> None:
    both = logits(model(source, "file", dtype, keep_dense=True))
    assert torch.equal(both, logits(model(source, precision, dtype)))


@pytest.mark.parametrize("keep_dense", [False, True])
def test_parts_of_different_forms_are_one_product(keep_dense: bool, tmp_path: Path) -> None:
    weights = RandomWeights(CONFIG, seed=6)
    tensors = {name: weights.load(name, device=CPU, dtype=torch.float32) for name in expected_shapes(CONFIG)}
    source = GgufWeights(write_gguf(tmp_path / "m.gguf", CONFIG, tensors, quantisation=mixed))
    loader = linears_for(source, device=CPU, dtype=torch.float32, precision="file", keep_dense=keep_dense)
    names = [f"layers.1.attention.{part}" for part in ("wq", "wk", "wv")]
    product = loader.linear(*names)
    stored = product.stored if isinstance(product, WithDense) else product
    assert isinstance(stored, Concatenated)
    assert [type(part) for part in stored.parts] == [PackedGrouped, PackedGrouped]  # query and key are one
    matrix = torch.cat([source.load(f"{name}.weight", device=CPU, dtype=torch.float32) for name in names])
    x = torch.randn(3, CONFIG.dim, generator=torch.Generator().manual_seed(7))
    assert torch.allclose(product(x), F.linear(x, matrix), atol=1e-5)
    every = torch.randperm(len(matrix), generator=torch.Generator().manual_seed(8))
    assert torch.equal(product.rows(every, torch.float32), matrix[every])
    assert isinstance(loader.table("output"), Dense)


def test_bytes_are_counted_before_anything_is_read(source: GgufWeights) -> None:
    norms = sum(shape[0] for shape in expected_shapes(CONFIG).values() if len(shape) == 1)
    for precision, dtype in (("file", torch.bfloat16), ("file", torch.float32), ("bf16", torch.bfloat16)):
        loader = linears_for(source, device=CPU, dtype=dtype, precision=precision)
        matrices = [name.removesuffix(".weight") for name, shape in expected_shapes(CONFIG).items() if len(shape) == 2]
        counted = sum(loader.linear(name).n_bytes for name in matrices) + norms * dtype.itemsize
        # A packed grid leaves out minimums that its scales tell, as those of Q4_0: a tenth of its bytes.
        assert 0.9 * planned_bytes(source, dtype, precision) <= counted <= planned_bytes(source, dtype, precision)
    both = linears_for(source, device=CPU, dtype=torch.float32, precision="file", keep_dense=True)
    matrix = "layers.0.feed_forward.w2"
    planned = source.grids()[f"{matrix}.weight"] + 4 * CONFIG.dim * CONFIG.hidden_dim
    assert 0.9 * planned <= both.linear(matrix).n_bytes <= planned


def test_weights_without_a_grid_are_dense_in_the_precision_of_their_file() -> None:
    source = RandomWeights(CONFIG)
    loader = linears_for(source, device=CPU, dtype=torch.float32, precision="file", keep_dense=True)
    assert isinstance(loader.linear("layers.0.attention.wq", "layers.0.attention.wk"), Dense)
    assert planned_bytes(source, torch.float32, "file") == 4 * CONFIG.n_parameters


def test_precision_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="'int3'"):
        linears_for(RandomWeights(), device=CPU, dtype=torch.float32, precision="int3")


@pytest.mark.slow
def test_default_on_its_grid_reads_text_as_well_as_dense(smollm2: ModelFiles, smollm2_gguf: Path) -> None:
    """Next-token loss over a sample of some 1,500 tokens."""
    source, ids = GgufWeights(smollm2_gguf), smollm2.tokenizer.encode(TEXT.read_text(encoding="utf-8"))[:1500]
    assert len(ids) == 1500

    def loss(precision: str) -> float:
        rows = logits(model(source, precision, torch.float32), ids)
        return float(F.cross_entropy(rows[:-1], torch.tensor(ids[1:])))

    dense = loss("fp32")
    assert 0.5 < dense < 4, "the model reads English"
    assert abs(loss("file") - dense) < 1e-5 * dense
