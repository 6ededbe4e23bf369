"""Killed at any moment, an engine loses one chunk at most, and what it leaves is whole or not there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nemo_docs.engine.protocol import Finished, Prefilled
from nemo_docs.kv.catalogue import verify
from tests.unit.engine.test_store import CHUNK, PREAMBLE, ask, engine, request

DOCUMENTS = [tuple((step * n + n * n // 7) % 89 + 3 for n in range(12 * CHUNK)) for step in (5, 7, 11, 13)]
KILLS = 200


FORKER = """
import os, sys
from pathlib import Path
from tests.unit.engine import test_store_kills as readers
for line in sys.stdin:
    what, folder, told = line.rstrip().split("|")
    if os.fork() == 0:
        getattr(readers, what)(Path(folder), told)
        os._exit(0)
    os.wait()
    print(flush=True)
"""
"""Starts a reader for each line, with everything imported already, and tells when it has ended."""


@contextmanager
def forker() -> Iterator[subprocess.Popen[str]]:
    """A process that starts readers."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def read(folder: Path, told: str) -> None:
    """Read the documents over and over, and tell of every chunk; ends when it is killed."""
    eng = engine(folder)
    with open(told, "w", buffering=1) as file:
        print(os.getpid(), file=file)
        while True:
            for number, document in enumerate(DOCUMENTS):
                for event in eng.run(request(document, label=str(number))):
                    if isinstance(event, Prefilled):
                        print(number, event.done, file=file)


def told_by(path: Path) -> tuple[int, dict[int, int]]:
    """A reader's process, and for each document how far it has come; 0 before it has begun."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    found: dict[int, int] = {}
    for number, done in (line for line in lines[1:] if len(line) == 2):
        found[int(number)] = max(found.get(int(number), 0), int(done))
    return (int(lines[0][0]) if lines else 0), found


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_two_hundred_kills(tmp_path):
    moments = random.Random(5)
    answers = [ask(engine(None), request(document, label="x"))[0] for document in DOCUMENTS]
    unread = 0
    with forker() as readers:
        for kill in range(KILLS):
            folder, told = tmp_path / str(kill // 10), tmp_path / f"{kill}.txt"  # ten kills in one store
            print(f"read|{folder}|{told}", file=readers.stdin, flush=True)
            while not told_by(told)[0]:
                time.sleep(0.005)
            time.sleep(moments.random() * 0.25)
            os.kill(told_by(told)[0], signal.SIGKILL)
            readers.stdout.readline()
            assert not [*verify(folder)], "every block is whole, or not there"
            eng = engine(folder)
            for number, done in told_by(told)[1].items():
                window = (PREAMBLE, DOCUMENTS[number])
                whole_chunks = min(done, sum(map(len, window)))
                kept = eng.cached(window)
                assert kept >= whole_chunks - CHUNK, f"kill {kill}: {whole_chunks} were read, {kept} were kept"
                unread += max(0, whole_chunks - kept)
            number = kill % len(DOCUMENTS)
            answer, finished, _ = ask(eng, request(DOCUMENTS[number], label=str(number)))
            assert answer == answers[number]
            assert finished.reason == "done"
            assert not [*folder.rglob("*.tmp")], "what was half-written is swept when the store is opened"
    print(json.dumps({"kills": KILLS, "tokens_read_again": unread}))


def once(folder: Path, told: str) -> None:
    """Read one document."""
    tokens, finished, _ = ask(engine(folder), request(DOCUMENTS[0]))
    assert isinstance(finished, Finished)
    Path(told).write_text(json.dumps(tokens))


@pytest.mark.skipif(os.name != "posix", reason="there is no fork")
def test_two_processes_that_read_the_same_leave_one_copy(tmp_path):
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    with forker() as one, forker() as other:
        for name, readers in (("one", one), ("other", other)):
            print(f"once|{shared}|{tmp_path / name}", file=readers.stdin, flush=True)
        for readers in (one, other):
            readers.stdout.readline()
    found = [json.loads((tmp_path / name).read_text()) for name in ("one", "other")]
    assert found[0] == found[1] == ask(engine(alone), request(DOCUMENTS[0]))[0]
    names = sorted(path.name for path in shared.rglob("*.kv"))
    assert names == sorted(path.name for path in alone.rglob("*.kv"))
