"""The product's random weights in NeMo's shape, and the same tensors as transformers holds them.

Agreement of two programs, like their speed, does not depend on what the weights say.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nemo_docs.model.config import NEMO, ModelConfig
from nemo_docs.model.weights.random import RandomWeights

__all__ = ["NEMO", "NEMO_PARAMETERS", "TINY", "RandomWeights", "as_transformers"]

NEMO_PARAMETERS = 12_247_782_400
TINY = ModelConfig(
    dim=80,
    n_layers=3,
    head_dim=16,
    hidden_dim=224,
    n_heads=8,
    n_kv_heads=2,
    norm_eps=1e-5,
    vocab_size=320,
    rope_theta=1_000_000.0,
    tied=False,
)


def as_transformers(weights: RandomWeights, *, device: torch.device, dtype: torch.dtype) -> Any:
    """The same model as transformers' `MistralForCausalLM`, with `sdpa` attention."""
    from transformers import MistralConfig, MistralForCausalLM

    c = weights.config
    config = MistralConfig(
        hidden_size=c.dim,
        num_hidden_layers=c.n_layers,
        head_dim=c.head_dim,
        intermediate_size=c.hidden_dim,
        num_attention_heads=c.n_heads,
        num_key_value_heads=c.n_kv_heads,
        rms_norm_eps=c.norm_eps,
        vocab_size=c.vocab_size,
        rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta},
        tie_word_embeddings=c.tied,
        max_position_embeddings=131_072,
        sliding_window=None,
        attn_implementation="sdpa",
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.device(device):
        model = MistralForCausalLM._from_config(config, dtype=dtype).eval()
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in weights.shapes:
            tensor = weights.load(name, device=device, dtype=dtype)
            rotated = name.endswith(("wq.weight", "wk.weight"))
            parameters.pop(_their_name(name)).copy_(_to_halves(tensor, c.head_dim) if rotated else tensor)
    if parameters:
        raise ValueError(f"transformers has weights that this project lacks: {sorted(parameters)}")
    return model


_THEIR_NAMES = {
    "attention_norm": "input_layernorm",
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "tok_embeddings": "model.embed_tokens",
    "norm": "model.norm",
    "output": "lm_head",
}


def _their_name(name: str) -> str:
    """`layers.3.attention.wq.weight` -> `model.layers.3.self_attn.q_proj.weight`."""
    stem = name.removesuffix(".weight")
    if stem.startswith("layers."):
        _, layer, part = stem.split(".", 2)
        return f"model.layers.{layer}.{_THEIR_NAMES[part]}.weight"
    return f"{_THEIR_NAMES[stem]}.weight"


def _to_halves(weight: Tensor, head_dim: int) -> Tensor:
    """Rows of each head, pairs to halves: first the even rows, then the odd ones. Shapes: [H * D, dim]."""
    heads = weight.view(-1, head_dim, weight.shape[1])
    return torch.cat((heads[:, 0::2], heads[:, 1::2]), dim=1).reshape_as(weight)
