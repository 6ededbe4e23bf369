"""The plan of memory against what a run takes, on cards of 24 and 16 GB that a cap on a larger one imitates.

For each card: the plan for a 128k window, or, where that is refused, the refusal and the longest window that fits; then
the model is loaded by that plan with random weights of NeMo's shape, a prompt that fills the window is read, and a few
tokens are written behind it. What the device holds is read off it after every chunk and token, other programs and the
CUDA context taken off; that is more than torch counts. Torch may take no more than the card would have.

    python -m tests.benchmarks.bench_memory [--cards 24,16] [--window 131072] [--precision P] [--kv K] [--tiny]

`--tiny` runs every line of it on a small model, on a CPU where there is no GPU; there the process's own memory is
watched. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

import psutil
import torch

from nemo_docs.engine.loading import engine_for
from nemo_docs.engine.memory_plan import Device, MemoryPlan, Size, Wishes
from nemo_docs.engine.placing import choose_device, describe
from nemo_docs.engine.planning import longest_window, plan_memory
from nemo_docs.engine.protocol import Free, Request, Token
from nemo_docs.errors import DoesNotFit, NemoDocsError
from nemo_docs.model.config import ModelConfig
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_nemo import NEMO, RandomWeights

GB = 10**9
SMALL = ModelConfig(
    dim=1024,
    n_layers=6,
    head_dim=64,
    hidden_dim=2816,
    n_heads=16,
    n_kv_heads=4,
    norm_eps=1e-5,
    vocab_size=16384,
    rope_theta=1_000_000.0,
    tied=False,
)
"""NeMo's proportions in 92 million weights."""
WRITTEN_TOKENS = 16
Row = dict[str, Any]


class Meter:
    """The most memory that this process has held on a device since it was made, beside what it held then."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = self._held()
        self._most = self._began

    @property
    def most_bytes(self) -> int:
        """The most so far."""
        return self._most - self._began

    def look(self) -> None:
        """Read it off now. What torch's allocator has reserved stays, so looking now and then finds the most."""
        self._most = max(self._most, self._held())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look often while the block runs: main memory comes and goes."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.002):
                self.look()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.look()

    def _held(self) -> int:
        if self._device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self._device)
            return total - free
        return int(psutil.Process().memory_info().rss)


def card_of(gigabytes: float, device: torch.device) -> Device:
    """A device as a smaller card would be: what others hold of it now, they hold of the smaller one, too."""
    found = describe(device)
    if device.type != "cuda":
        return replace(found, free_bytes=min(found.free_bytes, int(gigabytes * GB)))
    free, total = torch.cuda.mem_get_info(device)
    others = total - free - torch.cuda.memory_reserved(device)
    left = int(gigabytes * GB) - others
    torch.cuda.set_per_process_memory_fraction(left / total, device)
    return replace(found, free_bytes=left)


def plan_for(size: Size, card: Device, window: int, wishes: Wishes) -> tuple[MemoryPlan, str]:
    """The plan, with no room for caches beside the one in use; or the longest window's, and why it is that."""
    refusal = ""
    try:
        plan = plan_memory(size, card, window, wishes)
    except DoesNotFit as error:
        refusal = f"{error.message} {error.hint}"
        longest = longest_window(size, card, wishes)
        if longest is None:
            raise
        plan = longest
    return replace(plan, caches_bytes=plan.kv_bytes), refusal


def measure(config: ModelConfig, plan: MemoryPlan) -> Row:
    """Load by the plan, fill its window, write a little; what was held at the most."""
    device = torch.device(plan.device)
    _bring_in_libraries(device)
    meter = Meter(device)
    ids = torch.randint(
        0, config.vocab_size, (plan.window_tokens,), generator=torch.Generator().manual_seed(1)
    ).tolist()
    read = plan.window_tokens - WRITTEN_TOKENS - 2
    with meter.watching():
        engine = engine_for(RandomWeights(config), plan, window_tokens=plan.window_tokens)
        loaded = meter.most_bytes
        began = perf_counter()
        times = []
        for event in engine.run(Request((tuple(ids[:read]), tuple(ids[-2:])), (Free(WRITTEN_TOKENS, stops=()),))):
            meter.look()
            if isinstance(event, Token):
                times.append(perf_counter() - began)
    measured = meter.most_bytes
    row: Row = {
        "planned_gb": round(plan.peak_bytes / GB, 3),
        "measured_gb": round(measured / GB, 3),
        "measured_of_planned": round(measured / plan.peak_bytes, 4),
        "loaded_gb": round(loaded / GB, 3),
        "first_token_s": round(times[0], 3),
        "ms_a_token": round(1000 * (times[-1] - times[0]) / (len(times) - 1), 2),
    }
    if device.type == "cuda":
        row["torch_allocated_gb"] = round(torch.cuda.max_memory_allocated(device) / GB, 3)
        row["torch_reserved_gb"] = round(torch.cuda.max_memory_reserved(device) / GB, 3)
    return row


def _bring_in_libraries(device: torch.device) -> None:
    """In main memory they are no part of a plan; on a GPU they are, but the context is not."""
    if device.type == "cpu":
        ones = torch.ones(64, 64, dtype=torch.bfloat16)
        torch.nn.functional.silu(ones @ ones).softmax(-1)
    else:
        torch.zeros(1, device=device)


def in_a_process_of_its_own(gigabytes: float) -> Row:
    """One card, so that none inherits what an allocator kept of another; large blocks of main memory are given back."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_memory", *sys.argv[1:], "--cards", str(gigabytes)]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    row: Row = json.loads(done.stdout.splitlines()[-1])["cards"][0]
    return row


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", help="sizes of cards in 10^9 bytes: 24,16, or small ones with --tiny")
    parser.add_argument("--window", type=int, help="tokens in a window: 131072, or 4096 with --tiny")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--kv", default="auto")
    parser.add_argument("--tiny", action="store_true", help="a small model on any device, and cards that suit it")
    arguments = parser.parse_args()
    device = choose_device("auto")
    if device.type != "cuda" and not arguments.tiny:
        print("Nothing was measured: torch finds no CUDA GPU. --tiny tries every line here.", file=sys.stderr)
        print(json.dumps({"benchmark": "memory", "left_out": ["no CUDA GPU"], "commit": commit()}))
        return 0
    config = SMALL if arguments.tiny else NEMO
    chosen = arguments.cards or ("1.1,0.8" if arguments.tiny else "24,16")
    cards = [float(card) for card in chosen.split(",")]
    window = arguments.window or (4_096 if arguments.tiny else 131_072)
    wishes = Wishes(arguments.precision, arguments.kv)
    size = Size(config, window)

    if len(cards) > 1:
        rows = [in_a_process_of_its_own(gigabytes) for gigabytes in cards]
    else:
        row: Row = {"card_gb": cards[0]}
        try:
            plan, row["refusal"] = plan_for(size, card_of(cards[0], device), window, wishes)
            row |= {"way": plan.way, "window": plan.window_tokens, "why": plan.why}
            row |= {"items": {item.name: item.n_bytes for item in plan.items if item.n_bytes}}
            row |= measure(config, plan)
        except NemoDocsError as error:
            row |= {"error": error.message, "hint": error.hint}
        rows = [row]
        print("  ".join(f"{key} {value}" for key, value in row.items()), file=sys.stderr, flush=True)
    report = {
        "benchmark": "memory",
        "parameters": config.n_parameters,
        "cards": rows,
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
