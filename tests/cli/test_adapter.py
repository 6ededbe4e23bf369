"""A LoRA adapter as a user meets it: `--adapter`, the setting, `model add --adapter`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from nemo_docs.errors import ExitCode
from nemo_docs.model.config import ModelConfig
from nemo_docs.model.folder import ModelFiles
from tests.cli.conftest import NemoDocs
from tests.unit.model.layouts import write_adapter

TEXT = "The rent is due on the first day of each month. The deposit is two months' rent.\n"
WHAT = ("layers.0.attention.wq", "layers.1.attention.wv", "layers.1.feed_forward.w2")


@pytest.fixture
def config(tiny_folder: Path, nemo_docs: NemoDocs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelConfig:
    """A library with one document and a tiny model; returns the model's shape."""
    for name, value in {"MODEL": str(tiny_folder), "DEVICE": "cpu", "PRECISION": "fp32", "ANSWER_TOKENS": "8"}.items():
        monkeypatch.setenv(f"NEMO_DOCS_{name}", value)
    (tmp_path / "lease.txt").write_text(TEXT)
    assert nemo_docs("add", tmp_path / "lease.txt").code == 0
    return ModelFiles(tiny_folder).config


def answer(nemo_docs: NemoDocs, *more: str | Path) -> dict[str, object]:
    done = nemo_docs("ask", "When is the rent due?", "--json", *more)
    assert done.code == 0, done.err
    last: dict[str, object] = done.events[-1]
    return {key: value for key, value in last.items() if key != "timing"}


def test_zeros_change_no_answer_and_others_do(config: ModelConfig, nemo_docs: NemoDocs, tmp_path: Path) -> None:
    zero = write_adapter(tmp_path / "zero", config, WHAT, zero=True)
    strong = write_adapter(tmp_path / "strong", config, WHAT, scaling=50.0)
    plain, same = answer(nemo_docs), answer(nemo_docs, "--adapter", zero)
    assert same.pop("model") == f"{plain.pop('model')} with {zero / 'lora.safetensors'}"
    assert same == plain
    assert answer(nemo_docs, "--adapter", strong)["text"] != plain["text"]


def test_the_setting_names_it_for_every_command(config: ModelConfig, nemo_docs: NemoDocs, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "mine", config, WHAT, rank=3, scaling=1.5)
    assert nemo_docs("config", "set", "adapter", folder).code == 0
    (shown,) = nemo_docs("model", "show", "--json").events
    assert shown["adapter"] == str(folder / "lora.safetensors")
    assert (shown["adapter_rank"], shown["adapter_scaling"]) == (3, 1.5)
    checks = [each["detail"] for each in nemo_docs("doctor", "--json").events]
    assert any(f"with the adapter {folder}" in detail for detail in checks)
    assert str(answer(nemo_docs)["model"]).endswith("lora.safetensors")
    (folder / "lora.safetensors").unlink()
    assert nemo_docs("ask", "When is the rent due?").code == ExitCode.FAILED


def test_a_model_may_be_added_with_it(
    config: ModelConfig, nemo_docs: NemoDocs, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "mine", config, WHAT)
    added = nemo_docs("model", "add", tiny_folder, "--adapter", folder, "--name", "legal")
    assert added.code == 0
    assert "an adapter of rank 4" in added.err
    (shown,) = nemo_docs("model", "show", "legal", "--json").events
    assert shown["adapter"] == str(folder / "lora.safetensors")
    assert answer(nemo_docs, "--model", "legal")["model"] == f"legal with {folder / 'lora.safetensors'}"


def test_one_that_cannot_be_used_is_one_sentence(
    config: ModelConfig, nemo_docs: NemoDocs, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "mine", config, WHAT)
    params = json.loads((folder / "params.json").read_text())
    (folder / "params.json").write_text(json.dumps({**params, "dim": 5120}))
    for arguments in (["ask", "Why?", "--adapter"], ["model", "add", tiny_folder, "--adapter"]):
        done = nemo_docs(*arguments, folder)
        assert (done.code, done.out) == (ExitCode.FAILED, "")
        assert "a model whose dim is 5120, but this one's is 24." in done.err
        assert "Traceback" not in done.err
    peft = tmp_path / "peft"
    peft.mkdir()
    (peft / "adapter_config.json").write_text("{}")
    save_file({}, peft / "adapter_model.safetensors")
    done = nemo_docs("ask", "Why?", "--adapter", peft)
    assert done.code == ExitCode.FAILED
    assert "hint: Expected are lora.safetensors and params.json as mistral-finetune writes them." in done.err
    assert nemo_docs("ask", "Why?", "--adapter", "a\nb").code == ExitCode.USAGE


def test_the_engine_keeps_adapters_apart_and_names_the_one_it_has(
    config: ModelConfig, nemo_docs: NemoDocs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "false")
    folder = write_adapter(tmp_path / "mine", config, WHAT)
    try:
        cached = []
        for more in ([], [], ["--adapter", folder], ["--adapter", folder]):
            events = nemo_docs("ask", "When is the rent due?", "--json", *more).events
            cached.append(events[-1]["timing"]["tokens_cached"])
        assert (cached[0], cached[2]) == (0, 0), "what one model has read is nothing to another"
        assert cached[1] == cached[3] > 0
        (status,) = nemo_docs("engine", "status", "--json").events
        assert status["model"]["adapter"] == str(folder / "lora.safetensors")
        assert f"with {folder / 'lora.safetensors'} on cpu" in nemo_docs("engine").out
    finally:
        nemo_docs("engine", "stop")
