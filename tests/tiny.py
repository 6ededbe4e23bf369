"""A tiny real model: random weights in NeMo's proportions (head_dim is not dim / n_heads, four queries a KV head)."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from nemo_docs.kv.form import PLAIN, Form
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.tokenizers.tekken import TEKKEN, bundled_nemo
from nemo_docs.model.transformer import Transformer
from nemo_docs.model.weights.base import expected_shapes

CPU = torch.device("cpu")

TINY = ModelConfig(
    dim=40,
    n_layers=3,
    head_dim=16,
    hidden_dim=96,
    n_heads=4,
    n_kv_heads=1,
    norm_eps=1e-5,
    vocab_size=97,
    rope_theta=1_000_000.0,
    tied=False,
)


class RandomWeights:
    """Weights of a shape, drawn from a seed."""

    def __init__(self, config: ModelConfig = TINY, seed: int = 0) -> None:
        self.config = config
        self._seed, self._shapes = seed, expected_shapes(config)

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        generator = torch.Generator().manual_seed(hash((self._seed, *name.encode())) % 2**31)
        shape = self._shapes[name]
        spread = torch.randn(shape, generator=generator)
        return (1 + 0.1 * spread if len(shape) == 1 else spread * shape[-1] ** -0.5).to(device, dtype)


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float32, kv_form: Form = PLAIN) -> Transformer:
    return Transformer(RandomWeights(seed=seed), device=CPU, dtype=dtype, kv_form=kv_form)


def write_tiny_nemo(folder: Path) -> Path:
    """A random model in Mistral's own layout, with NeMo's vocabulary."""
    config = replace(TINY, dim=24, n_layers=2, vocab_size=131_072, tied=True)
    weights = RandomWeights(config)
    tensors = {name: weights.load(name, device=CPU, dtype=torch.float32) for name in expected_shapes(config)}
    save_file(tensors, folder / "consolidated.safetensors")
    params = config.as_dict()
    del params["tied"]
    (folder / "params.json").write_text(json.dumps(params))
    shutil.copy(bundled_nemo(), folder / TEKKEN)
    return folder
