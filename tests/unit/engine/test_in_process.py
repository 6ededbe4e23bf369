"""The engine in one's own process, loaded late and shared by threads."""

from __future__ import annotations

import threading

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.in_process import InProcessEngine
from nemo_docs.engine.loading import OnLayer
from nemo_docs.engine.protocol import Finished, Free, Request, Token
from tests.tiny import tiny_model

REQUEST = Request((tuple(range(20)), (5,)), (Free(6, stops=()),))


def load(_: OnLayer) -> Engine:
    return Engine(tiny_model(), window_tokens=128, chunk_tokens=8, pool_bytes=10**8)


def test_threads_wait_for_each_other() -> None:
    loads: list[int] = []

    def counted(on_layer: OnLayer) -> Engine:
        loads.append(1)
        return load(on_layer)

    engine = InProcessEngine(counted)
    answers: list[list[int]] = []

    def ask() -> None:
        answers.append([event.id for event in engine.run(REQUEST, lambda: False) if isinstance(event, Token)])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert loads == [1]
    assert len(answers) == 4
    assert all(answer == answers[0] for answer in answers)


def test_who_waits_can_give_up() -> None:
    engine = InProcessEngine(load)
    under_way = engine.run(REQUEST, lambda: False)
    next(under_way)
    assert [*engine.run(REQUEST, lambda: True)] == [Finished("cancelled", 0, 0, 0, 0.0, 0.0)]
    assert isinstance([*under_way][-1], Finished)
    assert len([*engine.run(REQUEST, lambda: False)]) > 1, "and the next one is let in"


def test_loading_can_be_cancelled_and_begun_again() -> None:
    layers: list[int] = []

    def slow(on_layer: OnLayer) -> Engine:
        for layer in range(4):
            on_layer(layer, 4)
        return load(on_layer)

    engine = InProcessEngine(slow, lambda done, of: layers.append(done))
    engine.load(lambda: len(layers) == 2)
    assert engine.loaded is None
    engine.load(lambda: False)
    assert engine.loaded is not None
    assert layers == [0, 1, 0, 1, 2, 3]
