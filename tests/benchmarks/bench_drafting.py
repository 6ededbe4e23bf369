"""Drafting beside plain decode: tokens a second, tokens a pass, and what else is written with it: nothing.

With a trained model: passages that it repeats, and others that it is told to repeat and partly retells (free text);
lines that it copies out of a document in which many may begin (quotes). In fp32 every token must be the same. In bf16
the first difference of an answer must be a near tie: the answer so far is fed again from nothing, token by token and in
passes of eight, and the two tokens must lie closer than the logits of these two shapes lie apart there. Anything else
ends with 1. Text drawn at random from twelve tokens shows what drafts cost that do not come true.

With `--random-nemo`, NeMo's shape and random weights: quotes out of a window of `--window` tokens, and what a pass of
eight costs beside a pass of one. Plain decode feeds a quote's tokens one by one, as a program without constraints
would; the engine, which feeds what is certain together, is also shown without drafts.

    python -m tests.benchmarks.bench_drafting [--prompts 20] [--random-nemo] [--window 16384] [--tiny]

`--tiny` runs every line of both on tiny models, on a CPU. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nemo_docs import settings
from nemo_docs.engine.copying import CopyState
from nemo_docs.engine.drafting import PASS_COST, WIDTH
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.placing import CHUNK_TOKENS
from nemo_docs.engine.plan import chunk_plan
from nemo_docs.engine.protocol import Bans, Copy, Finished, Free, Request, Sampling, Start, Step, StepBegan, Token
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.accelerating import accelerate
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.template import Turn, render
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.random_nemo import NEMO, TINY, RandomWeights
from tests.tiny import write_tiny_nemo

SUBJECTS = ("family", "marriage", "belief", "nations", "freedom", "law", "life", "slavery", "torture", "privacy")
TEXT = Path(__file__).resolve().parents[2] / "assets" / "samples" / "udhr.en.txt"
DOCUMENT_TOKENS = 700
"""Of the document that is quoted from."""
Row = dict[str, Any]


class Counting(Transformer):
    """The model, and how often it ran."""

    passes = 0

    def forward(self, *arguments: Any, **options: Any) -> Tensor:
        """As of the model."""
        self.passes += 1
        return super().forward(*arguments, **options)


class Written(NamedTuple):
    """What a request wrote."""

    tokens: tuple[int, ...]
    seconds: float
    passes: int
    """Behind the prompt."""
    last: Finished


class Bench:
    """One model: requests through the engine, and the same tokens fed by hand."""

    def __init__(self, model: Counting) -> None:
        accelerate(model)
        self.model, self.chunk_tokens = model, CHUNK_TOKENS[model.device.type]
        self._engine = Engine(model, window_tokens=1 << 20, chunk_tokens=self.chunk_tokens, pool_bytes=1 << 36)

    def write(self, request: Request) -> Written:
        """Answer a request; the clock begins, and passes count, behind its prompt."""
        tokens: list[int] = []
        read = 0
        for event in self._engine.run(request):
            if event == StepBegan(0):
                read = self.model.passes
            elif isinstance(event, Token):
                tokens.append(event.id)
        assert isinstance(event, Finished)
        return Written(tuple(tokens), event.generate_s, self.model.passes - read, event)

    def feed(self, segments: Sequence[Sequence[int]], tokens: Sequence[int], width: int) -> tuple[Tensor, float]:
        """Read a prompt, then `tokens` in passes of `width`, choosing behind each as plain decode does.

        Returns:
            Logits behind the last token, fp32 [V], and the seconds that the tokens took.
        """
        ids = [token for segment in segments for token in segment]
        cache = KVCache(self.model.kv_layout, len(ids) + len(tokens) + width)
        for chunk in chunk_plan([len(segment) for segment in segments], self.chunk_tokens):
            row = self.model.forward(ids[chunk.start : chunk.end], cache)[-1]
            cache.commit(ids[chunk.start : chunk.end], ends_chunk=True)
        int(row.argmax())  # a GPU is done with the prompt
        began = perf_counter()
        for start in range(0, len(tokens), width):
            fed = list(tokens[start : start + width])
            missing = width - len(fed)  # the last pass has the same shape; what fills it is seen by none before it
            rows = self.model.forward(fed + fed[-1:] * missing, cache, rows=slice(-width, None))
            cache.commit(fed, ends_chunk=False)
            for row in rows[: len(fed)]:
                int(row.argmax())
        return row, perf_counter() - began

    def pass_ms(self, segments: Sequence[Sequence[int]], width: int, times: int = 15) -> float:
        """One pass of `width` tokens behind a prompt, with the choice of a token, in the median."""
        ids = [token for segment in segments for token in segment]
        cache = KVCache(self.model.kv_layout, len(ids) + width)
        for chunk in chunk_plan([len(ids)], self.chunk_tokens):
            self.model.forward(ids[chunk.start : chunk.end], cache)
            cache.commit(ids[chunk.start : chunk.end], ends_chunk=True)
        taken = []
        for _ in range(times):
            began = perf_counter()
            int(self.model.forward(ids[:width], cache, rows=slice(-width, None))[-1].argmax())
            taken.append(perf_counter() - began)
        return round(1000 * statistics.median(taken), 3)


class Asked(NamedTuple):
    """One prompt, and what is to be written behind it."""

    segments: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    sampling: Sampling = Sampling()

    def request(self, drafting: bool) -> Request:
        return Request(self.segments, self.steps, self.sampling, drafting)


def passages(count: int) -> Iterator[tuple[int, str]]:
    """Long lines of the text, numbered by how often they came before."""
    lines = [line for line in TEXT.read_text(encoding="utf-8").splitlines() if len(line) > 120]
    for n in range(count):
        yield n // len(lines), lines[n % len(lines)]


def repeated(files: ModelFiles, count: int) -> Iterator[Asked]:
    """Passages that stood twice or more and begin again."""
    for turn, text in passages(count):
        ids = files.tokenizer.encode(f"{text}\n\n")
        begun = (*ids * (2 + turn), *ids[: len(ids) // 4])
        yield Asked((begun,), (Free(len(ids) - len(ids) // 4, files.template.stops),))


def retold(files: ModelFiles, count: int) -> Iterator[Asked]:
    """Passages that the model is told to repeat."""
    ways = ("Repeat this text exactly:\n\n{}", "{}\n\nCopy the text above word for word.", "Write this again: {}")
    for turn, text in passages(count):
        ids = render(files.template, files.tokenizer, [Turn("user", (ways[turn % len(ways)].format(text),))])
        yield Asked((tuple(ids),), (Free(len(files.tokenizer.encode(text)), files.template.stops),))


def quotations(files: ModelFiles, count: int) -> Iterator[Asked]:
    """Questions to one document, of which each line may be quoted, all of them alike."""
    encode = files.tokenizer.encode
    source: list[int] = []
    bounds = [0]
    for line in TEXT.read_text(encoding="utf-8").splitlines():
        if len(line) > 40 and len(source) < DOCUMENT_TOKENS:
            source += encode(line + "\n")
            bounds.append(len(source))
    starts = tuple(Start(position, 0.0) for position in bounds[:-1])
    copy = Copy(tuple(source), starts, tuple(bounds[1:]), max_tokens=96)
    for n in range(count):
        question = encode(f"\n\n{n + 1}. What is said of {SUBJECTS[n % len(SUBJECTS)]}? It says:\n")
        # A token behind the quote, so that all of it is fed.
        yield Asked((tuple(source), tuple(question)), (copy, Free(1, ())))


def compare(bench: Bench, asked: Sequence[Asked], *, exact: bool, by_hand: bool) -> Row:
    """Write everything with and without drafts.

    Args:
        bench: The model.
        asked: What to write.
        exact: Whether nothing may differ; else near ties may.
        by_hand: Whether plain decode feeds the tokens that were written one by one, for its time.
    """
    pairs = [(each, bench.write(each.request(False)), bench.write(each.request(True))) for each in asked]
    plain_s = sum(
        bench.feed(each.segments, plain.tokens, 1)[1] if by_hand else plain.seconds for each, plain, _ in pairs
    )
    plain_tokens = sum(len(plain.tokens) for _, plain, _ in pairs)
    drafted_tokens = sum(len(drafted.tokens) for _, _, drafted in pairs)
    differ = [(each, plain.tokens, drafted.tokens) for each, plain, drafted in pairs if plain.tokens != drafted.tokens]
    ties = 0 if exact else sum(is_near_tie(bench, *each) for each in differ)
    speeds = plain_tokens / plain_s, drafted_tokens / sum(drafted.seconds for _, _, drafted in pairs)
    return {
        "prompts": len(pairs),
        "tokens": drafted_tokens,
        "plain_tokens_per_s": round(speeds[0], 1),
        "without_drafts_tokens_per_s": round(plain_tokens / sum(plain.seconds for _, plain, _ in pairs), 1),
        "drafted_tokens_per_s": round(speeds[1], 1),
        "times_as_fast": round(speeds[1] / speeds[0], 2),
        "tokens_a_pass_without_drafts": round(plain_tokens / sum(plain.passes for _, plain, _ in pairs), 2),
        "tokens_a_pass": round(drafted_tokens / sum(drafted.passes for _, _, drafted in pairs), 2),
        "drafted": sum(drafted.last.tokens_drafted for _, _, drafted in pairs),
        "accepted": sum(drafted.last.tokens_accepted for _, _, drafted in pairs),
        "near_ties": ties,
        "differ_otherwise": len(differ) - ties,
    }


def is_near_tie(bench: Bench, asked: Asked, plain: Sequence[int], drafted: Sequence[int]) -> bool:
    """Whether the two tokens of the first difference lie closer than two shapes of pass lie apart there."""
    step = asked.steps[0]
    ended = step.stops[:1] if isinstance(step, Free) else ()  # one answer may have ended where the other goes on
    one, other = (*plain, *ended), (*drafted, *ended)
    at = next(n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    a, b = one[at], other[at]
    narrow, wide = (bench.feed(asked.segments, plain[:at], width)[0] for width in (1, WIDTH))
    margin = float(narrow[a] - narrow[b])
    if isinstance(step, Copy):
        state = CopyState(step)
        for token in plain[:at]:
            if state.ended() is None:
                state.take(token)
        if state.ended() is None:  # else it is the token behind the copy
            weights = state.allowed()
            margin = margin * step.model_weight + weights[a] - weights[b]
    apart = float((narrow - wide).abs().max())
    print(f"differs at token {at}: {a} and {b} lie {margin:.4f} apart, the shapes {apart:.4f}", file=sys.stderr)
    return abs(margin) < apart


def only(count: int, vocabulary: int) -> Bans:
    """Bans all but so many tokens."""
    return Bans(always=tuple(range(count, vocabulary)))


def random_text(bench: Bench, segments: tuple[tuple[int, ...], ...]) -> Row:
    """Tokens drawn with no regard to the model, of so few kinds that each pair of them has stood before."""
    free = Free(160, (), only(12, bench.model.config.vocab_size))
    return compare(bench, [Asked(segments, (free,), Sampling(temperature=1e3, seed=1))], exact=True, by_hand=False)


def verses(window: int, vocabulary: int) -> list[Asked]:
    """Quotes out of a window of random sentences that begin alike: some tokens of each must be decided, as in text."""
    generator = torch.Generator().manual_seed(1)
    length = min(48, window // 8)
    ids = torch.randint(12, vocabulary, (window // length, length), generator=generator)
    ids[:, :3] = torch.randint(8, 12, (len(ids), 3), generator=generator)
    source = tuple(ids.flatten().tolist())
    starts = tuple(Start(length * n, -0.05 * n) for n in range(min(64, len(ids))))
    copy = Copy(source, starts, tuple(range(length, len(source) + 1, length)), max_tokens=2 * length)
    return [Asked((source, (4, 5, 6, 7 + n)), (copy, Free(1, ()))) for n in range(8)]


def of_random_nemo(window: int, tiny: bool, device: torch.device) -> Row:
    """NeMo's shape: quotes against plain decode, and what a pass costs."""
    config = TINY if tiny else NEMO
    bench = Bench(Counting(RandomWeights(config), device=device, dtype=torch.bfloat16))
    asked = verses(window, config.vocab_size)
    segments = asked[0].segments
    circling = Asked(segments, (Free(128, (), only(1, config.vocab_size)),))
    for each in (asked[0], circling):  # plans and kernels are made at the first use
        bench.write(each.request(True))
    one, eight = (bench.pass_ms(segments, width) for width in (1, WIDTH))
    return {
        "parameters": config.n_parameters,
        "dtype": "bfloat16",
        "window": window,
        "pass_of_one_ms": one,
        "pass_of_eight_ms": eight,
        "pass_cost": round(eight / one, 2),
        "quotes": compare(bench, asked, exact=False, by_hand=True),
        "one_word_again_and_again": compare(bench, [circling], exact=False, by_hand=False),
        "random_text": random_text(bench, segments),
    }


