"""One question and what became of it: quotes as they come, the answer, what was read.

A turn runs its own job. Events are gathered as they arrive and shown at most twenty times a second, and more seldom
once showing is slow, as it is for a very long answer: drawing never takes more than a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from nemo_docs.answering.events import (
    Answer,
    AnswerEvent,
    Citation,
    Failed,
    Plan,
    Progress,
    QuoteClose,
    QuoteOpen,
    QuoteText,
    Text,
    Warn,
)
from nemo_docs.errors import NemoDocsError
from nemo_docs.library.records import Turn as Kept
from nemo_docs.library.records import TurnId
from nemo_docs.plain import printable
from nemo_docs.tui.coalesce import coalesced
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.progress import progress_line
from nemo_docs.tui.widgets.quote_block import QuoteBlock
from nemo_docs.tui.widgets.turn_menu import TurnMenu

if TYPE_CHECKING:
    from nemo_docs.tui.widgets.answer_text import AnswerText

SHOWINGS_A_SECOND = 20
SHARE_OF_TIME = 0.1
"""That showing may take."""
ENDINGS = {
    "length": "The answer was cut at the longest that was allowed.",
    "repetition": "The model began to repeat itself and was stopped.",
    "cancelled": "Stopped. What was found until then is kept.",
}
"""What to tell of an answer that did not end by itself, where no warning has told it: none is kept with an answer."""
REMOVED = "The answer went with what it came from: document {} was removed from the library."
UNANSWERED = "This question was not answered: the program ended before, or the answer failed."
KEEPING_S = 10.0
"""That an answer waits for its question to be kept, while another process writes."""


class TurnState(StrEnum):
    """How far a turn is."""

    WAITING = "waiting"
    """Others run before it."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It was asked to stop and has not yet."""
    DONE = "done"
    """With an answer, whole or stopped."""
    FAILED = "failed"
    """With an error; the question can be asked again."""


class Question(Static, can_focus=True):
    """The question, as it was asked. To focus it is to choose its turn."""


