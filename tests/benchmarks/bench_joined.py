"""Several windows as one past: what it does to the likelihood of true answers, and what it costs at NeMo's size.

By default: XQuAD with the embedded default. Documents of 16 paragraphs are cut into 2, 4, 8 and 16 windows, each read
alone, and the model is asked how likely the true answer is behind all of them, with the windows' keys counted as they
are and with all of them together weighted by n^-1/2. Beside that stand everything in one prompt, the right window
alone, and no text at all. Negative mean log-probability a token of the answer, in nats: lower is better.

With `--random-nemo`, on a CUDA GPU: milliseconds a token behind 1, 2, 4 and 8 windows of 16,384 tokens as one past, and
milliseconds a step of as many requests written together, each behind a window of its own. Weights are random.

    python -m tests.benchmarks.bench_joined [--documents 3] [--questions 10] [--language en] [--precision auto]
    python -m tests.benchmarks.bench_joined --random-nemo [--tokens 16384] [--tiny]

`--tiny` runs the second on a tiny model on any device. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from nemo_docs.answering.prompt import Prompts
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.protocol import (
    BatchRequest,
    Finished,
    Free,
    OfOne,
    Request,
    Scored,
    ScoreRequest,
    Token,
    Windows,
)
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.library.clean import clean
from nemo_docs.model.accelerating import accelerate
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.template import encode_parts
from nemo_docs.model.transformer import Transformer
from nemo_docs.settings import load
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_nemo import NEMO, TINY, RandomWeights

PARAGRAPHS = 16
COUNTS = (2, 4, 8, 16)
POOL_BYTES = 2 * 1024**3
CHUNK_TOKENS = 2048
DATA = Path(os.environ.get("NEMO_DOCS_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "xquad"
Ids = tuple[int, ...]
Row = dict[str, Any]


@dataclass(frozen=True)
class Gold:
    """A question with its answer."""

    question: Ids
    """The prompt behind the text, up to where the model speaks."""
    answer: Ids
    paragraph: int
    """Where the answer stands."""


class Paragraphs:
    """The data in tokens of a model.

    Args:
        language: Of the data.
        files: The model.
    """

    def __init__(self, language: str, files: ModelFiles) -> None:
        articles = json.loads((DATA / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
        self._all = [paragraph for article in articles for paragraph in article["paragraphs"]]
        self._files = files
        self.preamble = Prompts(files.template, files.tokenizer).preamble

    def documents(self, count: int, questions: int) -> Iterator[tuple[list[Ids], list[Gold]]]:
        """So many documents from all over the data, each with so many questions from all over it."""
        for first in range(0, len(self._all) - PARAGRAPHS + 1, (len(self._all) - PARAGRAPHS) // max(1, count - 1)):
            some = self._all[first : first + PARAGRAPHS]
            asked = sorted({n * PARAGRAPHS // questions for n in range(questions)})
            yield [self._text(each) for each in some], [self._gold(some[n]["qas"][0], n) for n in asked]
            count -= 1
            if not count:
                return

    def _text(self, paragraph: Row) -> Ids:
        return tuple(self._files.tokenizer.encode(clean(paragraph["context"]).text + "\n\n"))

    def _gold(self, qa: Row, paragraph: int) -> Gold:
        wish = f"{qa['question']}\n\nAnswer in a few words from the text."
        asked = encode_parts(self._files.tokenizer, (wish, *self._files.template.user_close))
        answer = self._files.tokenizer.encode(clean(qa["answers"][0]["text"]).text)
        return Gold(tuple(asked), tuple(answer), paragraph)


def likelihoods(arguments: argparse.Namespace) -> Row:
    """Measure and return the means."""
    configuration = load()
    path = configuration.paths.models / configuration.settings.model
    files = ModelFiles(path)
    spec = ModelSpec(str(path), files.window_tokens, precision=arguments.precision, kv_memory=POOL_BYTES)
    engine = load_engine(spec)
    data = Paragraphs(arguments.language, files)
    found: dict[str, list[float]] = defaultdict(list)
    tokens: list[int] = []
    began = perf_counter()
    for texts, golds in data.documents(arguments.documents, arguments.questions):
        tokens.append(sum(map(len, texts)))
        for gold in golds:
            for name, windows in ways(texts, gold, data.preamble).items():
                found[name].append(-likelihood(engine, gold, windows))
        print(f"{len(tokens)} documents, {perf_counter() - began:.0f} s", file=sys.stderr)
        say(found)
    return {
        "benchmark": "joined",
        "model": configuration.settings.model,
        "language": arguments.language,
        "questions": len(found["one prompt"]),
        "tokens_of_a_document": round(statistics.fmean(tokens)),
        "nats_a_token": {name: round(statistics.fmean(values), 4) for name, values in found.items()},
        "precision": str(engine.model.dtype).removeprefix("torch."),
        "seconds": round(perf_counter() - began),
        "machine": processor(),
    }


def say(found: dict[str, list[float]]) -> None:
    """The means so far, each with the standard error of its distance from one prompt."""
    for name, values in found.items():
        apart = [value - one for value, one in zip(values, found["one prompt"], strict=True)]
        error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
        mean, distance = statistics.fmean(values), statistics.fmean(apart)
        print(f"{name:28}{mean:8.3f} {distance:+8.3f} +- {error:.3f}", file=sys.stderr, flush=True)


def ways(texts: list[Ids], gold: Gold, preamble: Ids) -> dict[str, Windows]:
    """All that a question is asked behind, by name."""

    def cut(count: int) -> list[tuple[Ids, ...]]:
        size = len(texts) // count
        return [(tuple(chain(*texts[at : at + size])),) for at in range(0, len(texts), size)]

    found = {"no text": Windows((preamble,), ()), "one prompt": Windows((preamble,), tuple(cut(1)))}
    for count in COUNTS:
        windows, weight = cut(count), -0.5 * math.log(count)
        found[f"{count} windows"] = Windows((preamble,), tuple(windows))
        found[f"{count} windows, n^-1/2"] = Windows((preamble,), tuple(windows), weight)
        right = windows[gold.paragraph // (len(texts) // count)]
        found[f"the right one of {count}"] = Windows((preamble,), (right,))
    return found


def likelihood(engine: Engine, gold: Gold, windows: Windows) -> float:
    """Mean log-probability a token of the true answer."""
    *asked, last = gold.question  # logits come from a branch's first token on
    request = ScoreRequest((tuple(asked),), ((last, *gold.answer),), len(gold.answer), behind=windows)
    return next(event.values[0] for event in engine.run(request) if isinstance(event, Scored))


def speeds(arguments: argparse.Namespace) -> Row:
    """Milliseconds a step at NeMo's size; nothing where there is no GPU for it."""
    row: Row = {"benchmark": "joined", "model": "random nemo", "torch": torch.__version__}
    cuda = torch.cuda.is_available()
    if not cuda and not arguments.tiny:
        print("Nothing was measured: torch finds no CUDA GPU. --tiny tries every line here.", file=sys.stderr)
        return row | {"left_out": ["no CUDA GPU"]}
    device = torch.device("cuda" if cuda else "cpu")
    config, tokens = (TINY, 200) if arguments.tiny else (NEMO, arguments.tokens)
    model = Transformer(RandomWeights(config), device=device, dtype=torch.bfloat16)
    accelerate(model)
    generator = torch.Generator().manual_seed(1)

    def some(count: int) -> Ids:
        return tuple(torch.randint(0, config.vocab_size, (count,), generator=generator).tolist())

    preamble, question, windows = some(8), some(16), [some(tokens - 8) for _ in range(8)]
    room = 9 * (tokens + 512) * model.kv_layout.bytes_per_token
    engine = Engine(model, window_tokens=9 * (tokens + 512), chunk_tokens=CHUNK_TOKENS, pool_bytes=room)
    write = (Free(arguments.decode, stops=()),)
    for count in (1, 2, 4, 8):
        behind = Windows((preamble,), tuple((window,) for window in windows[:count]))
        joined = Request((question,), write, behind=behind)
        alone = [Request((preamble, window, question), write) for window in windows[:count]]
        row[f"joined_{count}_ms"] = ms_a_step(engine, joined, 1)
        row[f"together_{count}_ms"] = ms_a_step(engine, BatchRequest(tuple(alone)), count)
        shown = f"{row[f'joined_{count}_ms']} ms a token as one past, {row[f'together_{count}_ms']} ms a step together"
        print(f"{count} windows of {tokens}: {shown}", file=sys.stderr, flush=True)
    name = torch.cuda.get_device_name(device) if cuda else processor()
    return row | {"tokens_of_a_window": tokens, "parameters": config.n_parameters, "machine": name}


