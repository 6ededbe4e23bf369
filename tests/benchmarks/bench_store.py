"""The store beside the engine: what saving costs, what bringing takes, and that a restart reads nothing again.

    python -m tests.benchmarks.bench_store nemo FOLDER [--kv full int8] [--cold]   (a CUDA GPU; 44 GB of disk)
    python -m tests.benchmarks.bench_store default [PDF]                                     (the embedded default)

`nemo`: random weights of NeMo's shape. A window is read with saving off and on, in turns; then it is brought back by
the same process, by a fresh one with the files in the page cache, and from the cold disk beside a plain sequential read
of the same files. `default`: a document is read by one process and asked about by another, cold and warm, in fp32, bf16
and with an 8-bit cache; answers must be equal, and nothing of the document may be read again. Ends with one line of
JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import torch

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.keeper import Keeper
from nemo_docs.engine.protocol import Finished, Free, Request, Restored, Text, Token
from nemo_docs.kv.form import PLAIN, Int8
from nemo_docs.kv.identity import Identity
from nemo_docs.kv.store import BlockStore
from nemo_docs.model.accelerating import accelerate
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.gpu_base import Row, say
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_nemo import NEMO, RandomWeights

CHUNK = 8192
FORMS = {"full": PLAIN, "int8": Int8()}
PREAMBLE = 8
WRITTEN = 8


def window(tokens: int) -> Request:
    """A document of random ids, read behind a preamble and asked about."""
    ids = torch.randint(0, NEMO.vocab_size, (tokens,), generator=torch.Generator().manual_seed(1)).tolist()
    segments = (tuple(ids[:PREAMBLE]), tuple(ids[PREAMBLE:]), (1001, 1002, 1003))
    return Request(segments, (Free(WRITTEN, stops=()),), texts=(None, Text("0" * 64, tokens)))


def nemo(kv: str) -> Transformer:
    """NeMo's shape in bf16, in its fast forms."""
    model = Transformer(RandomWeights(NEMO), device=torch.device("cuda"), dtype=torch.bfloat16, kv_form=FORMS[kv])
    accelerate(model)
    return model


def engine(model: Transformer, tokens: int) -> Engine:
    """With room for two windows."""
    room = 2 * (tokens + 2048) * model.kv_layout.bytes_per_token
    return Engine(model, window_tokens=tokens + 1024, chunk_tokens=CHUNK, pool_bytes=room)


def store_of(folder: Path, kv: str) -> BlockStore:
    """Blocks of the random model."""
    identity = Identity(
        weights="random", adapter="", config=json.dumps(NEMO.as_dict(), sort_keys=True), precision="bf16",
        arithmetic="bf16", kv=kv, chunk_tokens=CHUNK, device=torch.cuda.get_device_name(), torch=torch.__version__,
        kernels="", tokenizer="",
    )  # fmt: skip
    return BlockStore(folder, identity, budget_bytes=1 << 40, floor_bytes=0)


def run(eng: Engine, request: Request) -> tuple[list[int], Finished, Row]:
    """Ask; returns the answer, what it took, and what came from the store."""
    torch.cuda.synchronize()
    events = [*eng.run(request, lambda: False)]
    brought: Row = {}
    for event in events:
        if isinstance(event, Restored):
            brought = {
                "tokens": event.tokens,
                "gb": round(event.n_bytes / 1e9, 2),
                "seconds": round(event.seconds, 3),
                "gb_s": round(event.n_bytes / 1e9 / event.seconds, 1),
            }
    finished = events[-1]
    assert isinstance(finished, Finished)
    return [event.id for event in events if isinstance(event, Token)], finished, brought


def forget(eng: Engine) -> None:
    """Drop what memory holds, so that the store is asked."""
    eng.forget({"0" * 64})
    gc.collect()


