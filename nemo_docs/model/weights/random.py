"""Weights that nobody trained, in the shape of a model: how fast a machine is can be told without a download.

Speed does not depend on what weights say, as long as activations keep the size that they have in a trained model:
matrices are scaled by the root of their width, norms are near one. Each tensor is drawn where it lives, from a seed
that is its name.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import expected_shapes

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model of random weights: what an engine needs to know of the files of one."""

    name: str
    """What it is called."""
    weights: RandomWeights
    """Its weights."""
    window_tokens: int
    """Longest prompt and answer together."""
    adapter: None = None
    """Nothing is over it."""

    @property
    def path(self) -> Path:
        """A path that no file has."""
        return Path(os.devnull) / self.name

    @property
    def config(self) -> ModelConfig:
        """Its shape."""
        return self.weights.config

    def tokenizer_fingerprint(self) -> str:
        """It has no tokenizer."""
        return ""


class RandomWeights:
    """Random weights of a shape.

    Attributes:
        config: The shape.
        shapes: Native name -> shape [out, in] of every tensor.
    """

    config: ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        self.config, self.shapes = config, expected_shapes(config)

    def names(self) -> frozenset[str]:
        """Native names of all tensors."""
        return frozenset(self.shapes)

    def load(self, name: str, *, device: torch.device | str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor in its native layout; the same numbers each time on one kind of device."""
        import torch

        generator = torch.Generator(device).manual_seed(zlib.crc32(name.encode()))
        shape = self.shapes[name]
        drawn = torch.randn(shape, generator=generator, device=device, dtype=torch.bfloat16)
        return (1 + 0.1 * drawn if len(shape) == 1 else drawn.mul_(shape[-1] ** -0.5)).to(dtype)

    def fingerprint(self) -> str:
        """SHA-256 (hex) of what they are drawn from; on another kind of device they are others."""
        return hashlib.sha256(f"random {sorted(self.config.as_dict().items())}".encode()).hexdigest()
