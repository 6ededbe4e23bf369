"""A face's way to the shared engine: find it, start it where there is none, talk to it.

A connection carries one request at a time and is kept for the next one. The engine may have gone meanwhile (idle,
killed): a connection that turns out dead before it has answered anything is replaced silently; one that dies in the
middle of an answer is told, because part of that answer is with the user.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from nemo_docs.engine.process.address import HELD, Place
from nemo_docs.engine.process.starting import start
from nemo_docs.engine.process.wire import (
    LONGEST_BYTES,
    Ask,
    Done,
    FromClient,
    Hello,
    Refused,
    Status,
    Stop,
    Welcome,
    WireError,
    build_id,
    decode,
    encode,
)
from nemo_docs.errors import EngineStopped

_STARTS_WITHIN_S = 30.0
_FINISHES_WITHIN_S = 600.0
_ANSWERS_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.02
Message = TypeVar("Message")


class Gone(Exception):
    """The connection is dead; never leaves this room."""


class Talk:
    """One connection, greeted."""

    def __init__(self, connection: Connection, idle_s: float) -> None:
        self._connection = connection
        self.is_used = False
        """Whether it has carried a request before."""
        self.send(Hello(build_id(), idle_s))
        welcome: Welcome = self.receive(Welcome, _ANSWERS_WITHIN_S)
        self.pid, self.build = welcome.pid, welcome.build

    def send(self, message: FromClient) -> None:
        """Say something.

        Raises:
            Gone: If nobody listens any more.
        """
        try:
            self._connection.send_bytes(encode(message))
        except (OSError, EOFError):
            raise Gone from None

    def has_news(self, timeout_s: float) -> bool:
        """Whether a message comes within this time; also True when the other side has gone.

        Raises:
            Gone: If that can be told already.
        """
        try:
            return self._connection.poll(timeout_s)
        except (OSError, EOFError):
            raise Gone from None

    def receive(self, expected: type[Message] | Any, timeout_s: float | None = None) -> Message:
        """The next message.

        Raises:
            Gone: If none comes in this time, or ever.
        """
        try:
            if timeout_s is not None and not self._connection.poll(timeout_s):
                raise Gone
            message: Message = decode(self._connection.recv_bytes(LONGEST_BYTES), expected)
            return message
        except (OSError, EOFError, WireError):
            raise Gone from None

    def close(self) -> None:
        """Hang up; a request under way is cancelled by that."""
        with suppress(OSError):
            self._connection.close()


class Link:
    """Connections to the engine of one library; for any number of threads.

    Args:
        state: The folder of state.
        idle_s: How long an engine waits for requests before it ends.
    """

    def __init__(self, state: Path, idle_s: float) -> None:
        self.place = Place(state)
        self._idle_s = idle_s
        self._resting: list[Talk] = []
        self._lock = threading.Lock()

    @contextmanager
    def talk(self) -> Iterator[Talk]:
        """A connection for one request; an engine is started if need be. It rests afterwards, unless the block fails.

        Raises:
            EngineStopped: If no engine can be started.
        """
        with self._lent(self._rested() or self._arrive()) as talk:
            yield talk

    @contextmanager
    def talk_if_running(self) -> Iterator[Talk | None]:
        """The same, or None where no engine of this program's code is running; starts none."""
        talk = self._rested() or self._greet()
        if talk is None or talk.build != build_id():
            if talk is not None:
                talk.close()
            yield None
            return
        with self._lent(talk):
            yield talk

    @contextmanager
    def _lent(self, talk: Talk) -> Iterator[Talk]:
        """A connection for the block; it rests afterwards, unless the block fails."""
        try:
            yield talk
        except BaseException:
            talk.close()
            raise
        talk.is_used = True
        with self._lock:
            self._resting.append(talk)

    def status(self) -> Status | None:
        """How the engine is; None if there is none.

        Raises:
            EngineStopped: If it does not answer.
        """
        talk = self._greet()
        if talk is None:
            return None
        try:
            talk.send(Ask())
            return talk.receive(Status, _ANSWERS_WITHIN_S)
        except Gone:
            raise self.stopped(talk) from None
        finally:
            talk.close()

    def stop(self) -> int | None:
        """End the engine now, by force if it does not listen; its process id, or None if there was none."""
        import psutil  # type: ignore[import-untyped]

        note, talk = self.place.note(), self._greet()
        if talk is not None:
            with suppress(Gone):
                talk.send(Stop(finish=False))
                talk.receive(Done | Refused, _ANSWERS_WITHIN_S)
            talk.close()
        elif note is None or not self.place.is_held():
            return None
        pid = talk.pid if talk is not None else note.pid if note is not None else 0
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            try:
                process.wait(_ANSWERS_WITHIN_S)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_ANSWERS_WITHIN_S)
        return pid

    def end_other_code(self) -> None:
        """Let an engine of other code finish what it does, and end: nobody knows what it would understand."""
        talk = self._greet()
        if talk is not None and talk.build != build_id():
            self._replace(talk)
        elif talk is not None:
            talk.close()

    def stopped(self, talk: Talk) -> EngineStopped:
        """What is told when the engine goes in the middle of something."""
        return EngineStopped(
            f"The engine (process {talk.pid}) ended before it had finished.",
            hint=f"Ask again: a new one is started. If it happens again, see {self.place.log}.",
        )

    def _rested(self) -> Talk | None:
        with self._lock:
            return self._resting.pop() if self._resting else None

    def _greet(self) -> Talk | None:
        connection = self.place.connect()
        if connection is None:
            return None
        try:
            return Talk(connection, self._idle_s)
        except Gone:
            connection.close()
            return None

    def _arrive(self) -> Talk:
        """A connection to an engine of this very code: an older one is let finish what it does, then replaced."""
        process: subprocess.Popen[bytes] | None = None
        until = monotonic() + _STARTS_WITHIN_S
        while True:
            talk = self._greet()
            if talk is not None and talk.build == build_id():
                return talk
            if talk is not None:
                until = self._replace(talk) + _STARTS_WITHIN_S
            elif process is None or process.poll() == HELD:
                process = start(self.place, self._idle_s)
            elif process.returncode is not None:
                raise EngineStopped(
                    f"The engine could not be started: it ended with {process.returncode}.",
                    hint=f"See {self.place.log}, or run with --in-process.",
                )
            if monotonic() > until:
                note = self.place.note()
                who = f" (process {note.pid})" if note else ""
                raise EngineStopped(
                    f"The engine{who} does not answer.", hint="End it with `nemo-docs engine stop`, then try again."
                )
            sleep(_LOOK_EVERY_S)

    def _replace(self, talk: Talk) -> float:
        """Ask an engine of other code to finish and end, and wait for that; when it was over."""
        with suppress(Gone):
            talk.send(Stop(finish=True))
            until = monotonic() + _FINISHES_WITHIN_S
            while monotonic() < until:
                talk.receive(Done | Refused, _FINISHES_WITHIN_S)
        talk.close()
        return monotonic()
