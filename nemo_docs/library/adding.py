"""Files of the queue on their way into the library: claimed in order, read several at once, written by one.

Documents get their handles in the order in which the files stand in the queue, whichever is read first: a file begins
when those before it have. Pages are committed a few at a time, at most a fifth of a second after they came, so that a
crash keeps what was read, and writing does not wait for the disk page by page. A file that another process has claimed,
or whose bytes are being read under another name or are about to be replaced there, waits until that is done.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from nemo_docs.errors import LibraryError, NemoDocsError, NoTextLayer, NothingFound, Unreadable
from nemo_docs.library.adding_queue import FileState
from nemo_docs.library.claims import Claims
from nemo_docs.library.clean import clean_line
from nemo_docs.library.crew import Crew, Ended, Looked, Message, Reading
from nemo_docs.library.events import (
    FileDone,
    FileFailed,
    FileSkipped,
    FileStarted,
    FileStopped,
    IngestEvent,
    PageDone,
)
from nemo_docs.library.extraction import Opened, RawPage
from nemo_docs.library.languages import UNKNOWN
from nemo_docs.library.preparing import in_language
from nemo_docs.library.readers import tesseract
from nemo_docs.library.records import PageStatus, VersionStatus
from nemo_docs.library.store import Library
from nemo_docs.library.versions import NewPage, Version

COMMIT_S = 0.2
"""Pages are committed this long after they came, at the latest."""
_LOOK_S = 0.25
"""How often it is looked whether files are still wanted, and whether others are done with theirs."""


@dataclass(eq=False)
class _File:
    """A claimed file, as far as it is."""

    reading: Reading
    collections: tuple[str, ...]
    messages: deque[Message] = field(default_factory=deque)
    sha256: str = ""
    version: Version | None = None
    resumed_at: int = 1
    language: str = UNKNOWN
    """Of the last page that has text."""
    is_new_version: bool = False
    is_tagged: bool = False
    is_settled: bool = False
    """Whether all has been told of it; what it says from then on is of no interest."""

    @property
    def path(self) -> str:
        return self.reading.path

    @property
    def handle(self) -> str:
        return self.version.handle if self.version else ""


class Adding:
    """Works off files of the queue.

    Args:
        library: Open for writing.
        claims: On its queue.
        crew: Who reads.
        workers: How many files the crew reads at once.
        files: Absolute paths in order, each with the collections that its document is put into.
    """

    def __init__(
        self, library: Library, claims: Claims, crew: Crew, workers: int, files: Mapping[str, Sequence[str]]
    ) -> None:
        self._library, self._claims, self._crew, self._workers = library, claims, crew, workers
        self._collections = {path: tuple(names) for path, names in files.items()}
        self._waiting = deque(files)
        self._places = {path: place for place, path in enumerate(files, 1)}
        self._later: dict[str, Callable[[], bool]] = {}
        """Files that cannot be added yet, each with the question whether that is still so."""
        self._told: set[str] = set()
        self._running: list[_File] = []
        self._pages: list[tuple[_File, NewPage]] = []
        """Not committed yet."""
        self._commit_at = self._look_at = 0.0

    def events(self) -> Generator[IngestEvent, None, None]:
        """Work until all files are settled. What was committed stays if the iterator is closed.

        Raises:
            LibraryError: If the library cannot be written.
        """
        while self._waiting or self._later or self._running:
            yield from self._claim()
            yield from self._take()
            if self._pages and time.monotonic() >= self._commit_at:
                yield from self._commit()
            if time.monotonic() >= self._look_at:
                yield from self._look()

    def _claim(self) -> Iterator[IngestEvent]:
        """Give the crew as many files as it can read at once."""
        while self._waiting and len(self._running) < self._workers:
            path = self._waiting.popleft()
            claimed = self._claims.take(path)
            if claimed is None:
                yield from self._settled_elsewhere(path)
                continue
            if path not in self._told:
                self._told.add(path)
                yield FileStarted(path, self._places[path], len(self._places))
            file = _File(Reading(path), claimed.collections)
            self._running.append(file)
            self._crew.start(file.reading)

    def _settled_elsewhere(self, path: str) -> Iterator[IngestEvent]:
        """What became of a file that cannot be claimed."""
        item = self._claims.look(path)
        if item is not None and item.state in (FileState.RUNNING, FileState.WAITING):
            self._later[path] = lambda: False  # to ask is to try
            return
        if item is not None and item.state is FileState.FAILED:
            yield FileFailed(path, item.error, item.handle)
            return
        version = None if item else self._library.version_at(path)
        if version is not None and version.status is VersionStatus.COMPLETE:
            self._tag(version.handle, self._collections[path])
            yield FileSkipped(path, version.handle, version.title, version.path)
        else:
            yield FileStopped(path, version.handle if version else "")

    def _take(self) -> Iterator[IngestEvent]:
        """Wait for the next message, and for all that follows from it."""
        now = time.monotonic()
        until = min(self._look_at, self._commit_at if self._pages else now + _LOOK_S, now + _LOOK_S)
        said = self._crew.get(until - now if self._running or self._later else 0.0)
        if said is None:
            return
        reading, message = said
        next(file for file in self._running if file.reading is reading).messages.append(message)
        while file := next((file for file in self._running if file.messages and self._may(file)), None):
            message = file.messages.popleft()
            file.reading.taken()
            if not file.is_settled:
                yield from self._act(file, message)
            if isinstance(message, Ended):
                self._running.remove(file)

    def _may(self, file: _File) -> bool:
        """Whether it is its turn: contents are compared, and documents begun, in the order of the queue."""
        before = self._running[: self._running.index(file)]
        match file.messages[0]:
            case Looked():
                return all(other.sha256 or other.is_settled for other in before)
            case Opened():
                return all(other.version or other.is_settled for other in before)
        return True

    def _act(self, file: _File, message: Message) -> Iterator[IngestEvent]:
        try:
            match message:
                case Looked():
                    yield from self._looked(file, message)
                case Opened():
                    self._begin(file, message)
                case RawPage():
                    if not self._pages:
                        self._commit_at = time.monotonic() + COMMIT_S
                    assert message.ready is not None
                    page = in_language(message.ready, file.language)
                    file.language = page.language if page.status is PageStatus.OK else file.language
                    self._pages.append((file, page))
                case Ended(None):
                    yield from self._commit()
                    done = self._finish(file)
                    self._settle(file)
                    yield done
                case Ended(error):
                    yield from self._commit()
                    assert error is not None
                    raise error
        except LibraryError:
            raise
        except NemoDocsError as error:
            yield self._fail(file, error)

    def _looked(self, file: _File, looked: Looked) -> Iterator[IngestEvent]:
        """Its bytes are known: whether they are here already, and from which page on they are to be read."""
        if not self._claims.hold_bytes(file.path, looked.sha256):
            self._put_off(file, lambda: self._claims.are_held(looked.sha256))
            return
        file.sha256 = looked.sha256
        version = self._library.version(looked.sha256, file.path)
        if version is None:
            file.reading.go_on(1)
        elif version.status is not VersionStatus.COMPLETE:
            file.resumed_at = version.pages_read + 1
            file.language = self._library.last_language(version)
            file.reading.go_on(file.resumed_at)
        elif version.is_current and version.path != file.path and self._claims.is_claimed(version.path):
            known = version.path  # these bytes are there only until that file, which is being read, has others
            self._put_off(file, lambda: self._claims.is_claimed(known))
        elif version.is_current:
            if not os.path.exists(version.path):  # the file has moved
                self._library.move(version, file.path)
                version = replace(version, path=file.path)
            file.version = version
            self._settle(file)
            yield FileSkipped(file.path, version.handle, version.title, version.path)
        else:  # bytes that the path has had before are back
            file.version, file.is_new_version = version, True
            done = self._finish(file)
            self._settle(file)
            yield done

    def _begin(self, file: _File, opened: Opened) -> None:
        if opened.sha256 != file.sha256:
            name = clean_line(os.path.basename(file.path))
            raise Unreadable(f"{name} changed while it was read.", hint="Add it again.")
        title = clean_line(os.path.basename(file.path)) or "untitled"
        file.version = self._library.start_version(path=file.path, title=title, sha256=file.sha256, pages=opened.pages)
        file.is_new_version = not file.version.is_current

    def _commit(self) -> Iterator[IngestEvent]:
        """Write the pages that have come; then tell of them."""
        pages, self._pages = self._pages, []
        if not pages:
            return
        written = self._library.add_pages([(file.version, page) for file, page in pages if file.version])
        for (file, page), is_new in zip(pages, written, strict=True):
            self._tag_once(file)
            if is_new and file.version and not file.is_settled:
                characters = len(page.text.text) if page.text else 0
                yield PageDone(
                    file.path, file.handle, file.version.title, page.number, file.version.pages, page.status, characters
                )

    def _look(self) -> Iterator[IngestEvent]:
        """See to what others have done meanwhile."""
        self._look_at = time.monotonic() + _LOOK_S
        for path, is_blocked in [*self._later.items()]:
            if not is_blocked():
                del self._later[path]
                self._waiting.append(path)
        files = {file.path: file for file in self._running if not file.is_settled}
        for path in self._claims.unwanted(files):
            yield from self._commit()
            self._claims.give_up(path)
            self._drop(files[path])
            yield FileStopped(path, files[path].handle)

    def _put_off(self, file: _File, is_blocked: Callable[[], bool]) -> None:
        """Look at a file again when what it waits for is done; its thread is free for another."""
        self._claims.give_up(file.path)
        self._later[file.path] = is_blocked
        self._drop(file)

    def _settle(self, file: _File) -> None:
        """It is in the library: nothing more is to be done."""
        self._tag_once(file)
        self._claims.done(file.path)
        self._drop(file)

    def _fail(self, file: _File, error: NemoDocsError) -> FileFailed:
        self._tag_once(file)
        self._claims.fail(file.path, error, file.handle)
        self._drop(file)
        return FileFailed(file.path, error, file.handle)

    def _drop(self, file: _File) -> None:
        file.is_settled = True
        file.reading.stop()

    def _tag_once(self, file: _File) -> None:
        if file.handle and not file.is_tagged:
            self._tag(file.handle, file.collections)
            file.is_tagged = True

    def _tag(self, handle: str, names: Sequence[str]) -> None:
        with suppress(NothingFound):  # the document was removed meanwhile
            for name in names:
                self._library.tag(handle, name)

    def _finish(self, file: _File) -> FileDone:
        """Make the version current and say what it holds.

        Raises:
            NoTextLayer: If none of its pages has any text; the version stays, with its ledger.
            Unreadable: The same, where pages could not be read and may hold some.
            NothingFound: If the document has been removed meanwhile.
        """
        assert file.version is not None
        finished = self._library.finish(file.version)
        if finished is None:
            raise NothingFound(f"{file.version.title} was removed while it was read.", hint="Add it again to have it.")
        if finished.pages_without_text == finished.pages and finished.pages_failed:
            raise Unreadable(
                f"{finished.title} gave no text: {finished.pages_failed} of {finished.pages} pages could not be read.",
                hint=f"It is kept as {finished.handle}; `nemo-docs pages {finished.handle}` says for each page why.",
            )
        if finished.pages_without_text == finished.pages:
            raise NoTextLayer(
                f"{finished.title} has no text layer: no text on any of its pages ({finished.pages}).",
                hint=f"It is kept as {finished.handle}. {_scan_hint(finished.handle)}",
            )
        return FileDone(
            path=file.path,
            handle=finished.handle,
            title=finished.title,
            pages=finished.pages,
            pages_without_text=finished.pages_without_text,
            characters=finished.characters,
            language=finished.language,
            resumed_at=file.resumed_at,
            is_new_version=file.is_new_version,
        )


def _scan_hint(handle: str) -> str:
    if tesseract.find():
        return "OCR is off, or found no text in its pictures: see `nemo-docs config ocr`."
    return f"{tesseract.how_to_install()} Then run `nemo-docs pages {handle} --redo all --with ocr`."
