"""An adapted model is the model whose weights were merged by hand; other formats and damage are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nemo_docs.errors import NemoDocsError, WeightsCorrupt, WeightsMissing
from nemo_docs.kv.cache import KVCache
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.inventory import add_model
from nemo_docs.model.linear.base import Dense, Linear
from nemo_docs.model.linear.grouped import Grid, Grouped
from nemo_docs.model.linear.lora import Adapted, AdaptedLoader
from nemo_docs.model.transformer import DenseLoader, TensorSource, Transformer
from nemo_docs.model.weights.adapter import Adapter
from nemo_docs.model.weights.base import layer_shapes
from tests.tiny import CPU, TINY, RandomWeights

from .layouts import Layouts, write_adapter

PROMPT = [5, 3, 96, 0, 41, 7, 7, 12]
MATRICES = [name.removesuffix(".weight") for name, shape in layer_shapes(TINY).items() if len(shape) == 2]
ALL = [f"layers.{n}.{name}" for n in range(TINY.n_layers) for name in MATRICES]
SOME = {
    "all": ALL,
    "one layer": [f"layers.1.{name}" for name in MATRICES],
    "middle of a fused product": ["layers.0.attention.wk", "layers.2.feed_forward.w1"],
    "ends of a fused product": ["layers.0.attention.wq", "layers.0.attention.wv", "layers.2.feed_forward.w3"],
    "single products": ["layers.0.attention.wo", "layers.2.feed_forward.w2"],
}


class Merged(RandomWeights):
    """The random weights with an adapter merged into them, as mistral-finetune's `merge_lora.py` does."""

    def __init__(self, folder: Path, scaling: float) -> None:
        super().__init__()
        self._pairs, self._scaling = load_file(folder / "lora.safetensors"), scaling

    def load(self, name: str, *, device: torch.device, dtype: torch.dtype) -> Tensor:
        weight = super().load(name, device=device, dtype=torch.float32)
        stem = name.removesuffix(".weight")
        if f"{stem}.lora_A.weight" in self._pairs:
            weight += self._scaling * self._pairs[f"{stem}.lora_B.weight"] @ self._pairs[f"{stem}.lora_A.weight"]
        return weight.to(dtype)


class GroupedLoader:
    """Eight-bit groups of eight columns, rounded to nearest: any grid will do here."""

    def __init__(self, source: TensorSource) -> None:
        self._source = source

    def linear(self, *names: str) -> Linear:
        weight = torch.cat([self._source.load(f"{n}.weight", device=CPU, dtype=torch.float32) for n in names])
        groups = weight.view(len(weight), -1, 8)
        scales = (groups.abs().amax(-1) / 127).half()
        codes = (groups / scales.float().unsqueeze(-1)).round().clamp(-127, 127).to(torch.int8)
        return Grouped(Grid(codes.view_as(weight), scales))

    def table(self, name: str) -> Linear:
        return Dense(self._source.load(f"{name}.weight", device=CPU, dtype=torch.float32))


def logits(model: Transformer) -> Tensor:
    return model.forward(PROMPT, KVCache(model.kv_layout, len(PROMPT)), rows=slice(None))


def adapted(folder: Path, dtype: torch.dtype = torch.float32) -> Transformer:
    source = RandomWeights()
    linears = AdaptedLoader(DenseLoader(source, CPU, dtype), Adapter(folder, TINY), device=CPU, dtype=dtype)
    return Transformer(source, device=CPU, dtype=dtype, linears=linears)


BASE = logits(Transformer(RandomWeights(), device=CPU, dtype=torch.float32))


@pytest.mark.parametrize("which", SOME)
@pytest.mark.parametrize(("rank", "scaling"), [(1, 2.0), (4, 0.7), (16, 1.0)])
def test_an_adapted_model_is_the_merged_model(which: str, rank: int, scaling: float, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, TINY, SOME[which], rank=rank, scaling=scaling)
    merged = logits(Transformer(Merged(folder, scaling), device=CPU, dtype=torch.float32))
    found = logits(adapted(folder))
    torch.testing.assert_close(found, merged, rtol=1e-5, atol=1e-5)
    assert (found - BASE).abs().max() > 1e-3


def test_an_adapter_of_zeros_changes_nothing_at_all(tmp_path: Path) -> None:
    assert torch.equal(logits(adapted(write_adapter(tmp_path, TINY, ALL, zero=True))), BASE)


def test_an_adapter_in_bf16_goes_over_a_model_in_fp32_and_back(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, TINY, ALL, dtype=torch.bfloat16)
    expected = logits(adapted(folder))
    torch.testing.assert_close(logits(adapted(folder, torch.bfloat16)), expected, rtol=0.1, atol=0.1)


