"""Attention of decode compiles for cards that are not here, and fits into their shared memory.

Triton compiles for any card without one; what cannot be told here is whether it is right there, and how fast.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from nemo_docs.model.cuda import writing
from nemo_docs.model.cuda.language import TRITON

CARDS = {80: (167_936, 166_912), 86: (102_400, 101_376), 89: (102_400, 101_376), 90: (233_472, 232_448)}
"""Compute capability: shared memory of a processor, and what one program may take of it."""
COMPILE = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from nemo_docs.model.cuda.writing import STAGES, _split
card, keys, rows, int8 = map(int, sys.argv[1:])
numbers = dict(SPLITS=16, GROUP=4, KV_HEADS=8, SIZE=128, ROWS=rows, KEYS=keys, INT8=bool(int8), FAST=bool(int8))
kinds = dict(q="*bf16", addresses="*i64", numbers="*i32", weights="*fp32", outs="*fp32", lses="*fp32", layer="i32",
             tokens="i32", factor="fp32") | dict.fromkeys(numbers, "constexpr")
places = {(list(kinds).index(name),): value for name, value in numbers.items()}
made = compile(ASTSource(_split, kinds, places), GPUTarget("cuda", card, 32), dict(num_warps=4, num_stages=STAGES))
print(made.metadata.shared)
"""


@pytest.mark.slow
@pytest.mark.skipif(not TRITON, reason="Triton is not installed: `pip install triton`")
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("card", CARDS)
def test_it_fits_into_the_shared_memory_of_a_card(card, int8, monkeypatch, tmp_path):
    held, most = CARDS[card]
    found = type("Properties", (), {"shared_memory_per_multiprocessor": held})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: found)
    keys = writing.keys_at_once(128, torch.bfloat16, torch.device("cuda"), int8=int8)
    assert keys == (128 if int8 or held > 160_000 else 64)
    for rows in (16, 32, 64):  # of one new token, of the eight of a draft, of a chunk of sixteen
        command = [sys.executable, "-c", COMPILE, *map(str, (card, keys, rows, int(int8)))]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        assert 0 < int(done.stdout) <= most
