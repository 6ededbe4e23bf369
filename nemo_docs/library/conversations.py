"""Conversations: questions that are kept before they are answered, and answers that go with their documents.

A question is committed before the model sees it, so a process that is killed in the middle loses no text of the user.
Each answer knows the documents that it came from, by handle. When one of them is removed the answer goes, text, quotes
and all, and the question stays; an answer that arrives after that, because the removal was made while the model wrote,
is not kept either.

Each call opens the library for itself, which takes a millisecond: so any thread may call, nothing has to be closed,
nobody is kept from writing, and reading makes no file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nemo_docs.library.clean import clean_line
from nemo_docs.library.connection import connect_read_only, connect_to_write, database_errors, is_file, transaction
from nemo_docs.library.records import Conversation, Turn, TurnId, TurnState
from nemo_docs.library.removal import leave_no_byte

_SCHEMA = 2
_LONGEST_TITLE = 80


class Conversations:
    """The conversations of a library.

    Args:
        path: The database; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin_turn(self, conversation: int | None, question: str, handles: Sequence[str]) -> TurnId:
        """Keep a question, before anything answers it.

        Args:
            conversation: Which one it goes on. None, or one that was forgotten meanwhile, begins another.
            question: As the user wrote it.
            handles: Documents that it is about; none means the whole library.

        Raises:
            LibraryError: If it cannot be written.
        """
        question, now = _encodable(question), datetime.now(UTC).isoformat(timespec="seconds")
        with self._writing() as execute:
            known = execute("SELECT id FROM conversations WHERE id = ?", (conversation,)).fetchone()
            number = known["id"] if known else _begin(execute, question, now)
            (turn,) = execute(
                """INSERT INTO turns (conversation, position, asked, question, scope, state)
                   SELECT ?1, 1 + count(*), ?2, ?3, ?4, 'asked' FROM turns WHERE conversation = ?1 RETURNING id""",
                (number, now, question, json.dumps(list(handles))),
            ).fetchone()
            _link(execute, turn, handles or [row["handle"] for row in execute("SELECT handle FROM documents")])
        return TurnId(number, turn)

    def finish_turn(
        self,
        turn: TurnId,
        answer: Mapping[str, Any] | None,
        state: TurnState | str,
        *,
        read: Iterable[str] | None = None,
    ) -> bool:
        """Keep an answer, whole or as far as it came. A second time replaces the first.

        Args:
            turn: What it answers.
            answer: The answer event as `--json` writes it, or as much of it as there is; plain data.
            state: Answered, stopped or failed.
            read: Handles of the documents whose text the model saw, quoted or not, such as those of the plan's windows;
                also those behind earlier answers that stood in the prompt. None means all that the question was about.
                The documents that the answer cites are added.

        Returns:
            Whether it was kept: not if one of these documents has been removed meanwhile, or the conversation has.

        Raises:
            LibraryError: If it cannot be written.
        """
        state = TurnState(state)
        assert state in (TurnState.ANSWERED, TurnState.STOPPED, TurnState.FAILED), state
        cited = [str(citation["document"]) for citation in (answer or {}).get("citations", ())]
        with self._writing() as execute:
            if execute("SELECT 1 FROM turns WHERE id = ?", (turn.turn,)).fetchone() is None:
                return False
            if read is not None:
                execute("DELETE FROM turn_documents WHERE turn = ?", (turn.turn,))
                _link(execute, turn.turn, read)
            _link(execute, turn.turn, cited)
            is_whole = not _removed(execute, turn.turn)
            # ASCII alone, so that half a surrogate pair from a terminal or a model can be written, too
            kept = json.dumps(answer) if answer is not None and is_whole else None
            execute(
                "UPDATE turns SET answer = ?, state = ? WHERE id = ?",
                (kept, state if is_whole else TurnState.REMOVED, turn.turn),
            )
        return is_whole

    def forget(self, conversation: int) -> None:
        """Delete a conversation, questions, answers and all; if it is not there, nothing is done.

        Raises:
            LibraryError: If it cannot be written; or if another program goes on reading: the conversation is gone, but
                the log still holds its words.
        """
        if not is_file(self._path):
            return
        with closing(connect_to_write(self._path)) as connection:
            with transaction(connection, self._path) as execute:
                turns = "SELECT id FROM turns WHERE conversation = ?"
                execute(f"DELETE FROM turn_documents WHERE turn IN ({turns})", (conversation,))
                execute("DELETE FROM turns WHERE conversation = ?", (conversation,))
                execute("DELETE FROM conversations WHERE id = ?", (conversation,))
            leave_no_byte(connection, self._path, "The conversation is forgotten")

    def latest(self) -> int | None:
        """The conversation with the latest question; None if there is none."""
        with self._reading() as execute:
            rows = execute("SELECT conversation FROM turns ORDER BY id DESC LIMIT 1")
            return next((int(row["conversation"]) for row in rows), None)

    def conversations(self) -> list[Conversation]:
        """All conversations, that with the latest question first."""
        with self._reading() as execute:
            rows = execute(
                """SELECT c.id, c.started, c.title, count(*) AS turns
                   FROM conversations c JOIN turns t ON t.conversation = c.id GROUP BY c.id ORDER BY max(t.id) DESC"""
            )
            return [Conversation(**dict(row)) for row in rows]

    def turns(self, conversation: int) -> list[Turn]:
        """The questions of a conversation, in order, with what became of them; none if it is not there."""
        with self._reading() as execute:
            rows = execute("SELECT * FROM turns WHERE conversation = ? ORDER BY position", (conversation,))
            return [
                Turn(
                    id=TurnId(row["conversation"], row["id"]),
                    position=row["position"],
                    asked=row["asked"],
                    question=row["question"],
                    scope=tuple(json.loads(row["scope"])),
                    state=TurnState(row["state"]),
                    answer=None if row["answer"] is None else json.loads(row["answer"]),
                    documents=_documents(execute, row["id"]),
                    removed=_removed(execute, row["id"]),
                )
                for row in rows
            ]

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., Any]]:
        with closing(connect_to_write(self._path)) as connection, transaction(connection, self._path) as execute:
            yield execute

    @contextmanager
    def _reading(self) -> Iterator[Callable[..., Any]]:
        connection = connect_read_only(self._path, schema=_SCHEMA)
        if connection is None:
            yield lambda *_: ()
            return
        with closing(connection), database_errors(self._path):
            connection.execute("BEGIN")  # one state of the library for several queries
            yield connection.execute