def test_over_quantised_weights_the_grid_stays_and_the_change_is_exact(tmp_path: Path) -> None:
    source = RandomWeights()
    adapter = Adapter(write_adapter(tmp_path, TINY, ALL), TINY)
    base = GroupedLoader(source)
    names = ("layers.0.attention.wq", "layers.0.attention.wk", "layers.0.attention.wv")
    plain, over = base.linear(*names), AdaptedLoader(base, adapter, device=CPU, dtype=torch.float32).linear(*names)
    pairs = [adapter.load(name, device=CPU, dtype=torch.float32) for name in names]
    change = torch.cat([adapter.scaling * b @ a for a, b in pairs])
    x = torch.randn(5, TINY.dim, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(over(x), plain(x) + x @ change.t(), rtol=1e-5, atol=1e-5)
    ids = torch.tensor([0, 63, 64, 95])
    expected = plain.rows(ids, torch.float32) + change[ids]
    torch.testing.assert_close(over.rows(ids, torch.float32), expected, rtol=1e-5, atol=1e-5)
    assert isinstance(over, Adapted)
    assert over.n_bytes == plain.n_bytes + 4 * sum(a.numel() + b.numel() for a, b in pairs)


def test_products_without_an_adapter_are_the_bases_own(tmp_path: Path) -> None:
    source = RandomWeights()
    adapter = Adapter(write_adapter(tmp_path, TINY, ["layers.0.attention.wq"]), TINY)
    loader = AdaptedLoader(DenseLoader(source, CPU, torch.float32), adapter, device=CPU, dtype=torch.float32)
    assert isinstance(loader.linear("layers.0.attention.wo"), Dense)
    assert isinstance(loader.table("output"), Dense)


@pytest.mark.parametrize("layout", ["native", "hugging-face", "gguf"])
def test_an_adapter_goes_over_every_layout(
    layout: str, tiny_layouts: Layouts, tiny_config: ModelConfig, tmp_path: Path
) -> None:
    """Query and key rows come in two orders; the adapter is in the native one."""
    name = "layers.0.attention.wk"
    write_adapter(tmp_path, tiny_config, [name])
    files = ModelFiles(tiny_layouts[layout], adapter=tmp_path)
    assert files.adapter is not None
    assert files.adapter.names == {name}
    loader = AdaptedLoader(
        DenseLoader(files.weights, CPU, torch.float32), files.adapter, device=CPU, dtype=torch.float32
    )
    native = ModelFiles(tiny_layouts["native"]).weights.load(f"{name}.weight", device=CPU, dtype=torch.float32)
    a, b = files.adapter.load(name, device=CPU, dtype=torch.float32)
    x = torch.randn(2, tiny_config.dim, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loader.linear(name)(x), x @ (native + 2.0 * b @ a).t(), rtol=1e-5, atol=1e-5)


def test_the_file_itself_may_be_named(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, TINY, ALL, rank=3, scaling=1.5)
    adapter = Adapter(folder / "lora.safetensors", TINY)
    assert (adapter.rank, adapter.scaling, adapter.names) == (3, 1.5, set(ALL))
    assert adapter.n_parameters == sum(map(torch.Tensor.numel, load_file(folder / "lora.safetensors").values()))


def test_the_fingerprint_is_of_weights_adapter_and_scaling(
    tiny_layouts: Layouts, tiny_config: ModelConfig, tmp_path: Path
) -> None:
    def of(model: str, adapter: Path | None) -> str:
        return ModelFiles(tiny_layouts[model], adapter=adapter).fingerprint()

    name = ["layers.0.attention.wq"]
    first = write_adapter(tmp_path / "a", tiny_config, name)
    same = shutil.copytree(first, tmp_path / "same")
    scaled = write_adapter(tmp_path / "b", tiny_config, name, scaling=1.0)
    other = write_adapter(tmp_path / "c", tiny_config, name, rank=5)
    assert of("native", None) == ModelFiles(tiny_layouts["native"]).weights.fingerprint()
    assert of("native", first) == of("native", same)
    assert len({of(m, a) for m in ("native", "gguf") for a in (None, first, scaled, other)}) == 8


def test_a_model_may_be_added_with_its_adapter(tiny_layouts: Layouts, tiny_config: ModelConfig, tmp_path: Path) -> None:
    own = write_adapter(tmp_path / "own", tiny_config, ["layers.0.attention.wq"])
    tried = write_adapter(tmp_path / "tried", tiny_config, ["layers.0.attention.wq"])
    add_model(tmp_path, "legal", tiny_layouts["native"], adapter=own)
    for asked, expected in (("", own), (str(tried), tried)):
        adapter = open_model("legal", tmp_path, adapter=asked).adapter
        assert adapter is not None
        assert adapter.path == expected / "lora.safetensors"


def _tensors(change: Callable[[dict[str, Tensor]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        tensors = load_file(folder / "lora.safetensors")
        change(tensors)
        save_file(tensors, folder / "lora.safetensors")

    return apply


def _params(**changes: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        fields = json.loads((folder / "params.json").read_text())
        (folder / "params.json").write_text(json.dumps({**fields, **changes}))

    return apply


def _cut(folder: Path) -> None:
    file = folder / "lora.safetensors"
    file.write_bytes(file.read_bytes()[:-8])


def _as_peft(folder: Path) -> None:
    (folder / "lora.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "params.json").rename(folder / "adapter_config.json")


A, B = "layers.0.attention.wk.lora_A.weight", "layers.0.attention.wk.lora_B.weight"


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (_tensors(lambda t: t.update({A: torch.zeros(4, 41)})), WeightsCorrupt, r"shape \[4, 41\], but \[4, 40\]"),
        (_tensors(lambda t: t.update({B: torch.zeros(40, 4)})), WeightsCorrupt, r"shape \[40, 4\], but \[16, 4\]"),
        (_tensors(lambda t: t.update({B: torch.zeros(16)})), WeightsCorrupt, r"shape \[16\]"),
        (_params(lora={"rank": 5, "scaling": 2.0}), WeightsCorrupt, r"shape \[4, 40\], but \[5, 40\] is due at rank 5"),
        (_tensors(lambda t: t.pop(B) is None), WeightsCorrupt, f"{A} is there without {B}"),
        (_tensors(lambda t: t.pop(A) is None), WeightsCorrupt, f"{B} is there without {A}"),
        (_tensors(lambda t: t.clear()), WeightsCorrupt, "holds no tensors"),
        *(
            (_tensors(lambda t, n=name: t.update({n: torch.zeros(4, 4)})), WeightsCorrupt, f"{name} adapts nothing")
            for name in (
                "tok_embeddings.lora_A.weight",
                "output.lora_B.weight",
                "layers.0.attention_norm.weight",
                "layers.0.ffn_norm.lora_A.weight",
                "layers.3.attention.wk.lora_A.weight",
                "layers.0.feed_forward.gate.lora_A.weight",
                "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            )
        ),
        (lambda f: (f / "params.json").unlink(), WeightsMissing, "params.json is not beside it"),
        (lambda f: (f / "params.json").write_text("{"), WeightsCorrupt, "not valid JSON"),
        (_params(lora=None), WeightsCorrupt, "states no LoRA rank"),
        (_params(lora={"enable": False, "rank": 4, "scaling": 2.0}), WeightsCorrupt, "states no LoRA rank"),
        (_params(lora={"rank": 4}), WeightsCorrupt, "the key scaling is missing"),
        (_params(lora={"rank": "4", "scaling": 2}), WeightsCorrupt, "rank is '4'"),
        (_params(lora={"rank": 0, "scaling": 2}), WeightsCorrupt, "must be positive"),
        (_params(lora={"rank": 4, "scaling": float("nan")}), WeightsCorrupt, "scaling nan; both must be positive"),
        (_params(dim=4096), WeightsCorrupt, "a model whose dim is 4096, but this one's is 40"),
        (_params(rope_theta=10_000.0), WeightsCorrupt, "rope_theta is 10000.0"),
        (_cut, WeightsCorrupt, "not a whole safetensors file"),
        (lambda f: (f / "lora.safetensors").write_bytes(b""), WeightsCorrupt, "the file is empty"),
        (_as_peft, WeightsMissing, "an adapter of PEFT, a format that is not supported"),
        (lambda f: (f / "lora.safetensors").rename(f / "consolidated.safetensors"), WeightsMissing, "a whole model"),
        (lambda f: (f / "lora.safetensors").unlink(), WeightsMissing, "holds no adapter"),
        (shutil.rmtree, WeightsMissing, "there is no such adapter"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    damage: Callable[[Path], object], error: type[NemoDocsError], said: str, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "adapter", TINY, ALL)
    damage(folder)
    with pytest.raises(error, match=said) as caught:
        Adapter(folder, TINY)
    assert str(folder) in caught.value.message
    assert caught.value.hint
    assert caught.value.message.endswith(".")


def test_every_matrix_of_the_shape_is_checked_against_the_config(tmp_path: Path) -> None:
    """A model with heads of dim / n_heads is another one: the bug that ports of NeMo began with."""
    narrow = replace(TINY, head_dim=TINY.dim // TINY.n_heads)
    folder = write_adapter(tmp_path, narrow, ALL)
    _params(head_dim=TINY.head_dim)(folder)
    with pytest.raises(WeightsCorrupt, match=r"lora_[AB].weight has shape"):
        Adapter(folder, TINY)
