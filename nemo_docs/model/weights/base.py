"""What every weight layout offers, in one vocabulary: Mistral's own tensor names with interleaved RoPE rows.

A layout reads its headers when it is opened, compares every name and shape with the configuration, and refuses in one
sentence; only then may anything be allocated. Tensors are read one at a time, each straight to its device and dtype, so
peak memory is the model plus one tensor. Every tensor in the files is accounted for: one that the architecture has no
place for (a bias, an expert, a frequency table) would otherwise be dropped silently and give wrong numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.config import ModelConfig

if TYPE_CHECKING:
    import torch

    from nemo_docs.model.linear.grouped import Grid

REFETCH = "Fetch the file again; it is read as it is, never repaired."


class WeightSource(Protocol):
    """The weights of one model, read lazily."""

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""

    def names(self) -> frozenset[str]:
        """Native names of all tensors, without `output.weight` when it is tied."""

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor in its native layout, shapes as in `expected_shapes`.

        Raises:
            KeyError: If the model has no tensor of that name.
        """

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the content of every weight file."""


@runtime_checkable
class GridSource(WeightSource, Protocol):
    """Weights of which some, or all, are stored as small whole numbers with scales."""

    def grids(self) -> Mapping[str, int]:
        """Native name -> bytes in memory, of every tensor that is kept on its grid; told from the headers alone."""

    def grid(self, name: str) -> Grid | None:
        """One tensor [out, in] on its own grid, exactly, in main memory; None if it is not stored on one.

        Raises:
            KeyError: If the model has no tensor of that name.
        """


def translated(name: str, top: Mapping[str, str], block: Mapping[str, str], block_name: re.Pattern[str]) -> str:
    """A layout's own tensor name in Mistral's vocabulary; names without a counterpart stay as they are.

    Args:
        name: The layout's name of the tensor.
        top: Whole names outside the layers.
        block: Names within a layer.
        block_name: What a layer's tensor is called: the layer is its first group, the name within it its second.
    """
    if name in top:
        return top[name]
    match = block_name.fullmatch(name)
    return f"layers.{match[1]}.{block[match[2]]}.weight" if match and match[2] in block else name


def layer_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Native names, relative to a layer, and shapes [out, in] of one transformer block's tensors."""
    query, key_value = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    return {
        "attention_norm.weight": (config.dim,),
        "attention.wq.weight": (query, config.dim),
        "attention.wk.weight": (key_value, config.dim),
        "attention.wv.weight": (key_value, config.dim),
        "attention.wo.weight": (config.dim, query),
        "ffn_norm.weight": (config.dim,),
        "feed_forward.w1.weight": (config.hidden_dim, config.dim),
        "feed_forward.w2.weight": (config.dim, config.hidden_dim),
        "feed_forward.w3.weight": (config.hidden_dim, config.dim),
    }


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Native name -> shape [out, in] of every tensor that the model has."""
    shapes: dict[str, tuple[int, ...]] = {
        "tok_embeddings.weight": (config.vocab_size, config.dim),
        "norm.weight": (config.dim,),
    }
    if not config.tied:
        shapes["output.weight"] = (config.vocab_size, config.dim)
    block = layer_shapes(config)
    for layer in range(config.n_layers):
        shapes.update({f"layers.{layer}.{name}": shape for name, shape in block.items()})
    return shapes


def check_shapes(config: ModelConfig, found: Mapping[str, tuple[int, ...]], where: Path) -> None:
    """Compare what the files hold with what the configuration promises.

    Args:
        config: The model's shape.
        found: Native name -> shape [out, in] of every tensor in the files.
        where: The file or folder to name in the error.

    Raises:
        WeightsCorrupt: If a tensor is missing, has another shape, or has no place in the architecture.
    """
    expected = expected_shapes(config)
    missing = sorted(expected.keys() - found.keys())
    if missing:
        raise WeightsCorrupt(f"{where}: {len(missing)} tensors are missing, the first is {missing[0]}.", hint=REFETCH)
    unknown = sorted(found.keys() - expected.keys())
    if unknown:
        raise WeightsCorrupt(
            f"{where}: the tensor {unknown[0]} has no place in this architecture.",
            hint="Only Mistral- and Llama-style decoders without biases, experts or scaled RoPE can be run.",
        )
    for name, shape in expected.items():
        if tuple(found[name]) != shape:
            raise WeightsCorrupt(
                f"{where}: {name} has shape {list(found[name])}, but the configuration says {list(shape)}.",
                hint="The weights and the configuration are of different models.",
            )


def check_config(config: ModelConfig, where: Path) -> None:
    """Refuse numbers that no model can have, before they size anything.

    Raises:
        WeightsCorrupt: If a size is not positive, heads cannot be grouped, or a head cannot be rotated in pairs.
    """
    for field in ("dim", "n_layers", "head_dim", "hidden_dim", "n_heads", "n_kv_heads", "vocab_size", "rope_theta"):
        value = getattr(config, field)
        if not value > 0:
            raise WeightsCorrupt(f"{where}: {field} is {value}, it must be positive.", hint=REFETCH)
    if config.n_heads % config.n_kv_heads:
        raise WeightsCorrupt(
            f"{where}: {config.n_heads} query heads cannot share {config.n_kv_heads} key/value heads.", hint=REFETCH
        )
    if config.head_dim % 2:
        raise WeightsCorrupt(f"{where}: head_dim is {config.head_dim}, RoPE needs an even one.", hint=REFETCH)


def require_file(path: Path) -> None:
    """Refuse a weight file that is not there or holds nothing.

    Raises:
        WeightsCorrupt: If `path` is no file, or an empty one.
    """
    if not path.is_file():
        raise WeightsCorrupt(f"{path}: the file is missing.", hint=REFETCH)
    if path.stat().st_size == 0:
        raise WeightsCorrupt(f"{path}: the file is empty.", hint=REFETCH)
