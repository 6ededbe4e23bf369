"""The same weights give the same numbers as the programs that others trust: transformers and llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from nemo_docs.kv.cache import KVCache
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.transformer import Transformer

from .layouts import Layouts, to_halves

EVERY_ROW = slice(None)
TOKENS = 96
FAR = 100_000
"""Beyond the window that Mistral's own table of frequencies was first made for."""


def logits(files: ModelFiles, ids: Sequence[int], chunks: Sequence[int], *, first_position: int = 0) -> torch.Tensor:
    """Logits of every token, fp32 [T, V], the prompt read in chunks of the given lengths."""
    model = Transformer(files.weights, device=torch.device("cpu"), dtype=torch.float32)
    cache = KVCache(model.kv_layout, len(ids))
    rows, start = [], 0
    for length in chunks:
        part = ids[start : start + length]
        positions = range(first_position + start, first_position + start + length)
        rows.append(model.forward(part, cache, positions=positions, rows=EVERY_ROW))
        cache.commit(part, ends_chunk=True)
        start += length
    assert start == len(ids)
    return torch.cat(rows)


@pytest.fixture(scope="module")
def prompt(tiny_config: ModelConfig) -> list[int]:
    generator = torch.Generator().manual_seed(11)
    return torch.randint(0, tiny_config.vocab_size, (TOKENS,), generator=generator).tolist()


@pytest.fixture(scope="module")
def reference(tiny_layouts: Layouts, prompt: list[int]) -> dict[int, torch.Tensor]:
    """transformers' logits, fp32 [T, V], by the position of the first token."""
    transformers = pytest.importorskip("transformers")
    model = transformers.MistralForCausalLM.from_pretrained(
        tiny_layouts["hugging-face"], dtype=torch.float32, attn_implementation="eager"
    ).eval()
    answers = {}
    with torch.inference_mode():
        for first in (0, FAR):
            positions = torch.arange(first, first + TOKENS).unsqueeze(0)
            answers[first] = model(torch.tensor([prompt]), position_ids=positions).logits[0]
    return answers


@pytest.mark.parametrize("first_position", [0, FAR])
@pytest.mark.parametrize("chunks", [(96,), (32, 32, 32), (1, 50, 44, 1)], ids=["whole", "chunked", "uneven"])
@pytest.mark.parametrize("layout", ["native", "hugging-face", "sharded", "gguf"])
def test_logits_equal_transformers(
    layout: str,
    chunks: tuple[int, ...],
    first_position: int,
    tiny_layouts: Layouts,
    prompt: list[int],
    reference: dict[int, torch.Tensor],
) -> None:
    ours = logits(ModelFiles(tiny_layouts[layout]), prompt, chunks, first_position=first_position)
    expected = reference[first_position]
    assert expected.std() > 0.5, "the model must be lively enough for a difference to show"
    assert (ours - expected).abs().max() < 1e-4


def test_wrong_row_order_would_be_noticed(
    tiny_layouts: Layouts, prompt: list[int], reference: dict[int, torch.Tensor]
) -> None:
    """The parity above says something: the same weights with halves where pairs are due are far off."""
    files = ModelFiles(tiny_layouts["hugging-face"])
    unpermuted = Transformer(_Halves(files), device=torch.device("cpu"), dtype=torch.float32)
    cache = KVCache(unpermuted.kv_layout, TOKENS)
    assert (unpermuted.forward(prompt, cache, rows=EVERY_ROW) - reference[0]).abs().max() > 0.1


class _Halves:
    """Weights whose query and key rows are left as Hugging Face has them."""

    def __init__(self, files: ModelFiles) -> None:
        self.config = files.config
        self._weights = files.weights

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        tensor = self._weights.load(name, device=device, dtype=dtype)
        return to_halves(tensor, self.config.head_dim) if name.endswith(("wq.weight", "wk.weight")) else tensor


@pytest.mark.slow
def test_smollm2_chooses_as_llama_cpp_does(smollm2: ModelFiles, smollm2_gguf: Path) -> None:
    """Same file, same next tokens, except where llama.cpp's eight-bit activations decide between near-equals."""
    llama_cpp = pytest.importorskip("llama_cpp")
    ids = smollm2.tokenizer.encode(TEXT)
    assert len(ids) > 300
    reader = llama_cpp.Llama(str(smollm2_gguf), n_ctx=1024, n_threads=2, logits_all=True, verbose=False)
    reader.eval(ids)
    theirs = torch.from_numpy(reader.scores[: len(ids)].copy())  # [T, V]
    ours = logits(smollm2, ids, [len(ids)])
    best = ours.topk(2).values
    gap = best[:, 0] - best[:, 1]  # [T]
    # One number for how far quantised activations move a logit, measured over the whole vocabulary of each position.
    noise = (ours - theirs - (ours - theirs).mean(-1, keepdim=True)).std(-1)  # [T]
    assert noise.mean() < 0.05 * ours.std(-1).mean()
    differs = ours.argmax(-1) != theirs.argmax(-1)
    assert differs.float().mean() < 0.08
    # A choice turns when two logits move against each other: three deviations of a difference of two.
    assert (gap[differs] < 3 * 2**0.5 * noise[differs]).all()


TEXT = """\
The Apollo program was the third United States human spaceflight program carried out by NASA. It succeeded in
landing the first humans on the Moon from 1969 to 1972. It was first conceived during the administration of
President Dwight Eisenhower as a three-person spacecraft to follow the one-person Project Mercury, which put the
first Americans in space.

Beethoven's hearing began to fail in his late twenties. By 1814 he was almost totally deaf, and he stopped
performing in public. He wrote many of his most admired works during the last fifteen years of his life, when he
could hear them no more.

To make bread, mix 500 grams of flour with 350 grams of water, 10 grams of salt and 3 grams of yeast. Knead the
dough for ten minutes, let it rise for two hours, shape it, let it rise again, and bake it in a very hot oven for
forty minutes.

The tenant shall pay the rent in advance, on or before the first day of each month. If the rent is not paid within
ten days after it has become due, the landlord may end this agreement by giving written notice of at least thirty
days. The tenant shall keep the premises in good order and shall not make any change to them without the landlord's
written consent.

def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)
"""
