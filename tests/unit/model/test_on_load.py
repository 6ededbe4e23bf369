"""A model read in fewer bits: its logits stay near the exact ones, its weights take what they should."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nemo_docs.errors import ModelError
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.linear.fp8 import FEW_TOKENS
from nemo_docs.model.linear.on_load import Fp8Loader, Int4Loader, Int8Loader
from nemo_docs.model.transformer import Transformer
from tests.tiny import CPU, TINY, RandomWeights

CONFIG = replace(TINY, dim=64, head_dim=32)
"""Every matrix in whole groups of 32."""
IDS = [int(token) for token in torch.randint(0, CONFIG.vocab_size, (40,), generator=torch.Generator().manual_seed(3))]
Loader = type[Fp8Loader] | type[Int4Loader] | type[Int8Loader]


def logits(loader: Loader | None, dtype: torch.dtype = torch.float32, split: int = len(IDS)) -> torch.Tensor:
    """Of every token, the prompt read in two pieces."""
    source = RandomWeights(CONFIG)
    linears = loader(source, CPU, dtype) if loader else None
    model = Transformer(source, device=CPU, dtype=dtype, linears=linears)
    cache, found = KVCache(model.kv_layout, len(IDS)), []
    for part in (IDS[:split], IDS[split:]):
        if part:
            found.append(model.forward(part, cache, rows=slice(None)))
            cache.commit(part, ends_chunk=True)
    return torch.cat(found)


BOUNDS = [(Int8Loader, 0.001, 0.04), (Fp8Loader, 0.01, 0.1), (Int4Loader, 0.03, 0.25)]


@pytest.mark.parametrize(("loader", "least", "most"), BOUNDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_stay_near_the_exact_ones(loader: Loader, least: float, most: float, dtype: torch.dtype) -> None:
    exact = logits(None)
    off = float((logits(loader, dtype) - exact).norm() / exact.norm())
    assert least < off < most


@pytest.mark.parametrize("loader", [Int8Loader, Fp8Loader, Int4Loader])
def test_a_prompt_read_in_pieces_says_the_same(loader: Loader) -> None:
    whole, pieces = logits(loader), logits(loader, split=len(IDS) - FEW_TOKENS // 2)
    assert torch.allclose(whole, pieces, atol=1e-4)


@pytest.mark.parametrize("loader", [Int8Loader, Fp8Loader, Int4Loader])
def test_products_take_the_bits_that_they_say(loader: Loader) -> None:
    source = RandomWeights(CONFIG)
    product = loader(source, CPU, torch.float32).linear("layers.0.feed_forward.w1", "layers.0.feed_forward.w3")
    elements = 2 * CONFIG.hidden_dim * CONFIG.dim
    sizes_of_columns = 2 * CONFIG.dim if loader is Int4Loader else 0  # bytes, bf16
    scales_of_rows = 4 * 2 * CONFIG.hidden_dim if loader is Fp8Loader else 0
    of_groups = {Int8Loader: 8.5, Fp8Loader: 8, Int4Loader: 5}[loader]
    assert product.n_bytes == elements * of_groups / 8 + sizes_of_columns + scales_of_rows


@pytest.mark.parametrize("loader", [Int8Loader, Int4Loader])
def test_a_matrix_without_groups_is_refused_by_name(loader: Loader) -> None:
    source = RandomWeights(TINY)  # 40 columns
    with pytest.raises(ModelError, match=r"layers\.0\.attention\.wq\.weight cannot .* rows of 40 weights") as refused:
        loader(source, CPU, torch.float32).linear("layers.0.attention.wq")
    assert "--precision bf16" in refused.value.hint


class Broken(RandomWeights):
    """Weights of which one is no number."""

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        tensor = super().load(name, device=device, dtype=dtype)
        if name == "layers.1.feed_forward.w2.weight":
            tensor[3, 5] = torch.nan
        return tensor


@pytest.mark.parametrize("loader", [Int8Loader, Fp8Loader, Int4Loader])
def test_weights_that_are_no_numbers_are_refused_by_name(loader: Loader) -> None:
    source = Broken(CONFIG)
    with pytest.raises(ModelError, match=r"layers\.1\.feed_forward\.w2\.weight"):
        Transformer(source, device=CPU, dtype=torch.float32, linears=loader(source, CPU, torch.float32))
