"""What the app works on, without any widget: the library (`Shelf`), the model, the conversation.

Every method blocks and is called from a job's thread. Texts of documents are kept between questions, by version.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nemo_docs.library.records import Turn, TurnId, VersionStatus
from nemo_docs.settings import Configuration
from nemo_docs.tui.shelf import Shelf

if TYPE_CHECKING:
    from nemo_docs.answering.events import AnswerEvent
    from nemo_docs.answering.fit import Fit, Memory, Share
    from nemo_docs.answering.queue_events import QueueEvent
    from nemo_docs.answering.source import Source
    from nemo_docs.backends.local import LocalBackend
    from nemo_docs.library.conversations import Conversations
    from nemo_docs.library.meaning.indexing import MeaningEvent
    from nemo_docs.library.reader import LibraryReader
    from nemo_docs.library.reading_queue import ReadingQueue
    from nemo_docs.tui.jobs.job import Cancelled


class Desk(Shelf):
    """The library, and a model that is asked about it.

    Args:
        configuration: The settings and where they came from.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._lock = threading.Lock()
        self._backend: LocalBackend | None = None
        self._asking = 0
        """How many wait for an answer, or for the model to be loaded."""
        self._counted: object = None
        """What the fit was last counted for."""
        self._conversation: int | None = None
        """The one that questions go on; None begins another."""
        self._sources: dict[str, tuple[str, Source]] = {}
        """By handle: the version and how much of it was there, and its texts. Older ones are let go."""

    @property
    def configuration(self) -> Configuration:
        """The settings and where they came from. New ones hold from the next question on, another model too."""
        return self._configuration

    @configuration.setter
    def configuration(self, configuration: Configuration) -> None:
        from nemo_docs.settings import MODEL_SETTINGS

        with self._lock:
            before, self._configuration = self._configuration.settings, configuration
            if any(getattr(before, name) != getattr(configuration.settings, name) for name in MODEL_SETTINGS):
                self._backend = None

    def backend(self) -> LocalBackend:
        """The model that the settings name; its weights are loaded when it is first asked.

        Raises:
            ModelError: If it cannot be opened.
        """
        with self._lock:
            if self._backend is None:
                from nemo_docs.backends.opening import open_backend

                paths = self.configuration.paths
                self._backend = open_backend(
                    self.configuration.settings, models=paths.models, state=paths.state, kv=paths.kv
                )
            return self._backend

    def ready(self, cancelled: Cancelled) -> None:
        """Load the model, or wait for whoever is loading it. Returns early when cancelled.

        Raises:
            ModelError: If it cannot be loaded.
        """
        with self._asked():
            self.backend().ready(cancelled)

    def sources(self, library: LibraryReader, handles: Sequence[str]) -> list[Source]:
        """The texts of some documents, or of all where none is named; kept for the next question.

        Raises:
            NothingFound: If there is no document, or none has text.
        """
        from nemo_docs.answering.gather import gather
        from nemo_docs.errors import NothingFound

        there = library.documents()
        for gone in [*self._sources.keys() - {each.handle for each in there}]:  # what was removed stays nowhere
            self._sources.pop(gone, None)
        documents = [each for each in there if not handles or each.handle in handles]
        if not documents:
            raise NothingFound("The library is empty.", hint="Drop a file, or type its path.")
        found = []
        for document in documents:
            state = f"{document.sha256} {document.pages_read} {document.edition}"
            known, source = self._sources.get(document.handle, ("", None))
            if source is None or known != state:
                pages = frozenset(range(1, document.pages + 1))
                try:
                    (now,) = gather(library, [(document, pages)])
                except NothingFound:
                    continue
                if source is not None:
                    now.take_counts(source)
                source = now
                self._sources[document.handle] = (state, source)
            found.append(source)
        if not found:
            raise NothingFound("None of these documents holds any text.", hint="Choose others.")
        return found

    def keep_question(self, question: str, handles: Sequence[str]) -> TurnId:
        """Keep a question in the conversation, before it is answered.

        Raises:
            LibraryError: If it cannot be written.
        """
        with self._lock:
            kept = self._conversations().begin_turn(self._conversation, question, handles)
            self._conversation = kept.conversation
        return kept

    def kept_turns(self) -> list[Turn]:
        """The conversation that was last worked on, which goes on from here."""
        conversations = self._conversations()
        with self._lock:
            self._conversation = conversations.latest()
            return [] if self._conversation is None else conversations.turns(self._conversation)

    def begin_conversation(self) -> None:
        """Let the next question begin another conversation; this one stays in the library."""
        with self._lock:
            self._conversation = None

    def forget_conversation(self) -> None:
        """Delete the conversation, questions, answers and all.

        Raises:
            LibraryError: If it cannot be written.
        """
        with self._lock:
            if self._conversation is not None:
                self._conversations().forget(self._conversation)
            self._conversation = None

    def _conversations(self) -> Conversations:
        from nemo_docs.library.conversations import Conversations

        return Conversations(self.configuration.paths.library)

    def ask(
        self, question: str, handles: Sequence[str], cancelled: Cancelled, kept_as: TurnId | None = None
    ) -> Iterator[AnswerEvent]:
        """Answer a question about some documents, or all where none is named.

        Args:
            question: What to answer.
            handles: Documents; none means all.
            cancelled: Whether the answer is no longer wanted.
            kept_as: The question as it was kept, so that its answer is, too.
        """
        from nemo_docs.answering.keeping import kept

        events = self._answered(question, handles, cancelled)
        if kept_as is None:
            yield from events
            return

        def finish(answer: Mapping[str, Any] | None, state: str, read: tuple[str, ...]) -> None:
            self._conversations().finish_turn(kept_as, answer, state, read=read)

        yield from kept(events, finish)

    def _answered(self, question: str, handles: Sequence[str], cancelled: Cancelled) -> Iterator[AnswerEvent]:
        from nemo_docs.answering.ask import Options, ask
        from nemo_docs.answering.gather import searched
        from nemo_docs.answering.tidying import tidied
        from nemo_docs.engine.protocol import Sampling

        settings = self.configuration.settings
        options = Options(
            window=settings.window,
            budget_s=settings.budget,
            answer_tokens=settings.answer_tokens,
            language=settings.language,
            sampling=Sampling(settings.temperature, settings.top_p, settings.seed),
        )
        with self._asked(), self.reader() as library:
            sources = self.sources(library, handles)
            found = searched(library, sources, question)
            events = ask(question, sources, found, self.backend(), options, cancelled)
            labels, paths = {source.sha256 for source in sources}, self.configuration.paths
            yield from tidied(events, labels, library=paths.library, kv=paths.kv, let_go=self._let_go)

    def queue(self) -> ReadingQueue:
        """The documents that wait to be read through the model."""
        from nemo_docs.library.reading_queue import ReadingQueue

        return ReadingQueue(self.configuration.paths.library)

    def read_queue(self, cancelled: Cancelled) -> Iterator[QueueEvent]:
        """Read through the model what waits in the queue, and let go of the model while a question is answered."""
        from nemo_docs.answering.queued import read_queue
        from nemo_docs.answering.tidying import tidied

        labels: set[str] = set()

        def sources(handles: Sequence[str]) -> list[Source]:
            with self.reader() as library:
                found = self.sources(library, handles)
            labels.update(source.sha256 for source in found)
            return found

        settings, paths = self.configuration.settings, self.configuration.paths
        events = read_queue(
            paths.library,
            sources,
            self.backend(),
            state=paths.state,
            window=settings.window,
            answer_tokens=settings.answer_tokens,
            cancelled=cancelled,
            held=lambda: self._asking > 0,
        )
        yield from tidied(events, labels, library=paths.library, kv=paths.kv, let_go=self._let_go)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """What is done in the block comes before reading."""
        with self._lock:
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1

    def shares(self, handles: Sequence[str], cancelled: Cancelled) -> Iterator[tuple[Share, ...]]:
        """How much of some documents is read.

        Raises:
            NothingFound: If none of them holds any text.
            ModelError: If the model cannot be opened.
        """
        from nemo_docs.answering.fit import fit

        settings = self.configuration.settings
        with self.reader() as library:
            sources = self.sources(library, handles)
        for each in fit(
            sources,
            self.backend(),
            window=settings.window,
            answer_tokens=settings.answer_tokens,
            budget_s=settings.budget,
            cancelled=cancelled,
        ):
            if each.is_whole:
                yield each.shares

    def fit(self, handles: Sequence[str], cancelled: Cancelled, *, only_if_changed: bool = False) -> Iterator[Fit]:
        """Say what a question about some documents would cost, or about all where none is named.

        Args:
            handles: Documents; none means all.
            cancelled: Whether it is no longer wanted.
            only_if_changed: Whether to say nothing if these documents are what they were when they were last counted.

        Raises:
            NothingFound: If there is no document, or none has text.
            ModelError: If the model cannot be opened.
            ContextExceeded: If the settings leave no room for a document.
        """
        from nemo_docs.answering.fit import fit
        from nemo_docs.errors import NothingFound

        settings = self.configuration.settings
        with self.reader() as library:
            asked = [each for each in library.documents() if not handles or each.handle in handles]
            # one that pages still come into would be counted anew with every page
            whole = [each.handle for each in asked if each.status is VersionStatus.COMPLETE]
            versions = (tuple(handles), tuple((each.handle, each.sha256, each.status, each.edition) for each in asked))
            if only_if_changed and versions == self._counted:
                return
            self._counted = None
            if asked and not whole:
                raise NothingFound("This is still being read into the library.", hint="Then its tokens are counted.")
            sources = self.sources(library, whole)
        if cancelled():
            return
        for each in fit(
            sources,
            self.backend(),
            window=settings.window,
            answer_tokens=settings.answer_tokens,
            budget_s=settings.budget,
            memory=self._memory(),
            documents_without_text=max(0, len(whole) - len(sources)),
            cancelled=cancelled,
        ):
            yield replace(each, documents_half_read=len(asked) - len(whole))
        if not cancelled():
            self._counted = versions

    def _memory(self) -> Memory | None:
        """What the model takes by the engine's plan, or by what its plan would most likely be."""
        from nemo_docs.answering.fit import Memory

        plan = self.backend().memory_plan
        if plan is None:
            return None
        fixed = plan.weights_bytes + plan.workspace_bytes
        return Memory(fixed, plan.kv_bytes_per_token, plan.free_bytes, plan.device, plan.way)

    def index_by_meaning(self, cancelled: Cancelled) -> Iterator[MeaningEvent]:
        """Let all pages be found by meaning, where that is installed; it rests while a question is answered.

        Raises:
            NemoDocsError: As `meaning.indexing.index` says.
        """
        from nemo_docs.library.meaning import model
        from nemo_docs.library.meaning.indexing import index

        if model.absence():
            return
        with self.reader() as library:
            if not library.lacks_meaning():
                return
        paths, threads = self.configuration.paths, self.configuration.settings.threads
        yield from index(
            paths.library, state=paths.state, threads=threads, cancelled=cancelled, held=lambda: self._asking > 0
        )

    def remove(self, handle: str) -> None:
        """Take a document out of the library, with all that was read of it.

        Raises:
            NemoDocsError: As `answering.removing.remove` says.
        """
        from nemo_docs.answering.removing import remove

        paths = self.configuration.paths
        remove(handle, library=paths.library, kv=paths.kv, let_go=self._let_go)

    def _let_go(self, labels: Set[str]) -> None:
        """Have the engine that all share forget these texts, or the one in this process."""
        from nemo_docs.backends.forgetting import let_go

        configuration = self.configuration
        let_go(labels, configuration.settings, state=configuration.paths.state)
        with self._lock:
            backend = self._backend
        if backend is not None and configuration.settings.in_process:
            backend.forget(labels)