def _begin(execute: Callable[..., Any], question: str, now: str) -> int:
    title = clean_line(question[: 10 * _LONGEST_TITLE], _LONGEST_TITLE)
    return int(execute("INSERT INTO conversations (started, title) VALUES (?, ?)", (now, title)).lastrowid)


def _link(execute: Callable[..., Any], turn: int, handles: Iterable[str]) -> None:
    for handle in handles:
        execute("INSERT OR IGNORE INTO turn_documents (turn, handle) VALUES (?, ?)", (turn, handle))


def _documents(execute: Callable[..., Any], turn: int) -> tuple[str, ...]:
    """Handles of the documents behind a turn, in order."""
    rows = execute("SELECT handle FROM turn_documents WHERE turn = ? ORDER BY length(handle), handle", (turn,))
    return tuple(row["handle"] for row in rows)


def _removed(execute: Callable[..., Any], turn: int) -> tuple[str, ...]:
    """Handles of the documents behind a turn that are not in the library any more, in order."""
    rows = execute(
        """SELECT handle FROM turn_documents WHERE turn = ? AND handle NOT IN (SELECT handle FROM documents)
           ORDER BY length(handle), handle""",
        (turn,),
    )
    return tuple(row["handle"] for row in rows)


def _encodable(text: str) -> str:
    """The text with halves of surrogate pairs, which a database cannot hold, joined or replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
