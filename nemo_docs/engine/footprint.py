"""How many bytes a model takes, term by term: formulas alone, so that each can be held against a measurement.

No torch: `doctor` and the app ask here too. Weights and the cache are exact. Workspace is what a forward pass holds at
its fullest moment; it is counted as the code computes it today, layer after layer, so only one layer's counts.

Dimensions: T tokens of a chunk, S tokens of a window, H query heads, K key/value heads, D head size, L layers,
V vocabulary; b bytes of a number in the model's arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import expected_shapes

MIB = 1024**2
WEIGHT_BITS = {"fp32": 32.0, "bf16": 16.0, "fp8": 8.0, "int8": 8.5, "int4": 5.0}
"""Of one weight of a layer's matrices, an fp16 scale (and for int4 a minimum) for 32 of them counted in."""
ROUNDED = ("fp8", "int8", "int4")
"""Precisions that weights are rounded to on load."""
ATTENTION_BLOCK_TOKENS = 32_768
"""On CUDA a past is attended to so many tokens at a time."""
KV_BLOCK_TOKENS = 16_384
"""A past of eight bits is unpacked so many tokens at a time."""
STRIP_WEIGHTS = 1 << 24
"""Weights of a grid that are unpacked at once where no kernel of a device does it."""
KV_GROWTH_TOKENS = 256
"""A cache is as long as its tokens, rounded up to this many."""
SCORE_ELEMENTS = 1 << 26
"""Numbers in one slice of scores where attention has no fused kernel."""
LONGEST_BLOCK_TOKENS = 16_384
"""On an Apple GPU a past is attended to in blocks of at most so many tokens."""
BUCKET_TOKENS = 1024
"""There the end of a past is copied, and filled up to a multiple of this."""
LOGIT_ROWS = 16
"""Rows of logits that are looked at together, at the most usual."""
LIBRARY_BYTES = {"cpu": 32 * MIB, "mps": 32 * MIB, "cuda": 320 * MIB}
"""What libraries take once they are used: code of kernels and, on CUDA, a workspace of each."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some tensors of a file with a grid of its own."""

    grid_bytes: int = 0
    """In memory, of those that stay on it."""
    dense_weights: int = 0
    """Of those whose format is not kept."""

    def n_bytes(self, element_bytes: int) -> int:
        """In memory, all together."""
        return self.grid_bytes + self.dense_weights * element_bytes

    def __add__(self, other: Part) -> Part:
        return Part(self.grid_bytes + other.grid_bytes, self.dense_weights + other.dense_weights)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file with a grid of its own takes in memory when it stays on it."""

    layers: Part
    """The matrices of all layers."""
    embedding: Part
    output: Part
    """Nothing where the output layer is the embedding."""


def stored(config: ModelConfig, grids: Mapping[str, int]) -> Stored | None:
    """What the tensors of a file take; None if none of them has a grid.

    Args:
        config: The model's shape.
        grids: Native tensor name -> bytes in memory, of every tensor that is kept on its grid.
    """
    if not grids:
        return None
    parts = {"layers": Part(), "tok_embeddings.weight": Part(), "output.weight": Part()}
    for name, shape in expected_shapes(config).items():
        if len(shape) == 2:
            part = name if name in parts else "layers"
            parts[part] += Part(grids[name]) if name in grids else Part(dense_weights=shape[0] * shape[1])
    return Stored(*parts.values())


def layers_bytes(config: ModelConfig, precision: str) -> int:
    """The matrices of all layers: L (2 dim D (H + K) + 3 dim hidden) weights; fp8 has an fp32 scale for each row."""
    c = config
    weights = c.n_layers * (2 * c.dim * c.head_dim * (c.n_heads + c.n_kv_heads) + 3 * c.dim * c.hidden_dim)
    rows = c.n_layers * ((c.n_heads + 2 * c.n_kv_heads) * c.head_dim + 2 * c.hidden_dim + 2 * c.dim)
    return int(weights * WEIGHT_BITS[precision] / 8) + (4 * rows if precision == "fp8" else 0)


def table_bytes(config: ModelConfig, precision: str, element_bytes: int) -> int:
    """The embedding, or the output layer: V dim b; in groups of 32 codes of eight bits where layers are rounded."""
    weights = config.vocab_size * config.dim
    return int(weights * WEIGHT_BITS["int8"] / 8) if precision in ROUNDED else weights * element_bytes


def matrices_bytes(
    config: ModelConfig, precision: str, stored: Stored | None, element_bytes: int
) -> tuple[int, int, int]:
    """The matrices of all layers, the embedding, and the output layer where that has weights of its own.

    Args:
        config: The model's shape.
        precision: Of the weights; `file` for those that `stored` counts.
        stored: What the file takes on its own grid, if it has one.
        element_bytes: A number of the arithmetic.
    """
    if precision == "file":
        assert stored is not None
        layers, embedding, output = (
            each.n_bytes(element_bytes) for each in (stored.layers, stored.embedding, stored.output)
        )
        return layers, embedding, output
    table = table_bytes(config, precision, element_bytes)
    return layers_bytes(config, precision), table, 0 if config.tied else table


def norm_bytes(config: ModelConfig, element_bytes: int) -> int:
    """Two norms a layer and the last one: (2 L + 1) dim b."""
    return (2 * config.n_layers + 1) * config.dim * element_bytes


def kv_bytes(config: ModelConfig, kv: str, tokens: int, element_bytes: int) -> int:
    """Keys and values of every layer: 2 L K D b a token; 8-bit 2 L K (D + 2), with an fp16 scale a token and head."""
    c = config
    numbers = c.head_dim + 2 if kv == "int8" else c.head_dim * element_bytes
    return -(-tokens // KV_GROWTH_TOKENS) * KV_GROWTH_TOKENS * 2 * c.n_layers * c.n_kv_heads * numbers


def feed_forward_bytes(config: ModelConfig, kind: str, chunk_tokens: int, element_bytes: int) -> int:
    """A chunk's numbers in the feed-forward network: T b (2 dim + 3 hidden) on CUDA, else T b (dim + 4 hidden).

    The residual, what is normed of it, gate and up, and their product; in plain torch silu of the gate beside them. A
    norm in plain torch takes T dim (8 + 2 b), in fp32.
    """
    c, b = config, element_bytes
    if kind == "cuda":
        return chunk_tokens * b * (2 * c.dim + 3 * c.hidden_dim)
    return chunk_tokens * max(b * (c.dim + 4 * c.hidden_dim), c.dim * (8 + 2 * b))


def attention_bytes(
    config: ModelConfig, kind: str, kv: str, chunk_tokens: int, window_tokens: int, element_bytes: int
) -> int:
    """A chunk's numbers in attention.

    T b (2 dim + 2 (H + 2K) D + 2 H D): residual and normed, rows before and after the rotation, queries folded, result.
    On CUDA in bf16 beside them one part a block of the past and two more, T H (D b + 4) each, merged at the end, and a
    block's keys and values in a place of their own, 2 K D b a token. Elsewhere T (2 H D b + 12 H D): keys and values
    repeated, and two parts and their merge in fp32; and the scores where no fused kernel hides them. Everywhere what is
    unpacked of a past of eight bits.
    """
    c, b = config, element_bytes
    heads, all_heads = c.n_heads * c.head_dim, (c.n_heads + 2 * c.n_kv_heads) * c.head_dim
    held = chunk_tokens * b * (2 * c.dim + 2 * all_heads + 2 * heads)
    held += unpacked_past_bytes(c, kind, kv, window_tokens, b)
    if kind == "cuda" and b == 2:
        block = ATTENTION_BLOCK_TOKENS if kv == "full" else KV_BLOCK_TOKENS
        parts = 2 + -(-window_tokens // block)
        copied = 2 * c.n_kv_heads * c.head_dim * b * min(window_tokens, block)
        return held + parts * chunk_tokens * c.n_heads * (c.head_dim * b + 4) + copied
    return held + chunk_tokens * (2 * heads * b + 12 * heads) + score_bytes(c, kind, chunk_tokens, window_tokens, b)


def score_bytes(config: ModelConfig, kind: str, chunk_tokens: int, window_tokens: int, element_bytes: int) -> int:
    """Attention scores, where no fused kernel keeps them out of memory.

    CUDA in bf16 and a CPU in fp32: none. A CPU in bf16: a head's scores and their softmax, 2 T S b. An Apple GPU:
    slices of a block's scores as they are multiplied and in fp32, b + 4 bytes of each of min(H T S, 2^26), and a copy
    of the last keys and values, 2 K D b a token. Else slices of scores in fp32 and their exponentials, 8 bytes of each,
    and a layer's keys and values in fp32, 8 K S D.
    """
    if kind == "cuda" and element_bytes == 2:
        return 0
    if kind == "cpu":
        return 2 * chunk_tokens * window_tokens * element_bytes if element_bytes == 2 else 0
    if kind == "mps":
        copied = -(-chunk_tokens // BUCKET_TOKENS) * BUCKET_TOKENS + BUCKET_TOKENS
        block = max(copied, min(window_tokens, LONGEST_BLOCK_TOKENS))
        held = (element_bytes + 4) * min(SCORE_ELEMENTS, config.n_heads * chunk_tokens * block)
        return held + 2 * config.n_kv_heads * config.head_dim * element_bytes * copied
    slices = 8 * min(SCORE_ELEMENTS, config.n_heads * chunk_tokens * window_tokens)
    return slices + 8 * config.n_kv_heads * config.head_dim * window_tokens


def unpacked_bytes(config: ModelConfig, kind: str, precision: str, element_bytes: int) -> int:
    """A layer's largest matrix (gate and up, 2 hidden dim) as it is multiplied while a prompt is read.

    Dense: none. Groups: a strip of 2^24 weights at a time, each as a code in a byte, that in fp32, times its scale in
    fp32, and as it is multiplied, 9 + b; on CUDA at least the whole matrix in b, as a kernel writes it. fp8 is
    multiplied as it is, but for the output layer, which is in groups.
    """
    if precision in ("fp32", "bf16"):
        return 0
    if precision == "fp8":
        return min(config.vocab_size * config.dim, STRIP_WEIGHTS) * (9 + element_bytes)
    weights = 2 * config.hidden_dim * config.dim
    strip = min(weights, STRIP_WEIGHTS) * (9 + element_bytes)
    return max(strip, weights * element_bytes) if kind == "cuda" else strip


def unpacked_past_bytes(config: ModelConfig, kind: str, kv: str, window_tokens: int, element_bytes: int) -> int:
    """A layer's keys and values in the numbers that they are attended to in, 2 K D b a token; none if they are kept so.

    All S tokens on a CPU in bf16, whose attention is one softmax; else two blocks, one that is let go and its follower.
    """
    if kv == "full":
        return 0
    at_once = window_tokens if kind == "cpu" and element_bytes == 2 else min(window_tokens, 2 * KV_BLOCK_TOKENS)
    return 2 * config.n_kv_heads * at_once * config.head_dim * element_bytes


def logit_bytes(config: ModelConfig, element_bytes: int) -> int:
    """Rows of logits as they are computed, in fp32, and as log-probabilities: rows V (b + 8)."""
    return LOGIT_ROWS * config.vocab_size * (element_bytes + 8)


def rotary_bytes(config: ModelConfig, window_tokens: int) -> int:
    """The table of turns, complex64, D / 2 a position; up to twice the window, because it grows by doubling."""
    return 2 * window_tokens * config.head_dim // 2 * 8


def loading_bytes(config: ModelConfig, precision: str, element_bytes: int) -> int:
    """What the largest matrix takes beside itself while it is put together.

    Dense and from a grid: its parts. Rounded on load: its parts and their codes, or a table before it is rounded.
    """
    weights, table = 2 * config.hidden_dim * config.dim, config.vocab_size * config.dim
    return (
        max(weights * (element_bytes + 1), table * element_bytes) if precision in ROUNDED else weights * element_bytes
    )
