"""Our own layout gives back what was put into it, and a damaged file is refused in one sentence."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.weights.base import GridSource, expected_shapes

from .layouts import Tensors, write_grouped

WEIGHTS = "grouped.safetensors"
MATRIX = "layers.1.feed_forward.w2.weight"


@pytest.fixture(scope="module")
def config(tiny_config: ModelConfig) -> ModelConfig:
    return replace(tiny_config, dim=96)


@pytest.fixture(scope="module")
def tensors(config: ModelConfig) -> Tensors:
    generator = torch.Generator().manual_seed(3)
    return {name: torch.randn(shape, generator=generator) for name, shape in expected_shapes(config).items()}


@pytest.fixture
def folder(tmp_path: Path, config: ModelConfig, tensors: Tensors) -> Path:
    return write_grouped(tmp_path / "grouped", config, tensors)


def change(folder: Path, changed: Tensors, without: str = "") -> None:
    parts = {**load_file(folder / WEIGHTS), **changed}
    save_file({name: part for name, part in parts.items() if name != without}, folder / WEIGHTS)


def test_layout_gives_native_tensors_and_config(folder: Path, config: ModelConfig, tensors: Tensors) -> None:
    weights = ModelFiles(folder).weights
    assert isinstance(weights, GridSource)
    assert weights.config == config
    assert weights.names() == tensors.keys()
    assert weights.grids().keys() == {name for name, tensor in tensors.items() if tensor.ndim == 2}
    for name, expected in tensors.items():
        loaded, grid = weights.load(name, device="cpu", dtype=torch.float32), weights.grid(name)
        assert loaded.shape == expected.shape
        if grid is None:
            assert torch.equal(loaded, expected)
        else:
            assert (loaded - expected).norm() < 0.1 * expected.norm()
            assert torch.equal(loaded, grid.dense(torch.float32))
            assert torch.equal(weights.load(name, device="cpu", dtype=torch.bfloat16), grid.dense(torch.bfloat16))
            assert grid.n_bytes == weights.grids()[name]
    with pytest.raises(KeyError):
        weights.grid("no.such.weight")


def test_output_layer_is_tied_when_it_is_absent(tmp_path: Path, config: ModelConfig, tensors: Tensors) -> None:
    tied = {name: tensor for name, tensor in tensors.items() if name != "output.weight"}
    assert ModelFiles(write_grouped(tmp_path, config, tied)).config == replace(config, tied=True)


def test_fingerprint_is_of_the_content(folder: Path, tensors: Tensors) -> None:
    before = ModelFiles(folder).weights.fingerprint()
    change(folder, {f"{MATRIX}.codes": load_file(folder / WEIGHTS)[f"{MATRIX}.codes"] ^ 1})
    assert ModelFiles(folder).weights.fingerprint() != before


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 5000, -100, -1])
def test_cut_file_is_refused_by_name(keep: int, folder: Path) -> None:
    file = folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightsCorrupt) as caught:
        ModelFiles(folder)
    assert str(file) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("codes", None, "has minimums, scales alone"),
        ("scales", None, "has codes, minimums alone"),
        ("sub_scales", torch.zeros(96, 7, dtype=torch.uint8), "alone"),
        ("codes", torch.zeros(96, 112, dtype=torch.int32), "stored as I32"),
        ("codes", torch.zeros(96, 112, dtype=torch.int8), "shape"),
        ("codes", torch.zeros(95, 112, dtype=torch.uint8), "shape"),
        ("codes", torch.zeros(96 * 112, dtype=torch.uint8), "shape"),
        ("codes", torch.zeros((), dtype=torch.uint8), "shape"),
        ("codes", torch.zeros(96, 0, dtype=torch.uint8), "shape"),
        ("scales", torch.zeros(96, 7), "stored as F32"),
        ("scales", torch.zeros(96, 5, dtype=torch.float16), "224 columns do not make 5 groups"),
        ("minimums", torch.zeros(96, 1, dtype=torch.float16), "minimums has shape"),
    ],
)
def test_parts_that_make_no_grid_are_refused(part: str, value: torch.Tensor | None, says: str, folder: Path) -> None:
    name = f"{MATRIX}.{part}"
    change(folder, {} if value is None else {name: value}, without=name if value is None else "")
    with pytest.raises(WeightsCorrupt, match=says) as caught:
        ModelFiles(folder)
    assert str(folder / WEIGHTS) in caught.value.message
    assert MATRIX in caught.value.message


def test_tensors_that_are_missing_unknown_or_there_twice_are_named(folder: Path) -> None:
    change(folder, {"layers.0.attention.wq.bias": torch.zeros(3)})
    with pytest.raises(WeightsCorrupt, match=r"layers\.0\.attention\.wq\.bias has no place"):
        ModelFiles(folder)
    change(folder, {MATRIX: torch.zeros(96, 224)}, without="layers.0.attention.wq.bias")
    with pytest.raises(WeightsCorrupt, match="stored twice"):
        ModelFiles(folder)
    change(folder, {}, without=MATRIX)
    change(folder, {}, without="norm.weight")
    with pytest.raises(WeightsCorrupt, match=r"1 tensors are missing.*norm\.weight"):
        ModelFiles(folder)


def test_configuration_of_another_model_is_refused(folder: Path) -> None:
    params = json.loads((folder / "params.json").read_text())
    (folder / "params.json").write_text(json.dumps({**params, "hidden_dim": 192}))
    with pytest.raises(WeightsCorrupt, match=r"feed_forward\.w1\.weight has shape \[224, 96\].* \[192, 96\]"):
        ModelFiles(folder)
    (folder / "params.json").unlink()
    with pytest.raises(WeightsCorrupt, match=r"params\.json: the file is missing"):
        ModelFiles(folder)


@pytest.mark.parametrize("seed", range(15))
def test_mutated_file_is_read_or_refused(seed: int, folder: Path, tensors: Tensors) -> None:
    """A few bytes of the header are changed: the answer is a model or one sentence."""
    file, chance = folder / WEIGHTS, random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(1 + seed % 4):
        content[chance.randrange(4, 3000)] = chance.choice((0, 1, 9, 48 + chance.randrange(10), 127, 255))
    file.write_bytes(content)
    try:
        weights = ModelFiles(folder).weights
    except WeightsCorrupt:
        return
    assert weights.names() == tensors.keys()
    for name in weights.names():
        weights.load(name, device="cpu", dtype=torch.float32)


def test_plain_weights_of_an_earlier_conversion_are_read(tmp_path: Path, config: ModelConfig, tensors: Tensors) -> None:
    """What is stored plainly throughout is a model too, whichever of our two layouts it is in."""
    folder = write_grouped(tmp_path, config, {})
    save_file(tensors, folder / WEIGHTS)
    for name in (WEIGHTS, "consolidated.safetensors"):
        weights = ModelFiles(Path(shutil.move(folder / WEIGHTS, folder / name)).parent).weights
        assert torch.equal(weights.load(MATRIX, device="cpu", dtype=torch.float32), tensors[MATRIX])
