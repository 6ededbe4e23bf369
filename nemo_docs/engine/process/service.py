"""The engine's process: accepts clients, hands their requests to the one thread that owns the model, ends when idle.

Two threads for each client, because a client may stop reading (a suspended shell) and must not hold up the others: one
takes its messages, one sends it its own. A client that goes away takes its request with it.
"""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, Listener
from time import monotonic

from nemo_docs.engine.process.turns import Job, Turns
from nemo_docs.engine.process.wire import (
    LONGEST_BYTES,
    Ask,
    Cancel,
    Done,
    Forget,
    Found,
    FromEngine,
    Hello,
    Load,
    Look,
    Run,
    Status,
    Stop,
    Welcome,
    WireError,
    build_id,
    decode,
    encode,
)
from nemo_docs.errors import EngineStopped

_FLUSH_S = 2.0


class Service:
    """One engine.

    Args:
        listener: Where clients come in.
        idle_s: How long to wait for requests before it ends; a client may say otherwise.
    """

    def __init__(self, listener: Listener, idle_s: float) -> None:
        self.turns = Turns()
        self.idle_s = idle_s
        self._listener = listener
        self._began = monotonic()
        self._ending = threading.Event()
        self._finish_first = True
        self._sessions: set[Session] = set()

    def run(self) -> None:
        """Serve until it is told to stop or has been idle for long enough."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        while True:
            is_busy = any(self.turns.counts())
            if self._ending.is_set() and not (self._finish_first and is_busy):
                break
            if not is_busy and self.idle_left_s <= 0:
                break
            self.turns.take(timeout_s=max(0.0, min(self.idle_left_s, 60.0)))
        self._end()

    @property
    def idle_left_s(self) -> float:
        """Seconds until it ends if nothing is asked."""
        return self.turns.last_work + self.idle_s - monotonic()

    def stop(self, *, finish: bool) -> None:
        """End; with `finish` when what is under way is over."""
        self._finish_first = finish
        self._ending.set()
        if not finish:
            self.turns.stop(EngineStopped("The engine was stopped.", hint="Ask again: a new one is started."))
        self.turns.wake()

    def status(self) -> Status:
        """How it is."""
        import psutil  # type: ignore[import-untyped]

        running, waiting = self.turns.counts()
        spec, device, precision, cached, plan = None, "", "", 0, None
        if self.turns.model is not None:
            spec, here = self.turns.model
            if (engine := here.loaded) is not None:
                device, cached, plan = str(engine.model.device), engine.cached_tokens, engine.plan
                precision = str(engine.model.dtype).removeprefix("torch.")
        return Status(
            pid=os.getpid(),
            uptime_s=monotonic() - self._began,
            model=spec,
            device=device,
            precision=precision,
            plan=plan,
            memory_bytes=int(psutil.Process().memory_info().rss),
            connections=len(self._sessions),
            running=running,
            waiting=waiting,
            cached_tokens=cached,
            idle_s=self.idle_s,
            idle_left_s=max(0.0, self.idle_left_s),
        )

    def left(self, session: Session) -> None:
        """A client has gone."""
        self._sessions.discard(session)

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError):
                if self._ending.is_set():
                    return
                continue  # that client gave up before it was in
            session = Session(self, connection)
            self._sessions.add(session)
            session.start()

    def _end(self) -> None:
        self._ending.set()
        self._listener.close()
        self.turns.end()
        for session in list(self._sessions):
            session.flush()


class Session:
    """One client."""

    def __init__(self, service: Service, connection: Connection) -> None:
        self._service, self._connection = service, connection
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._job: Job | None = None

    def start(self) -> None:
        """Take its messages from now on."""
        self._reader.start()
        self._writer.start()

    def tell(self, message: FromEngine) -> None:
        """Send a message as soon as the client takes it."""
        self._outbox.put(encode(message))

    def flush(self) -> None:
        """Send what is left, if the client takes it soon."""
        self._outbox.put(None)
        self._writer.join(_FLUSH_S)

    def _read(self) -> None:
        try:
            hello: Hello = decode(self._connection.recv_bytes(LONGEST_BYTES), Hello)
            self.tell(Welcome(build_id(), os.getpid()))
            if hello.build == build_id():
                self._service.idle_s = hello.idle_s
            while True:
                self._take(self._connection.recv_bytes(LONGEST_BYTES))
        except (OSError, EOFError, WireError):  # it has gone, or speaks something else: either way it is over
            pass
        finally:
            if self._job is not None:
                self._service.turns.cancel(self._job)
            self._outbox.put(None)
            self._service.left(self)

    def _take(self, data: bytes) -> None:
        message: Load | Run | Look | Cancel | Forget | Ask | Stop = decode(
            data, Load | Run | Look | Cancel | Forget | Ask | Stop
        )
        match message:
            case Load():
                self._begin(Job(message.spec, None, self.tell))
            case Run():
                self._begin(Job(message.spec, message.request, self.tell))
            case Cancel():
                if self._job is not None:
                    self._service.turns.cancel(self._job)
            case Look():
                self.tell(Found(self._cached(message)))
            case Forget():
                self._service.turns.forget(frozenset(message.labels), lambda: self.tell(Done()))
            case Ask():
                self.tell(self._service.status())
            case Stop():
                self._service.stop(finish=message.finish)
                self.tell(Done())

    def _begin(self, job: Job) -> None:
        self._job = job
        self._service.turns.add(job)

    def _cached(self, look: Look) -> int:
        model = self._service.turns.model
        if model is None or not model[0].serves(look.spec):
            return 0
        return model[1].cached(look.segments) if look.segments else int(model[1].holds_anything())

    def _write(self) -> None:
        with suppress(OSError, BrokenPipeError):  # the reader notices
            while (data := self._outbox.get()) is not None:
                self._connection.send_bytes(data)
        with suppress(OSError):
            self._connection.close()
