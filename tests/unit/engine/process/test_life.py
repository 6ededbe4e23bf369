"""The life of the shared engine: started, loaded, full, killed, stopped, idle. A process of its own for each test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

import nemo_docs
from nemo_docs.engine.process.link import Link
from nemo_docs.engine.process.shared import SharedEngine, forget
from nemo_docs.engine.protocol import (
    Finished,
    Prefilled,
    Request,
    Token,
)
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.errors import DoesNotFit, EngineStopped
from tests.unit.engine.process.asking import ENDLESS, SHORT, NewLink, never, tokens, until


def test_what_one_face_has_read_another_finds_cached(spec: ModelSpec, new_link: NewLink) -> None:
    one, other = SharedEngine(spec, new_link()), SharedEngine(spec, new_link())
    assert not one.holds_anything(), "and no engine is started for the question"
    assert new_link().status() is None
    first, *_, last = [*one.run(SHORT, never)]
    assert isinstance(first, Prefilled)
    assert isinstance(last, Finished)
    assert (first.cached, last.tokens_cached) == (0, 0)
    assert other.holds_anything()
    assert other.cached(SHORT.segments[:1]) == 300
    assert other.cached(((9, 9),)) == 0
    assert next(e for e in other.run(SHORT, never) if isinstance(e, Finished)).tokens_cached == 300
    status = new_link().status()
    assert status is not None
    assert (status.running, status.waiting, status.device, status.precision) == (0, 0, "cpu", "float32")


def test_the_model_is_loaded_once_and_layers_are_told(spec: ModelSpec, new_link: NewLink) -> None:
    layers: list[tuple[int, int]] = []
    engine = SharedEngine(spec, new_link(), lambda done, of: layers.append((done, of)))
    engine.load(never)
    assert layers[-1] == (2, 2)
    layers.clear()
    engine.load(never)
    SharedEngine(replace(spec, window_tokens=512), new_link()).load(never)  # fits the plan that there is
    assert layers == []
    status = new_link().status()
    assert status is not None
    assert status.model == spec


def test_another_precision_is_another_model(spec: ModelSpec, new_link: NewLink) -> None:
    [*SharedEngine(spec, new_link()).run(SHORT, never)]
    [*SharedEngine(replace(spec, precision="bf16"), new_link()).run(SHORT, never)]
    status = new_link().status()
    assert status is not None
    assert (status.precision, status.cached_tokens) == ("bfloat16", 302), "and the first one's caches are gone"


def test_the_plan_of_memory_is_known_once_the_model_is_loaded(spec: ModelSpec, new_link: NewLink) -> None:
    engine = SharedEngine(spec, new_link())
    assert engine.plan() is None
    engine.load(never)
    plan = engine.plan()
    assert plan is not None
    assert (plan.device, plan.way, plan.window_tokens) == ("cpu", "fp32 with fp32 KV", spec.window_tokens)
    assert [item.name for item in plan.items][:2] == ["weights", "kv"]
    assert SharedEngine(replace(spec, kv="int8"), new_link()).plan() is None, "that is another model"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_memory_that_runs_out_ends_a_request_and_not_the_engine(
    spec: ModelSpec, new_link: NewLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # else there is address space in reserve
    link = new_link()
    engine = SharedEngine(replace(spec, window_tokens=128_000), link)
    first = tokens([*engine.run(SHORT, never)])
    status = link.status()
    assert status is not None
    process = psutil.Process(status.pid)
    most = process.rlimit(psutil.RLIMIT_AS)[1]
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + (16 << 20), most))
    with pytest.raises(DoesNotFit, match="Memory ran out while the model was at work"):
        [*engine.run(Request((tuple(range(120_000)), (5,))), never)]
    process.rlimit(psutil.RLIMIT_AS, (most, most))
    assert tokens([*engine.run(SHORT, never)]) == first
    after = link.status()
    assert after is not None
    assert after.pid == status.pid


def test_an_engine_killed_in_mid_answer_is_told_and_replaced(engine: SharedEngine, link: Link) -> None:
    events = engine.run(ENDLESS, never)
    while not isinstance(next(events), Token):
        pass
    first = link.status()
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(EngineStopped, match=f"process {first.pid}") as told:
        list(events)
    assert "Ask again" in told.value.hint
    assert tokens([*engine.run(SHORT, never)])
    second = link.status()
    assert second is not None
    assert second.pid != first.pid


def test_what_an_engine_killed_between_two_requests_leaves_behind_is_in_nobodys_way(
    engine: SharedEngine, link: Link
) -> None:
    before = tokens([*engine.run(SHORT, never)])
    note = link.place.note()
    assert note is not None
    os.kill(note.pid, signal.SIGKILL)
    until(lambda: not link.place.is_held() and not psutil.pid_exists(note.pid))
    assert Path(note.address).exists(), "the socket is still there"
    assert link.status() is None
    assert not engine.holds_anything()
    assert tokens([*engine.run(SHORT, never)]) == before, "it is replaced silently"


def test_stop_ends_it_and_tells_those_who_wait(spec: ModelSpec, new_link: NewLink) -> None:
    events = SharedEngine(spec, new_link()).run(ENDLESS, never)
    next(events)
    pid = new_link().stop()
    assert pid
    assert not psutil.pid_exists(pid)
    with pytest.raises(EngineStopped):
        list(events)
    assert new_link().stop() is None
    assert new_link().status() is None


def test_it_ends_by_itself_when_nothing_is_asked(spec: ModelSpec, state: Path) -> None:
    link = Link(state, idle_s=1.0)
    engine = SharedEngine(spec, link)
    [*engine.run(SHORT, never)]
    note = link.place.note()
    assert note is not None
    until(lambda: not psutil.pid_exists(note.pid))
    assert not link.place.is_held()
    assert tokens([*engine.run(SHORT, never)]), "the connection that rests is dead, and nobody notices"
    link.stop()


def test_many_faces_at_once_start_one_engine(spec: ModelSpec, new_link: NewLink) -> None:
    answers: list[list[int]] = []
    pids: set[int] = set()

    def ask() -> None:
        link = new_link()
        answers.append(tokens([*SharedEngine(spec, link).run(SHORT, never)]))
        status = link.status()
        pids.add(status.pid if status else 0)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(answers) == 4
    assert len(pids) == 1
    assert all(answer == answers[0] for answer in answers)


def test_forgetting_starts_no_engine_and_ends_one_of_other_code(tmp_path: Path, link: Link) -> None:
    """Nobody knows whether it would understand; it ended with the next question only, which may be never."""
    forget(link, {"a"})
    assert not link.place.is_held()
    code = shutil.copytree(Path(nemo_docs.__file__).parent, tmp_path / "nemo_docs", copy_function=shutil.copy)
    os.utime(code / "engine" / "engine.py", (1, 1))
    link.place.state.mkdir()
    command = [sys.executable, "-P", "-m", "nemo_docs.engine.process", str(link.place.state), "60"]
    other = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    until(lambda: link.status() is not None)
    forget(link, {"a"})
    assert other.wait(timeout=30) == 0
    assert not link.place.is_held()


def test_a_long_path_has_a_socket_all_the_same(spec: ModelSpec, tmp_path: Path) -> None:
    link = Link(tmp_path / ("long" * 30) / "state", idle_s=60.0)
    assert tokens([*SharedEngine(spec, link).run(SHORT, never)])
    link.stop()
