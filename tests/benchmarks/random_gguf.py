"""A GGUF file of random four-bit weights in a model's shape, which other programs read as well as this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

from nemo_docs.model.config import ModelConfig
from nemo_docs.model.weights.base import expected_shapes

_TOP = {"tok_embeddings": "token_embd", "norm": "output_norm", "output": "output"}
_BLOCK = {
    "attention_norm": "attn_norm",
    "attention.wq": "attn_q",
    "attention.wk": "attn_k",
    "attention.wv": "attn_v",
    "attention.wo": "attn_output",
    "ffn_norm": "ffn_norm",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w2": "ffn_down",
    "feed_forward.w3": "ffn_up",
}
_BLOCK_BYTES, _BLOCK_COLUMNS = 18, 32  # of Q4_0: a half-precision scale, 32 codes of four bits
_SPREAD = 4.6  # of codes from -8 to 7, in root mean square


def write_random_gguf(path: Path, config: ModelConfig) -> Path:
    """Write Q4_0 weights whose products keep the size of what goes in; a file that is there already is kept.

    The vocabulary has no words: prompts are ids.
    """
    if path.is_file():
        return path
    writer = GGUFWriter(str(path.with_suffix(".part")), "llama")
    writer.add_block_count(config.n_layers)
    writer.add_context_length(131_072)
    writer.add_embedding_length(config.dim)
    writer.add_feed_forward_length(config.hidden_dim)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.n_kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    shapes = {_their_name(name): shape for name, shape in expected_shapes(config).items()}
    for name, shape in shapes.items():
        if len(shape) == 1:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * shape[0])
        else:
            row = shape[1] // _BLOCK_COLUMNS * _BLOCK_BYTES
            kind = GGMLQuantizationType.Q4_0
            writer.add_tensor_info(name, (shape[0], row), np.dtype(np.uint8), shape[0] * row, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    generator = np.random.default_rng(1)
    for shape in shapes.values():  # one at a time: the whole model has no room in memory
        writer.write_tensor_data(_drawn(generator, shape))
    writer.close()
    path.with_suffix(".part").rename(path)
    return path


def _drawn(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) == 1:
        return (1 + 0.1 * generator.standard_normal(shape)).astype(np.float32)
    blocks = generator.integers(0, 256, (shape[0], shape[1] // _BLOCK_COLUMNS, _BLOCK_BYTES), dtype=np.uint8)
    blocks[:, :, :2] = np.array([shape[1] ** -0.5 / _SPREAD], np.float16).view(np.uint8)
    return blocks.reshape(shape[0], -1)


def _their_name(name: str) -> str:
    """`layers.3.attention.wq.weight` -> `blk.3.attn_q.weight`."""
    stem = name.removesuffix(".weight")
    if not stem.startswith("layers."):
        return f"{_TOP[stem]}.weight"
    _, layer, part = stem.split(".", 2)
    return f"blk.{layer}.{_BLOCK[part]}.weight"
