"""NeMo's exact shape on one CUDA GPU beside transformers: time to the first token, time a token, memory, agreement.

The weights are random and drawn on the device, so nothing is fetched; transformers gets the same numbers. Agreement is
shown twice: at a few layers, where transformers in fp32 tells how far each of the two bf16 programs is off, and at full
depth between the two. Needs torch, numpy and safetensors; transformers where it is compared. Results are printed as
they come, and what does not fit in `--seconds` is left out by name.

    python -m tests.benchmarks.bench_gpu [--lengths 8192,32768,120000] [--seconds 480] [--alone] [--tiny]

`--tiny` runs every line of it on a tiny model, on a CPU where there is no GPU. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.placing import CHUNK_TOKENS
from nemo_docs.engine.plan import chunk_plan
from nemo_docs.engine.protocol import Free, Request, Token
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_nemo import NEMO, NEMO_PARAMETERS, TINY, RandomWeights, as_transformers

FEW_LAYERS = 4
ROWS = 64
"""How many last rows of logits are compared."""
Row = dict[str, Any]


class Bench:
    """One device, one shape, and a clock that says when to stop.

    Args:
        config: The model's shape.
        device: Where everything lives.
        seconds: Nothing new is begun after this time.
    """

    def __init__(self, config: ModelConfig, device: torch.device, seconds: float) -> None:
        self.config, self.device = config, device
        self._until = perf_counter() + seconds
        self.left_out: list[str] = []

    def time_for(self, what: str) -> bool:
        """Whether to begin; if not, it is noted."""
        if perf_counter() < self._until:
            return True
        self.left_out.append(what)
        return False

    def ids(self, count: int) -> list[int]:
        """Random ids, the same each time."""
        generator = torch.Generator().manual_seed(1)
        return torch.randint(0, self.config.vocab_size, (count,), generator=generator).tolist()

    def clean(self) -> None:
        """Give back what is not held, and start counting memory anew."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_gb(self) -> float | None:
        """Most memory held since the last `clean`, in 10^9 bytes; None where it is not counted."""
        return round(torch.cuda.max_memory_allocated(self.device) / 1e9, 2) if self.device.type == "cuda" else None

    def ours(self, dtype: torch.dtype, layers: int | None = None) -> Transformer:
        """Our model."""
        return Transformer(RandomWeights(self._shape(layers)), device=self.device, dtype=dtype)

    def theirs(self, dtype: torch.dtype, layers: int | None = None) -> Any:
        """The same model as transformers has it."""
        return as_transformers(RandomWeights(self._shape(layers)), device=self.device, dtype=dtype)

    def _shape(self, layers: int | None) -> ModelConfig:
        return self.config if layers is None else replace(self.config, n_layers=layers)

    def time_ours(self, model: Transformer, tokens: int, decode: int) -> Row:
        """Read a prompt and write behind it, through the engine; nothing is reused."""
        chunk = CHUNK_TOKENS[self.device.type]
        engine = Engine(model, window_tokens=tokens + decode, chunk_tokens=chunk, pool_bytes=0)
        request = Request((tuple(self.ids(tokens)),), (Free(decode, stops=()),))
        self.clean()
        began = perf_counter()
        times = [perf_counter() - began for event in engine.run(request) if isinstance(event, Token)]
        return self._row(tokens, times)

    def time_theirs(self, model: Any, tokens: int, decode: int) -> Row:
        """The same with transformers and its growing cache."""
        prompt = torch.tensor([self.ids(tokens)], device=self.device)
        self.clean()
        times: list[float] = []
        began = perf_counter()
        with torch.inference_mode():
            found = model(prompt, use_cache=True, logits_to_keep=1)
            for _ in range(decode):
                token = int(found.logits[0, -1].argmax())
                times.append(perf_counter() - began)
                fed = torch.tensor([[token]], device=self.device)
                found = model(fed, past_key_values=found.past_key_values, use_cache=True, logits_to_keep=1)
        return self._row(tokens, times)

    def _row(self, tokens: int, times: Sequence[float]) -> Row:
        return {
            "tokens": tokens,
            "first_token_s": round(times[0], 4),
            "prefill_tokens_per_s": round(tokens / times[0], 1),
            "ms_a_token": round(1000 * (times[-1] - times[0]) / (len(times) - 1), 3),
            "peak_gb": self.peak_gb(),
        }

    def logits_of_ours(self, model: Transformer, tokens: int) -> Tensor:
        """The last rows of logits of a prompt read in chunks. Shapes: fp32 [ROWS, V]."""
        ids, cache = self.ids(tokens), KVCache(model.kv_layout, tokens)
        for chunk in chunk_plan([tokens - ROWS, ROWS], CHUNK_TOKENS[self.device.type]):
            part = ids[chunk.start : chunk.end]
            logits = model.forward(part, cache, rows=slice(-ROWS, None))
            cache.commit(part, ends_chunk=True)
        return logits

    def logits_of_theirs(self, model: Any, tokens: int) -> Tensor:
        """The same of transformers, read at once. Shapes: fp32 [ROWS, V]."""
        with torch.inference_mode():
            prompt = torch.tensor([self.ids(tokens)], device=self.device)
            logits: Tensor = model(prompt, use_cache=False, logits_to_keep=ROWS).logits[0].float()
        return logits

    def agreement_at_few_layers(self, tokens: int) -> Row:
        """How far both bf16 programs are from transformers in fp32."""
        reference = self.logits_of_theirs(self.theirs(torch.float32, FEW_LAYERS), tokens)
        self.clean()
        ours = self.logits_of_ours(self.ours(torch.bfloat16, FEW_LAYERS), tokens)
        self.clean()
        theirs = self.logits_of_theirs(self.theirs(torch.bfloat16, FEW_LAYERS), tokens)
        self.clean()
        return {"layers": FEW_LAYERS, "tokens": tokens} | {
            "ours_from_fp32": relative(ours, reference),
            "theirs_from_fp32": relative(theirs, reference),
        }


