"""Numbers of bench_gpu: how far from fp32 both programs are, and what changes an answer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nemo_docs.kv.cache import KVCache
from nemo_docs.model.transformer import Transformer
from tests.benchmarks.gpu_base import Bench, Row, relative

LENGTHS = (4096, 32_768)
FEW_LAYERS = 8
PROMPTS, ANSWER = 12, 32
PROMPT = 9000


def references(bench: Bench) -> dict[int, Tensor]:
    """transformers' logits in fp32 by length, at full size. Shapes: fp32 [ROWS, V]."""
    model = bench.theirs(torch.float32)
    return {tokens: bench.logits_of_theirs(model, bench.length(tokens)).cpu() for tokens in LENGTHS}


def distances(bench: Bench, found: dict[int, Tensor], wanted: dict[int, Tensor]) -> Row:
    """Relative norms by length."""
    return {str(tokens): relative(found[tokens].cpu(), wanted[tokens]) for tokens in wanted}


def in_fp32(bench: Bench) -> Iterator[tuple[str, Row]]:
    """Chunk size, batch and prefix reuse change no greedy answer in fp32."""
    model = bench.ours(torch.float32, layers=min(FEW_LAYERS, bench.config.n_layers))
    tokens, answer = bench.length(4000), ANSWER if bench.device.type == "cuda" else 4
    prompts = [bench.ids(tokens + n, seed=n) for n in range(4)]
    plain = [_answer(bench, model, prompt, bench.chunk, answer) for prompt in prompts]
    chunked = [_answer(bench, model, prompt, max(8, bench.chunk // 3), answer) for prompt in prompts]
    yield "chunk size", {"same": _same(plain, chunked), "of": len(prompts)}
    caches, firsts = [], []
    for prompt in prompts:
        _, cache, token = bench.read(model, prompt)
        caches.append(cache)
        firsts.append(token)
    together = bench.write(model, caches, firsts, answer)[1]["ids"]
    yield "batch", {"same": _same(plain, together), "of": len(prompts)}
    reused = []
    for prompt in prompts:
        _, cache, _ = bench.read(model, prompt[: tokens // 2])
        copied = cache.copy_of(len(cache), len(prompt) + answer)
        logits = model.forward(prompt[len(copied) :], copied)
        copied.commit(prompt[len(copied) :], ends_chunk=True)
        reused.append(bench.write(model, [copied], [int(logits[-1].argmax())], answer)[1]["ids"][0])
    yield "prefix reuse", {"same": _same(plain, reused), "of": len(prompts)}


def in_bf16(bench: Bench, model: Transformer) -> Row:
    """How many greedy answers change with the chunk size, and whether each first difference is a near tie.

    A near tie: the two tokens' logits lie within six deviations of what the other shape does to a logit at that place,
    measured over the whole vocabulary.
    """
    changed, ties, gaps = 0, 0, []
    count, answer = (PROMPTS, ANSWER) if bench.device.type == "cuda" else (2, 4)
    done = 0
    for n in range(count):
        if not bench.time_for(f"answer {n} of those that may change"):
            break
        prompt, done = bench.ids(bench.length(PROMPT), seed=n), done + 1
        one, other = (_answer(bench, model, prompt, size, answer) for size in (bench.chunk, max(8, bench.chunk // 4)))
        if one == other:
            continue
        changed += 1
        at = next(k for k, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
        rows = [_logits_at(bench, model, prompt, one[:at], size) for size in (bench.chunk, max(8, bench.chunk // 4))]
        gap = max(float((row[one[at]] - row[other[at]]).abs()) for row in rows)
        ties += gap <= 6 * float((rows[0] - rows[1]).std())
        gaps.append(round(gap, 4))
    return {"answers": done, "changed": changed, "of_those_near_ties": ties, "gaps": gaps}


def _answer(bench: Bench, model: Transformer, prompt: list[int], chunk: int, steps: int) -> list[int]:
    _, cache, token = bench.read(model, prompt, chunk=chunk)
    found: list[int] = bench.write(model, [cache], [token], steps)[1]["ids"][0]
    return found


def _logits_at(bench: Bench, model: Transformer, prompt: list[int], written: list[int], chunk: int) -> Tensor:
    """Logits behind a prompt and what was written, token by token as it was. Shapes: fp32 [V]."""
    cache = KVCache(model.kv_layout, len(prompt) + len(written) + 1)
    for start in range(0, len(prompt), chunk):
        logits = model.forward(prompt[start : start + chunk], cache)
        cache.commit(prompt[start : start + chunk], ends_chunk=True)
    for token in written:
        logits = model.forward([token], cache)
        cache.commit([token], ends_chunk=False)
    return logits[-1]


def _same(some: list[list[int]], others: list[list[int]]) -> int:
    return sum(one == other for one, other in zip(some, others, strict=True))