class Turn(Widget):
    """A question and its answer.

    Args:
        desk: What the app works on.
        question: What was asked.
        handles: The documents asked about; empty for all.
    """

    DEFAULT_CSS = """
    Turn {
        layout: vertical;
        height: auto;
        margin-bottom: 1;
        & > Question {
            height: auto;
            max-height: 12;
            margin-bottom: 1;
            padding: 0 1;
            border-left: outer $primary;
            text-style: bold;
            &:focus {
                background: $foreground 8%;
            }
            &:ansi:focus {
                text-style: bold reverse;
            }
        }
        & > .quotes {
            height: auto;
        }
        & > .note {
            height: auto;
            padding: 0 1 0 2;
            color: $text-muted;
            &.warning { color: $text-warning; }
            &.error { color: $text-error; }
            &.-nothing { display: none; }
        }
    }
    """

    state: reactive[TurnState] = reactive(TurnState.WAITING)

    class Ended(Message):
        """A turn is over, however."""

        def __init__(self, turn: Turn) -> None:
            super().__init__()
            self.turn = turn

    class QuoteFound(Message):
        """A quote is whole."""

        def __init__(self, turn: Turn, block: QuoteBlock) -> None:
            super().__init__()
            self.turn, self.block = turn, block

    def __init__(self, desk: Desk, question: str, handles: Sequence[str] = ()) -> None:
        super().__init__()
        self.question, self.handles = question, tuple(handles)
        self.text = ""
        self.answer: Answer | None = None
        self.error: NemoDocsError | None = None
        self.read: frozenset[str] = frozenset()
        """Handles of the documents that the answer came from."""
        self._desk = desk
        self._job: Job[AnswerEvent] | None = None
        self._keeping: Job[None] | None = None
        self._kept_as: TurnId | None = None
        self._is_over = False
        """Whether it was over when it was made: kept, and shown again."""
        self._events: list[AnswerEvent] = []
        self._progress: Progress | None = None
        self._plan = self._doing = ""
        self._began = self._show_next = 0.0
        self._quotes = Vertical(classes="quotes")
        self._answer_text: AnswerText | None = None
        self._note = Static(classes="note", markup=False)

    @classmethod
    def from_kept(cls, desk: Desk, kept: Kept) -> Turn:
        """A turn that is over, as it was kept."""
        turn = cls(desk, kept.question, kept.scope)
        turn._is_over = True
        if kept.answer is not None:
            from nemo_docs.tui.stored import answer_of

            answer = answer_of(kept.answer)
            turn._events = [*map(QuoteClose, answer.citations), Text(answer.text), answer]
            turn.read = frozenset(kept.documents)
        elif kept.removed:
            turn._events = [Warn(REMOVED.format(", ".join(kept.removed)))]
        else:
            turn._events = [Warn(UNANSWERED)]
        return turn

    @property
    def blocks(self) -> list[QuoteBlock]:
        """Its quotes, in order."""
        return [*self._quotes.query_children(QuoteBlock)]

    @property
    def citations(self) -> list[Citation]:
        """Its quotes, as far as they are whole."""
        return [block.citation for block in self.blocks if block.citation]

    @property
    def is_busy(self) -> bool:
        """Whether it is running, or stopping."""
        return self.state in {TurnState.RUNNING, TurnState.STOPPING}

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in {TurnState.DONE, TurnState.FAILED}

    def compose(self) -> ComposeResult:
        """The question; quotes, answer and notes come below it."""
        yield Question(printable(self.question, lines=True), markup=False)
        yield self._quotes
        yield self._note

    async def on_mount(self) -> None:
        """Show an answer that was kept, or keep the question, so that whatever happens it is not lost."""
        if self._is_over:
            await self._show_events()
            await self._end(None)
        else:
            self._keeping = Job(self, "keeping the question", self._keep).start()

    def _keep(self, _cancelled: Cancelled) -> Iterator[None]:
        self._kept_as = self._desk.keep_question(self.question, self.handles)
        yield from ()

    def start(self) -> None:
        """Begin to answer."""
        keeping = self._keeping

        def events(cancelled: Cancelled) -> Iterator[AnswerEvent]:
            import nemo_docs.tui.widgets.answer_text  # noqa: F401  # here, where nobody waits for it

            if keeping is not None:
                keeping.join(KEEPING_S)
            yield from self._desk.ask(self.question, self.handles, cancelled, self._kept_as)

        self.state = TurnState.RUNNING
        self._began = monotonic()
        self._job = Job(self, f"answering: {self.question}", events).start()
        # A timer's callback runs in the timer's own task, and would be cut off in the middle when it is stopped.
        self._timer = self.set_interval(1 / SHOWINGS_A_SECOND, partial(self.call_later, self._show_events))

    def stop(self) -> None:
        """Stop the answer, or do not begin it."""
        if self._job is None:
            self._tell("Not asked: it was stopped while it waited.")
            self.state = TurnState.DONE
            self.mount(TurnMenu(is_answered=False))
        else:
            self._job.cancel()
            self.state = TurnState.STOPPING

    def watch_state(self, state: TurnState) -> None:
        """Tell those who cannot start yet."""
        if state is TurnState.WAITING and not self._is_over:
            self._tell("Waiting for the answer before.")
        self.set_class(self.is_busy, "-busy")

    def on_job_event(self, message: JobEvent) -> None:
        """Something to show, soon."""
        message.stop()
        self._events.append(message.event)  # type: ignore[arg-type]  # our job's own

    def on_answer_text_mark_clicked(self, message: AnswerText.MarkClicked) -> None:
        """Go to the quote that a mark means."""
        message.stop()
        if block := self._block(message.marker):
            block.focus()

    async def on_job_ended(self, message: JobEnded) -> None:
        """Show the rest, and how it ended."""
        message.stop()
        if message.job is self._keeping:
            if message.error:
                await self._add_note(f"Note: this question is not kept: {message.error.message}", "warning")
            return
        self._timer.stop()
        self._show_next = 0.0
        await self._show_events()
        await self._end(message.error)
        self.post_message(self.Ended(self))

    async def _show_events(self) -> None:
        began = monotonic()
        if began < self._show_next:
            return
        events, self._events = coalesced(self._events), []
        for event in events:
            await self._show(event)
        if self.is_busy:
            self._tell_progress()
        self._show_next = monotonic() + (monotonic() - began) * (1 / SHARE_OF_TIME - 1)

    async def _show(self, event: AnswerEvent) -> None:
        match event:
            case Plan():
                from nemo_docs.answering.render import plan_line

                self._plan = f"{printable(plan_line(event))}\n"
                self.read = frozenset(handle for note in event.windows for handle in note.document.split(","))
            case Progress():
                self._progress = event
            case QuoteOpen():
                await self._quotes.mount(QuoteBlock(event))
                self._doing = "Quoting"
            case QuoteText():
                if block := self._block(event.marker):
                    block.add(event.text)
            case QuoteClose():
                await self._close(event.citation)
            case Text():
                await self._write(event.text)
                self._doing = "Writing"
            case Warn():
                await self._add_note(f"Note: {event.message}", "warning")
            case Failed():
                await self._fail(event.message, event.hint)
            case Answer():
                self.answer = event

    async def _close(self, citation: Citation) -> None:
        if (block := self._block(citation.marker)) is None:
            block = QuoteBlock(QuoteOpen(citation.marker, citation.document, citation.title, citation.spans[0].page))
            await self._quotes.mount(block)
        block.close(citation)
        self._doing = ""
        if self._job:  # not for a kept answer, which nobody is waiting for
            self.post_message(self.QuoteFound(self, block))

    def _block(self, marker: int) -> QuoteBlock | None:
        return next((block for block in self.blocks if block.marker == marker), None)

    async def _write(self, text: str) -> None:
        if self._answer_text is None:
            from nemo_docs.tui.widgets.answer_text import AnswerText

            self._answer_text = AnswerText()
            await self.mount(self._answer_text, after=self._quotes)
        self.text += text
        await self._answer_text.add(text)

    def _tell_progress(self) -> None:
        """Say what is going on; the seconds show that it is alive."""
        doing = "Stopping" if self.state is TurnState.STOPPING else self._doing or progress_line(self._progress)
        self._tell(f"{self._plan}{doing} · {monotonic() - self._began:.0f} s")

    def _tell(self, text: str) -> None:
        if str(self._note.content) != text:
            self._note.update(text)
        self._note.set_class(not text, "-nothing")

    async def lose(self, handles: Sequence[str]) -> None:
        """Take the answer away: these documents, from which it came, were removed."""
        self.text, self.answer, self.read = "", None, frozenset()
        await self._quotes.remove_children()
        if self._answer_text is not None:
            await self._answer_text.remove()
            self._answer_text = None
        await self._add_note(REMOVED.format(", ".join(handles)), "warning")
        self._tell("")

    async def _add_note(self, text: str, kind: str) -> None:
        await self.mount(Static(printable(text), classes=f"note {kind}", markup=False), before=self._note)

    async def _fail(self, message: str, hint: str) -> None:
        self.state = TurnState.FAILED
        await self._add_note(" ".join(part for part in (message, hint) if part), "error")

    async def _end(self, error: NemoDocsError | None) -> None:
        self.error = error
        if error:
            await self._fail(error.message, error.hint)
        if self.answer:
            from nemo_docs.answering.render import coverage_line

            ending = ENDINGS.get(self.answer.finish)
            if ending and (self._job is None or self.answer.finish == "cancelled"):
                await self._add_note(ending, "ending")
            self._tell(coverage_line(self.answer))
        else:
            self._tell("Stopped." if self.state is TurnState.STOPPING else "")
        if self.state is not TurnState.FAILED:
            self.state = TurnState.DONE
        await self.mount(TurnMenu(is_answered=bool(self.text or self.citations)))
