"""Reading through the queue: one program at a time, document by document, until nothing waits.

Whoever reads holds a lock; another one waits for it and goes on where that one ended, so a killed reader is replaced.
Changes to the queue hold within a moment: what is paused, dropped or removed stops being read, what is wanted first is
read first, and nothing is read twice, because every finished chunk is kept. A question goes first: while one is being
answered here, reading lets go of the model.

Documents are read one by one; where the user has chosen the size of windows, so that whole documents share them, those
of one batch are read together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nemo_docs.answering.events import Progress, Warn
from nemo_docs.answering.preread import read_window
from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.queue_events import DocumentRead, NotRead, QueueEvent, ReadingBegan, ReadingStopped, Waiting
from nemo_docs.answering.reading import cut, window_limit
from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import Window
from nemo_docs.backends.base import Backend, Cancelled, never
from nemo_docs.engine.protocol import Finished
from nemo_docs.errors import EngineStopped, LibraryError, NemoDocsError, NothingFound
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.reading_queue import QueuedDocument, QueueState, ReadingQueue
from nemo_docs.library.turns import is_taken, turn
from nemo_docs.paths import private_folder

LOOK_S = 0.25
"""How often somebody who reads looks what has become of the queue, and somebody who waits whether it is his turn."""
_HELD_LOOK_S = 0.02
Sources = Callable[[Sequence[str]], list[Source]]
"""The texts of documents by their handles."""


def is_being_read(state: Path) -> bool:
    """Whether some program reads the queue now.

    Args:
        state: The folder of state.
    """
    if not state.is_dir():
        return False
    lock = turn(state / "reading.lock")
    if is_taken(lock):
        lock.release()
        return False
    return True


def read_queue(
    library: Path,
    sources: Sources,
    backend: Backend,
    *,
    state: Path,
    window: int | None = None,
    answer_tokens: int = 0,
    cancelled: Cancelled = never,
    held: Cancelled = never,
) -> Iterator[QueueEvent]:
    """Read what waits in the queue until nothing does; what comes meanwhile, too.

    Args:
        library: The database.
        sources: Gives the texts of some documents.
        backend: Who reads.
        state: The folder of state, where the lock is.
        window: Tokens in a window; None for the size that the model reads well.
        answer_tokens: The longest answer of the questions to come.
        cancelled: Asked often; once it says True the reading ends.
        held: Asked often; while it says True reading lets go of the model.

    Raises:
        ModelError: If the model cannot be loaded.
        EngineStopped: If the engine ends; the queue is as it was.
        ContextExceeded: If the settings leave no room for any document.
        LibraryError: If the library cannot be used.
    """
    queue = ReadingQueue(library)
    lock = turn(private_folder(state) / "reading.lock")
    is_told = False
    while _next(queue.items(), None) and not cancelled():
        if not is_taken(lock):
            if not is_told:
                yield Waiting("reader")
            is_told = True
            time.sleep(LOOK_S)
            continue
        try:
            limit = window_limit(backend, window, answer_tokens)
            yield Progress("loading")
            backend.ready(cancelled)
            while (items := _next(queue.items(), window)) and not cancelled():
                yield from _Reading(library, items, backend, window, cancelled, held).events(sources, limit)
        finally:
            lock.release()


class _Reading:
    """Documents of the queue that are read now."""

    def __init__(
        self,
        library: Path,
        items: Sequence[QueuedDocument],
        backend: Backend,
        window: int | None,
        cancelled: Cancelled,
        held: Cancelled,
    ) -> None:
        self._library, self._queue, self._items = library, ReadingQueue(library), items
        self._backend, self._window, self._cancelled, self._held = backend, window, cancelled, held
        self._handles = [item.handle for item in items]
        self._preamble_tokens = len(Prompts(backend.template, backend.tokenizer).preamble)
        self._names = {"document": ", ".join(self._handles), "title": items[0].title}
        self._looked, self._is_wanted = time.monotonic(), True
        self._latest: dict[int, Progress] = {}
        """How far each window is."""
        self._before: dict[int, int] = {}
        """Tokens of each window that were cached when it was first looked at."""
        self._warned: set[Warn] = set()

    def events(self, sources: Sources, limit: int) -> Iterator[QueueEvent]:
        """Read them, and take them out of the queue."""
        waiting = sum(item.is_next for item in self._queue.items()) - len(self._items)
        yield ReadingBegan(**self._names, waiting=waiting, batch=self._items[0].batch)
        began = time.perf_counter()
        try:
            yield Progress("planning")
            windows = cut(sources(self._handles), self._backend, limit, pack=self._window is not None)
            is_read = yield from self._read(windows)
        except (EngineStopped, LibraryError):
            raise
        except NemoDocsError as error:
            yield self._failed(error)
            return
        if not is_read:
            yield self._stopped()
            return
        self._queue.remove(self._handles)
        yield DocumentRead(
            **self._names,
            windows=len(windows),
            tokens=sum(each.tokens for each in self._latest.values()),
            tokens_cached=sum(self._before.values()),
            seconds=round(time.perf_counter() - began, 3),
        )

    def _read(self, windows: Sequence[Window]) -> Generator[QueueEvent, None, bool]:
        """Read the windows; returns whether all of them are read."""
        number, clock = 1, _Clock(windows, self._backend.reading_speed)
        while number <= len(windows):
            if self._held():
                yield Waiting("question")
                while self._held() and not self._is_over():
                    time.sleep(_HELD_LOOK_S)
            if self._is_over():
                return False
            finished = yield from self._read_one(windows, number, clock)
            if finished is None or finished.reason == "done":
                number += 1
        return True

    def _read_one(
        self, windows: Sequence[Window], number: int, clock: _Clock
    ) -> Generator[Progress | Warn, None, Finished | None]:
        reading = read_window(windows, number, self._backend, lambda: self._held() or self._is_over())
        clock.begin()
        while True:
            try:
                progress = next(reading)
            except StopIteration as end:
                finished: Finished | None = end.value
                return finished
            if isinstance(progress, Warn):
                if progress not in self._warned:
                    self._warned.add(progress)
                    yield progress
                continue
            told = clock.timed(self._of_text(progress, windows[number - 1]))
            self._before.setdefault(number, told.tokens_cached)
            self._latest[number] = told
            yield told

    def _of_text(self, progress: Progress, window: Window) -> Progress:
        def text(tokens: int) -> int:
            return min(max(0, tokens - self._preamble_tokens), window.tokens)

        cached = text(progress.tokens_cached)
        return replace(progress, tokens=text(progress.tokens), tokens_total=window.tokens, tokens_cached=cached)

    def _is_over(self) -> bool:
        """Whether these are not to be read now, or not any more."""
        if self._cancelled():
            return True
        if time.monotonic() - self._looked >= LOOK_S:
            following = _next(self._queue.items(), self._window)
            self._looked, self._is_wanted = time.monotonic(), [each.handle for each in following] == self._handles
        return not self._is_wanted

    def _failed(self, error: NemoDocsError) -> NotRead:
        if isinstance(error, NothingFound) and not self._are_there():
            return self._removed()
        self._queue.fail(self._handles, f"{error.message} {error.hint}".strip())
        return NotRead(**self._names, message=error.message, hint=error.hint)

    def _stopped(self) -> ReadingStopped | NotRead:
        if not self._are_there():
            return self._removed()
        states = {item.handle: item.state for item in self._queue.items()}
        if self._cancelled():
            reason = "cancelled"
        elif any(handle not in states for handle in self._handles):
            reason = "dropped"
        elif any(states[handle] is not QueueState.WAITING for handle in self._handles):
            reason = "paused"
        else:
            reason = "later"
        tokens = sum(each.tokens for each in self._latest.values())
        return ReadingStopped(**self._names, reason=reason, tokens=tokens)

    def _are_there(self) -> bool:
        with LibraryReader(self._library) as library:
            return {document.handle for document in library.documents()}.issuperset(self._handles)

    def _removed(self) -> NotRead:
        return NotRead(**self._names, message="It was removed from the library before it was read.", hint="")


class _Clock:
    """Expects the time left of all windows from what the ones so far took.

    Args:
        windows: All of them.
        speed: Tokens a second, as far as it is known before.
    """

    def __init__(self, windows: Sequence[Window], speed: float | None) -> None:
        self._tokens = [window.tokens for window in windows]
        self._speed = speed
        self._computed, self._seconds = 0, 0.0
        self._before: tuple[int, float] | None = None
        """Tokens and time of the last progress."""

    def begin(self) -> None:
        """A window is begun, or gone on with: nothing was read since the last progress."""
        self._before = None

    def timed(self, progress: Progress) -> Progress:
        """The same, with the time left of this window and of those behind it."""
        now = time.perf_counter()
        if self._before is not None:
            tokens, then = self._before
            self._computed += progress.tokens - tokens
            self._seconds += now - then
        self._before = progress.tokens, now
        if self._computed:
            self._speed = self._computed / max(self._seconds, 1e-9)
        if self._speed is None:
            return replace(progress, seconds_left=None)
        here = progress.seconds_left
        if here is None:
            here = (progress.tokens_total - progress.tokens) / self._speed
        left = here + sum(self._tokens[progress.window :]) / self._speed
        return replace(progress, seconds_left=round(left, 1))


def _next(items: Sequence[QueuedDocument], window: int | None) -> list[QueuedDocument]:
    """The documents whose turn it is: one, or all of a batch that share windows."""
    waiting = [item for item in items if item.is_next]
    return [item for item in waiting if item.batch == waiting[0].batch] if window else waiting[:1]
