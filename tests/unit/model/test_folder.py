"""A model is opened by name or path, and what is missing or unknown is said with what to do about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_docs.errors import ExitCode, SettingsError, UnknownModel, WeightsCorrupt, WeightsMissing
from nemo_docs.model.catalogue import CATALOGUE, DEFAULT, WheelSource, entry_for
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles, open_model
from nemo_docs.model.inventory import MANIFEST, add_model, added_models, forget_model, inventory
from nemo_docs.model.template import TEMPLATES

from .layouts import Layouts, Tensors, write_gguf


def test_catalogue_is_sound() -> None:
    assert list(CATALOGUE) == ["smollm2", "nemo", "nemo-base"]
    assert DEFAULT == "smollm2"
    nemo = ModelConfig(
        dim=5120, n_layers=40, head_dim=128, hidden_dim=14336, n_heads=32, n_kv_heads=8, norm_eps=1e-5,
        vocab_size=131072, rope_theta=1e6, tied=False,
    )  # fmt: skip
    assert CATALOGUE["nemo"].memory_bytes == 2 * nemo.n_parameters
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.template in TEMPLATES
        assert entry.effective_window_tokens <= entry.window_tokens
        assert entry.memory_bytes <= entry.disk_bytes
        if isinstance(entry.source, WheelSource):
            assert len(entry.source.wheel_sha256) == len(entry.source.member_sha256) == 64


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="'nemo-bse'") as caught:
        entry_for("nemo-bse")
    assert "Did you mean nemo-base?" in caught.value.hint
    assert "smollm2, nemo, nemo-base" in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_opening_an_unknown_name_suggests_added_models_too(tmp_path: Path, tiny_layouts: Layouts) -> None:
    add_model(tmp_path, "legal-model", tiny_layouts["native"])
    with pytest.raises(UnknownModel) as caught:
        open_model("legal-modell", tmp_path)
    assert "Did you mean legal-model?" in caught.value.hint


def test_catalogue_model_that_was_not_fetched_says_how(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="nemo is not on this machine") as caught:
        open_model("nemo", tmp_path)
    assert "nemo-docs model pull nemo" in caught.value.hint


def test_path_that_does_not_exist_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "x.gguf", str(tmp_path / "x.gguf"), "some/where"):
        with pytest.raises(WeightsMissing, match="no such file or folder"):
            open_model(path, tmp_path)
    for name in ("x" * 5000, "a\0b", "[red]"):
        with pytest.raises(UnknownModel):
            open_model(name, tmp_path)


def test_added_model_opens_by_name_with_its_template(
    tmp_path: Path, tiny_layouts: Layouts, small_vocabulary: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(tiny_layouts["native"], tmp_path / "m"))
    (folder / "tokenizer.json").write_text(json.dumps(small_vocabulary))
    add_model(tmp_path / "models", "mine", folder, template="plain")
    files = open_model("mine", tmp_path / "models")
    assert (files.name, files.path, files.entry, files.template.name) == ("mine", folder, None, "plain")
    assert files.template.stops == ()
    with pytest.raises(SettingsError, match="chatml"):
        _ = open_model("mine", tmp_path / "models", template="chatml").template
    forget_model(tmp_path / "models", "mine")
    assert added_models(tmp_path / "models") == {}
    with pytest.raises(UnknownModel):
        forget_model(tmp_path / "models", "mine")
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["nemo", "", "Has Space", "../x", "[red]", "a" * 65])
def test_name_that_cannot_be_added_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        add_model(tmp_path, name, tmp_path)
    assert not (tmp_path / "models.toml").exists()


def test_registry_keeps_what_a_hand_wrote(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('# my models\n[added.one]\npath = "/one"  # the first\n')
    add_model(tmp_path, "two", Path("/two"))
    assert "# my models" in file.read_text()
    assert "# the first" in file.read_text()
    assert {name: model.path for name, model in added_models(tmp_path).items()} == {
        "one": Path("/one"),
        "two": Path("/two").resolve(),
    }


@pytest.mark.parametrize("content", ["added = 3", "[added.x]\n", "[[[", "[added]\nx = 1\n"])
def test_registry_that_cannot_be_read_is_never_overwritten(content: str, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"models\.toml"):
        add_model(tmp_path, "two", Path("/two"))
    assert file.read_text() == content


def test_inventory_lists_what_is_there(tmp_path: Path, tiny_layouts: Layouts) -> None:
    add_model(tmp_path, "mine", tiny_layouts["gguf"])
    add_model(tmp_path, "gone", tmp_path / "gone.gguf")
    rows = {row.name: row for row in inventory(tmp_path)}
    assert list(rows) == ["smollm2", "nemo", "nemo-base", "mine", "gone"]
    assert [row.present for row in rows.values()] == [False, False, False, True, False]
    assert rows["mine"].size_bytes == tiny_layouts["gguf"].stat().st_size
    assert rows["nemo"].entry is CATALOGUE["nemo"]


def test_listing_and_pulling_import_no_tensors() -> None:
    program = (
        "import sys, pathlib; import nemo_docs.model.pull; from nemo_docs.model.inventory import inventory; "
        "inventory(pathlib.Path('nowhere')); "
        "print({'torch', 'huggingface_hub', 'gguf', 'tokenizers', 'mistral_common', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_manifest_gives_a_folder_its_entry(tmp_path: Path, tiny_layouts: Layouts) -> None:
    folder = Path(shutil.copytree(tiny_layouts["native"], tmp_path / "smollm2"))
    assert ModelFiles(folder).window_tokens == 128_000
    (folder / MANIFEST).write_text('{"name": "smollm2"}')
    files = ModelFiles(folder)
    assert files.entry is CATALOGUE["smollm2"]
    assert (files.window_tokens, files.effective_window_tokens) == (8192, 4096)
    (folder / MANIFEST).write_text("[")
    with pytest.raises(WeightsCorrupt, match=MANIFEST):
        ModelFiles(folder)


def test_window_is_what_the_files_say_up_to_mistrals_bound(tiny_layouts: Layouts, tmp_path: Path) -> None:
    assert ModelFiles(tiny_layouts["gguf"]).window_tokens == 128_000
    folder = Path(shutil.copytree(tiny_layouts["hugging-face"], tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 4096}))
    files = ModelFiles(folder)
    assert (files.window_tokens, files.effective_window_tokens) == (4096, 4096)


def test_vocabulary_larger_than_the_embedding_is_refused(
    tmp_path: Path, tiny_layouts: Layouts, small_vocabulary: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(tiny_layouts["native"], tmp_path / "m"))
    larger = json.loads(json.dumps(small_vocabulary))
    larger["added_tokens"].append({**larger["added_tokens"][0], "id": 320, "content": "<x>"})
    (folder / "tokenizer.json").write_text(json.dumps(larger))
    with pytest.raises(WeightsCorrupt, match="321 ids"):
        _ = ModelFiles(folder).tokenizer


def test_folder_without_a_vocabulary_is_refused_by_name(tiny_layouts: Layouts) -> None:
    for layout in ("native", "sharded"):
        with pytest.raises(WeightsCorrupt, match=r"tokenizer\.json: the file is missing"):
            _ = ModelFiles(tiny_layouts[layout]).tokenizer


@pytest.mark.parametrize("rule", ["llama-bpe", "qwen2"])
def test_gguf_with_an_unknown_splitting_rule_is_refused(
    rule: str, tmp_path: Path, tiny_config: ModelConfig, tiny_tensors: Tensors
) -> None:
    def vocabulary(writer: Any) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(rule)

    path = write_gguf(tmp_path / "m.gguf", tiny_config, tiny_tensors, also=vocabulary)
    with pytest.raises(WeightsCorrupt, match=rule):
        _ = ModelFiles(path).tokenizer


def test_nemo_folder_opens_whole(tmp_path: Path, tiny_config: ModelConfig) -> None:
    """Mistral's own three files make a model that can be asked."""
    import torch

    from nemo_docs.model.tokenizers.tekken import bundled_nemo
    from nemo_docs.model.weights.base import expected_shapes

    from .layouts import write_native

    config = ModelConfig(**{**tiny_config.as_dict(), "vocab_size": 131072, "dim": 8, "n_layers": 1})  # type: ignore[arg-type]
    folder = write_native(tmp_path / "n", config, {n: torch.zeros(s) for n, s in expected_shapes(config).items()})
    shutil.copy(bundled_nemo(), folder / "tekken.json")
    files = open_model(folder, tmp_path)
    assert files.template.user_open == (3,)
    assert files.tokenizer.decode(files.tokenizer.encode("नमस्ते")) == "नमस्ते"
