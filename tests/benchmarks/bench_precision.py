"""What each precision costs in quality, on real text and in layers of NeMo's shape. Times say nothing here.

`text`: perplexity of the embedded default in windows of 2,048 tokens of English, and the divergence of its next-token
distribution from that of the same weights in fp32. Its file has four bits already: see `shuffled`, the same function
with its channels in another order, where rounding to groups is not won beforehand. GPTQ and AWQ are told the inputs of
other text.

`layers`: the error of a product's output, slices of NeMo's matrices, heavy-tailed weights, a few inputs 20 to 100 times
as large as the others; with columns that know nothing of it, and with columns that are smaller where inputs are larger,
as little as measured in the default (`slope`) and far more. And what a register that keeps 13 bits adds to an fp8
product.

    python -m tests.benchmarks.bench_precision text [--windows 4] [--only bf16,int8,...]
    python -m tests.benchmarks.bench_precision shuffled [--windows 2] [--only ...]
    python -m tests.benchmarks.bench_precision layers

Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nemo_docs import settings
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.linear.base import Dense, Linear, LinearLoader
from nemo_docs.model.linear.fp8 import Fp8Rows, quantise_activations, quantise_weights
from nemo_docs.model.linear.grouped import Grid, Grouped, stacked
from nemo_docs.model.linear.on_load import Fp8Loader, Int4Loader, Int8Loader
from nemo_docs.model.transformer import DenseLoader, TensorSource, Transformer
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.rounding_peers import activation_aware, gptq, half_quadratic, nearest, ours
from tests.benchmarks.shuffled import Shuffled

DATA = Path(os.environ.get("NEMO_DOCS_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
SAMPLE = Path(__file__).resolve().parents[2] / "assets" / "samples" / "udhr.en.txt"
CPU = torch.device("cpu")
WINDOW, CHUNK, CALIBRATION = 2048, 512, 4096
BARS = {"int8": 0.005, "fp8 weights": 0.025, "int4, the file's grid": 0.001}
Method = Callable[[str, Tensor], Tensor]
"""From a tensor's name and weights to the weights that come of it."""


class Replaced(DenseLoader):
    """Dense products whose weights went through a method; the embedding stays as it is."""

    def __init__(self, source: TensorSource, method: Method) -> None:
        super().__init__(source, CPU, torch.float32)
        self._method = method

    def linear(self, *names: str) -> Linear:
        return Dense(torch.cat([self._method(name, self._load(name)) for name in names]))

    def table(self, name: str) -> Linear:
        return Dense(self._load(name))

    def _load(self, name: str) -> Tensor:
        return self._source.load(f"{name}.weight", device=CPU, dtype=torch.float32)


class EightBitTable(Replaced):
    """Exact products, the embedding and output layer in eight bits: what that alone costs."""

    def __init__(self, source: TensorSource) -> None:
        super().__init__(source, lambda name, weight: weight)
        self.table = Int8Loader(source, CPU, torch.float32).table  # type: ignore[method-assign]


class Fp8Both(Fp8Loader):
    """Activations rounded as well, as the tensor cores take them."""

    def linear(self, *names: str) -> Linear:
        made = super().linear(*names)
        assert isinstance(made, Fp8Rows)
        return Fp8Rows(made.weight, rounds_activations=True)


class FileGrid:
    """The grids of a GGUF file of Q4_1 and Q8_0."""

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader

        names = {"q": "attention.wq", "k": "attention.wk", "v": "attention.wv", "output": "attention.wo"}
        names = {f"attn_{short}": long for short, long in names.items()}
        names |= {"ffn_gate": "feed_forward.w1", "ffn_down": "feed_forward.w2", "ffn_up": "feed_forward.w3"}
        self._grids = {"tok_embeddings": Grid(torch.empty(0), torch.empty(0))}
        for tensor in GGUFReader(path).tensors:
            parts = tensor.name.split(".")
            if parts[0] == "blk" and parts[2] in names:
                self._grids[f"layers.{parts[1]}.{names[parts[2]]}"] = _grid(tensor)
            elif parts[0] == "token_embd":
                self._grids["tok_embeddings"] = _grid(tensor)

    def linear(self, *names: str) -> Linear:
        return Grouped(stacked([self._grids[name] for name in names]))

    def table(self, name: str) -> Linear:
        return Grouped(self._grids[name])


