"""An embedding in main memory gives the same logits as one on the device."""

from __future__ import annotations

import torch

from nemo_docs.kv.cache import KVCache
from nemo_docs.model.linear.host import HostEmbedding
from nemo_docs.model.transformer import DenseLoader, Transformer
from tests.tiny import CPU, RandomWeights


def test_rows_are_copied_from_main_memory_unchanged() -> None:
    source = RandomWeights()
    loader = DenseLoader(source, CPU, torch.float32)
    apart = Transformer(source, device=CPU, dtype=torch.float32, linears=HostEmbedding(loader, loader))
    whole = Transformer(source, device=CPU, dtype=torch.float32)
    ids = [3, 1, 4, 1, 5]
    found, expected = (model.forward(ids, KVCache(model.kv_layout, 8)) for model in (apart, whole))
    assert torch.equal(found, expected)


def test_only_the_embedding_is_kept_apart() -> None:
    loader = DenseLoader(RandomWeights(), CPU, torch.float32)
    apart = HostEmbedding(loader, loader)
    table, ids = apart.table("tok_embeddings"), torch.tensor([0, 96])
    assert table.n_bytes == 0, "of the device"
    assert torch.equal(table.rows(ids, torch.float32), loader.table("tok_embeddings").rows(ids, torch.float32))
    assert apart.table("output").n_bytes == loader.table("output").n_bytes > 0
    assert apart.linear("layers.0.attention.wo").n_bytes > 0
