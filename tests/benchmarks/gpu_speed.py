"""Times of bench_gpu: the table of what must be shown, ours and transformers', each with the floor of its own work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

import torch

from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.gpu_base import Bench, Row

LONG, WINDOW, WINDOWS = 131_072, 16_384, 8
STEPS = {"cuda": 24, "cpu": 3}
RATES = {"copy": 4.25e12, "bf16": 780e12, "fp8": 1400e12, "attention": 610e12}
"""Bytes and operations a second that an H200 was measured to do; `floors` of gpu_kernels measures the first two."""


def linear_operations(config: ModelConfig, tokens: int) -> float:
    """Of all layers."""
    per_layer = (
        2 * config.dim * config.head_dim * (config.n_heads + config.n_kv_heads) + 3 * config.dim * config.hidden_dim
    )
    return 2.0 * per_layer * config.n_layers * tokens


def attention_operations(config: ModelConfig, tokens: int) -> float:
    """Causal, of all layers."""
    return 2.0 * tokens * tokens * config.n_heads * config.head_dim * config.n_layers


def prefill_floor_s(config: ModelConfig, tokens: int, *, fp8: bool) -> float:
    """What the operations alone take."""
    linear = linear_operations(config, tokens) / RATES["fp8" if fp8 else "bf16"]
    return linear + attention_operations(config, tokens) / RATES["attention"]


def step_floor_ms(config: ModelConfig, layout: KVLayout, tokens: int, *, fp8: bool) -> float:
    """What reading weights and caches once takes."""
    weights = linear_operations(config, 1) / 2 * (1 if fp8 else 2) + config.vocab_size * config.dim * 2
    return 1000 * (weights + tokens * layout.bytes_per_token) / RATES["copy"]


def ours(bench: Bench, model: Transformer, label: str, *, fp8: bool = False) -> Iterator[tuple[str, Row]]:
    """All times of one model: one long prompt, eight windows, decode behind them."""
    config = model.config
    layout = bench.int8(model.kv_layout) if fp8 else model.kv_layout
    long, window = bench.length(LONG), bench.length(WINDOW)

    # Plans and kernels are made at the first use; the shapes are those of the long prompt.
    warm = bench.ids(min(long, 9 * bench.chunk))
    _, cache, token = bench.read(model, warm, layout)
    bench.write(model, [cache], [token], 4)
    del cache
    bench.clean()
    if bench.time_for(f"{label}: one prompt"):
        seconds, cache, token = bench.read(model, bench.ids(long), layout)
        yield "prompt", _prefill(bench, seconds, long, prefill_floor_s(config, long, fp8=fp8))
        step, _ = bench.write(model, [cache], [token], STEPS[bench.device.type])
        yield "decode", _step(step, long, step_floor_ms(config, layout, long, fp8=fp8))
        del cache
        bench.clean()
    if bench.time_for(f"{label}: windows"):
        caches: list[KVCache] = []
        tokens, total = [], 0.0
        for n in range(WINDOWS):
            seconds, cache, token = bench.read(model, bench.ids(window, seed=n), layout)
            total += seconds
            caches.append(cache)
            tokens.append(token)
        yield "windows", _prefill(bench, total, WINDOWS * window, WINDOWS * prefill_floor_s(config, window, fp8=fp8))
        step, _ = bench.write(model, caches[:1], tokens[:1], STEPS[bench.device.type])
        yield "decode", _step(step, window, step_floor_ms(config, layout, window, fp8=fp8))
        step, _ = bench.write(model, caches, tokens, STEPS[bench.device.type])
        floor = step_floor_ms(config, layout, WINDOWS * window, fp8=fp8)
        yield "together", _step(step, window, floor) | {"sequences": WINDOWS}


def theirs(bench: Bench, model: Any) -> Iterator[tuple[str, Row]]:
    """The same of transformers: a long prompt and one of a window, with its growing cache."""
    _theirs(bench, model, bench.length(WINDOW), steps=4)
    for tokens in (bench.length(WINDOW), bench.length(LONG)):
        if bench.time_for(f"transformers at {tokens}"):
            seconds, step = _theirs(bench, model, tokens, STEPS[bench.device.type])
            yield "prompt", {"tokens": tokens, "first_token_s": round(seconds, 3), "peak_gb": bench.peak_gb()}
            yield "decode", {"tokens": tokens, "ms_a_step": round(1000 * step, 3)}


def _theirs(bench: Bench, model: Any, tokens: int, steps: int) -> tuple[float, float]:
    prompt = torch.tensor([bench.ids(tokens)], device=bench.device)
    bench.clean()
    times: list[float] = []
    began = bench.wait()
    with torch.inference_mode():
        found = model(prompt, use_cache=True, logits_to_keep=1)
        for _ in range(steps + 1):
            token = int(found.logits[0, -1].argmax())
            times.append(perf_counter() - began)
            fed = torch.tensor([[token]], device=bench.device)
            found = model(fed, past_key_values=found.past_key_values, use_cache=True, logits_to_keep=1)
    return times[0], median(after - before for before, after in pairwise(times[1:]))


def _prefill(bench: Bench, seconds: float, tokens: int, floor: float) -> Row:
    return {
        "tokens": tokens,
        "first_token_s": round(seconds, 3),
        "floor_s": round(floor, 3),
        "over_floor": round(seconds / floor, 3),
        "peak_gb": bench.peak_gb(),
    }


def _step(seconds: float, tokens: int, floor_ms: float) -> Row:
    ms = 1000 * seconds
    return {
        "tokens": tokens,
        "ms_a_step": round(ms, 3),
        "floor_ms": round(floor_ms, 3),
        "over_floor": round(ms / floor_ms, 2),
    }