def _grid(tensor: Any) -> Grid:
    four = tensor.tensor_type.name == "Q4_1"  # blocks: scale, minimum, 16 bytes of codes; else scale, 32 codes
    blocks = torch.from_numpy(tensor.data.copy()).view(tensor.data.shape[0], -1, 20 if four else 34)

    def halves(at: int) -> Tensor:
        return blocks[..., at : at + 2].contiguous().view(torch.float16).squeeze(-1)

    codes = blocks[..., 4 if four else 2 :].flatten(1)
    return Grid(codes, halves(0), halves(2)) if four else Grid(codes.view(torch.int8), halves(0))


class Recorder:
    """A product that notes its inputs' second moments, fp32 [in, in]."""

    def __init__(self, inner: Linear) -> None:
        self.inner, self.moments, self.tokens = inner, torch.zeros(0), 0
        self.n_bytes, self.rows = inner.n_bytes, inner.rows

    def __call__(self, x: Tensor) -> Tensor:
        self.moments = x.t() @ x + (self.moments if self.tokens else 0)
        self.tokens += len(x)
        return self.inner(x)


class Calibration(DenseLoader):
    """What the inputs of every product are."""

    def __init__(self, source: TensorSource, windows: Iterable[Sequence[int]]) -> None:
        super().__init__(source, CPU, torch.float32)
        self._recorders: dict[str, Recorder] = {}
        model = Transformer(source, device=CPU, dtype=torch.float32, linears=self)
        for window in windows:
            model.forward(window, KVCache(model.kv_layout, len(window)))

    def linear(self, *names: str) -> Linear:
        recorder = Recorder(super().linear(*names))
        self._recorders |= dict.fromkeys(names, recorder)
        return recorder

    def moments(self, name: str) -> Tensor:
        return self._recorders[name].moments / self._recorders[name].tokens

    def slope(self) -> float:
        """Of the logarithm of a column's size over that of its input's, for the largest hundredth of inputs."""
        slopes = []
        of_layers = {id(each): each for name, each in self._recorders.items() if name.startswith("layers.")}
        for recorder in of_layers.values():
            assert isinstance(recorder.inner, Dense)
            inputs = recorder.moments.diagonal().clamp_min(1e-12).log() / 2
            columns = recorder.inner.weight.square().mean(0).clamp_min(1e-12).log() / 2
            large = inputs.topk(max(1, len(inputs) // 100)).indices
            x, y = (each[large] - each.median() for each in (inputs, columns))
            slopes.append(float((x @ y) / (x @ x)))
        return sum(slopes) / len(slopes)


def text(files: ModelFiles) -> list[int]:
    """Ids of English prose, some 20,000; the sample where there is no other."""
    path = DATA / "xquad" / "xquad.en.json"
    if not path.is_file():
        return files.tokenizer.encode(SAMPLE.read_text(encoding="utf-8"))
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return files.tokenizer.encode("\n\n".join(p["context"] for article in articles for p in article["paragraphs"]))


def compare(
    models: Mapping[str, Callable[[], Transformer]], windows: Sequence[Sequence[int]]
) -> dict[str, dict[str, float]]:
    """Perplexity of each, and its divergence from the first; one at a time, the first one's chances are kept."""
    truths: list[Tensor] = []  # fp32 [T, V] of every chunk: 400 MB a window
    found: dict[str, dict[str, float]] = {}
    base = 0.0
    for name, make in models.items():
        model, loss, divergence, predicted, chunk = make(), 0.0, 0.0, 0, 0
        for window in windows:
            cache = KVCache(model.kv_layout, len(window))
            for start in range(0, len(window), CHUNK):
                ids, targets = window[start : start + CHUNK], torch.tensor(window[start + 1 : start + CHUNK + 1])
                chances = model.forward(ids, cache, rows=slice(None)).log_softmax(-1)  # [T, V]
                cache.commit(ids, ends_chunk=True)
                if not found:
                    truths.append(chances)
                divergence += float(F.kl_div(chances, truths[chunk], reduction="sum", log_target=True))
                loss += float(F.nll_loss(chances[: len(targets)], targets, reduction="sum"))
                predicted, chunk = predicted + len(targets), chunk + 1
        base = base or loss / predicted
        found[name] = {
            "perplexity": round(math.exp(loss / predicted), 4),
            "against_reference": round(math.exp(loss / predicted - base) - 1, 5),
            "divergence": round(divergence / (WINDOW * len(windows)), 6),
        }
        print(name, found[name], file=sys.stderr, flush=True)
    return found


def precisions(files: ModelFiles, gguf: Path | None) -> dict[str, Callable[[], Transformer]]:
    """The product's own, on the default as it is."""

    def model(linears: LinearLoader | None, dtype: torch.dtype = torch.float32) -> Transformer:
        return Transformer(files.weights, device=CPU, dtype=dtype, linears=linears)

    on = (files.weights, CPU, torch.float32)
    made: dict[str, Callable[[], Transformer]] = {
        "bf16": lambda: model(None, torch.bfloat16),
        "int8": lambda: model(Int8Loader(*on)),
        "int8 table alone": lambda: model(EightBitTable(files.weights)),
        "fp8 weights": lambda: model(Fp8Loader(*on)),
        "fp8 weights and activations": lambda: model(Fp8Both(*on)),
        "int4": lambda: model(Int4Loader(*on)),
    }
    if gguf:
        made["int4, the file's grid"] = lambda: model(FileGrid(gguf))
    return made


def methods(source: TensorSource, calibration: Callable[[], Calibration]) -> dict[str, Callable[[], Transformer]]:
    """Ours and others, on the default with its channels in another order."""

    def replaced(method: Method) -> Callable[[], Transformer]:
        return lambda: Transformer(source, device=CPU, dtype=torch.float32, linears=Replaced(source, method))

    def product(loader: type[Int4Loader | Int8Loader | Fp8Loader]) -> Callable[[], Transformer]:
        return lambda: Transformer(source, device=CPU, dtype=torch.float32, linears=loader(source, CPU, torch.float32))

    def told(method: Callable[[Tensor, Tensor], Tensor]) -> Method:
        return lambda name, weight: method(weight, calibration().moments(name))

    return {
        "nearest": replaced(lambda name, weight: nearest(weight)),
        "half-quadratic": replaced(lambda name, weight: half_quadratic(weight)),
        "search": replaced(lambda name, weight: ours(weight, balanced=False)),
        "balance, nearest": replaced(lambda name, weight: nearest(weight, balanced=True)),
        "int4 (balance, search)": product(Int4Loader),
        "AWQ, told inputs": replaced(told(activation_aware)),
        "GPTQ, told inputs": replaced(told(gptq)),
        "GPTQ with our balance": replaced(told(lambda weight, moments: gptq(weight, moments, balanced=True))),
        "int8": product(Int8Loader),
        "int8 table alone": lambda: Transformer(source, device=CPU, dtype=torch.float32, linears=EightBitTable(source)),
        "fp8 weights": product(Fp8Loader),
        "fp8 weights and activations": product(Fp8Both),
    }


def layers(rows: int, tokens: int) -> dict[str, dict[str, float]]:
    """Relative error of outputs, by layer and method."""
    found = {}
    for name, columns in (("w13 [28672, 5120]", 5120), ("w2 [5120, 14336]", 14336)):
        for knows in (0.0, 0.1, 0.5):
            generator = torch.Generator().manual_seed(columns)

            def drawn(*shape: int, generator: torch.Generator = generator) -> Tensor:
                return torch.randn(shape, generator=generator)

            sizes = (0.5 * drawn(columns)).exp()  # of the inputs
            large = torch.randperm(columns, generator=generator)[:8]
            sizes[large] = 20 + 80 * torch.rand(8, generator=generator)
            mixed = drawn(columns // 32, columns) * (columns // 32) ** -0.5

            def inputs(count: int, sizes: Tensor = sizes, mixed: Tensor = mixed, drawn: Any = drawn) -> Tensor:
                return (drawn(count, mixed.shape[1]) + drawn(count, len(mixed)) @ mixed) * sizes  # correlated

            heavy = drawn(rows, columns) / (sum(drawn(rows, columns).square() for _ in range(5)) / 5).sqrt()  # t, 5
            weight = heavy * columns**-0.5 * sizes**-knows
            seen, x = inputs(tokens), inputs(256)
            exact = x @ weight.t()

            def error(rounded: Tensor, x: Tensor = x, exact: Tensor = exact) -> float:
                return round(float((x @ rounded.t() - exact).norm() / exact.norm()), 5)

            row = {
                "nearest": error(nearest(weight)),
                "half-quadratic": error(half_quadratic(weight)),
                "search": error(ours(weight, balanced=False)),
                "int4 (balance, search)": error(ours(weight)),
            }
            if columns < 8192 and knows != 0.1:  # GPTQ inverts [in, in], which takes its time
                moments = seen.t() @ seen / len(seen)
                row["AWQ, told inputs"] = error(activation_aware(weight, moments))
                row["GPTQ, told inputs"] = error(gptq(weight, moments))
                row["GPTQ with our balance"] = error(gptq(weight, moments, balanced=True))
            fp8 = quantise_weights(weight)
            row["fp8 weights"] = error(fp8.dense(torch.float32))
            codes = quantise_activations(x)
            both = codes.dense(torch.float32) @ fp8.dense(torch.float32).t()
            row["fp8 weights and activations"] = round(float((both - exact).norm() / exact.norm()), 5)
            row["fast accumulation alone"] = fast_accumulation(codes.codes[:32], fp8.codes[:32])
            found[f"{name}, slope -{knows:g}"] = row
            print(name, knows, row, file=sys.stderr, flush=True)
    return found


def fast_accumulation(x: Tensor, weight: Tensor) -> float:
    """Relative error that a sum has whose register keeps 13 bits behind its largest term, 32 columns at a time.

    Shapes: x [T, K], weight [N, K], e4m3.
    """
    wide, of_weights = x.double(), weight.double()
    held = torch.zeros(len(x), len(weight), dtype=torch.float64)
    for start in range(0, x.shape[1], 32):
        products = wide[:, None, start : start + 32] * of_weights[None, :, start : start + 32]  # [T, N, 32]
        terms = torch.cat((held.unsqueeze(-1), products), dim=-1)
        step = torch.exp2(terms.abs().amax(-1, keepdim=True).clamp_min(1e-30).log2().floor() - 13)
        held = ((terms / step).trunc() * step).sum(-1)
    exact = wide @ of_weights.t()
    return round(float((held - exact).norm() / exact.norm()), 6)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """One part's figures."""
    if arguments.part == "layers":
        return {"errors": layers(arguments.rows, arguments.tokens)}
    configuration = settings.load()
    files = open_model(configuration.settings.model, configuration.paths.models)
    ids = text(files)
    windows = [ids[n * WINDOW : (n + 1) * WINDOW] for n in range(arguments.windows)]
    source: TensorSource = files.weights
    extra: dict[str, Any] = {}
    if arguments.part == "text":
        made = precisions(files, arguments.gguf)
    else:
        source, calibrated = Shuffled(files.weights), []

        def calibration() -> Calibration:
            if not calibrated:
                rest = ids[len(ids) - CALIBRATION :]
                calibrated.append(Calibration(source, [rest[:WINDOW], rest[WINDOW:]]))
            return calibrated[0]

        made = methods(source, calibration)
        if not arguments.only or "slope" in arguments.only:
            extra["slope"] = round(calibration().slope(), 3)
    models = {"fp32": lambda: Transformer(source, device=CPU, dtype=torch.float32)}
    models |= {name: make for name, make in made.items() if not arguments.only or name in arguments.only.split(";")}
    return {"tokens": WINDOW * len(windows), **extra, "found": compare(models, windows)}


def main() -> None:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("text", "shuffled", "layers"))
    parser.add_argument("--windows", type=int, default=4, help="of 2,048 tokens")
    parser.add_argument("--only", default="", help="names, with semicolons between")
    parser.add_argument("--gguf", type=Path, help="the file that the default was converted from")
    parser.add_argument("--rows", type=int, default=128, help="of each layer's matrix")
    parser.add_argument("--tokens", type=int, default=2048, help="inputs that calibrated methods are told")
    arguments = parser.parse_args()
    found = measured(arguments)
    missed = [
        name
        for name, bar in BARS.items()
        if arguments.part == "text" and abs(found["found"].get(name, {}).get("against_reference", 0)) > bar
    ]
    machine = {"machine": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    line = {"benchmark": "precision", "part": arguments.part, **found, "missed": missed, **machine, "commit": commit()}
    print(json.dumps(line))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
