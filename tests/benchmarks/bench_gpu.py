"""NeMo's exact shape on one CUDA GPU beside transformers: every figure that must be shown, in one run.

The weights are random and drawn on the device, so nothing is fetched; transformers gets the same numbers. Needs torch,
numpy and safetensors; transformers where it is compared. Results are printed as they come, and what does not fit in
`--seconds`, or needs what is not there, is left out by name.

    python -m tests.benchmarks.bench_gpu [--only bf16,fp8,...] [--seconds 560] [--chunk 8192] [--plain] [--tiny]

Parts: `kernels` (each kernel alone), `reference` (transformers in fp32, 49 GB, to compare with), `bf16` and `fp8`
(ours: a prompt of 131,072 tokens, eight windows of 16,384, decode behind them, logits), `changes` (answers in bf16 and
chunk size), `breakdown` (by kernel), `transformers` (the same in bf16), `fp32` (what must change no answer). `--plain`
leaves out kernels and graph; `--tiny` runs every line on a CPU, kernels through TRITON_INTERPRET=1. Ends with a line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from importlib.metadata import version
from itertools import product
from typing import Any

import torch
from torch import Tensor

from nemo_docs.engine.placing import CHUNK_TOKENS
from nemo_docs.model.cuda.language import TRITON
from tests.benchmarks import gpu_close, gpu_kernels, gpu_profile, gpu_speed
from tests.benchmarks.gpu_base import Bench, Row, say
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_nemo import NEMO, NEMO_PARAMETERS, TINY

PARTS = ("kernels", "reference", "bf16", "changes", "breakdown", "fp8", "transformers", "fp32")
TINY_SCALE = 1024


class Run:
    """The parts that were asked for, in order, and what they found.

    Args:
        bench: Device, shape and clock.
        parts: Names.
    """

    def __init__(self, bench: Bench, parts: set[str]) -> None:
        self._bench, self._parts = bench, parts
        self._references: dict[int, Tensor] = {}
        self.found: dict[str, Any] = defaultdict(list)

    def everything(self) -> None:
        """Run them; what fails is told and ends only its own part."""
        for part in (self._kernels, self._reference, self._bf16, self._fp8, self._transformers, self._fp32):
            try:
                part()
            except (RuntimeError, ValueError, ImportError) as error:
                self._bench.left_out.append(f"{part.__name__[1:]} failed: {error}")
                say(f"{part.__name__[1:]} failed", {"error": str(error)[:300]})
            self._bench.clean()

    def _wanted(self, part: str) -> bool:
        return part in self._parts and self._bench.time_for(part)

    def _add(self, part: str, name: str, row: Row) -> None:
        self.found[part].append({"what": name} | row)
        say(f"{part}: {name}", row)

    def _kernels(self) -> None:
        if self._wanted("kernels"):
            if not TRITON:
                self._bench.left_out.append("kernels: Triton is not installed")
                return
            with torch.inference_mode():
                for name, row in gpu_kernels.everything(self._bench.time_for):
                    self._add("kernels", name, row)

    def _reference(self) -> None:
        if self._wanted("reference") and self._bench.has("transformers", "reference"):
            self._references = gpu_close.references(self._bench)
            self._add("reference", "read", {"tokens": str(list(self._references)), "peak_gb": self._bench.peak_gb()})

    def _bf16(self) -> None:
        if not {"bf16", "changes", "breakdown"} & self._parts or not self._bench.time_for("bf16"):
            return
        bench = self._bench
        model = bench.ours(torch.bfloat16 if bench.device.type == "cuda" else torch.float16)
        if "bf16" in self._parts:
            for name, row in gpu_speed.ours(bench, model, "bf16"):
                self._add("bf16", name, row)
            self._compare("bf16", {n: bench.logits_of_ours(model, bench.length(n)) for n in self._lengths})
        if self._wanted("breakdown") and bench.device.type == "cuda":
            for name, row in gpu_profile.breakdown(bench, model).items():
                self._add("breakdown", name, row)
        if self._wanted("changes"):
            self._add("changes", "chunk size in bf16", gpu_close.in_bf16(bench, model))

    def _fp8(self) -> None:
        bench = self._bench
        if not self._wanted("fp8") or not bench.has("nemo_docs.model.linear.on_load", "fp8"):
            return
        if not bench.has("nemo_docs.kv.form", "fp8 and int8 KV"):
            return
        model = bench.ours(torch.bfloat16 if bench.device.type == "cuda" else torch.float16, fp8=True)
        for name, row in gpu_speed.ours(bench, model, "fp8", fp8=True):
            self._add("fp8", name, row)
        self._compare("fp8", {n: bench.logits_of_ours(model, bench.length(n)) for n in self._lengths})

    def _transformers(self) -> None:
        bench = self._bench
        if not self._wanted("transformers") or not bench.has("transformers", "transformers"):
            return
        self.found["transformers_version"] = version("transformers")
        model = bench.theirs(torch.bfloat16)
        self._compare("transformers", {n: bench.logits_of_theirs(model, bench.length(n)) for n in self._lengths})
        for name, row in gpu_speed.theirs(bench, model):
            self._add("transformers", name, row)

    def _fp32(self) -> None:
        if self._wanted("fp32"):
            for name, row in gpu_close.in_fp32(self._bench):
                self._add("fp32", name, row)

    @property
    def _lengths(self) -> list[int]:
        return list(self._references)

    def _compare(self, part: str, logits: dict[int, Tensor]) -> None:
        if self._references:
            self._add(part, "distance from fp32", gpu_close.distances(self._bench, logits, self._references))

    def ratios(self) -> list[Row]:
        """Ours beside transformers', for what both have done."""
        peer = {(row["what"], row.get("tokens")): row for row in self.found.get("transformers", [])}
        rows: list[Row] = []
        for part, what in product(("bf16", "fp8"), ("prompt", "windows", "decode")):
            for mine in self.found.get(part, []):
                theirs = peer.get(("decode" if what == "decode" else "prompt", mine.get("tokens")))
                if mine["what"] == what and theirs is not None:
                    key = "ms_a_step" if what == "decode" else "first_token_s"
                    times = round(theirs[key] / mine[key], 2)
                    rows.append({"ours": part, "what": what, "tokens": mine["tokens"], "times as fast": times})
        return rows


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="which parts, separated by commas")
    parser.add_argument("--seconds", type=float, default=560, help="nothing new is begun after this time")
    parser.add_argument("--chunk", type=int, default=CHUNK_TOKENS["cuda"], help="tokens that are computed at once")
    parser.add_argument("--plain", action="store_true", help="without kernels and graph, to compare with")
    parser.add_argument("--tiny", action="store_true", help="a tiny model and short prompts, on any device")
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not arguments.tiny:
        print("Nothing was measured: torch finds no CUDA GPU. --tiny tries every line here.", file=sys.stderr)
        print(json.dumps({"benchmark": "gpu", "left_out": ["no CUDA GPU"], "commit": commit()}))
        return 0
    parts = set(arguments.only.split(","))
    if unknown := parts - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    device, config = torch.device("cuda" if cuda else "cpu"), TINY if arguments.tiny else NEMO
    if config is NEMO and config.n_parameters != NEMO_PARAMETERS:
        raise SystemExit(f"The shape has {config.n_parameters:,} parameters, not NeMo's {NEMO_PARAMETERS:,}.")
    scale = TINY_SCALE if arguments.tiny else 1
    bench = Bench(config, device, arguments.seconds, arguments.chunk, scale, arguments.plain)
    run = Run(bench, parts)
    run.everything()
    ratios = run.ratios()
    for row in ratios:
        say("times as fast", row)
    report = {
        "benchmark": "gpu",
        "parameters": config.n_parameters,
        "chunk_tokens": bench.chunk,
        "plain": arguments.plain,
        **run.found,
        "ratios": ratios,
        "left_out": bench.left_out,
        "machine": torch.cuda.get_device_name(device) if cuda else processor(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
