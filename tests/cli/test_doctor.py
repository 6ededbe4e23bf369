from __future__ import annotations

from pathlib import Path

import pytest

from nemo_docs.errors import DoesNotFit, ExitCode
from nemo_docs.model.catalogue import entry_for
from nemo_docs.model.pull import check_disk, check_memory
from tests.cli.conftest import NemoDocs


def test_without_a_model_something_is_broken_and_the_hint_says_what_to_do(nemo_docs: NemoDocs, home: Path) -> None:
    done = nemo_docs("doctor")
    assert done.code == ExitCode.FAILED
    assert "broken  model smollm2" in done.out
    assert "nemo-docs model pull smollm2" in done.out
    assert not home.exists()


def test_with_the_default_model_all_is_well(
    nemo_docs: NemoDocs, default_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_MODELS_FOLDER", str(default_model.parent))
    done = nemo_docs("doctor", "--json")
    assert done.code == 0
    checks = {event["name"]: event for event in done.events}
    assert checks["model smollm2"]["status"] == "ok"
    assert checks["torch"]["status"] == "ok"
    assert {"python", "sqlite", "settings", "machine", "disk", "privacy", "library", "models"} <= set(checks)


def test_broken_settings_are_found_and_the_rest_still_looked_at(nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("budget = 'soon'\n")
    done = nemo_docs("doctor")
    assert done.code == ExitCode.FAILED
    assert "broken  settings: budget = 'soon'" in done.out
    assert "ok      sqlite" in done.out
    assert "ok      torch" in done.out


def test_damaged_library_is_found(nemo_docs: NemoDocs, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("Some text.\n" * 2000)
    nemo_docs("add", file)
    database = home / "library.db"
    content = bytearray(database.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    database.write_bytes(content)
    done = nemo_docs("doctor")
    assert done.code == ExitCode.FAILED
    assert "broken  library" in done.out


def test_files_that_others_may_read_are_a_warning(nemo_docs: NemoDocs, home: Path) -> None:
    nemo_docs("config", "set", "seed", "1")
    (home / "config.toml").chmod(0o644)
    (check,) = [event for event in nemo_docs("doctor", "--json").events if event["name"] == "privacy"]
    assert check["status"] == "warning"
    assert "config.toml" in check["detail"]


def test_doctor_and_pull_agree_whether_nemo_fits(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    """It said yes by the size of the weights alone, and the pull it named was refused."""
    try:
        check_disk(entry_for("nemo"), tmp_path)
        check_memory(entry_for("nemo"))
        said = "yes: "
    except DoesNotFit as refusal:
        said = f"no: {refusal.message.split(' of ')[0]}"
    (row,) = (event for event in nemo_docs("doctor", "--json").events if event["name"] == "room for nemo")
    assert row["detail"].startswith(said)