def relative(found: Tensor, reference: Tensor) -> float:
    """Norm of the difference over the norm of the reference."""
    return float(f"{float((found - reference).norm() / reference.norm()):.3g}")


def say(label: str, row: Row) -> None:
    """One line for people, at once."""
    print(f"{label:24}" + "  ".join(f"{key} {value}" for key, value in row.items()), file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="8192,32768,120000", help="prompt lengths in tokens")
    parser.add_argument("--agree", type=int, default=4096, help="prompt length at which logits are compared")
    parser.add_argument("--decode", type=int, default=32, help="tokens written behind each prompt")
    parser.add_argument("--seconds", type=float, default=480, help="nothing new is begun after this time")
    parser.add_argument("--alone", action="store_true", help="do not compare with transformers")
    parser.add_argument("--tiny", action="store_true", help="a tiny model and short prompts, on any device")
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not arguments.tiny:
        print("Nothing was measured: torch finds no CUDA GPU. --tiny tries every line here.", file=sys.stderr)
        print(json.dumps({"benchmark": "gpu", "left_out": ["no CUDA GPU"], "commit": commit()}))
        return 0
    device = torch.device("cuda" if cuda else "cpu")
    lengths = [96, 700] if arguments.tiny else [int(length) for length in arguments.lengths.split(",")]
    agree = 600 if arguments.tiny else arguments.agree
    config = TINY if arguments.tiny else NEMO
    if config is NEMO and config.n_parameters != NEMO_PARAMETERS:
        raise SystemExit(f"The shape has {config.n_parameters:,} parameters, not NeMo's {NEMO_PARAMETERS:,}.")

    bench = Bench(config, device, arguments.seconds)
    report: Row = {
        "benchmark": "gpu",
        "parameters": config.n_parameters,
        "dtype": "bfloat16",
        "ours": [],
        "transformers": [],
        "left_out": bench.left_out,
        "machine": torch.cuda.get_device_name(device) if cuda else processor(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    compared = not arguments.alone and find_spec("transformers") is not None
    if not compared:
        bench.left_out.append("transformers")
    elif bench.time_for("agreement at few layers"):
        report["transformers_version"] = version("transformers")
        report["agreement"] = bench.agreement_at_few_layers(agree)
        say("agreement", report["agreement"])

    began = perf_counter()
    model: Transformer | None = bench.ours(torch.bfloat16)
    assert model is not None
    say("drawn", {"seconds": round(perf_counter() - began, 1), "peak_gb": bench.peak_gb()})
    bench.time_ours(model, min(lengths), decode=4)  # plans and kernels are made at the first use
    for length in lengths:
        if bench.time_for(f"ours at {length}"):
            report["ours"].append(bench.time_ours(model, length, arguments.decode))
            say("ours", report["ours"][-1])

    if compared and bench.time_for("transformers"):
        logits = bench.logits_of_ours(model, agree)
        model = None
        bench.clean()
        theirs = bench.theirs(torch.bfloat16)
        report["full_depth_difference"] = relative(logits, bench.logits_of_theirs(theirs, agree))
        say("full depth", {"tokens": agree, "ours_from_theirs": report["full_depth_difference"]})
        bench.time_theirs(theirs, min(lengths), decode=4)
        for length in lengths:
            if bench.time_for(f"transformers at {length}"):
                report["transformers"].append(bench.time_theirs(theirs, length, arguments.decode))
                say("transformers", report["transformers"][-1])
    report["ratios"] = [
        {"tokens": mine["tokens"]} | {key: round(other[key] / mine[key], 2) for key in ("first_token_s", "ms_a_token")}
        for mine, other in zip(report["ours"], report["transformers"], strict=False)
    ]
    for row in report["ratios"]:
        say("times as fast", row)
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
