"""Who goes on first: the queue of the engine's process alone, turn by turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nemo_docs.engine.process import turns
from nemo_docs.engine.process.turns import Job, Turns
from nemo_docs.engine.process.wire import FromEngine, Happened
from nemo_docs.engine.protocol import Finished, Free, Prefilled, Request, Token
from nemo_docs.engine.spec import ModelSpec

AHEAD = Request((tuple(range(1000, 3000)), (5,)))
QUESTION = Request((tuple(range(4000, 4300)), (6,)), (Free(12, stops=()),))


def test_what_is_read_ahead_waits_for_questions(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is read ahead took every other turn, and a question twice its time."""
    monkeypatch.setattr(turns, "SLICE_S", 0.0)  # a turn is one event
    told: list[tuple[str, object]] = []

    def tell(who: str) -> Callable[[FromEngine], None]:
        return lambda message: told.append((who, message.event)) if isinstance(message, Happened) else None

    queue = Turns()
    queue.add(Job(spec, AHEAD, tell("ahead")))
    while not told:
        queue.take(0.0)
    queue.add(Job(spec, QUESTION, tell("question")))
    while any(queue.counts()):
        queue.take(0.0)
    began = next(n for n, (who, _) in enumerate(told) if who == "question")
    over = next(n for n, (who, event) in enumerate(told) if who == "question" and isinstance(event, Finished))
    assert {who for who, _ in told[began:over]} == {"question"}
    assert sum(isinstance(event, Token) for _, event in told) == 12
    rest = [event for who, event in told[over:] if who == "ahead"]
    assert isinstance(rest[0], Prefilled), "it goes on then"
    assert isinstance(rest[-1], Finished)
    assert rest[-1].reason == "done"
