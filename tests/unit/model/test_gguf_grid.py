"""A GGUF tensor on its grid is what the gguf package dequantises it to, number for number, for every valid block."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.linear.grouped import STRIP_WEIGHTS, Grouped
from nemo_docs.model.weights.base import expected_shapes
from nemo_docs.model.weights.gguf import GgufWeights
from nemo_docs.model.weights.gguf_grid import FORMS, Bytes, grid_of

from .layouts import write_gguf

HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Bytes of a block at which half-precision numbers lie, where not at the first alone; others may be anything."""
KINDS = sorted(FORMS)


def random_rows(kind: str, rows: int, blocks: int, seed: int) -> Bytes:
    """Valid blocks: any bytes, but for scales, which are numbers of all sizes."""
    chance = np.random.default_rng(seed)
    block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1]
    content = chance.integers(0, 256, (rows, blocks, block_bytes), dtype=np.uint8)
    for at in HALVES.get(kind, (0,)):
        sizes = 10.0 ** chance.integers(-8, 4, (rows, blocks))
        halves = (chance.uniform(-1, 1, (rows, blocks)) * sizes).astype(np.float16)
        content[..., at : at + 2] = halves[..., None].view(np.uint8)
    return content.reshape(rows, -1)


def dequantised(kind: str, rows: Bytes) -> torch.Tensor:
    return torch.from_numpy(dequantize(rows, gguf.GGMLQuantizationType[kind]))


@pytest.mark.parametrize("kind", KINDS)
@given(rows=st.integers(1, 5), blocks=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_grid_equals_the_dequantised_tensor(kind: str, rows: int, blocks: int, seed: int) -> None:
    content = random_rows(kind, rows, blocks, seed)
    grid, expected = grid_of(kind, content), dequantised(kind, content)
    assert torch.equal(grid.dense(torch.float32), expected)
    assert torch.equal(grid.dense(torch.bfloat16), expected.bfloat16())
    assert (grid.shape, grid.bits, grid.group) == (tuple(expected.shape), FORMS[kind].bits, FORMS[kind].group)
    assert grid.n_bytes == FORMS[kind].n_bytes(expected.numel())


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_what_the_package_quantises_is_kept(kind: str) -> None:
    values = np.random.default_rng(3).standard_normal((40, 96)).astype(np.float32)
    content = quantize(values, gguf.GGMLQuantizationType[kind])
    assert torch.equal(grid_of(kind, content).dense(torch.float32), dequantised(kind, content))


@pytest.mark.parametrize("kind", KINDS)
def test_tensor_of_several_strips_is_whole(kind: str) -> None:
    """Both ways are cut into strips: taking apart, and multiplying."""
    width = 16_384
    rows = random_rows(
        kind, STRIP_WEIGHTS // width + 3, width // gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0], 5
    )
    grid, expected = grid_of(kind, rows), dequantised(kind, rows)
    assert len(list(grid.strips())) == 2
    assert torch.equal(grid.dense(torch.float32), expected)
    x = torch.randn(2, width, generator=torch.Generator().manual_seed(1))
    product = Grouped(grid)
    assert torch.allclose(product(x), F.linear(x, expected), rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    ids = torch.tensor([0, len(rows) - 1, 7])
    assert torch.equal(product.rows(ids, torch.float32), expected[ids])


@pytest.mark.parametrize("scale", [np.inf, np.nan, 60_000])
def test_scale_that_is_no_number_is_refused(scale: float, tmp_path: Path) -> None:
    """The last is one, but eight times it is none in half precision; no weight is that large."""
    path = write_gguf(tmp_path / "m.gguf", CONFIG, weights(), quantisation="Q4_0")
    at = next(tensor for tensor in gguf.GGUFReader(path).tensors if tensor.name == "blk.0.ffn_down.weight").data_offset
    content = bytearray(path.read_bytes())
    content[at : at + 2] = np.float16(scale).tobytes()
    path.write_bytes(content)
    source = GgufWeights(path)
    with pytest.raises(WeightsCorrupt, match=r"layers\.0\.feed_forward\.w2\.weight cannot be read") as caught:
        source.grid("layers.0.feed_forward.w2.weight")
    assert str(path) in caught.value.message
    assert source.grid("layers.0.feed_forward.w1.weight") is not None


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_format_without_a_grid_has_none(kind: str, tmp_path: Path) -> None:
    source = GgufWeights(write_gguf(tmp_path / "m.gguf", CONFIG, weights(), quantisation=kind))
    assert source.grids() == {}
    assert {source.grid(name) for name in source.names()} == {None}


def test_grids_are_told_from_the_header(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "m.gguf", CONFIG, weights(), quantisation=lambda name: "Q8_0" if "tok_" in name else "Q4_1"
    )
    source = GgufWeights(path)
    matrices = {name for name, shape in expected_shapes(CONFIG).items() if len(shape) == 2}
    assert source.grids().keys() == matrices
    for name, n_bytes in source.grids().items():
        grid = source.grid(name)
        assert grid is not None
        assert (grid.n_bytes, grid.shape) == (n_bytes, expected_shapes(CONFIG)[name])
        assert torch.equal(grid.dense(torch.float32), source.load(name, device="cpu", dtype=torch.float32))
    assert source.grid("norm.weight") is None
    with pytest.raises(KeyError):
        source.grid("no.such.weight")


CONFIG = ModelConfig(
    dim=96, n_layers=2, head_dim=16, hidden_dim=160, n_heads=6, n_kv_heads=2, norm_eps=1e-5, vocab_size=128,
    rope_theta=1e6, tied=True,
)  # fmt: skip


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn(shape, generator=generator) for name, shape in expected_shapes(CONFIG).items()}
