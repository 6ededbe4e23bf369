"""The Hugging Face layout: `config.json` and `model.safetensors`, whole or in shards.

Hugging Face rotates halves of a head where Mistral rotates neighbouring pairs, and its converter has permuted the query
and key rows to match. They are put back here, so that the rest of the program knows one order only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.catalogue import LONGEST_WINDOW_TOKENS
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import REFETCH, check_config, check_shapes, translated
from nemo_docs.model.weights.fields import integer, number, read_json
from nemo_docs.model.weights.fingerprint import FingerprintCache, fingerprint
from nemo_docs.model.weights.safetensors_file import SafetensorsFile

if TYPE_CHECKING:
    import torch

CONFIG = "config.json"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_TOP = {
    "model.embed_tokens.weight": "tok_embeddings.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "output.weight",
}
_BLOCK = {
    "input_layernorm": "attention_norm",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
}
_BLOCK_NAME = re.compile(r"model\.layers\.(\d+)\.([\w.]+)\.weight")
_SHARD_NAME = re.compile(r"[\w.\-]+\.safetensors")


class HuggingFaceWeights:
    """Weights in the Hugging Face layout.

    Attributes:
        config: The model's shape.
    """

    config: ModelConfig

    def __init__(self, folder: Path, *, cache: FingerprintCache | None = None) -> None:
        """Read and check `config.json` and the header of every weight file.

        Raises:
            WeightsCorrupt: If a file is missing or damaged, or they contradict one another.
        """
        self._cache = cache
        self._files = [SafetensorsFile(path) for path in _weight_files(folder)]
        self.config = read_config(folder / CONFIG)
        self._place: dict[str, tuple[SafetensorsFile, str]] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for file in self._files:
            for name, shape in file.shapes.items():
                native = translated(name, _TOP, _BLOCK, _BLOCK_NAME)
                if name.endswith("rotary_emb.inv_freq") or (self.config.tied and native == "output.weight"):
                    continue  # a copy of what the configuration already says
                self._place[native] = (file, name)
                shapes[native] = shape
        check_shapes(self.config, shapes, folder)

    def names(self) -> frozenset[str]:
        """Native names of all tensors."""
        return frozenset(self._place)

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor [out, in], query and key rows in the interleaved order, on `device`, as `dtype`."""
        file, own_name = self._place[name]
        tensor = file.load(own_name, device=device, dtype=dtype)
        if name.endswith((".wq.weight", ".wk.weight")):
            return interleave_rows(tensor, self.config.head_dim)
        return tensor

    def fingerprint(self) -> str:
        """SHA-256 (hex) over all weight files, in the order of their names."""
        return fingerprint([file.path for file in self._files], self._cache)


def interleave_rows(weight: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Put the rows of a query or key projection back from halves to neighbouring pairs.

    Shapes: weight [heads * head_dim, in] -> the same. In a head of 4 rows, halves a0 a1 b0 b1 become a0 b0 a1 b1.
    """
    rows, width = weight.shape
    halves = weight.view(rows // head_dim, 2, head_dim // 2, width)
    return halves.transpose(1, 2).reshape(rows, width)


def read_config(path: Path) -> ModelConfig:
    """The configuration in a Hugging Face `config.json`, older or newer spelling.

    Raises:
        WeightsCorrupt: If a key is missing or wrong, or asks for arithmetic that this model does not do.
    """
    fields = read_json(path)
    _refuse_other_arithmetic(fields, path)
    rope = fields.get("rope_parameters")
    theta = number(rope if isinstance(rope, dict) and "rope_theta" in rope else fields, "rope_theta", path)
    dim, heads = integer(fields, "hidden_size", path), integer(fields, "num_attention_heads", path)
    if heads <= 0:
        raise WeightsCorrupt(f"{path}: num_attention_heads is {heads}.", hint=REFETCH)
    head_dim = dim // heads if fields.get("head_dim") is None else integer(fields, "head_dim", path)
    config = ModelConfig(
        dim=dim,
        n_layers=integer(fields, "num_hidden_layers", path),
        head_dim=head_dim,
        hidden_dim=integer(fields, "intermediate_size", path),
        n_heads=heads,
        n_kv_heads=integer(fields, "num_key_value_heads", path),
        norm_eps=number(fields, "rms_norm_eps", path),
        vocab_size=integer(fields, "vocab_size", path),
        rope_theta=theta,
        tied=bool(fields.get("tie_word_embeddings", False)),
    )
    check_config(config, path)
    return config


def _refuse_other_arithmetic(fields: dict[str, Any], path: Path) -> None:
    hint = "Only dense Mistral- and Llama-style decoders with full attention and plain RoPE can be run."
    kind = fields.get("model_type")
    if kind not in ("mistral", "llama"):
        raise WeightsCorrupt(f"{path}: the model type is {kind!r}; only mistral and llama can be run.", hint=hint)
    window = None if fields.get("sliding_window") is None else integer(fields, "sliding_window", path)
    if window is not None and window < min(integer(fields, "max_position_embeddings", path), LONGEST_WINDOW_TOKENS):
        raise WeightsCorrupt(f"{path}: attention slides over {window} tokens, which is not supported.", hint=hint)
    for key in ("rope_parameters", "rope_scaling"):
        rope = fields.get(key)
        rope_type = (rope.get("rope_type") or rope.get("type") or "default") if isinstance(rope, dict) else "default"
        if rope_type != "default":
            raise WeightsCorrupt(f"{path}: RoPE is scaled ({rope_type}), which is not supported.", hint=hint)
    if fields.get("hidden_act", "silu") != "silu":
        raise WeightsCorrupt(f"{path}: the activation is {fields['hidden_act']}, only silu is supported.", hint=hint)
    if fields.get("quantization_config"):
        raise WeightsCorrupt(f"{path}: the weights are quantised.", hint="Use the unquantised checkpoint, or a GGUF.")


def _weight_files(folder: Path) -> list[Path]:
    if not (folder / INDEX).is_file():
        return [folder / SINGLE]
    weight_map = read_json(folder / INDEX).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) and _SHARD_NAME.fullmatch(name) for name in names):
        raise WeightsCorrupt(f"{folder / INDEX}: weight_map does not name safetensors files.", hint=REFETCH)
    return [folder / name for name in sorted(set(names))]
