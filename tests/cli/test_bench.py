"""`bench` as a user meets it: a table, JSON, refusals, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs

FIGURE = {
    "v", "event", "what", "length", "tokens", "seconds", "floor_s", "bound", "memory_bytes", "cold_s", "tokens_per_s",
    "floor_share",
}  # fmt: skip
SUBJECT = {
    "v", "event", "model", "device", "precision", "threads", "parameters", "streamed_bytes", "kv_bytes_per_token",
    "load_s", "bytes_per_s", "operations_per_s",
}  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_folder: Path) -> None:
    for name, value in {"MODEL": str(tiny_folder), "DEVICE": "cpu", "PRECISION": "fp32"}.items():
        monkeypatch.setenv(f"NEMO_DOCS_{name}", value)


def test_json_has_every_number_and_they_agree(nemo_docs: NemoDocs, tiny_folder: Path) -> None:
    done = nemo_docs("bench", "--lengths", "200,100", "--json")
    assert done.code == 0
    subject, *figures = [each for each in done.events if each["event"] != "warning"]
    assert set(subject) == SUBJECT
    assert (subject["event"], subject["model"], subject["precision"]) == ("subject", str(tiny_folder), "float32")
    assert [(each["length"], each["what"]) for each in figures] == [
        (length, what) for length in (100, 200) for what in ("prefill", "decode", "warm")
    ]
    for figure in figures:
        assert set(figure) == FIGURE
        assert figure["event"] == "figure"
        assert figure["tokens_per_s"] == pytest.approx(figure["tokens"] / figure["seconds"])
        assert figure["floor_share"] == pytest.approx(figure["floor_s"] / figure["seconds"])
        assert figure["memory_bytes"] > subject["streamed_bytes"]
        if figure["what"] == "decode":
            n_bytes = subject["streamed_bytes"] + figure["length"] * subject["kv_bytes_per_token"]
            assert figure["floor_s"] >= n_bytes / subject["bytes_per_s"] * 0.999


@pytest.mark.slow
def test_people_get_a_table(nemo_docs: NemoDocs, tiny_folder: Path) -> None:
    done = nemo_docs("bench", "--lengths", "100")
    first, *_, prefill, decode, warm = done.out.splitlines()
    assert first.startswith(f"{tiny_folder} on cpu in float32, ")
    assert [row.split()[:2] for row in (prefill, decode, warm)] == [[w, "100"] for w in ("prefill", "decode", "warm")]
    assert "tokens/s" in decode
    assert "x prefill" in warm
    assert len({len(row) for row in (prefill, decode, warm)}) == 1
    assert "Reading: 96 of 100 tokens" not in done.out, "progress is no data"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lengths", "63"], "'63' must be an amount from 64"),
        (["--lengths", "100,many"], "'many' must be an amount"),
        (["--lengths", "auto"], "'auto' must be an amount"),
        (["--lengths", ""], "'' must be an amount"),
        (["--seconds", "0"], "'0' must be a number from 1 to 86400"),
        (["--seconds", "nan"], "'nan' must be a number"),
        (["--random-weights", "llama"], "'llama' is not 'nemo'"),
        (["--random-weights", "nemo", "--model", "smollm2"], "stands in place of a model"),
        (["--random-weights", "nemo", "--adapter", "x"], "stands in place of a model"),
        (["--lengths", "128k"], "A prompt of 131,072 tokens"),
        (["--device", "cuda:77"], "no device 'cuda:77'"),
        (["--model", "smollm3"], "Did you mean smollm2?"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(nemo_docs: NemoDocs, arguments: list[str], said: str) -> None:
    done = nemo_docs("bench", *arguments)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert said in done.err


def test_the_longest_prompt_that_fits_is_named(nemo_docs: NemoDocs) -> None:
    assert "hint: The longest that can be measured is 127,967." in nemo_docs("bench", "--lengths", "128000").err


@pytest.mark.skipif(psutil.virtual_memory().total > 85e9, reason="NeMo in fp32 with its whole window would fit")
def test_random_nemo_that_does_not_fit_is_one_sentence(nemo_docs: NemoDocs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEMO_DOCS_MODEL")
    done = nemo_docs("bench", "--random-weights", "nemo", "--lengths", "128k", "--device", "cpu", "--precision", "fp32")
    assert (done.code, done.out) == (ExitCode.FAILED, "")
    assert "GB" in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(os.name != "posix", reason="a signal to one process is POSIX")
@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(nemo_docs: NemoDocs) -> None:
    command = [sys.executable, "-m", "nemo_docs", "bench", "--lengths", "100,100000", "--seconds", "86400", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line).get("what") == "warm":
                process.send_signal(signal.SIGINT)
                break
        assert process.stdout.read() == ""
        narrated = process.stderr.read()
    assert process.returncode == ExitCode.INTERRUPTED
    assert narrated.endswith("Interrupted.\n")
    assert "Traceback" not in narrated


@pytest.mark.slow
def test_a_shared_engine_that_runs_is_named(
    nemo_docs: NemoDocs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lease.txt").write_text("The rent is due on the first day of each month.\n")
    assert nemo_docs("add", tmp_path / "lease.txt").code == 0
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "false")
    monkeypatch.setenv("NEMO_DOCS_ANSWER_TOKENS", "1")
    try:
        assert nemo_docs("ask", "When is the rent due?").code == 0
        (status,) = nemo_docs("engine", "status", "--json").events
        done = nemo_docs("bench", "--lengths", "100", "--json")
        warnings = [each["message"] for each in done.events if each["event"] == "warning"]
        assert any(f"The shared engine (process {status['pid']}) is running" in each for each in warnings)
        assert f"Warning: The shared engine (process {status['pid']}) is running" in done.err
    finally:
        nemo_docs("engine", "stop")
