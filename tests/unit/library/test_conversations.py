"""Conversations: nothing that a user asked is lost, nothing of a removed document stays."""

from __future__ import annotations

import itertools
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.library.conversations import Conversations
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import TurnId, TurnState
from nemo_docs.library.store import Library
from nemo_docs.plain import printable
from tests.properties import examples
from tests.unit.library.test_store import put

ROOT = Path(__file__).resolve().parents[3]
SECRET = "Quetzalcoatlus"


def answer(text: str, *documents: str) -> dict[str, Any]:
    """As much of an answer event as matters here."""
    citations = [
        {"marker": n, "document": document, "title": f"{document}.txt", "text": text, "spans": [{"page": 1}]}
        for n, document in enumerate(documents, 1)
    ]
    return {"v": 1, "event": "answer", "text": text, "citations": citations}


@pytest.fixture
def conversations(library_path: Path) -> Conversations:
    return Conversations(library_path)


def test_reading_makes_no_library(conversations: Conversations, library_path: Path) -> None:
    assert conversations.latest() is None
    assert conversations.conversations() == []
    assert conversations.turns(1) == []
    conversations.forget(1)
    assert not library_path.parent.exists()


def test_a_library_of_the_first_schema_has_no_conversations_yet(library_path: Path) -> None:
    from sqlite_utils import Database

    from nemo_docs.library.migrations import migrations

    library_path.parent.mkdir()
    database = Database(library_path)
    migrations.apply(database, stop_before="m002_collections_and_conversations")
    database.close()
    conversations = Conversations(library_path)
    assert conversations.latest() is None
    assert conversations.turns(1) == []
    turn = conversations.begin_turn(None, "Who pays?", [])
    assert conversations.latest() == turn.conversation


