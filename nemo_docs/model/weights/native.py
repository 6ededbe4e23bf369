"""Mistral's own layout: `params.json` and `consolidated.safetensors`.

The tied output layer has no key in `params.json`; it is told by the absence of `output.weight`. Newer files nest the
decoder's numbers under another key, so the object that holds `dim` is taken wherever it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import check_config, check_shapes
from nemo_docs.model.weights.fields import integer, number, read_json
from nemo_docs.model.weights.fingerprint import FingerprintCache, fingerprint
from nemo_docs.model.weights.safetensors_file import SafetensorsFile

if TYPE_CHECKING:
    import torch

PARAMS = "params.json"
WEIGHTS = "consolidated.safetensors"

_CHANGES_THE_MATHS = ("moe", "yarn", "rope_scaling", "llama_4_scaling", "quantization", "sliding_window")


class NativeWeights:
    """Weights in Mistral's own layout.

    Attributes:
        config: The model's shape.
    """

    config: ModelConfig

    def __init__(self, folder: Path, *, cache: FingerprintCache | None = None) -> None:
        """Read and check `params.json` and the header of `consolidated.safetensors`.

        Raises:
            WeightsCorrupt: If either is missing, damaged, or contradicts the other.
        """
        self._file = SafetensorsFile(folder / WEIGHTS)
        self._cache = cache
        self.config = read_params(folder / PARAMS, tied="output.weight" not in self._file.shapes)
        check_shapes(self.config, self._file.shapes, folder / WEIGHTS)

    def names(self) -> frozenset[str]:
        """Native names of all tensors."""
        return frozenset(self._file.shapes)

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor [out, in], straight to `device`, as `dtype`."""
        return self._file.load(name, device=device, dtype=dtype)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of `consolidated.safetensors`."""
        return fingerprint([self._file.path], self._cache)


def read_params(path: Path, *, tied: bool) -> ModelConfig:
    """The configuration in a `params.json`, flat or nested.

    Raises:
        WeightsCorrupt: If a key is missing or wrong, or asks for arithmetic that this model does not do.
    """
    fields = _decoder_fields(read_json(path))
    for key in _CHANGES_THE_MATHS:
        if fields.get(key):
            raise WeightsCorrupt(
                f"{path}: the model needs {key}, which is not supported.",
                hint="Only dense Mistral-style decoders with full attention and plain RoPE can be run.",
            )
    config = ModelConfig(
        dim=integer(fields, "dim", path),
        n_layers=integer(fields, "n_layers", path),
        head_dim=integer(fields, "head_dim", path),
        hidden_dim=integer(fields, "hidden_dim", path),
        n_heads=integer(fields, "n_heads", path),
        n_kv_heads=integer(fields, "n_kv_heads", path),
        norm_eps=number(fields, "norm_eps", path),
        vocab_size=integer(fields, "vocab_size", path),
        rope_theta=number(fields, "rope_theta", path),
        tied=tied,
    )
    check_config(config, path)
    return config


def _decoder_fields(params: dict[str, Any]) -> dict[str, Any]:
    if "dim" in params:
        return params
    nested = [value for value in params.values() if isinstance(value, dict) and "dim" in value]
    return nested[0] if len(nested) == 1 else params
