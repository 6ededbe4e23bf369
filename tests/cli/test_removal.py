"""Removal that leaves nothing: what was read of a document goes with it, and no file under the home tells of it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_docs.commands import progress
from nemo_docs.kv import catalogue
from nemo_docs.library import indexing
from nemo_docs.library.conversations import Conversations
from nemo_docs.library.records import TurnState
from nemo_docs.model.folder import open_model
from tests.cli.conftest import NemoDocs
from tests.stored import keep
from tests.traces import traces

Write = Callable[[str, str], Path]
WORDS = ("Zanderwumpus", "Quixotrelphine", "Brogglethwaite", "Vermiculosophy")
SECRET = f"""The {WORDS[0]} of Lower {WORDS[2]} must pay seven {WORDS[1]} coins to the reeve each winter.

Whoever teaches {WORDS[3]} pays nothing, unless the {WORDS[0]} asks for it in writing before the first snow.
"""
OPEN = "The library opens at nine. It closes at five, and on Sundays it stays closed all day.\n"
QUESTION = "What must be paid each winter?"


def text_of(paragraphs: int) -> str:
    return "\n".join(f"{n}. {SECRET}" for n in range(paragraphs))


def in_library(nemo_docs: NemoDocs) -> dict[str, str]:
    return {event["handle"]: event["sha256"] for event in nemo_docs("list", "--json").events}


def test_removal_takes_what_was_read_for_every_model_and_version(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    secret = write("secret.txt", SECRET)
    nemo_docs("add", secret, write("open.txt", OPEN))
    first = in_library(nemo_docs)["a"]
    secret.write_text(f"Second version. {SECRET}")
    nemo_docs("add", secret)
    labels = in_library(nemo_docs)
    assert labels["a"] != first
    for n, label in enumerate((first, labels["a"], labels["b"])):
        keep(home / "kv", [(label, range(1_000 * n, 1_000 * n + 300))])
    nemo_docs("kv", "pin", "a")
    rows = [file.read_bytes()[-2_000:-1_900] for file in (home / "kv").rglob("*.kv")]
    assert ("tokens" in {form for _, form in traces(home, WORDS, range(1_000, 1_300), rows)}) is True
    (event,) = nemo_docs("remove", "a", "--json").events
    assert event["document"] == "a"
    assert event["blocks"] == 4
    assert event["bytes"] > 0
    assert not traces(home, WORDS, [*range(3, 300)])
    assert not traces(home, WORDS, [*range(1_000, 1_300)])
    assert catalogue.pinned(home / "kv") == set()
    left = {label for entry in catalogue.entries(home / "kv") for label, _ in entry.labels}
    assert left == {labels["b"]}


def test_a_text_that_another_document_has_too_stays_read_until_that_goes(
    nemo_docs: NemoDocs, home: Path, write: Write
) -> None:
    """A later version of one document was added from another place, too; both are of the same bytes."""
    one = write("one.txt", OPEN)
    nemo_docs("add", one)
    shared = in_library(nemo_docs)["a"]
    one.write_text(f"{OPEN}It is open to all.\n")
    nemo_docs("add", one, write("other.txt", OPEN))
    assert in_library(nemo_docs)["b"] == shared
    keep(home / "kv", [(shared, range(30))])
    (event,) = nemo_docs("remove", "a", "--json").events
    assert event["blocks"] == 0
    (event,) = nemo_docs("remove", "b", "--json").events
    assert event["blocks"] == 1


def test_what_is_no_block_any_more_goes_with_the_next_document(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    """Nobody knows what a damaged file held, or one that a killed process did not finish."""
    nemo_docs("add", write("secret.txt", SECRET))
    keep(home / "kv", [(in_library(nemo_docs)["a"], range(600))])
    files = sorted((home / "kv").rglob("*.kv"))
    files[0].write_bytes(b"x" + files[0].read_bytes()[1:])
    unfinished = files[1].with_name(f".{files[1].stem}-1-{'0' * 16}.tmp")
    unfinished.write_bytes(files[1].read_bytes())
    assert nemo_docs("remove", "a").code == 0
    assert not traces(home, WORDS, [*range(600)])


def test_what_a_killed_process_did_not_copy_to_its_end_goes_too(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    nemo_docs("add", write("secret.txt", SECRET))
    command = [sys.executable, "-m", "nemo_docs", "add", "-", "--title", "secret.txt"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.write(SECRET.encode() * 20_000)
    process.stdin.flush()
    (unfinished,) = (home / "inbox").iterdir()
    assert nemo_docs("remove", "a").code == 0
    assert unfinished.exists(), "it is being copied"
    process.kill()
    process.wait()
    nemo_docs("add", write("other.txt", OPEN))
    assert traces(home, WORDS, ())
    assert nemo_docs("remove", "b").code == 0
    assert not traces(home, WORDS, ())


def test_a_long_removal_says_what_it_does(nemo_docs: NemoDocs, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(indexing, "_STEP_PAGES", 1)
    nemo_docs("add", *(write(f"{n}.txt", text_of(n + 1)) for n in range(8)))
    done = nemo_docs("remove", "c", "--json")
    assert done.code == 0
    assert done.err.splitlines()[0] == ("Rewriting the index. This takes a while; Ctrl-C leaves the library as it was.")


@pytest.fixture
def shared(nemo_docs: NemoDocs, monkeypatch: pytest.MonkeyPatch, default_model: Path) -> Iterator[None]:
    """The embedded default in the engine that all share."""
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "false")
    monkeypatch.setenv("NEMO_DOCS_MODELS_FOLDER", str(default_model.parent))
    monkeypatch.setenv("NEMO_DOCS_STORE_FLOOR", "0")
    monkeypatch.setenv("NEMO_DOCS_ANSWER_TOKENS", "24")
    yield
    nemo_docs("engine", "stop")


def timing(nemo_docs: NemoDocs, *scope: str) -> dict[str, Any]:
    done = nemo_docs("ask", QUESTION, *scope, "--json")
    assert done.code == 0, done.err
    answer: dict[str, Any] = done.events[-1]
    assert answer["event"] == "answer"
    return answer


@pytest.mark.slow
@pytest.mark.usefixtures("shared")
def test_after_removal_no_byte_of_a_document_is_left(
    nemo_docs: NemoDocs, home: Path, write: Write, monkeypatch: pytest.MonkeyPatch, default_model: Path
) -> None:
    """Its text came through standard input, was read, asked about and answered, while another stays in the library."""

    class Stdin(io.TextIOWrapper):
        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Stdin(io.BytesIO(text_of(6).encode())))
    assert nemo_docs("add", "-", "--title", "secret.txt").code == 0
    nemo_docs("add", write("open.txt", OPEN))
    label = in_library(nemo_docs)["a"]
    assert nemo_docs("read", "a", "b").code == 0
    first = timing(nemo_docs, "--in", "a")
    assert first["citations"]
    assert first["timing"]["tokens_cached"] > 0
    conversations = Conversations(home / "library.db")
    turn = conversations.begin_turn(None, QUESTION, ["a"])
    assert conversations.finish_turn(turn, first, TurnState.ANSWERED)
    nemo_docs("kv", "pin", "a")
    nemo_docs("list")  # notes how much is read

    tokenizer = open_model("smollm2", default_model.parent).tokenizer
    ids = tokenizer.encode(SECRET)
    blocks = [entry.path.read_bytes() for entry in catalogue.entries(home / "kv") if dict(entry.labels).get(label)]
    assert blocks, "what was read is on the disk"
    rows = [data[at : at + 64] for data in blocks for at in range(4_096, len(data) - 64, len(data) // 16)]
    rows = [row for row in rows if row.strip(b"\0")]
    found = {form for _, form in traces(home, WORDS, ids, rows)}
    assert found >= {"text", "zlib", "tokens", "rows"}, "the search finds what is there"

    done = nemo_docs("remove", "a", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.events[0]["blocks"] == len(blocks)
    assert traces(home, WORDS, ids, rows) == set()
    (kept,) = conversations.turns(turn.conversation)
    assert (kept.question, kept.answer, kept.removed) == (QUESTION, None, ("a",))
    assert label not in {each for entry in catalogue.entries(home / "kv") for each, _ in entry.labels}

    assert nemo_docs("ask", "When does the library open?", "--json").events[-1]["timing"]["tokens_cached"] > 0
    nemo_docs("add", write("secret.txt", text_of(6)))
    again = timing(nemo_docs, "--in", "secret")
    assert again["timing"]["tokens_cached"] < 50, "what is left in the engine's memory is what stands before all texts"
    assert again["text"] == first["text"]
    assert os.listdir(home / "inbox") == []
