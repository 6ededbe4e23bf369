"""Writers of the layouts that a model can come in, independent of the readers, as the tools of others write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from nemo_docs.engine.footprint import matrices_bytes, norm_bytes, stored
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.transformer import TensorSource
from nemo_docs.model.weights.base import GridSource, expected_shapes

Tensors = dict[str, torch.Tensor]
Layouts = dict[str, Path]


def write_native(folder: Path, config: ModelConfig, tensors: Tensors) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    params = config.as_dict()
    del params["tied"]
    (folder / "params.json").write_text(json.dumps(params))
    save_file(tensors, folder / "consolidated.safetensors")
    return folder


def write_adapter(
    folder: Path,
    config: ModelConfig,
    names: Iterable[str],
    *,
    rank: int = 4,
    scaling: float = 2.0,
    zero: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """What mistral-finetune leaves in a `consolidated` folder; `names` are native, without `.weight`."""
    folder.mkdir(parents=True, exist_ok=True)
    generator, shapes, tensors = torch.Generator().manual_seed(rank), expected_shapes(config), {}
    for name in names:
        rows, columns = shapes[f"{name}.weight"]
        a = torch.randn((rank, columns), generator=generator) * columns**-0.5
        b = torch.zeros(rows, rank) if zero else torch.randn((rows, rank), generator=generator) * 0.2
        tensors |= {f"{name}.lora_A.weight": a.to(dtype), f"{name}.lora_B.weight": b.to(dtype)}
    save_file(tensors, folder / "lora.safetensors")
    params = {key: value for key, value in config.as_dict().items() if key != "tied"}
    lora = {"enable": True, "rank": rank, "dropout": 0.0, "scaling": scaling}
    (folder / "params.json").write_text(json.dumps({**params, "lora": lora, "moe": None}, indent=4))
    return folder


def hugging_face_name(name: str) -> str:
    whole = {
        "tok_embeddings.weight": "model.embed_tokens.weight",
        "norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
    }
    if name in whole:
        return whole[name]
    for native, other in {
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attention.wq": "self_attn.q_proj",
        "attention.wk": "self_attn.k_proj",
        "attention.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj",
        "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w2": "mlp.down_proj",
        "feed_forward.w3": "mlp.up_proj",
    }.items():
        name = name.replace(native, other)
    return f"model.{name}"


def to_halves(weight: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Mistral's converter, native to Hugging Face: of each head first the even rows, then the odd ones."""
    heads = weight.view(-1, head_dim, weight.shape[1])
    return torch.cat([heads[:, 0::2], heads[:, 1::2]], dim=1).reshape_as(weight).contiguous()


def hugging_face_config(config: ModelConfig) -> dict[str, object]:
    return {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "hidden_size": config.dim,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.hidden_dim,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "sliding_window": None,
        "tie_word_embeddings": config.tied,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": 131072,
        "torch_dtype": "float32",
    }


def write_hugging_face(folder: Path, config: ModelConfig, tensors: Tensors, *, shards: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(hugging_face_config(config)))
    renamed = {
        hugging_face_name(name): to_halves(t, config.head_dim) if name.endswith(("wq.weight", "wk.weight")) else t
        for name, t in tensors.items()
    }
    if shards == 1:
        save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    names = sorted(renamed)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: renamed[name] for name in names[shard::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def gguf_name(name: str) -> str:
    whole = {
        "tok_embeddings.weight": "token_embd.weight",
        "norm.weight": "output_norm.weight",
        "output.weight": "output.weight",
    }
    if name in whole:
        return whole[name]
    for native, other in {
        "layers.": "blk.",
        "attention_norm": "attn_norm",
        "attention.wq": "attn_q",
        "attention.wk": "attn_k",
        "attention.wv": "attn_v",
        "attention.wo": "attn_output",
        "feed_forward.w1": "ffn_gate",
        "feed_forward.w2": "ffn_down",
        "feed_forward.w3": "ffn_up",
    }.items():
        name = name.replace(native, other)
    return name


def write_gguf(
    path: Path,
    config: ModelConfig,
    tensors: Tensors,
    *,
    quantisation: str | Callable[[str], str] = "F32",
    architecture: str = "llama",
    also: Callable[[object], None] | None = None,
) -> Path:
    import gguf

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.n_layers)
    writer.add_context_length(131072)
    writer.add_embedding_length(config.dim)
    writer.add_feed_forward_length(config.hidden_dim)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.n_kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    if also:
        also(writer)
    for name, tensor in tensors.items():
        values = tensor.numpy().astype(np.float32)
        kind = gguf.GGMLQuantizationType[quantisation if isinstance(quantisation, str) else quantisation(name)]
        if values.ndim > 1 and kind != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_grouped(folder: Path, config: ModelConfig, tensors: Tensors) -> Path:
    """Our own layout: every matrix rounded to four bits in groups of 32, with a scale and a minimum."""
    folder.mkdir(parents=True, exist_ok=True)
    params = config.as_dict()
    del params["tied"]
    (folder / "params.json").write_text(json.dumps(params))
    parts: Tensors = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            parts[name] = tensor
            continue
        groups = tensor.view(len(tensor), -1, 32)
        low, high = groups.amin(-1).half(), groups.amax(-1).half()
        scale = ((high - low).float() / 15).half()
        codes = ((groups - low.float().unsqueeze(-1)) / scale.float().unsqueeze(-1)).round().clamp(0, 15).byte()
        packed = codes[..., :16] | codes[..., 16:] << 4
        parts |= {f"{name}.codes": packed.flatten(1), f"{name}.scales": scale, f"{name}.minimums": low}
    save_file(parts, folder / "grouped.safetensors")
    return folder


def planned_bytes(source: TensorSource, dtype: torch.dtype, precision: str) -> int:
    """What the plan of memory counts for all weights, told from headers alone."""
    kept = stored(source.config, source.grids() if isinstance(source, GridSource) else {})
    own = precision if precision != "file" or kept else {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
    return sum(matrices_bytes(source.config, own, kept, dtype.itemsize)) + norm_bytes(source.config, dtype.itemsize)