def cool(folder: Path) -> int:
    """Let the page cache forget a folder's files; returns their bytes."""
    total = 0
    for path in folder.rglob("*.kv"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            total += os.fstat(file.fileno()).st_size
    return total


def sequential(folder: Path) -> float:
    """Bytes a second of reading all files, one after the other."""
    total = cool(folder)
    buffer = bytearray(1 << 24)
    began = perf_counter()
    for path in sorted(folder.rglob("*.kv")):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return total / (perf_counter() - began)


def of_nemo(folder: Path, tokens: int, kv: str, *, is_cold: bool) -> dict[str, Row]:
    """All figures of one form."""
    found: dict[str, Row] = {}
    request, here = window(tokens), folder / kv
    model = nemo(kv)
    eng = engine(model, tokens)
    eng.keep(Keeper(store_of(here, kv), model))
    first, _, _ = run(eng, request)  # plans and kernels are made here, too
    began = perf_counter()
    eng.flush()
    written_s = perf_counter() - began
    answers = []
    for n in range(2):
        forget(eng)
        answer, finished, brought = run(eng, request)
        answers.append(answer)
        found[f"again {n}"] = brought | {"cached": finished.tokens_cached}
        say(f"{kv}: again by the same process", found[f"again {n}"])
    found["main memory"] = from_host(model, here, tokens, kv, first)
    say(f"{kv}: from main memory", found["main memory"])
    if is_cold:
        rate = sequential(here)
        cool(here)
        forget(eng)
        answer, _, brought = run(eng, request)
        answers.append(answer)
        found["cold disk"] = brought | {"sequential_gb_s": round(rate / 1e9, 2)}
        say(f"{kv}: cold disk", found["cold disk"])
    found["answers"] = {"equal": all(answer == first for answer in answers), "of": len(answers)}
    del eng
    found["saving"] = saving(model, folder / "saving", tokens // 2, kv) | {"written_behind_s": round(written_s, 1)}
    say(f"{kv}: saving", found["saving"] | found["answers"])
    return found


def from_host(model: Transformer, folder: Path, tokens: int, kv: str, first: list[int]) -> Row:
    """What memory dropped comes back from pinned main memory, where the files' bytes are, too."""
    eng = engine(model, tokens)
    keeper = Keeper(store_of(folder, kv), model, host_bytes=int(1.1 * tokens * model.kv_layout.bytes_per_token))
    eng.keep(keeper)
    began = perf_counter()
    run(eng, window(tokens))
    while not keeper.host.is_settled:
        sleep(0.05)
    settled_s = perf_counter() - began
    eng._pool.clear()
    answer, _, brought = run(eng, window(tokens))
    return brought | {"equal": answer == first, "settled_s": round(settled_s, 1), "blocks": keeper.host.n_blocks}


def saving(model: Transformer, folder: Path, tokens: int, kv: str) -> Row:
    """Reading a window with saving off and on, in turns."""
    times: dict[str, list[float]] = {"off": [], "on": [], "on, and in memory": []}
    for way in tuple(times) * 2:
        gc.collect()
        torch.cuda.empty_cache()
        shutil.rmtree(folder, ignore_errors=True)
        eng = engine(model, tokens)
        if way != "off":
            host = int(1.1 * tokens * model.kv_layout.bytes_per_token) if way == "on, and in memory" else 0
            keeper = Keeper(store_of(folder, kv), model, host_bytes=host)
            eng.keep(keeper)
            while not keeper.host.is_settled:
                sleep(0.05)
        _, finished, _ = run(eng, window(tokens))
        times[way].append(round(finished.prefill_s, 3))
        eng.flush()
    off = min(times["off"])
    costs = {way: round(min(taken) / off - 1, 4) for way, taken in times.items() if way != "off"}
    return {"tokens": tokens, **times, "costs": costs}


def fresh(folder: Path, tokens: int, kv: str) -> Row:
    """Of a process that has done nothing yet but load the model."""
    eng = engine(nemo(kv), tokens)
    eng.keep(Keeper(store_of(folder / kv, kv), eng.model))
    _, finished, brought = run(eng, window(tokens))
    return brought | {"cached": finished.tokens_cached, "prefilled": finished.tokens_prefilled}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("nemo", "default"))
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--tokens", type=int, default=131_072)
    parser.add_argument("--kv", nargs="+", choices=tuple(FORMS), default=["full", "int8"])
    parser.add_argument("--cold", action="store_true", help="read from the cold disk, too")
    parser.add_argument("--fresh", action="store_true", help="only bring, in this process")
    given = parser.parse_args()
    report: dict[str, Any] = {"benchmark": "store", "what": given.what}
    if given.what == "default":
        from tests.benchmarks import restart

        report |= restart.figures(given.path)
    elif not torch.cuda.is_available():
        report["left_out"] = ["no CUDA GPU"]
    else:
        folder = given.path or Path(tempfile.mkdtemp())
        for kv in given.kv:
            if given.fresh:
                print(json.dumps(fresh(folder, given.tokens, kv)))
                return 0
            report[kv] = of_nemo(folder, given.tokens, kv, is_cold=given.cold)
            gc.collect()
            torch.cuda.empty_cache()
            command = [sys.executable, "-m", "tests.benchmarks.bench_store", "nemo", str(folder), "--fresh"]
            done = subprocess.run(
                [*command, "--kv", kv, "--tokens", str(given.tokens)], capture_output=True, text=True, check=False
            )
            report[kv]["fresh process"] = (
                json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else done.stderr
            )
            say(f"{kv}: fresh process", {"found": report[kv]["fresh process"]})
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else processor()
    print(json.dumps(report | {"machine": machine, "torch": torch.__version__, "commit": commit()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
