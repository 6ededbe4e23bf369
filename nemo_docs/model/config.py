"""The shape of a model: the numbers of `params.json`, nothing else.

Fields have no defaults, so a key that a file lacks fails at load and not as silently wrong arithmetic. `head_dim`
stands on its own: NeMo's is 128, not dim / n_heads = 160, the bug that most ports of NeMo began with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Hyperparameters of a Mistral-style decoder (RMSNorm, RoPE, grouped-query attention, SwiGLU).

    Source: mistral-inference `args.py`; names are those of Mistral's `params.json`.
    """

    dim: int
    """Width of the residual stream."""
    n_layers: int
    """Number of transformer blocks."""
    head_dim: int
    """Width of one attention head."""
    hidden_dim: int
    """Inner width of the feed-forward network."""
    n_heads: int
    """Query heads."""
    n_kv_heads: int
    """Key/value heads; each serves `n_heads // n_kv_heads` query heads."""
    norm_eps: float
    """Epsilon of RMSNorm."""
    vocab_size: int
    """Rows of the embedding and of the output layer."""
    rope_theta: float
    """Base of the rotary frequencies."""
    tied: bool
    """Whether the output layer is the embedding matrix."""

    @property
    def n_parameters(self) -> int:
        """Weights in the model; 12,247,782,400 for NeMo."""
        attention = 2 * self.dim * self.head_dim * (self.n_heads + self.n_kv_heads)
        feed_forward = 3 * self.dim * self.hidden_dim
        per_layer = attention + feed_forward + 2 * self.dim
        embeddings = self.vocab_size * self.dim * (1 if self.tied else 2)
        return self.n_layers * per_layer + self.dim + embeddings

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Bytes that one token adds to the KV cache: keys and values of every layer."""
        return 2 * self.n_layers * self.n_kv_heads * self.head_dim * element_bytes

    def as_dict(self) -> dict[str, int | float | bool]:
        """Plain data, for headers and messages."""
        return asdict(self)


NEMO = ModelConfig(
    dim=5120,
    n_layers=40,
    head_dim=128,
    hidden_dim=14336,
    n_heads=32,
    n_kv_heads=8,
    norm_eps=1e-5,
    vocab_size=131072,
    rope_theta=1_000_000.0,
    tied=False,
)
"""Mistral NeMo 12B, Base and Instruct."""
