"""Where the time of a chunk and of a step goes, kernel by kernel, beside what each kind of work cannot do without."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from nemo_docs.kv.cache import KVCache
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.gpu_base import Bench, Row
from tests.benchmarks.gpu_speed import LONG, RATES, attention_operations, linear_operations

KINDS = {
    "merge and elementwise": r"_add_norm|_turn|_gate\b|_merge|_round",
    "attention": r"fmha|flash|sdpa|cudnn|_split|_gather",
    "products": r"gemm|nvjet|cutlass|cublas|_one_row|_few_rows|splitK",
    "keys and values": r"_write\b",
    "copies and the rest": r"",
}
"""By names of kernels; the first that fits."""


def by_kind(work: Callable[[], object]) -> tuple[Row, Row]:
    """Milliseconds by kind, and of the kernels that take most."""
    work()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    kinds: dict[str, float] = defaultdict(float)
    kernels: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        ms = event.self_device_time_total / 1000
        kinds[next(kind for kind, names in KINDS.items() if re.search(names, event.key))] += ms
        kernels[f"{event.key[:60]} x{event.count}"] += ms
    most = sorted(kernels.items(), key=lambda item: -item[1])[:12]
    return {kind: round(ms, 3) for kind, ms in kinds.items()}, {name: round(ms, 3) for name, ms in most}


def breakdown(bench: Bench, model: Transformer) -> dict[str, Row]:
    """Of the last chunk of a long prompt, and of one step behind it."""
    config, depth = model.config, bench.length(LONG) - bench.chunk
    cache = KVCache(model.kv_layout, bench.length(LONG) + 256)
    cache.ids = bench.ids(depth)  # what the keys say does not change the time
    part = bench.ids(bench.chunk, seed=2)
    kinds, kernels = by_kind(lambda: model.forward(part, cache))
    pairs = attention_operations(config, depth + bench.chunk) - attention_operations(config, depth)
    chunk = {
        "ms": kinds,
        "floor of products": round(1000 * linear_operations(config, bench.chunk) / RATES["bf16"], 1),
        "floor of attention": round(1000 * pairs / RATES["attention"], 1),
        "kernels": kernels,
    }
    kinds, kernels = by_kind(lambda: model.forward(part[:1], cache))
    weights = linear_operations(config, 1) + 2 * config.vocab_size * config.dim
    step = {
        "ms": kinds,
        "floor of products": round(1000 * weights / RATES["copy"], 2),
        "floor of attention": round(1000 * depth * model.kv_layout.bytes_per_token / RATES["copy"], 2),
        "kernels": kernels,
    }
    return {"last chunk": chunk, "step": step}