def of_trained(files: ModelFiles, prompts: int, device: torch.device) -> list[Row]:
    """A trained model, in fp32 and bf16."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        bench = Bench(Counting(files.weights, device=device, dtype=dtype))
        exact = dtype == torch.float32
        free, quotes = list(repeated(files, prompts)), list(quotations(files, prompts))
        row = {
            "dtype": str(dtype).removeprefix("torch."),
            "pass_cost": round(bench.pass_ms(free[0].segments, WIDTH) / bench.pass_ms(free[0].segments, 1), 2),
            "repeated": compare(bench, free, exact=exact, by_hand=False),
            "retold": compare(bench, list(retold(files, prompts)), exact=exact, by_hand=False),
            "quotes": compare(bench, quotes, exact=exact, by_hand=True),
        }
        if exact:
            row["random_text"] = random_text(bench, free[0].segments)
        say(row)
        rows.append(row)
    return rows


def say(row: Row) -> None:
    """For people, at once."""
    for key, value in row.items():
        text = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{key:26}{text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2", help="the trained model")
    parser.add_argument("--prompts", type=int, default=20, help="of each kind, for the trained model")
    parser.add_argument("--random-nemo", action="store_true", help="NeMo's shape in place of a trained model")
    parser.add_argument("--window", type=int, default=16384, help="tokens that are quoted from, for NeMo's shape")
    parser.add_argument("--tiny", action="store_true", help="every line, on tiny models")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    report: Row = {"benchmark": "drafting", "width": WIDTH, "expected_pass_cost": PASS_COST[device.type]}
    if arguments.tiny or not arguments.random_nemo:
        with tempfile.TemporaryDirectory() as name:
            models = settings.load().paths.models
            files = ModelFiles(write_tiny_nemo(Path(name))) if arguments.tiny else open_model(arguments.model, models)
            report["model"] = files.name
            report["trained"] = of_trained(files, 3 if arguments.tiny else arguments.prompts, device)
    if arguments.tiny or arguments.random_nemo:
        report["random_nemo"] = of_random_nemo(600 if arguments.tiny else arguments.window, arguments.tiny, device)
        say(report["random_nemo"])
    report |= {
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit(),
    }
    print(json.dumps(report))
    models = [*report.get("trained", ()), *filter(None, [report.get("random_nemo")])]
    compared = [each for model in models for each in model.values() if isinstance(each, dict)]
    otherwise = sum(row["differ_otherwise"] for row in compared)
    if otherwise:
        print(f"{otherwise} answers differ by more than a near tie.", file=sys.stderr)
    return 1 if otherwise else 0


if __name__ == "__main__":
    raise SystemExit(main())
