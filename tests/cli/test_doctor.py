from __future__ import annotations

from pathlib import Path
from typing import Any

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


def memory_rows(nemo_docs: NemoDocs, *options: str) -> dict[str, dict[str, Any]]:
    events = nemo_docs("doctor", "--device", "cpu", *options, "--json").events
    return {event["name"]: event for event in events if event["name"].startswith("memory ")}


def test_doctor_shows_the_plan_of_memory(
    nemo_docs: NemoDocs, default_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_MODELS_FOLDER", str(default_model.parent))
    rows = memory_rows(nemo_docs, "--precision", "fp32", "--window", "8k")
    assert set(rows) == {"memory smollm2", "memory nemo"}
    row = rows["memory smollm2"]
    assert row["status"] == "ok"
    assert row["detail"].startswith("fp32 with fp32 KV on cpu, ")
    plan = row["facts"]["plan"]
    assert (plan["device"], plan["precision"], plan["kv"], plan["window_tokens"]) == ("cpu", "fp32", "full", 8_192)
    assert plan["items"]["weights"] == 4 * 134_515_008
    assert sum(plan["items"].values()) == plan["total_bytes"] <= plan["free_bytes"]
    assert row["facts"]["longest_window_tokens"] == 8_192


def test_doctor_says_what_would_fit_where_a_wish_does_not(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    """NeMo in fp32 takes 49 GB: what is needed and what is free are told, and another way where there is one."""
    row = memory_rows(nemo_docs, "--model", "nemo", "--precision", "fp32", "--window", "128k")["memory nemo"]
    facts = row["facts"]
    if facts["plan"] is None:
        assert row["status"] == "broken"
        assert "fp32 with 8-bit KV" in row["detail"]
        assert "windows of 128,000 tokens" in row["detail"]
        assert facts["needed"]["needed_bytes"] > facts["needed"]["free_bytes"]
        assert all(way["needed_bytes"] <= way["free_bytes"] for way in facts["alternatives"])
    else:
        assert facts["plan"]["precision"] == "fp32"


def test_a_wish_that_can_never_be_followed_is_told(nemo_docs: NemoDocs) -> None:
    row = memory_rows(nemo_docs, "--precision", "fp8")["memory smollm2"]
    assert (row["status"], row["detail"]) == ("broken", "cpu does not multiply fp8.")


def test_asking_with_what_cannot_be_done_is_refused_in_a_sentence(
    nemo_docs: NemoDocs, default_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEMO_DOCS_MODELS_FOLDER", str(default_model.parent))
    file = tmp_path / "lease.txt"
    file.write_text("The notice period is three months.\n" * 30)
    nemo_docs("add", file)
    done = nemo_docs("ask", "What is the notice period?", "--device", "cpu", "--precision", "fp8", "--json")
    assert done.code == ExitCode.USAGE
    assert "cpu does not multiply fp8" in done.err
    assert "Traceback" not in done.err
    assert done.events[-1]["message"] == "cpu does not multiply fp8."
    assert nemo_docs("ask", "What?", "--kv", "tiny").code == ExitCode.USAGE
