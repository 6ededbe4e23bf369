"""A GGUF file, once, into our own layout, so that it opens in milliseconds and is mapped instead of taken apart.

Matrices stay on their own grid. A block format's value is a half-precision scale times a small whole number plus a
half-precision offset, which bfloat16 and float16 cannot hold (float16 is off by 2e-4 of a tensor's norm for Q4_1). So
the copy keeps the whole numbers themselves, and is the same model, number for number, in about the bytes of the
original: 97 MB for SmolLM2. What has no grid, such as a norm, is kept in float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nemo_docs.model.linear.grouped import Grid
from nemo_docs.model.tokenizers.bytelevel import TOKENIZER, TOKENIZER_CONFIG
from nemo_docs.model.tokenizers.from_gguf import tokenizer_spec
from nemo_docs.model.weights.base import expected_shapes
from nemo_docs.model.weights.gguf import GgufWeights
from nemo_docs.model.weights.grouped import WEIGHTS
from nemo_docs.model.weights.native import PARAMS


def convert_gguf(source: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Write the model in `source` to `folder`, which exists; yield bytes done and in all.

    Holds the whole model in memory on its grid while it works.

    Raises:
        WeightsCorrupt: If the source cannot be read.
        OSError: If the folder cannot be written.
    """
    weights = GgufWeights(source)
    grids = weights.grids()
    plain = (prod(shape) for name, shape in expected_shapes(weights.config).items() if name not in grids)
    total = sum(grids.values()) + 4 * sum(plain)
    tensors: dict[str, torch.Tensor] = {}
    for name in sorted(weights.names()):
        grid = weights.grid(name)
        if grid is None:
            tensors[name] = weights.load(name, device="cpu", dtype=torch.float32)
        else:
            tensors.update(_parts(name, grid))
        yield sum(tensor.nbytes for tensor in tensors.values()), total
    params = weights.config.as_dict()
    del params["tied"]  # in this layout told by the absence of output.weight
    _write_json(folder / PARAMS, params)
    _write_json(folder / TOKENIZER, tokenizer_spec(weights))
    _write_json(folder / TOKENIZER_CONFIG, _tokenizer_config(weights))
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _parts(name: str, grid: Grid) -> Iterator[tuple[str, torch.Tensor]]:
    for field in fields(grid):
        part: torch.Tensor | None = getattr(grid, field.name)
        if part is not None:
            yield f"{name}.{field.name}", part


def _tokenizer_config(weights: GgufWeights) -> dict[str, Any]:
    tokens = weights.array("tokenizer.ggml.tokens")
    config: dict[str, Any] = {"add_bos_token": bool(weights.metadata.get("tokenizer.ggml.add_bos_token", False))}
    for key in ("bos", "eos"):
        token = weights.metadata.get(f"tokenizer.ggml.{key}_token_id")
        if token is not None:
            config[f"{key}_token"] = tokens[token]
    if "tokenizer.chat_template" in weights.metadata:
        config["chat_template"] = weights.metadata["tokenizer.chat_template"]
    return config


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
