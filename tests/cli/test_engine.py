"""The shared engine as a user meets it: `ask` from several shells, `engine status | stop`, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import NemoDocs

TEXT = "The rent is due on the first day of each month. The deposit is two months' rent.\n"


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, nemo_docs: NemoDocs, tmp_path: Path) -> Iterator[None]:
    """A library with one document, a tiny model, and the engine that all share."""
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "false")
    monkeypatch.setenv("NEMO_DOCS_MODEL", str(tiny_folder))
    monkeypatch.setenv("NEMO_DOCS_ANSWER_TOKENS", "8")
    (tmp_path / "lease.txt").write_text(TEXT)
    assert nemo_docs("add", tmp_path / "lease.txt").code == 0
    yield
    nemo_docs("engine", "stop")


@pytest.fixture
def long(shared: None, nemo_docs: NemoDocs, tmp_path: Path) -> None:
    """A second document that takes the tiny model seconds to read."""
    text = "\n\n".join(f"In year {n} the rent is due on day {n % 28 + 1} of each month. {TEXT}" for n in range(1, 1500))
    (tmp_path / "long.txt").write_text(text)
    assert nemo_docs("add", tmp_path / "long.txt").code == 0


def ask(*more: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "nemo_docs", "ask", "When is the rent due?", "--json", *more]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, object]:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return found


def test_without_an_engine_there_is_none_to_stop(nemo_docs: NemoDocs) -> None:
    assert nemo_docs("engine").out == "No engine is running; the next question starts one.\n"
    assert nemo_docs("engine", "status", "--json").events == [{"v": 1, "event": "engine", "running": False}]
    assert nemo_docs("engine", "stop").out == "No engine was running.\n"


@pytest.mark.usefixtures("shared")
def test_a_second_shell_finds_what_the_first_one_read(nemo_docs: NemoDocs) -> None:
    first, second = answer(ask()), answer(ask())
    assert first["citations"] == second["citations"]
    cached = [each["timing"]["tokens_cached"] for each in (first, second)]  # type: ignore[index]
    assert cached[0] == 0
    assert cached[1] > 0
    (status,) = nemo_docs("engine", "status", "--json").events
    assert status["running"] == 0
    assert status["model"]["device"] == "auto"
    assert f"Process {status['pid']}," in nemo_docs("engine").out
    assert nemo_docs("engine", "stop").out == f"The engine (process {status['pid']}) has ended.\n"
    assert not psutil.pid_exists(status["pid"])


@pytest.mark.slow
@pytest.mark.usefixtures("shared")
def test_three_shells_at_once_share_one_model(nemo_docs: NemoDocs) -> None:
    answers = [answer(each) for each in [ask(), ask(), ask()]]
    assert len({json.dumps(each["citations"]) for each in answers}) == 1
    engines = [p for p in psutil.process_iter(["cmdline"]) if os.environ["NEMO_DOCS_HOME"] in str(p.info["cmdline"])]
    assert len(engines) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("long")
def test_an_engine_that_is_killed_is_told_in_one_sentence(nemo_docs: NemoDocs) -> None:
    answer(ask("--in", "lease.txt"))
    (status,) = nemo_docs("engine", "status", "--json").events
    asking = ask("--in", "long.txt")
    assert asking.stdout is not None
    for line in asking.stdout:
        if json.loads(line).get("stage") == "reading":
            os.kill(status["pid"], signal.SIGKILL)
            break
    out, error = asking.communicate(timeout=60)
    assert asking.returncode == 1
    assert f"Error: The engine (process {status['pid']}) ended before it had finished.\nhint: Ask again" in error
    assert "Traceback" not in error
    assert json.loads(out.splitlines()[-1])["event"] == "error"
    assert answer(ask("--in", "lease.txt"))["citations"]


@pytest.mark.usefixtures("long")
def test_ctrl_c_stops_the_question_and_not_the_engine(nemo_docs: NemoDocs) -> None:
    answer(ask("--in", "lease.txt"))
    asking = ask("--in", "long.txt")
    assert asking.stdout is not None
    for line in asking.stdout:
        if json.loads(line).get("stage") == "reading":
            asking.send_signal(signal.SIGINT)
            break
    out, _ = asking.communicate(timeout=60)
    assert asking.returncode == 130
    assert json.loads(out.splitlines()[-1])["finish"] == "cancelled"
    (status,) = nemo_docs("engine", "status", "--json").events
    assert (status["running"], status["waiting"]) == (0, 0)
