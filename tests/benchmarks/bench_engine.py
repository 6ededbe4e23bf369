"""The shared engine: what the process costs beside the model, and that several faces share one copy of it.

Faces are links of their own, as processes have them. Measured are the start with the model, a prompt read for the first
time and again by another face, two faces at once, how soon a wish to cancel is heard in the middle of reading, and what
the device holds meanwhile.

    python -m tests.benchmarks.bench_engine [--tokens 2048] [--model PATH]
    python -m tests.benchmarks.bench_engine --random-nemo FOLDER --tokens 16384     (writes 24.5 GB)

Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from nemo_docs.engine.process.link import Link
from nemo_docs.engine.process.shared import SharedEngine
from nemo_docs.engine.process.wire import Run, encode
from nemo_docs.engine.protocol import Finished, Free, Prefilled, Request, Token
from nemo_docs.engine.spec import ModelSpec
from tests.benchmarks.machine import commit, processor

WRITTEN = 32


@dataclass(frozen=True)
class Answered:
    """One request, from a face's side."""

    first_token_s: float
    total_s: float
    finished: Finished


def prompt(tokens: int, seed: int) -> Request:
    """A document of so many tokens and a question."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1000, 40_000, (tokens,), generator=generator).tolist()
    return Request((tuple(ids), (1001, 1002, 1003)), (Free(WRITTEN, stops=()),))


def ask(engine: SharedEngine, request: Request) -> Answered:
    """Ask, and note the times."""
    began, first = perf_counter(), 0.0
    for event in engine.run(request, lambda: False):
        if isinstance(event, Token) and not first:
            first = perf_counter() - began
        if isinstance(event, Finished):
            return Answered(first, perf_counter() - began, event)
    raise AssertionError("a request ends with Finished")


def cancel_delay(engine: SharedEngine, request: Request) -> float:
    """Seconds from a wish to cancel, half-way through reading, to the end of the request."""
    wished = 0.0
    events = engine.run(request, lambda: wished > 0)
    for event in events:
        if isinstance(event, Prefilled) and 2 * event.done >= event.of and not wished:
            wished = perf_counter()
    return perf_counter() - wished


def at_once(engines: list[SharedEngine], requests: list[Request]) -> list[Answered]:
    """Several faces ask at the same time."""
    found: list[Answered] = []
    pairs = zip(engines, requests, strict=True)
    threads = [threading.Thread(target=lambda e=e, r=r: found.append(ask(e, r))) for e, r in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def on_the_gpu() -> dict[str, Any]:
    """What a GPU holds, of all processes; empty without one."""
    if not torch.cuda.is_available():
        return {}
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    used = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    return {"gpu_used_gb": round(int(used.split()[0]) * 2**20 / 1e9, 1)}


def write_random_nemo(folder: Path) -> Path:
    """Random weights of NeMo's exact shape, in Mistral's own layout."""
    from safetensors.torch import save_file

    from tests.benchmarks.random_nemo import NEMO, RandomWeights

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "params.json").is_file():
        weights = RandomWeights(NEMO)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        names = weights.shapes
        tensors = {name: weights.load(name, device=device, dtype=torch.bfloat16).cpu() for name in names}
        save_file(tensors, folder / "consolidated.safetensors")
        params = NEMO.as_dict()
        del params["tied"]
        (folder / "params.json").write_text(json.dumps(params))
        torch.cuda.empty_cache()
    return folder


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--random-nemo", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.random_nemo:
        model = write_random_nemo(arguments.random_nemo)
    elif arguments.model:
        model = arguments.model
    else:
        from nemo_docs import settings

        configuration = settings.load()
        model = configuration.paths.models / configuration.settings.model
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        spec = ModelSpec(str(model.absolute()), window_tokens=arguments.tokens + 1024)
        faces = [SharedEngine(spec, Link(state, idle_s=600.0)) for _ in range(3)]
        try:
            began = perf_counter()
            faces[0].load(lambda: False)
            started = perf_counter() - began
            first = ask(faces[0], prompt(arguments.tokens, 1))
            again = ask(faces[1], prompt(arguments.tokens, 1))
            alone = ask(faces[1], prompt(arguments.tokens, 2))
            both = at_once(faces[1:], [prompt(arguments.tokens, 3), prompt(arguments.tokens, 4)])
            delay = cancel_delay(faces[2], prompt(arguments.tokens, 5))
            status, used = Link(state, idle_s=600.0).status(), on_the_gpu()
        finally:
            Link(state, idle_s=600.0).stop()
    began = perf_counter()
    size = len(encode(Run(spec, prompt(131_072, 6))))
    report = {
        "benchmark": "engine",
        "tokens": arguments.tokens,
        "start_and_load_s": round(started, 2),
        "first_token_s": round(first.first_token_s, 3),
        "prefill_s": round(first.finished.prefill_s, 3),
        "again_first_token_s": round(again.first_token_s, 3),
        "again_cached": again.finished.tokens_cached,
        "one_alone_s": round(alone.total_s, 2),
        "two_at_once_s": [round(each.total_s, 2) for each in both],
        "cancel_s": round(delay, 3),
        "message_of_128k_tokens_mb": round(size / 1e6, 2),
        "message_of_128k_tokens_s": round(perf_counter() - began, 3),
        "engine_memory_gb": round(status.memory_bytes / 1e9, 1) if status else None,
        **used,
        "device": status.device if status else None,
        "precision": status.precision if status else None,
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else processor(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    print(json.dumps(report))
    if again.finished.tokens_cached != arguments.tokens:
        print("The second face had to read what the first one had read.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
