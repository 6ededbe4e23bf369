"""Memory that another program took: one sentence, and the engine goes on. A real cap on a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_docs.engine.exhaustion import is_exhaustion

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")

PRELUDE = """
import json, resource, sys
import psutil
from dataclasses import asdict
from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.engine.protocol import Finished, Free, Request
from nemo_docs.errors import NemoDocsError

spec = ModelSpec(sys.argv[1], window_tokens=100_000, device="cpu", precision="fp32", threads=1)

def cap(room):
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))

def ask(engine, tokens):
    try:
        *_, last = engine.run(Request((tuple(range(tokens)), (5, 6)), (Free(4, stops=()),)))
        print(json.dumps(asdict(last)))
    except NemoDocsError as error:
        print(json.dumps([type(error).__name__, error.message, error.hint]))
"""
RUNNING = (
    PRELUDE
    + """
engine = load_engine(spec)
ask(engine, 300)
cap(16 << 20)
ask(engine, 100_000)
assert engine.cached_tokens == 0
ask(engine, 300)
ask(engine, 300)
"""
)
LOADING = (
    PRELUDE
    + """
import torch, nemo_docs.engine.engine, nemo_docs.engine.placing, nemo_docs.model.folder, safetensors.torch
torch.ones(8) @ torch.ones(8)
cap(4 << 20)
try:
    load_engine(spec)
except NemoDocsError as error:
    print(json.dumps([type(error).__name__, error.message, error.hint]))
cap(4 << 30)
ask(load_engine(spec), 300)
"""
)


def lines(code: str, folder: Path) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "said",
    [
        "MPS backend out of memory (MPS allocated: 18.50 GiB, other allocations: 448.00 KiB, max allowed: 18.72 GiB). "
        "Tried to allocate 512.00 MiB on shared pool. Use PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 to disable upper limit "
        "for memory allocations (may cause system failure).",
        "Invalid buffer size: 10.00 GiB",
        "CUDA out of memory. Tried to allocate 20.00 MiB.",
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_what_torch_says_on_each_device_is_known(said: str) -> None:
    assert is_exhaustion(RuntimeError(said))
    assert not is_exhaustion(RuntimeError("shape '[1, 4, 16]' is invalid for input of size 80"))


@linux
def test_a_request_that_memory_cannot_hold_is_told_and_the_next_one_runs(tiny_folder: Path) -> None:
    before, refused, cold, warm = lines(RUNNING, tiny_folder)
    assert refused[:2] == ["DoesNotFit", "Memory ran out while the model was at work."]  # type: ignore[index]
    assert "--kv int8" in refused[2]  # type: ignore[index]
    cached = [each["tokens_cached"] for each in (before, cold, warm)]  # type: ignore[index, call-overload]
    assert cached == [0, 0, 300], "what was cached before was let go"


@linux
def test_a_model_that_memory_cannot_hold_after_all_is_told_and_can_be_loaded_later(tiny_folder: Path) -> None:
    refused, asked = lines(LOADING, tiny_folder)
    assert refused[:2] == ["DoesNotFit", "Memory ran out while the model was loaded."]  # type: ignore[index]
    assert asked["reason"] == "done"  # type: ignore[index, call-overload]
