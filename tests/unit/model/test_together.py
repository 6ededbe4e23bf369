"""A token of each of several sequences in one pass gives the logits of a pass for each."""

from __future__ import annotations

import pytest
import torch

from nemo_docs.kv.cache import KVCache
from tests.tiny import tiny_model


@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_logits_equal_those_of_each_alone(dtype, off):
    model = tiny_model(dtype=dtype)

    def caches() -> list[KVCache]:
        found = []
        for tokens in (1, 255, 256, 40):
            cache, ids = KVCache(model.kv_layout, tokens), [(5 * n) % 90 for n in range(tokens)]
            model.forward(ids, cache)
            cache.commit(ids, ends_chunk=True)
            found.append(cache)
        return found

    each, together = caches(), caches()
    for step in range(3):
        ids = [step, 17, 18, 30 + step]
        wanted = torch.cat([model.forward([token], cache) for token, cache in zip(ids, each, strict=True)])
        got = model.decode_together(ids, together)
        assert got.dtype == torch.float32
        assert (got - wanted).norm() <= off * wanted.norm()
        for token, one, other in zip(ids, each, together, strict=True):
            one.commit([token], ends_chunk=False)
            other.commit([token], ends_chunk=False)
