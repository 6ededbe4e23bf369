"""What keys and values in eight bits do to the model's predictions, on real text, beside plain ones.

Every form reads the same windows in the engine's own chunks, side by side. Told are its perplexity, how far it is from
the plain form's in the same arithmetic, token by token, and the divergence of its predictions from the plain form's
(Kullback-Leibler, nats a token), which is a hundred times as sharp. The bar is half a per cent of perplexity.

    python -m tests.benchmarks.bench_kv [--tokens 8192] [--window 2048] [--data FOLDER]
    python -m tests.benchmarks.bench_kv --variants      (fp32 alone, with the forms that were not taken)

Ends with one line of JSON; exits with 1 above the bar.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nemo_docs import settings
from nemo_docs.engine.placing import CHUNK_TOKENS
from nemo_docs.engine.plan import chunk_plan
from nemo_docs.kv.cache import KVCache, KVLayout
from nemo_docs.kv.form import PLAIN, Form, Int8, Plain, Rows
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.rope import RotaryTable, rotate
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.machine import commit, processor

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
MOST = 0.005
"""What a form may add to the perplexity."""


@dataclass(frozen=True)
class Float8(Plain):
    """Four significant bits and an exponent for each element, no scales."""

    def empty(self, *shape: int, dtype: torch.dtype, device: torch.device) -> Rows:
        return Rows(torch.empty(shape, dtype=torch.float8_e4m3fn, device=device))

    def store(self, x: Tensor) -> Rows:
        largest = torch.finfo(torch.float8_e4m3fn).max
        return Rows(x.float().clamp(-largest, largest).to(torch.float8_e4m3fn))


class MovedCache(KVCache):
    """Rows are rounded to eight bits where keys are not yet attended to; keys are then rotated there and kept as the
    layout says: rounded a second time, or not at all.

    Args:
        turns: From where keys are rounded to where they stand, by position; conjugate, the way back. [C, D/2]
    """

    def __init__(self, turns: Tensor, layout: KVLayout, capacity: int) -> None:
        super().__init__(layout, capacity)
        self._turns = turns

    def write(self, layer: int, k: Tensor, v: Tensor) -> None:
        turns = self._turns[len(self) : len(self) + k.shape[1]]
        back = rotate(k.transpose(0, 1).float(), turns.conj())  # [T, K, D]
        super().write(layer, rotate(_rounded(back), turns).transpose(0, 1), _rounded(v))


def _rounded(x: Tensor) -> Tensor:
    return Int8().load(Int8().store(x), torch.float32)


class HadamardCache(KVCache):
    """Heads are multiplied by a Hadamard matrix before they are rounded, and again, which undoes it, when loaded."""

    def write(self, layer: int, k: Tensor, v: Tensor) -> None:
        matrix = hadamard(k.shape[-1])
        super().write(layer, k.float() @ matrix, v.float() @ matrix)

    def past(self, layer: int, tokens: int, start: int = 0) -> tuple[Tensor, Tensor]:
        k, v = super().past(layer, tokens, start)
        matrix = hadamard(k.shape[-1]).to(k.dtype)
        return k @ matrix, v @ matrix


def hadamard(size: int) -> Tensor:
    """Symmetric and orthonormal; `size` is a power of two."""
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)))
    return matrix * size**-0.5


class Contestant(NamedTuple):
    """A way of keeping keys and values."""

    form: Form
    cache: Any = KVCache
    """Makes a cache of a layout and a capacity."""


def variants(model: Transformer, window: int) -> dict[str, Contestant]:
    """What was not taken."""
    table = RotaryTable(model.config.head_dim, model.config.rope_theta, model.device)
    from_start = table.at(range(window))
    elsewhere = table.at([3000]).expand(window, -1)
    return {
        "int8, keys before the rotation only": Contestant(PLAIN, partial(MovedCache, from_start)),
        "int8, keys before the rotation and after it": Contestant(Int8(), partial(MovedCache, from_start)),
        "int8, a window moved by 3,000 tokens": Contestant(Int8(), partial(MovedCache, elsewhere)),
        "int8 behind a Hadamard matrix": Contestant(Int8(), HadamardCache),
        "fp8 (e4m3)": Contestant(Float8()),
    }


class Figures:
    """What one contestant's predictions were, token by token."""

    def __init__(self) -> None:
        self.surprise: list[float] = []
        """Negative log-likelihood of each token, nats."""
        self.divergence: list[float] = []
        """From the plain form's prediction, nats."""

    def add(self, log_probabilities: Tensor, plain: Tensor, following: Sequence[int]) -> None:
        """Shapes: log-probabilities fp32 [T, V] each, and up to T tokens that they predict."""
        tokens = torch.tensor(following).unsqueeze(-1)  # [t, 1]
        self.surprise += (-log_probabilities[: len(tokens)].gather(-1, tokens))[:, 0].tolist()
        self.divergence += (plain.exp() * (plain - log_probabilities)).sum(-1).tolist()

    def told(self, plain: Figures) -> dict[str, float]:
        """Beside the plain form's."""
        more = [a - b for a, b in zip(self.surprise, plain.surprise, strict=True)]
        return {
            "perplexity": round(math.exp(statistics.fmean(self.surprise)), 4),
            "more_perplexity": round(math.expm1(statistics.fmean(more)), 6),
            "standard_error": round(statistics.stdev(more) / len(more) ** 0.5, 6),
            "divergence": float(f"{statistics.fmean(self.divergence):.3g}"),
        }