def test_a_question_is_kept_before_it_is_answered(conversations: Conversations, library_path: Path) -> None:
    turn = conversations.begin_turn(None, "Who pays?", ["a", "b"])
    (kept,) = conversations.turns(turn.conversation)
    assert (kept.id, kept.position, kept.question, kept.scope) == (turn, 1, "Who pays?", ("a", "b"))
    assert (kept.state, kept.answer) == (TurnState.ASKED, None)
    if sys.platform != "win32":
        assert stat.S_IMODE(library_path.stat().st_mode) == 0o600
        assert stat.S_IMODE(library_path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("state", ["answered", "stopped", "failed"])
@pytest.mark.parametrize("given", [answer("The tenant. [1]", "a"), {"text": "The ten"}, None])
def test_an_answer_reads_back(
    library: Library, conversations: Conversations, state: str, given: dict[str, Any] | None
) -> None:
    put(library, "/a", "The tenant pays.")
    turn = conversations.begin_turn(None, "Who pays?", ["a"])
    assert conversations.finish_turn(turn, given, state)
    (kept,) = conversations.turns(turn.conversation)
    assert (kept.state, kept.answer, kept.removed) == (state, given, ())


@pytest.mark.parametrize("state", ["asked", "removed"])
def test_an_answer_ends_in_a_state_of_an_end(conversations: Conversations, state: str) -> None:
    turn = conversations.begin_turn(None, "Who pays?", [])
    with pytest.raises(AssertionError):
        conversations.finish_turn(turn, None, state)


def test_questions_stand_in_order_and_the_latest_conversation_is_known(conversations: Conversations) -> None:
    first = conversations.begin_turn(None, "One?\nIn two lines.", [])
    second = conversations.begin_turn(None, "\x1b[2JTwo?" + "x" * 500, [])
    assert conversations.latest() == second.conversation
    conversations.begin_turn(first.conversation, "Three?", [])
    assert conversations.latest() == first.conversation
    turns = conversations.turns(first.conversation)
    assert [(turn.position, turn.question) for turn in turns] == [(1, "One?\nIn two lines."), (2, "Three?")]
    listed = conversations.conversations()
    assert [(each.id, each.turns) for each in listed] == [(first.conversation, 2), (second.conversation, 1)]
    assert listed[0].title == "One? In two lines."
    assert listed[1].title.startswith("Two?xxx")
    assert len(listed[1].title) <= 80


def test_a_question_for_a_forgotten_conversation_begins_another(conversations: Conversations) -> None:
    first = conversations.begin_turn(None, "One?", [])
    conversations.forget(first.conversation)
    assert conversations.turns(first.conversation) == []
    assert not conversations.finish_turn(first, answer("Late."), "answered")
    second = conversations.begin_turn(first.conversation, "Two?", [])
    assert second.conversation != first.conversation, "numbers are not given again"
    assert [turn.question for turn in conversations.turns(second.conversation)] == ["Two?"]


def files_with(word: str, folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and word.encode() in file.read_bytes()]


@pytest.mark.parametrize("size", [1, 40, 5_000])
def test_removal_leaves_the_questions_and_no_byte_of_the_answers(
    library: Library, library_path: Path, conversations: Conversations, size: int
) -> None:
    put(library, "/a", "Pterosaurs flew.")
    put(library, "/b", "Tenants pay.")
    words = f"{SECRET} flew. " * size
    turns: dict[str, TurnId] = {}
    for number in range(8):
        for name, handles in [("over a", ["a"]), ("over b", ["b"]), ("over both", ["a", "b"])]:
            turn = turns[name] = conversations.begin_turn(None, f"What {name}, {number}?", handles)
            if "a" in handles:
                conversations.finish_turn(turn, answer(words * 2), "stopped")  # replaced by a shorter one
                conversations.finish_turn(turn, answer(words, handles[-1]), "answered")
            else:
                conversations.finish_turn(turn, answer("Tenants pay.", "b"), "answered")
    assert files_with(SECRET, library_path.parent)
    library.remove("a")
    assert files_with(SECRET, library_path.parent) == [], "with the library still open"
    for name in ("over a", "over both"):
        (kept,) = conversations.turns(turns[name].conversation)
        assert (kept.question, kept.answer) == (f"What {name}, 7?", None)
        assert (kept.state, kept.removed) == (TurnState.REMOVED, ("a",))
    (kept,) = conversations.turns(turns["over b"].conversation)
    assert (kept.state, kept.answer) == (TurnState.ANSWERED, answer("Tenants pay.", "b"))
    library.close()
    assert files_with(SECRET, library_path.parent) == []


def test_an_answer_goes_with_what_was_read_not_with_all_that_was_asked_about(
    library: Library, conversations: Conversations
) -> None:
    for name in ("a", "b", "c"):
        put(library, f"/{name}", f"The text of {name}.")
    quoted = conversations.begin_turn(None, "Of everything?", [])
    conversations.finish_turn(quoted, answer("Of a.", "a"), "answered", read=["b"])
    unsure = conversations.begin_turn(None, "Of everything?", [])
    conversations.finish_turn(unsure, answer("Of a.", "a"), "answered")
    library.remove("c")
    assert conversations.turns(quoted.conversation)[0].state is TurnState.ANSWERED
    assert conversations.turns(unsure.conversation)[0].state is TurnState.REMOVED, "it may have read c"
    library.remove("b")
    library.remove("a")
    (kept,) = conversations.turns(quoted.conversation)
    assert (kept.state, kept.removed) == (TurnState.REMOVED, ("a", "b"))


def test_an_answer_that_comes_after_the_removal_is_not_kept(
    library: Library, library_path: Path, conversations: Conversations
) -> None:
    put(library, "/a", "Pterosaurs flew.")
    put(library, "/b", "Tenants pay.")
    everything = conversations.begin_turn(None, "What flew?", [])
    other = conversations.begin_turn(None, "Who pays?", [])
    library.remove("a")
    assert not conversations.finish_turn(everything, answer(SECRET, "a"), "answered", read=["a", "b"])
    (kept,) = conversations.turns(everything.conversation)
    assert (kept.question, kept.answer, kept.state) == ("What flew?", None, TurnState.REMOVED)
    assert conversations.finish_turn(other, answer("Tenants.", "b"), "answered", read=["b"])
    library.close()
    assert files_with(SECRET, library_path.parent) == []


def test_a_forgotten_conversation_leaves_no_byte(conversations: Conversations, library_path: Path) -> None:
    kept = conversations.begin_turn(None, "What else?", [])
    turn = conversations.begin_turn(None, f"What is a {SECRET}?", [])
    conversations.finish_turn(turn, answer(f"{SECRET} flew. " * 3_000), "answered")
    conversations.forget(turn.conversation)
    assert files_with(SECRET, library_path.parent) == []
    assert conversations.latest() == kept.conversation


anything = st.text(st.characters(exclude_categories=()), max_size=200)


@examples(40)
@given(anything, anything)
def test_any_text_is_kept(question: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        conversations = Conversations(Path(folder) / "library.db")
        turn = conversations.begin_turn(None, question, ["a"])
        conversations.finish_turn(turn, {"text": text}, "stopped", read=[])
        (kept,) = conversations.turns(turn.conversation)
        assert kept.answer == {"text": text}
        assert whole(kept.question) == whole(question), "only halves of surrogate pairs are joined or replaced"
        title = conversations.conversations()[0].title
        assert printable(title) == title


def whole(text: str) -> str:
    return "".join(each for each in text if each < "\ud800" or ("\ue000" <= each <= "\uffff" and each != "\ufffd"))


ASKING = """
import sys
from pathlib import Path
from nemo_docs.library.conversations import Conversations
conversations = Conversations(Path(sys.argv[1]))
conversation = int(sys.argv[2]) or None
for number in range(int(sys.argv[3])):
    turn = conversations.begin_turn(conversation, f"Question {number}?", [])
    conversation = turn.conversation
    print(number, turn.conversation, turn.turn, flush=True)
    if sys.argv[4] == "hang":
        sys.stdin.read()
    conversations.finish_turn(turn, {"text": f"Answer {number}."}, "answered")
"""


def asking(path: Path, conversation: int, questions: int, how: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ASKING, str(path), str(conversation), str(questions), how]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_before_the_answer_the_question_is_there(conversations: Conversations, library_path: Path) -> None:
    with asking(library_path, 0, 1, "hang") as child:
        assert child.stdout is not None
        _, conversation, turn = map(int, child.stdout.readline().split())
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert conversations.latest() == conversation
    (kept,) = conversations.turns(conversation)
    assert (kept.question, kept.state, kept.answer) == ("Question 0?", TurnState.ASKED, None)
    assert conversations.finish_turn(TurnId(conversation, turn), {"text": "After all."}, "answered")
    assert conversations.begin_turn(conversation, "And then?", []).conversation == conversation


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_at_any_moment_every_question_and_answer_stays(conversations: Conversations, library_path: Path) -> None:
    chance, conversation, told = random.Random(4), 0, 0
    for _ in range(int(os.environ.get("NEMO_DOCS_KILLS", "4"))):
        with asking(library_path, conversation, 10_000) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(chance.randrange(1, 30))]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.read().splitlines()
            child.wait()
        conversation = int(lines[0].split()[1])
        turns = conversations.turns(conversation)
        assert [turn.position for turn in turns] == list(range(1, len(turns) + 1))
        told += len([line for line in lines if len(line.split()) == 3])
        assert told <= len(turns)
        told = len(turns)
        for before, turn in itertools.pairwise(turns):
            if turn.question != "Question 0?":  # not the first after a kill
                assert before.state is TurnState.ANSWERED
                assert before.answer == {"text": before.question.replace("Question", "Answer").replace("?", ".")}


def test_several_threads_and_processes_ask_while_another_ingests(
    conversations: Conversations, library_path: Path
) -> None:
    ingested = threading.Event()

    def ingest() -> None:
        with Library(library_path) as library:
            put(library, "/book", *(f"Page {n} of a book that speaks of rent." for n in range(200)))
        ingested.set()

    thread = threading.Thread(target=ingest)
    with asking(library_path, 0, 30) as child:
        thread.start()
        count, conversation = 0, None
        while not ingested.is_set() or count < 10:
            turn = conversations.begin_turn(conversation, f"Mine {count}?", [])
            assert conversations.finish_turn(turn, {"text": "Yes."}, "answered", read=[])
            count, conversation = count + 1, turn.conversation
        thread.join()
        assert child.stdout is not None
        (theirs,) = {line.split()[1] for line in child.stdout}
        assert child.wait() == 0
    assert conversation is not None
    assert len(conversations.turns(conversation)) == count
    assert len(conversations.turns(int(theirs))) == 30
    with LibraryReader(library_path) as reader:
        assert reader.documents()[0].pages_read == 200


def test_keeping_a_question_imports_nothing_heavy(library_path: Path) -> None:
    Library(library_path).close()
    code = ASKING + "\nprint(sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(library_path), "0", "1", ""], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not any(f"'{name}'" in done.stdout for name in ("sqlite_utils", "textual", "torch", "click", "pypdf"))
