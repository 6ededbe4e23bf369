"""The shared engine from a face's side: a real process, real sockets, real kills."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Client
from pathlib import Path
from time import monotonic

import psutil
import pytest

import nemo_docs
from nemo_docs.engine.loading import ModelSpec, load_engine
from nemo_docs.engine.process.address import Place
from nemo_docs.engine.process.link import Link
from nemo_docs.engine.process.shared import SharedEngine, forget
from nemo_docs.engine.process.wire import Hello, Run, build_id, encode
from nemo_docs.engine.protocol import (
    BatchRequest,
    EngineEvent,
    Finished,
    Free,
    OfOne,
    Prefilled,
    Request,
    Scored,
    ScoreRequest,
    Text,
    Token,
    Windows,
)
from nemo_docs.errors import ContextExceeded, DoesNotFit, EngineError, EngineStopped, SettingsError, WeightsMissing

NewLink = Callable[[], Link]
SHORT = Request((tuple(range(1000, 1300)), (5, 6)), (Free(12, stops=()),))
ENDLESS = Request((tuple(range(2000, 2300)), (7,)), (Free(3_000, stops=()),))


def never() -> bool:
    return False


def tokens(events: list[EngineEvent]) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


def test_it_answers_as_an_engine_in_this_process_does(engine: SharedEngine, spec: ModelSpec) -> None:
    here, there = [*load_engine(spec).run(SHORT)], [*engine.run(SHORT, never)]
    assert [type(event) for event in there] == [type(event) for event in here]
    assert tokens(there) == tokens(here)
    score = ScoreRequest(((1, 2),), ((10, 11), (20, 11)), tail=1)
    assert [e for e in engine.run(score, never) if isinstance(e, Scored)] == [
        e for e in load_engine(spec).run(score) if isinstance(e, Scored)
    ]


def test_several_windows_and_several_requests_cross_the_socket(engine: SharedEngine, spec: ModelSpec) -> None:
    windows = Windows(((1, 2),), ((tuple(range(1000, 1200)),), (tuple(range(3000, 3100)),)), log_weight=-0.5)
    batch = BatchRequest((SHORT, Request(((5, 6),), SHORT.steps, behind=windows)))
    here, there = [*load_engine(spec).run(batch)], [*engine.run(batch, never)]
    written = [event for event in here if isinstance(event, OfOne) and isinstance(event.event, Token)]
    assert len(written) == 24
    assert [event for event in there if isinstance(event, OfOne) and isinstance(event.event, Token)] == written
    assert isinstance(there[-1], Finished)


def test_a_wish_to_cancel_a_batch_is_heard(engine: SharedEngine) -> None:
    seen: list[EngineEvent] = []
    for event in engine.run(BatchRequest((ENDLESS, SHORT)), lambda: len(seen) > 4):
        seen.append(event)
    ended = [event for event in seen if isinstance(event, OfOne) and isinstance(event.event, Finished)]
    assert {event.index for event in ended} == {0, 1}, "each is told to be over"
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "cancelled"


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
    assert (plan.device, plan.way, plan.window_tokens) == ("cpu", "fp32 with fp32 KV", 4_096)
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
    began = monotonic()
    with pytest.raises(DoesNotFit, match="Memory ran out while the model was at work"):
        [*engine.run(Request((tuple(range(120_000)), (5,))), lambda: monotonic() > began + 20)]
    process.rlimit(psutil.RLIMIT_AS, (most, most))
    assert tokens([*engine.run(SHORT, never)]) == first
    after = link.status()
    assert after is not None
    assert after.pid == status.pid


def test_errors_come_back_as_what_they_are(spec: ModelSpec, new_link: NewLink, tmp_path: Path) -> None:
    link = new_link()
    with pytest.raises(WeightsMissing, match="no model"):
        SharedEngine(replace(spec, path=str(tmp_path)), link).load(never)
    with pytest.raises(SettingsError, match="cuda:77"):
        SharedEngine(replace(spec, device="cuda:77"), link).load(never)
    engine = SharedEngine(spec, link)
    with pytest.raises(ContextExceeded, match="more than the model's window"):
        [*engine.run(Request(((1,) * 140_000,)), never)]
    with pytest.raises(EngineError, match="beyond the model's vocabulary"):
        [*engine.run(Request(((131_072,),)), never)]
    assert tokens([*engine.run(SHORT, never)])


def test_a_wish_to_cancel_is_heard(engine: SharedEngine, link: Link) -> None:
    seen: list[EngineEvent] = []
    for event in engine.run(ENDLESS, lambda: len(tokens(seen)) >= 3):
        seen.append(event)
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "cancelled"
    assert len(tokens(seen)) == 3, "nothing comes after the wish"
    assert engine.cached(ENDLESS.segments[:1]) == 300, "what was read is kept"
    assert [*engine.run(ENDLESS, lambda: True)] == [Finished("cancelled", 0, 0, 0, 0.0, 0.0)]


def test_requests_take_turns(spec: ModelSpec, new_link: NewLink) -> None:
    """A short question is answered while a long one goes on."""
    long_ends, long_began = threading.Event(), threading.Event()
    reason: list[str] = []

    def ask_long() -> None:
        for event in SharedEngine(spec, new_link()).run(ENDLESS, long_ends.is_set):
            if isinstance(event, Token):
                long_began.set()
            if isinstance(event, Finished):
                reason.append(event.reason)

    thread = threading.Thread(target=ask_long)
    thread.start()
    assert long_began.wait(60)
    alone = tokens([*load_engine(spec).run(SHORT)])
    assert tokens([*SharedEngine(spec, new_link()).run(SHORT, never)]) == alone
    status = new_link().status()
    assert status is not None
    assert status.running == 1
    long_ends.set()
    thread.join(60)
    assert reason == ["cancelled"]


def until(condition: Callable[[], bool]) -> None:
    """Wait for another process, for a minute at most."""
    for _ in range(6_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def test_a_client_that_dies_frees_its_work(spec: ModelSpec, new_link: NewLink) -> None:
    [*SharedEngine(spec, new_link()).run(SHORT, never)]
    note = Place(new_link().place.state).note()
    assert note is not None
    lost = Client(note.address)
    lost.send_bytes(encode(Hello(build_id(), 120.0)))
    lost.send_bytes(encode(Run(spec, ENDLESS)))

    def running() -> int:
        status = new_link().status()
        assert status is not None
        return status.running

    until(lambda: running() == 1)
    lost.close()
    until(lambda: running() == 0)


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


def test_an_engine_killed_between_two_requests_is_replaced_silently(engine: SharedEngine, link: Link) -> None:
    before = tokens([*engine.run(SHORT, never)])
    status = link.status()
    assert status is not None
    os.kill(status.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(status.pid))
    assert not engine.holds_anything()
    assert tokens([*engine.run(SHORT, never)]) == before


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


def test_what_a_killed_engine_leaves_behind_is_in_nobodys_way(engine: SharedEngine, link: Link) -> None:
    [*engine.run(SHORT, never)]
    note = link.place.note()
    assert note is not None
    os.kill(note.pid, signal.SIGKILL)
    until(lambda: not link.place.is_held())
    assert Path(note.address).exists(), "the socket is still there"
    assert link.status() is None
    assert tokens([*engine.run(SHORT, never)])


def test_it_lets_go_of_a_text_and_keeps_the_others(engine: SharedEngine, link: Link) -> None:
    texts = {
        name: replace(SHORT, segments=((n,) * 300, (5,)), texts=(Text(name, 300), None)) for n, name in enumerate("ab")
    }
    for request in texts.values():
        [*engine.run(request, never)]
    engine.forget({"a"})
    assert [engine.cached(request.segments[:1]) for request in texts.values()] == [0, 300]


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


def test_only_its_user_may_speak_to_it(engine: SharedEngine, link: Link, state: Path) -> None:
    engine.load(never)
    note = link.place.note()
    assert note is not None
    assert stat.S_IMODE(os.stat(note.address).st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in state.iterdir())


@pytest.mark.parametrize("said", [b"", b"{}", b"GET / HTTP/1.1", b'{"v":1,"message":{"is":"Stop","finish":false}}'])
def test_who_speaks_something_else_is_hung_up_on(engine: SharedEngine, link: Link, said: bytes) -> None:
    engine.load(never)
    note = link.place.note()
    assert note is not None
    with Client(note.address) as stranger:
        stranger.send_bytes(said)
        with pytest.raises(EOFError):
            stranger.recv_bytes()
    assert tokens([*engine.run(SHORT, never)])


def test_a_long_path_has_a_socket_all_the_same(spec: ModelSpec, tmp_path: Path) -> None:
    link = Link(tmp_path / ("long" * 30) / "state", idle_s=60.0)
    assert tokens([*SharedEngine(spec, link).run(SHORT, never)])
    link.stop()
