"""The shared engine from a face's side, over real sockets: one process serves all tests here, unharmed."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from nemo_docs.engine.loading import load_engine
from nemo_docs.engine.process.address import Place
from nemo_docs.engine.process.link import Link
from nemo_docs.engine.process.shared import SharedEngine
from nemo_docs.engine.process.wire import Hello, Run, build_id, encode
from nemo_docs.engine.protocol import (
    BatchRequest,
    EngineEvent,
    Finished,
    OfOne,
    Request,
    Scored,
    ScoreRequest,
    Text,
    Token,
    Windows,
)
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.errors import ContextExceeded, EngineError, SettingsError, WeightsMissing
from tests.unit.engine.process.asking import ENDLESS, SHORT, NewLink, never, tokens, until


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / "state"


@pytest.fixture(scope="module")
def new_link(state: Path) -> Iterator[NewLink]:
    yield lambda: Link(state, idle_s=600.0)
    Link(state, idle_s=600.0).stop()


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

    alone = tokens([*load_engine(spec).run(SHORT)])
    thread = threading.Thread(target=ask_long)
    thread.start()
    assert long_began.wait(60)
    assert tokens([*SharedEngine(spec, new_link()).run(SHORT, never)]) == alone
    status = new_link().status()
    assert status is not None
    assert status.running == 1
    long_ends.set()
    thread.join(60)
    assert reason == ["cancelled"]


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


def test_it_lets_go_of_a_text_and_keeps_the_others(engine: SharedEngine, link: Link) -> None:
    texts = {
        name: replace(SHORT, segments=((n,) * 300, (5,)), texts=(Text(name, 300), None)) for n, name in enumerate("ab")
    }
    for request in texts.values():
        [*engine.run(request, never)]
    engine.forget({"a"})
    assert [engine.cached(request.segments[:1]) for request in texts.values()] == [0, 300]


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
