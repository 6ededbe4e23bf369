"""Killed at any moment, an engine loses one chunk at most, and what it leaves is whole or not there."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from nemo_docs.engine.protocol import Finished, Prefilled
from nemo_docs.kv.catalogue import verify
from tests.unit.engine.test_store import CHUNK, PREAMBLE, ask, engine, request

DOCUMENTS = [tuple((step * n + n * n // 7) % 89 + 3 for n in range(12 * CHUNK)) for step in (5, 7, 11, 13)]
KILLS = 200


def read(folder: Path, told: Connection) -> None:
    """Read the documents over and over, and tell of every chunk; ends when it is killed."""
    eng = engine(folder)
    told.send("ready")
    while True:
        for number, document in enumerate(DOCUMENTS):
            for event in eng.run(request(document, label=str(number))):
                if isinstance(event, Prefilled):
                    told.send((number, event.done))


def last_told(connection: Connection) -> dict[int, int]:
    """For each document how far its reading had come."""
    found: dict[int, int] = {}
    try:
        while connection.poll():
            message = connection.recv()
            if message != "ready":
                found[message[0]] = max(found.get(message[0], 0), message[1])
    except EOFError:
        pass
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_two_hundred_kills(tmp_path):
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.unit.engine.test_store"])
    moments = random.Random(5)
    answers = [ask(engine(None), request(document, label="x"))[0] for document in DOCUMENTS]
    unread = 0
    for kill in range(KILLS):
        folder = tmp_path / str(kill // 10)  # ten kills in one store, then an empty one
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=read, args=(folder, theirs))
        process.start()
        theirs.close()
        assert mine.recv() == "ready"
        time.sleep(moments.random() * 0.25)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        told = last_told(mine)
        assert not [*verify(folder)], "every block is whole, or not there"
        eng = engine(folder)
        for number, done in told.items():
            window = (PREAMBLE, DOCUMENTS[number])
            whole_chunks = min(done, sum(map(len, window)))
            kept = eng.cached(window)
            assert kept >= whole_chunks - CHUNK, f"kill {kill}: {whole_chunks} were read, {kept} were kept"
            unread += whole_chunks - kept
        number = kill % len(DOCUMENTS)
        answer, finished, _ = ask(eng, request(DOCUMENTS[number], label=str(number)))
        assert answer == answers[number]
        assert finished.reason == "done"
        assert not [*folder.rglob("*.tmp")], "what was half-written is swept when the store is opened"
    print(json.dumps({"kills": KILLS, "tokens_read_again": unread}))


def both(folder: Path, told: Connection) -> None:
    """Read one document."""
    tokens, finished, _ = ask(engine(folder), request(DOCUMENTS[0]))
    assert isinstance(finished, Finished)
    told.send(tokens)


def test_two_processes_that_read_the_same_leave_one_copy(tmp_path):
    context = get_context("forkserver")
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [context.Process(target=both, args=(tmp_path, theirs)) for _, theirs in pipes]
    for process in processes:
        process.start()
    found = [mine.recv() for mine, _ in pipes]
    for process in processes:
        process.join()
    alone = tmp_path.parent / "alone"
    assert found[0] == found[1] == ask(engine(alone), request(DOCUMENTS[0]))[0]
    names = sorted(path.name for path in tmp_path.rglob("*.kv"))
    assert names == sorted(path.name for path in alone.rglob("*.kv"))