def compare(model: Transformer, windows: Sequence[list[int]], contestants: dict[str, Contestant]) -> dict[str, Any]:
    """Read every window in every form; the first is what the others are compared with."""
    found = {name: Figures() for name in contestants}
    first = next(iter(contestants))
    for window in windows:
        caches = {
            name: each.cache(replace(model.kv_layout, form=each.form), len(window))
            for name, each in contestants.items()
        }
        for start, end in chunk_plan([len(window)], CHUNK_TOKENS["cpu"]):
            plain: Tensor | None = None
            for name, cache in caches.items():
                predicted = model.forward(window[start:end], cache, rows=slice(None)).log_softmax(-1)  # [T, V]
                plain = predicted if plain is None else plain
                found[name].add(predicted, plain, window[start + 1 : end + 1])
                cache.commit(window[start:end], ends_chunk=True)
    return {name: figures.told(found[first]) for name, figures in found.items()}


def windows_of(files: ModelFiles, data: Path, tokens: int, size: int) -> Iterator[list[int]]:
    """Real text, English first: the model's own language."""
    paths = [SAMPLES / "udhr.en.txt", data / "ntrex" / "en.txt", *sorted(SAMPLES.glob("*.txt"))]
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in dict.fromkeys(paths) if path.is_file())
    ids = files.tokenizer.encode(text)[:tokens]
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--window", type=int, default=2048)
    parser.add_argument("--data", type=Path, default=ROOT / "shared" / "data", help="folder of real documents")
    parser.add_argument("--variants", action="store_true", help="measure the forms that were not taken")
    arguments = parser.parse_args()
    configuration = settings.load()
    files = open_model(configuration.settings.model, configuration.paths.models)
    windows = list(windows_of(files, arguments.data, arguments.tokens, arguments.window))
    began = perf_counter()
    rows: dict[str, dict[str, Any]] = {}
    for dtype in (torch.float32,) if arguments.variants else (torch.float32, torch.bfloat16):
        model = Transformer(files.weights, device=torch.device("cpu"), dtype=dtype)
        contestants = {"plain": Contestant(PLAIN), "int8": Contestant(Int8())}
        if arguments.variants:
            contestants |= variants(model, arguments.window)
        rows[str(dtype).removeprefix("torch.")] = compare(model, windows, contestants)
    for dtype_name, each in rows.items():
        for name, row in each.items():
            print(
                f"{dtype_name:9} {name:44} perplexity {row['perplexity']:8.3f}  {100 * row['more_perplexity']:+.3f} %"
                f" ± {100 * row['standard_error']:.3f}  divergence {row['divergence']:.2e}",
                file=sys.stderr,
            )
    report = {
        "benchmark": "kv",
        "model": files.path.name,
        "tokens": sum(map(len, windows)),
        "window": arguments.window,
        "forms": rows,
        "seconds": round(perf_counter() - began),
        "machine": processor(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    print(json.dumps(report))
    above = [name for name, each in rows.items() if each["int8"]["more_perplexity"] > MOST]
    if above:
        print(f"Eight bits add more than {MOST:.1%} to the perplexity in {', '.join(above)}.", file=sys.stderr)
    return 1 if above else 0


if __name__ == "__main__":
    raise SystemExit(main())
