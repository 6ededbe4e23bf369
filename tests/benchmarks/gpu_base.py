"""What the parts of bench_gpu share: models, prompts, clocks, and a budget of time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from nemo_docs.engine.plan import chunk_plan
from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.cuda.accelerating import FusedOperations, accelerate, install
from nemo_docs.model.cuda.language import TRITON
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.random_nemo import RandomWeights, as_transformers

Row = dict[str, Any]
FP32_PART = 1024
"""Tokens that transformers reads at once in fp32: its scores would take 128 GiB for 32k."""
ROWS = 64
"""How many last rows of logits are compared."""


class Bench:
    """One device, one shape, and a clock that says when to stop.

    Args:
        config: The model's shape.
        device: Where everything lives.
        seconds: Nothing new is begun after this time.
        chunk: Tokens of a prompt that are computed at once.
        scale: Lengths are divided by this: 1 on a GPU, more for `--tiny`.
        is_plain: Leave out kernels and graph, to compare with.
    """

    def __init__(
        self, config: ModelConfig, device: torch.device, seconds: float, chunk: int, scale: int, is_plain: bool
    ) -> None:
        self.config, self.device, self.chunk, self.is_plain = config, device, max(24, chunk // scale), is_plain
        self._scale, self._until = scale, perf_counter() + seconds
        self.left_out: list[str] = []

    def time_for(self, what: str) -> bool:
        """Whether to begin; if not, it is noted."""
        if perf_counter() < self._until:
            return True
        self.left_out.append(what)
        return False

    def has(self, module: str, what: str) -> bool:
        """Whether a module is there; if not, what needs it is noted."""
        if find_spec(module) is not None:
            return True
        self.left_out.append(f"{what}: there is no {module}")
        return False

    def length(self, tokens: int) -> int:
        """A length at this scale."""
        return max(16, tokens // self._scale)

    def ids(self, count: int, seed: int = 1) -> list[int]:
        """Random ids, the same each time."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, self.config.vocab_size, (count,), generator=generator).tolist()

    def wait(self) -> float:
        """Let the device finish; returns the time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return perf_counter()

    def clean(self) -> None:
        """Give back what is not held, and start counting memory anew."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_gb(self) -> float | None:
        """Most memory held since the last `clean`, in 10^9 bytes; None where it is not counted."""
        return round(torch.cuda.max_memory_allocated(self.device) / 1e9, 2) if self.device.type == "cuda" else None

    def ours(self, dtype: torch.dtype, *, fp8: bool = False, layers: int | None = None) -> Transformer:
        """Our model, with the forms for this device unless the plain ones are asked for."""
        weights = RandomWeights(self._shape(layers))
        linears = None
        if fp8:
            from nemo_docs.model.linear.on_load import Fp8Loader
            from nemo_docs.model.transformer import DenseLoader

            linears = Fp8Loader(weights, self.device, dtype)
            linears.table = DenseLoader(weights, self.device, dtype).table
        model = Transformer(weights, device=self.device, dtype=dtype, linears=linears)
        if not self.is_plain:
            accelerate(model)
            if self.device.type == "cpu" and TRITON:
                install(model, FusedOperations(has_cudnn=False), processors=8)
        return model

    def theirs(self, dtype: torch.dtype, layers: int | None = None) -> Any:
        """The same model as transformers has it."""
        return as_transformers(RandomWeights(self._shape(layers)), device=self.device, dtype=dtype)

    def int8(self, layout: KVLayout) -> KVLayout:
        """The same cache in eight bits."""
        from nemo_docs.kv.form import Int8

        return replace(layout, form=Int8())

    def read(
        self, model: Transformer, ids: Sequence[int], layout: KVLayout | None = None, chunk: int | None = None
    ) -> tuple[float, KVCache, int]:
        """Read a prompt; returns seconds to the first token, the cache and that token."""
        cache = KVCache(layout or model.kv_layout, len(ids) + 256)
        began = self.wait()
        for part in chunk_plan([len(ids)], chunk or self.chunk):
            logits = model.forward(ids[part.start : part.end], cache)
            cache.commit(ids[part.start : part.end], ends_chunk=True)
        token = int(logits[-1].argmax())
        return perf_counter() - began, cache, token

    def write(self, model: Transformer, caches: Sequence[KVCache], tokens: list[int], steps: int) -> tuple[float, Row]:
        """Write greedily behind one or several caches; returns the median seconds of a step and the ids written."""
        times, written = [], [[token] for token in tokens]
        for _ in range(steps):
            began = perf_counter()
            if len(caches) == 1:
                logits = model.forward([tokens[0]], caches[0])
            elif model.decoder is not None:
                logits = model.decoder.step_together([[token] for token in tokens], caches)
            else:
                logits = torch.cat([model.forward([t], cache) for t, cache in zip(tokens, caches, strict=True)])
            for token, cache in zip(tokens, caches, strict=True):
                cache.commit([token], ends_chunk=False)
            tokens = logits.argmax(-1).tolist()
            times.append(perf_counter() - began)
            for token, ids in zip(tokens, written, strict=True):
                ids.append(token)
        return median(times[2:] or times), {"ids": written, "times": times}

    def logits_of_ours(self, model: Transformer, tokens: int) -> Tensor:
        """The last rows of logits of a prompt read in chunks. Shapes: fp32 [ROWS, V]."""
        ids, cache, rows = self.ids(tokens), KVCache(model.kv_layout, tokens), min(ROWS, tokens // 2)
        for start, end in (*chunk_plan([tokens - rows], self.chunk), (tokens - rows, tokens)):
            part = ids[start:end]
            logits = model.forward(part, cache, rows=slice(-rows, None))
            cache.commit(part, ends_chunk=True)
        return logits

    def logits_of_theirs(self, model: Any, tokens: int) -> Tensor:
        """The same of transformers: read at once, but in fp32, whose attention holds all scores, in parts.

        Shapes: fp32 [ROWS, V].
        """
        ids, kept, past = self.ids(tokens), min(ROWS, tokens // 2), None
        step = max(kept, FP32_PART) if next(model.parameters()).dtype == torch.float32 else tokens
        with torch.inference_mode():
            for start in range(0, tokens, step):
                part = torch.tensor([ids[start : start + step]], device=self.device)
                found = model(part, past_key_values=past, use_cache=step < tokens, logits_to_keep=kept)
                past = found.past_key_values
        logits: Tensor = found.logits[0].float()
        return logits

    def _shape(self, layers: int | None) -> ModelConfig:
        return self.config if layers is None else replace(self.config, n_layers=layers)


def relative(found: Tensor, reference: Tensor) -> float:
    """Norm of the difference over the norm of the reference."""
    return float(f"{float((found - reference).norm() / reference.norm()):.3g}")


def say(label: str, row: Row) -> None:
    """One line for people, at once."""
    print(f"{label:26}" + "  ".join(f"{key} {value}" for key, value in row.items()), file=sys.stderr, flush=True)
