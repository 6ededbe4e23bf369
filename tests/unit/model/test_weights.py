"""Every layout gives the same tensors under the same names, and a broken file is refused in one sentence."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nemo_docs.errors import WeightsCorrupt, WeightsMissing
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles

from .layouts import Layouts, Tensors, hugging_face_config, write_gguf, write_hugging_face, write_native

LAYOUTS = ("native", "hugging-face", "sharded", "gguf")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_gives_native_tensors_and_config(
    layout: str, tiny_layouts: Layouts, tiny_config: ModelConfig, tiny_tensors: Tensors
) -> None:
    weights = ModelFiles(tiny_layouts[layout]).weights
    assert weights.config == tiny_config
    assert weights.names() == tiny_tensors.keys()
    for name, expected in tiny_tensors.items():
        assert torch.equal(weights.load(name, device="cpu", dtype=torch.float32), expected), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensor_has_the_dtype_that_was_asked_for(layout: str, tiny_layouts: Layouts, tiny_tensors: Tensors) -> None:
    weights = ModelFiles(tiny_layouts[layout]).weights
    name = "layers.1.attention.wk.weight"
    assert torch.equal(weights.load(name, device="cpu", dtype=torch.bfloat16), tiny_tensors[name].to(torch.bfloat16))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_output_layer_is_tied_when_it_is_absent(
    layout: str, tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors
) -> None:
    config = ModelConfig(**{**tiny_config.as_dict(), "tied": True})  # type: ignore[arg-type]
    tensors = {name: t for name, t in tiny_tensors.items() if name != "output.weight"}
    path = {
        "native": lambda: write_native(tmp_path, config, tensors),
        "hugging-face": lambda: write_hugging_face(tmp_path, config, tensors),
        "sharded": lambda: write_hugging_face(tmp_path, config, tensors, shards=2),
        "gguf": lambda: write_gguf(tmp_path / "m.gguf", config, tensors),
    }[layout]()
    weights = ModelFiles(path).weights
    assert weights.config == config
    assert "output.weight" not in weights.names()


@pytest.mark.parametrize(
    ("quantisation", "tolerance"),
    [("F16", 1e-3), ("BF16", 1e-2), ("Q8_0", 0.01), ("Q4_0", 0.15), ("Q4_1", 0.15), ("Q5_1", 0.08)],
)
def test_gguf_dequantises_block_formats(
    quantisation: str, tolerance: float, tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors
) -> None:
    # blocks are 32 wide, so dim must be a multiple of 32
    config = ModelConfig(**{**tiny_config.as_dict(), "dim": 96})  # type: ignore[arg-type]
    from nemo_docs.model.weights.base import expected_shapes

    tensors = {name: 0.1 * torch.randn(shape) for name, shape in expected_shapes(config).items()}
    weights = ModelFiles(write_gguf(tmp_path / "m.gguf", config, tensors, quantisation=quantisation)).weights
    for name in ("layers.0.attention.wq.weight", "layers.2.feed_forward.w2.weight"):
        loaded = weights.load(name, device="cpu", dtype=torch.float32)
        assert loaded.shape == tensors[name].shape
        assert (loaded - tensors[name]).norm() / tensors[name].norm() < tolerance


def test_newer_spelling_of_rope_is_read(tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors) -> None:
    folder = write_hugging_face(tmp_path, tiny_config, tiny_tensors)
    config = hugging_face_config(tiny_config)
    del config["rope_theta"]
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 1_000_000.0}
    (folder / "config.json").write_text(json.dumps(config))
    assert ModelFiles(folder).config == tiny_config


def test_absent_head_dim_is_dim_by_heads(tmp_path: Path, tiny_config: ModelConfig) -> None:
    config = ModelConfig(**{**tiny_config.as_dict(), "head_dim": 10})  # type: ignore[arg-type]
    from nemo_docs.model.weights.base import expected_shapes

    tensors = {name: torch.zeros(shape) for name, shape in expected_shapes(config).items()}
    folder = write_hugging_face(tmp_path, config, tensors)
    fields = hugging_face_config(config)
    del fields["head_dim"]
    (folder / "config.json").write_text(json.dumps(fields))
    assert ModelFiles(folder).config == config


def test_nested_params_are_read(tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors) -> None:
    folder = write_native(tmp_path, tiny_config, tiny_tensors)
    params = json.loads((folder / "params.json").read_text())
    (folder / "params.json").write_text(json.dumps({"model": params, "lora": {"rank": 64}}))
    assert ModelFiles(folder).config == tiny_config


def weight_file(path: Path) -> Path:
    return path if path.is_file() else sorted(path.glob("*.safetensors"))[0]


def copied(path: Path, to: Path) -> Path:
    if path.is_file():
        return Path(shutil.copy(path, to / path.name))
    return Path(shutil.copytree(path, to / path.name))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keep", [0, 1, 4, 7, 8, 100, 5000, -100, -1])
def test_cut_file_is_refused_by_name(layout: str, keep: int, tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts[layout], tmp_path)
    file = weight_file(path)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightsCorrupt) as caught:
        ModelFiles(path)
    assert str(file) in caught.value.message
    assert caught.value.hint
    if keep == 0:
        assert "empty" in caught.value.message


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wrong_magic_is_refused(layout: str, tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts[layout], tmp_path)
    file = weight_file(path)
    file.write_bytes(b"\xff" * 16 + file.read_bytes()[16:])
    with pytest.raises(WeightsCorrupt, match=file.name):
        ModelFiles(path)


@pytest.mark.parametrize("position", range(4, 400, 12))
def test_gguf_with_a_damaged_header_never_fails_otherwise(position: int, tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts["gguf"], tmp_path)
    content = bytearray(path.read_bytes())
    content[position : position + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt):
        ModelFiles(path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", range(15))
def test_mutated_file_is_read_or_refused(
    layout: str, seed: int, tmp_path: Path, tiny_layouts: Layouts, tiny_tensors: Tensors
) -> None:
    """A few bytes of the header are changed: the answer is a model or one sentence, and it comes at once."""
    path = copied(tiny_layouts[layout], tmp_path)
    file = weight_file(path)
    content, chance = bytearray(file.read_bytes()), random.Random(seed)
    for _ in range(1 + seed % 4):
        content[chance.randrange(4, 1500)] = chance.choice((0, 1, 9, 127, 255, chance.randrange(256)))
    file.write_bytes(content)
    try:
        weights = ModelFiles(path).weights
    except WeightsCorrupt:
        return
    assert weights.names() == tiny_tensors.keys()
    for name in weights.names():
        weights.load(name, device="cpu", dtype=torch.float32)


def test_gguf_array_longer_than_the_file_is_refused_at_once(
    tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors
) -> None:
    """The package reads an array entry by entry, behind the end of the file too, as often as the header says."""

    def numbers(writer: Any) -> None:
        writer.add_array("some.numbers", [7] * 5)

    path = write_gguf(tmp_path / "m.gguf", tiny_config, tiny_tensors, also=numbers)
    content = path.read_bytes()
    at = content.index(b"some.numbers") + len("some.numbers") + 8
    assert content[at : at + 8] == (5).to_bytes(8, "little")
    path.write_bytes(content[:at] + (2**60).to_bytes(8, "little") + content[at + 8 :])
    with pytest.raises(WeightsCorrupt, match=r"states 1152921504606846976 entries"):
        ModelFiles(path)


@pytest.mark.parametrize("key", ["dim", "n_layers", "head_dim", "hidden_dim", "n_kv_heads", "norm_eps", "rope_theta"])
def test_missing_key_of_params_is_named(key: str, tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts["native"], tmp_path)
    params = json.loads((path / "params.json").read_text())
    del params[key]
    (path / "params.json").write_text(json.dumps(params))
    with pytest.raises(WeightsCorrupt, match=rf"params\.json: the key {key} is missing"):
        ModelFiles(path)


@pytest.mark.parametrize(
    ("file", "key", "value", "says"),
    [
        ("native", "head_dim", 10, "shape"),
        ("native", "n_heads", 0, "positive"),
        ("native", "n_heads", 9, "share"),
        ("native", "dim", "80", "whole number"),
        ("native", "vocab_size", 321, "tok_embeddings|output"),
        ("native", "n_layers", 4, "layers.3"),
        ("native", "n_layers", 2, "layers.2"),
        ("native", "moe", {"num_experts": 8}, "moe"),
        ("hugging-face", "sliding_window", 4096, "4096"),
        ("hugging-face", "sliding_window", "wide", "wide"),
        ("hugging-face", "model_type", "qwen2", "qwen2"),
        ("hugging-face", "rope_scaling", {"rope_type": "llama3"}, "llama3"),
        ("hugging-face", "hidden_act", "gelu", "gelu"),
        ("hugging-face", "quantization_config", {"quant_method": "fp8"}, "quantised"),
        ("hugging-face", "head_dim", None, "shape"),
        ("hugging-face", "num_key_value_heads", 4, "shape"),
    ],
)
def test_configuration_that_does_not_fit_is_refused(
    file: str, key: str, value: object, says: str, tmp_path: Path, tiny_layouts: Layouts
) -> None:
    path = copied(tiny_layouts[file], tmp_path)
    config = path / ("params.json" if file == "native" else "config.json")
    config.write_text(json.dumps({**json.loads(config.read_text()), key: value}))
    with pytest.raises(WeightsCorrupt, match=says):
        ModelFiles(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\xff"])
def test_configuration_that_is_no_object_is_refused(content: str, tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts["native"], tmp_path)
    (path / "params.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(WeightsCorrupt, match=r"params\.json"):
        ModelFiles(path)


def test_missing_and_unknown_tensors_are_named(tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts["native"], tmp_path)
    tensors = load_file(path / "consolidated.safetensors")
    bias = {**tensors, "layers.0.attention.wq.bias": torch.zeros(3)}
    save_file(bias, path / "consolidated.safetensors")
    with pytest.raises(WeightsCorrupt, match=r"layers\.0\.attention\.wq\.bias has no place"):
        ModelFiles(path)
    del tensors["layers.1.ffn_norm.weight"]
    save_file(tensors, path / "consolidated.safetensors")
    with pytest.raises(WeightsCorrupt, match=r"1 tensors are missing.*layers\.1\.ffn_norm\.weight"):
        ModelFiles(path)


def test_missing_shard_is_named(tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts["sharded"], tmp_path)
    (path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(WeightsCorrupt, match="model-00002-of-00003"):
        ModelFiles(path)


def test_shard_outside_the_folder_is_refused(tmp_path: Path, tiny_layouts: Layouts) -> None:
    path = copied(tiny_layouts["sharded"], tmp_path)
    index = path / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00002-of-00003", "../../secret"))
    with pytest.raises(WeightsCorrupt, match="weight_map"):
        ModelFiles(path)


def test_other_gguf_architecture_is_refused(tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors) -> None:
    path = write_gguf(tmp_path / "m.gguf", tiny_config, tiny_tensors, architecture="qwen2")
    with pytest.raises(WeightsCorrupt, match="qwen2"):
        ModelFiles(path)


def test_gguf_without_head_dim_takes_dim_by_heads_and_is_refused_when_that_is_wrong(
    tmp_path: Path, tiny_layouts: Layouts
) -> None:
    path = copied(tiny_layouts["gguf"], tmp_path)
    path.write_bytes(path.read_bytes().replace(b"llama.attention.key_length", b"llama.attention.key_longth"))
    with pytest.raises(WeightsCorrupt):
        ModelFiles(path)


def test_folder_without_a_model_is_missing_not_corrupt(tmp_path: Path, tiny_layouts: Layouts) -> None:
    with pytest.raises(WeightsMissing, match="no model in a known layout"):
        ModelFiles(tmp_path)
    shutil.copy(tiny_layouts["gguf"], tmp_path / "tiny.gguf")
    with pytest.raises(WeightsMissing) as caught:
        ModelFiles(tmp_path)
    assert "tiny.gguf" in caught.value.hint


def test_opening_reads_headers_only(tiny_layouts: Layouts) -> None:
    """A model of 24 GB is opened in milliseconds: no tensor is read, no tokenizer library imported."""
    program = (
        "import sys; from pathlib import Path; from nemo_docs.model.folder import ModelFiles; "
        f"ModelFiles(Path({str(tiny_layouts['native'])!r})); "
        "print({'tokenizers', 'mistral_common', 'gguf', 'huggingface_hub', 'click'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
