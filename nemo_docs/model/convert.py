"""A GGUF file, once, into Mistral's own layout, so that it opens in milliseconds and is mapped instead of unpacked.

The converted weights are float32. A block format's value is a half-precision scale times a small whole number plus a
half-precision offset: float32 holds it exactly, bfloat16 and float16 do not (float16 is off by 2e-4 of a tensor's norm
for Q4_1). So the copy is the same model, number for number, at the price of disk: 538 MB for SmolLM2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nemo_docs.model.tokenizers.bytelevel import TOKENIZER, TOKENIZER_CONFIG
from nemo_docs.model.tokenizers.from_gguf import tokenizer_spec
from nemo_docs.model.weights.gguf import GgufWeights
from nemo_docs.model.weights.native import PARAMS, WEIGHTS


def convert_gguf(source: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Write the model in `source` to `folder`, which exists; yield bytes done and in all.

    Holds the whole model in memory as float32 while it works.

    Raises:
        WeightsCorrupt: If the source cannot be read.
        OSError: If the folder cannot be written.
    """
    weights = GgufWeights(source)
    total = 4 * weights.config.n_parameters
    tensors: dict[str, torch.Tensor] = {}
    done = 0
    for name in sorted(weights.names()):
        tensors[name] = weights.load(name, device="cpu", dtype=torch.float32)
        done += 4 * tensors[name].numel()
        yield done, total
    params = weights.config.as_dict()
    del params["tied"]  # in this layout told by the absence of output.weight
    _write_json(folder / PARAMS, params)
    _write_json(folder / TOKENIZER, tokenizer_spec(weights))
    _write_json(folder / TOKENIZER_CONFIG, _tokenizer_config(weights))
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


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