def ms_a_step(engine: Engine, request: Request | BatchRequest, width: int) -> float:
    """Median time between two tokens of the first of `width` programs, once everything is read and warm."""
    list(engine.run(request))
    times = []
    for event in engine.run(request):
        inner = event.event if isinstance(event, OfOne) else event
        if isinstance(inner, Token) and (not isinstance(event, OfOne) or event.index == 0):
            times.append(perf_counter())
        if isinstance(event, Finished):
            assert event.tokens_generated == width * len(times)
    return round(1000 * statistics.median(b - a for a, b in pairwise(times)), 3)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=3, help="of 16 paragraphs")
    parser.add_argument("--questions", type=int, default=10, help="of each document, 16 at most")
    parser.add_argument("--language", default="en")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--random-nemo", action="store_true", help="measure time at NeMo's size on a GPU instead")
    parser.add_argument("--tokens", type=int, default=16_384, help="of a window")
    parser.add_argument("--decode", type=int, default=32, help="tokens written behind the windows")
    parser.add_argument("--tiny", action="store_true", help="with --random-nemo: a tiny model, on any device")
    arguments = parser.parse_args()
    row = speeds(arguments) if arguments.random_nemo else likelihoods(arguments)
    print(json.dumps(row | {"threads": torch.get_num_threads(), "commit": commit()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
