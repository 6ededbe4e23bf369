# ruff: noqa: B023  (every function is called before its loop goes on)
"""The kernels alone, each against its plain form and against the bytes or operations that it cannot do without.

    python -m tests.benchmarks.gpu_kernels [--tiny]

Products and decode attention are timed in a CUDA graph over several sets of weights, so that none stays in the cache.
With `--tiny` on a CPU, and TRITON_INTERPRET=1, it checks numbers alone. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from nemo_docs.kv.cache import Past
from nemo_docs.model.attention import attend, plain
from nemo_docs.model.cuda import fp8, grids, reading
from nemo_docs.model.cuda.accelerating import FusedOperations
from nemo_docs.model.cuda.language import TRITON
from nemo_docs.model.cuda.products import AnyRows, Around, DenseRows, Tile
from nemo_docs.model.cuda.writing import NUMBERS, Stretches
from nemo_docs.model.linear.base import Dense
from nemo_docs.model.linear.grouped import Grid, Grouped
from nemo_docs.model.operations import PlainOperations
from tests.benchmarks.gpu_base import Row, relative, say
from tests.benchmarks.machine import commit, processor

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
HALF = torch.bfloat16 if CUDA else torch.float16  # the interpreter cannot multiply matrices of bf16
SHAPES = {"wqkv": (6144, 5120), "wo": (5120, 4096), "w13": (28672, 5120), "w2": (5120, 14336)}
TINY_SHAPES = {"wqkv": (192, 256), "w13": (256, 256)}


def microseconds(calls: Sequence[Callable[[], object]], repeats: int = 20) -> float | None:
    """Median time of one of several calls that do the same on different data, replayed as a graph."""
    if not CUDA:
        for call in calls[:1]:
            call()
        return None
    for call in calls:
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    times = []
    for _ in range(repeats):
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun.record()
        graph.replay()
        ended.record()
        torch.cuda.synchronize()
        times.append(begun.elapsed_time(ended))
    return 1000 * sorted(times)[len(times) // 2] / len(calls)


def rate(amount: float, us: float | None) -> float | None:
    """10^12 bytes or operations a second."""
    return None if us is None else round(amount / us / 1e6, 2)


def rounded(us: float | None) -> float | None:
    return None if us is None else round(us, 1)


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator(DEVICE).manual_seed(seed)
    return torch.randn(*shape, generator=generator, device=DEVICE, dtype=torch.float32).to(HALF)


def floors() -> Iterator[tuple[str, Row]]:
    """What this GPU does at best, measured: copies and matrix products on random data."""
    size = 1 << (30 if CUDA else 16)
    one, other = (torch.empty(size, dtype=torch.uint8, device=DEVICE).random_() for _ in range(2))
    yield "copy", {"TB/s": rate(2 * size, microseconds([lambda: other.copy_(one)] * 4))}
    n = 8192 if CUDA else 64
    a, b = random(n, n), random(n, n, seed=1)
    yield "matrix product", {"TFLOP/s": rate(2.0 * n**3, microseconds([lambda: a @ b] * 4))}
    if CUDA:
        codes, scales = fp8.rounded(a)
        call = lambda: torch._scaled_mm(  # noqa: E731
            codes, codes.t(), scale_a=scales, scale_b=scales.view(1, -1), out_dtype=HALF, use_fast_accum=True
        )
        yield "fp8 product", {"TFLOP/s": rate(2.0 * n**3, microseconds([call] * 4))}


def elementwise(tokens: int, dim: int, hidden: int, heads: tuple[int, int, int]) -> Iterator[tuple[str, Row]]:
    """Norm, rotation, gate, merge, rounding to fp8; `moved` counts each input and output once."""
    fused, slow = FusedOperations(has_cudnn=False), PlainOperations()
    x, delta, weight = random(tokens, dim), random(tokens, dim, seed=1), random(dim, seed=2)
    wanted, found = slow.add_norm(x, delta, weight, 1e-5)[1], fused.add_norm(x.clone(), delta, weight, 1e-5)[1]
    us = microseconds([lambda: fused.add_norm(x, delta, weight, 1e-5)])
    yield "add_norm", _row(found, wanted, us, 4 * x.nbytes)
    h, k, d = heads
    qkv, angles = random(tokens, h + 2 * k, d), 100 * random(tokens, d // 2).float()
    turns = torch.complex(angles.cos(), angles.sin())
    found, wanted = (torch.cat(form.turned(qkv, turns, h, k)) for form in (fused, slow))
    us = microseconds([lambda: fused.turned(qkv, turns, h, k)])
    yield "turned", _row(found, wanted, us, 2 * qkv.nbytes + turns.nbytes)
    gates = random(tokens, 2 * hidden)
    us = microseconds([lambda: fused.gated(gates)])
    yield "gated", _row(fused.gated(gates), slow.gated(gates), us, 1.5 * gates.nbytes)
    for count in (2, 5):
        pieces = [reading.Piece(random(h, tokens, d, seed=n), random(h, tokens).float(), 0.0) for n in range(count)]
        us = microseconds([lambda pieces=pieces: reading.merged(pieces, tokens)])
        weights = torch.stack([piece.lse for piece in pieces]).softmax(0).unsqueeze(-1)
        wanted = (torch.stack([piece.out.float() for piece in pieces]) * weights).sum(0)
        yield f"merged {count}", _row(reading.merged(pieces, tokens), wanted, us, (count + 1) * pieces[0].out.nbytes)
    codes, scales = fp8.rounded(x)
    yield "rounded to fp8", _row(codes.float() * scales, x, microseconds([lambda: fp8.rounded(x)]), 1.5 * x.nbytes)


def rows(shapes: dict[str, tuple[int, int]], counts: Sequence[int]) -> Iterator[tuple[str, Row]]:
    """Products of few rows beside cuBLAS, on enough copies of the weights that none is found in the cache."""
    tiles = [Tile(*each, warps) for each in ((4, 1024), (8, 512), (16, 256)) for warps in (4, 8)] if CUDA else []
    for (name, (n, columns)), m in product(shapes.items(), counts):
        copies = max(1, (1 << 29) // (n * columns * 2)) if CUDA else 1
        weights = [random(n, columns, seed=each) * columns**-0.5 for each in range(copies)]
        x, out, wanted = random(m, columns), torch.full((m, n), math.nan, device=DEVICE, dtype=HALF), random(m, n)
        AnyRows(Dense(weights[0]))(x, wanted)
        cublas = microseconds([lambda w=w: torch.nn.functional.linear(x, w) for w in weights])
        narrow = [fp8.rounded(w) for w in weights]
        forms: dict[str, tuple[list[Any], float, Tensor]] = {
            "half": ([DenseRows(w) for w in weights], weights[0].nbytes, wanted),
            "fp8": (
                [fp8.Fp8Rows(*each) for each in narrow],
                narrow[0][0].nbytes,
                (x.float() @ (narrow[0][0].float() * narrow[0][1]).t()),
            ),
        }
        for bits in (8, 4):
            grid = _grid(bits, n, columns)
            forms[f"int{bits}"] = ([grids.GridRows(grid)], grid.n_bytes, Grouped(grid)(x))
        for label, (calls, n_bytes, right) in forms.items():
            calls[0](x, out)
            us = microseconds([lambda call=call: call(x, out) for call in calls])
            calls[0](x, out)
            row = _row(out, right, us, n_bytes)
            yield f"{name} M={m} {label}", row | ({"cublas_us": rounded(cublas)} if label == "half" else {})
            if label == "fp8" and CUDA:
                few = [Tile(*each) for each in ((16, 128, 4, 3), (16, 128, 4, 4), (32, 128, 2, 3), (32, 128, 4, 3))]
                yield (
                    f"{name} M={m} fp8 tiles",
                    {
                        f"{t.rows}x{t.columns}/{t.warps}/{t.stages}": rounded(
                            microseconds([lambda c=call, t=t: c(x, out, Around(), tile=t) for call in calls])
                        )
                        for t in few
                    },
                )
            if m == 1 and label == "half":
                sweep = {
                    f"{t.rows}x{t.columns}/{t.warps}": rounded(
                        microseconds([lambda c=call, t=t: c(x, out, Around(), tile=t) for call in calls])
                    )
                    for t in tiles
                }
                if sweep:
                    yield f"{name} {label} tiles", sweep
        if m == 1:
            scratch = torch.empty(n, columns, device=DEVICE, dtype=HALF)
            us = microseconds([lambda: grids.dense(grid, scratch)])
            yield f"{name} unpacked", _row(scratch, grid.dense(HALF), us, scratch.nbytes + grid.n_bytes)


def decode_attention(lengths: Sequence[int], heads: tuple[int, int, int]) -> Iterator[tuple[str, Row]]:
    """One token over one cache and over eight, in both forms, over numbers of splits."""
    h, k, d = heads
    for (length, sequences), int8 in product([(n, 1) for n in lengths] + [(lengths[0], 8)], (False, True)):
        kv = random(2, sequences, 1, k, length + 1, d)
        scales = (kv.float().abs().amax(-1) / 127).bfloat16()
        codes = (kv.float() / scales.float().unsqueeze(-1)).round().to(torch.int8) if int8 else kv
        sweep: Row = {}
        for splits in sorted({max(1, p // (k * sequences)) for p in ((132, 264, 396, 528) if CUDA else (32,))}):
            numbers = torch.tensor([[length, s, 1, 0] for s in range(sequences)], dtype=torch.int32, device=DEVICE)
            assert numbers.shape[1] == NUMBERS
            tables = Stretches(sequences, 1, numbers, heads, splits, int8)
            places = [
                [codes[0, s].data_ptr(), codes[1, s].data_ptr(), scales[0, s].data_ptr(), scales[1, s].data_ptr(),
                 *codes.stride()[2:4], *scales.stride()[2:4]]
                for s in range(sequences)
            ]  # fmt: skip
            tables.addresses.copy_(torch.tensor(places))
            tables.last.copy_(torch.arange(sequences))
            tables.first.copy_(torch.arange(sequences + 1))
            q, out = random(sequences, h, d, seed=5), torch.full((sequences, h, d), math.nan, device=DEVICE).to(HALF)
            tables.attend(q, out, 0)
            us = microseconds([lambda t=tables, q=q, out=out: t.attend(q, out, 0)] * 4)
            sweep[f"{splits} splits us"] = rounded(us)
            best = rate(codes.nbytes + (scales.nbytes if int8 else 0), us)
            sweep[f"{splits} splits TB/s"] = best
        held = (codes.float() * scales.float().unsqueeze(-1) if int8 else codes.float())[:, 0, 0]
        sweep["error"] = relative(out[0].float(), attend(q[0].float().unsqueeze(1), [Past(held[0], held[1])])[:, 0])
        yield f"decode {sequences} x {length}{' int8' if int8 else ''}", sweep


def prefill_attention(chunk: int, depths: Sequence[int], heads: tuple[int, int, int]) -> Iterator[tuple[str, Row]]:
    """A chunk behind pasts of several lengths, through cuDNN and through flash, against the plain form."""
    h, k, d = heads
    for depth in depths:
        q, kv = random(h, chunk, d), random(2, k, depth + chunk, d, seed=1)
        past = [Past(kv[0], kv[1])]
        work = 4.0 * h * d * (chunk * depth + chunk * chunk / 2)
        for name, few in (("cudnn", reading.cudnn), ("flash", None)):
            found = reading.attend_to_chunk(q, past, any_shape=reading.flash, few_shapes=few)
            begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begun.record()
            for _ in range(3):
                reading.attend_to_chunk(q, past, any_shape=reading.flash, few_shapes=few)
            ended.record()
            torch.cuda.synchronize()
            us = 1000 * begun.elapsed_time(ended) / 3
            some = slice(-64, None)
            mask = torch.ones(64, depth + chunk, dtype=torch.bool, device=DEVICE).tril(depth + chunk - 64)
            wide = (each.repeat_interleave(h // k, 0) for each in kv)
            wanted, _ = plain(q[:, some], *wide, causal=False, mask=mask)
            row = {
                "us": rounded(us),
                "TFLOP/s": rate(work, us),
                "error": relative(found[:, some].float(), wanted.float()),
            }
            yield f"{name} {chunk} behind {depth}", row


def _row(found: Tensor, wanted: Tensor, us: float | None, n_bytes: float) -> Row:
    return {"error": relative(found.float(), wanted.float()), "us": rounded(us), "TB/s": rate(n_bytes, us)}


def _grid(bits: int, n: int, columns: int) -> Grid:
    codes = torch.randint(0, 256, (n, columns // (2 if bits == 4 else 1)), device=DEVICE)
    kind = (codes.to(torch.uint8)) if bits == 4 else (codes - 128).to(torch.int8)
    scales = (torch.rand(n, columns // 32, device=DEVICE) * 2.0**-bits / 8).half()
    return Grid(kind, scales, (-scales.float() * 8).half() if bits == 4 else None)


def everything(seconds_left: Callable[[str], bool]) -> Iterator[tuple[str, Row]]:
    """All parts in order of what is most wanted."""
    heads = (32, 8, 128) if CUDA else (8, 2, 16)
    parts: list[tuple[str, Callable[[], Iterator[tuple[str, Row]]]]] = [
        ("floors", floors),
        ("decode attention", lambda: decode_attention([16_384, 131_072] if CUDA else [200], heads)),
        ("rows", lambda: rows(SHAPES if CUDA else TINY_SHAPES, (1, 8))),
        ("elementwise", lambda: elementwise(*((8192, 5120, 14336) if CUDA else (8, 80, 96)), heads)),
    ]
    if CUDA:
        parts.insert(1, ("prefill attention", lambda: prefill_attention(8192, [0, 8192, 65_536, 122_880], heads)))
    for name, part in parts:
        if seconds_left(name):
            yield from part()
            if CUDA:
                torch.cuda.empty_cache()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="check numbers on any device")
    if not TRITON or not (CUDA or parser.parse_args().tiny):
        print(json.dumps({"benchmark": "gpu_kernels", "left_out": ["no Triton or no CUDA GPU"], "commit": commit()}))
        return 0
    report: Row = {"benchmark": "gpu_kernels", "rows": {}}
    with torch.inference_mode():
        for name, row in everything(lambda what: True):
            say(name, row)
            report["rows"][name] = row
    machine = torch.cuda.get_device_name() if CUDA else processor()
    print(json.dumps(report | {"machine": machine, "torch": torch.__version__, "commit": commit()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
