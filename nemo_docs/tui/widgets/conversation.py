"""Questions and answers, one below the other.

One question is answered at a time, because one model answers them all; further ones wait, and are seen to. The view
stays at the end while things are added, unless the user has scrolled away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from nemo_docs.actions import Pane
from nemo_docs.answering.events import Citation
from nemo_docs.library.records import Turn as Kept
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.copying import copied_answer, copied_citation
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.messages import CitationShown, ConversationChanged, CopyWanted, QuestionAsked, QuestionEdited
from nemo_docs.tui.widgets.quote_block import QuoteBlock
from nemo_docs.tui.widgets.turn import Question, Turn, TurnState
from nemo_docs.tui.widgets.turn_menu import TurnMenu

SHOWN_AGAIN = 30
"""Turns of the last conversation that are shown at start; the others are kept."""
WELCOME = """\
Ask a question below. The answer quotes your documents word for word, \
and each quote is shown where it stands.

Nothing that you add or ask leaves this machine."""


class Conversation(VerticalScroll, can_focus=True):
    """The conversation."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.CONVERSATION)]
    DEFAULT_CSS = """
    Conversation {
        scrollbar-size-vertical: 1;
        & > #turns {
            height: auto;
            min-height: 100%;  /* an anchored view of less than its height would hang from the bottom */
            padding: 1 1 0 1;
        }
        .welcome {
            color: $text-muted;
            padding: 0 2;
            max-width: 64;
        }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="conversation")
        self.desk = desk
        self._turns = Vertical(id="turns")
        self._lit: QuoteBlock | None = None
        self._has_chosen = False
        """Whether the user has chosen a quote since the last question was asked."""

    def compose(self) -> ComposeResult:
        """What it is for, until there is a turn."""
        with self._turns:
            yield Static(WELCOME, classes="welcome", markup=False)

    def on_mount(self) -> None:
        """Stay at the end; go on with the last conversation."""
        self.anchor()
        self._opening = Job(self, "opening the conversation", self._kept).start()

    def _kept(self, _cancelled: Cancelled) -> Iterator[list[Kept]]:
        yield self.desk.kept_turns()[-SHOWN_AGAIN:]

    async def on_job_event(self, message: JobEvent) -> None:
        """Show what was kept, unless something has been asked meanwhile."""
        message.stop()
        if message.job is self._opening and not self.turns:
            await self.restore(message.event)  # type: ignore[arg-type]  # our job's own

    async def on_job_ended(self, message: JobEnded) -> None:
        """The conversation is forgotten, or something could not be done."""
        message.stop()
        if message.error:
            self._say(f"{message.error.message} {message.error.hint}")
        elif message.job is not self._opening:
            await self.clear()

    @property
    def turns(self) -> list[Turn]:
        """All turns, oldest first."""
        return [*self._turns.query_children(Turn)]

    @property
    def is_busy(self) -> bool:
        """Whether a question is being answered."""
        return any(turn.is_busy for turn in self.turns)

    @property
    def current(self) -> Turn | None:
        """The turn that actions are about: the one with the focus, else the newest."""
        focused = self.screen.focused
        for node in focused.ancestors_with_self if focused else ():
            if isinstance(node, Turn):
                return node
        turns = self.turns
        return turns[-1] if turns else None

    async def ask(self, question: str, handles: Sequence[str]) -> None:
        """Answer a question, after those that wait already."""
        self._has_chosen = False
        await self._add(Turn(self.desk, question, handles))
        self._start_next()

    async def restore(self, kept: Sequence[Kept]) -> None:
        """Show turns that were kept."""
        if kept:
            await self._turns.query_children(".welcome").remove()
            await self._turns.mount_all([Turn.from_kept(self.desk, each) for each in kept])
            self.scroll_end(animate=False)
            self.post_message(ConversationChanged())

    async def begin_anew(self) -> None:
        """Let the next question begin another conversation."""
        self.desk.begin_conversation()
        await self.clear()

    async def clear(self) -> None:
        """Show no turn any more; what is under way is stopped."""
        for turn in self.turns:
            if not turn.is_over:
                turn.stop()
        self._lit = None
        await self._turns.remove_children()
        await self._turns.mount(Static(WELCOME, classes="welcome", markup=False))
        self.post_message(ConversationChanged())

    async def lose(self, present: Collection[str]) -> None:
        """Take away the answers that came from documents which the library does not have any more."""
        for turn in self.turns:
            if gone := sorted(turn.read.difference(present)):
                await turn.lose(gone)

    def cancel(self) -> bool:
        """Stop the answer that is running; once it is stopping, those that wait. Whether there was anything."""
        running = [turn for turn in self.turns if turn.is_busy]
        for turn in running:
            if turn.state is TurnState.RUNNING:
                turn.stop()
                return True
        waiting = [turn for turn in self.turns if turn.state is TurnState.WAITING]
        for turn in waiting:
            turn.stop()
        return bool(running or waiting)

    def light(self, block: QuoteBlock, *, is_chosen: bool) -> None:
        """Show a quote in its source.

        Args:
            block: The quote.
            is_chosen: Whether the user wants it, as opposed to its just having come.
        """
        if block.citation is None:
            return
        if self._lit:
            self._lit.is_lit = False
        self._lit, block.is_lit = block, True
        self._has_chosen = self._has_chosen or is_chosen
        turn = block.query_ancestor(Turn)
        self.post_message(CitationShown(block.citation, turn.citations, is_chosen=is_chosen))

    def on_turn_ended(self, message: Turn.Ended) -> None:
        """The next one may begin."""
        message.stop()
        self._start_next()
        self.post_message(ConversationChanged())

    def on_turn_quote_found(self, message: Turn.QuoteFound) -> None:
        """Light the first one, unless the user looks at another."""
        message.stop()
        if not self._has_chosen and message.block is message.turn.blocks[0]:
            self.light(message.block, is_chosen=False)

    def on_quote_block_chosen(self, message: QuoteBlock.Chosen) -> None:
        """The user wants to see it."""
        message.stop()
        self.light(message.block, is_chosen=True)

    async def on_turn_menu_picked(self, message: TurnMenu.Picked) -> None:
        """Do what was clicked, with the turn in which it was."""
        message.stop()
        turn = message.menu.query_ancestor(Turn)
        self.screen.set_focus(turn.query_one(Question), scroll_visible=False)
        await self.run_action(message.action)

    def action_next_citation(self) -> None:
        """Light the next quote."""
        self._step_citation(1)

    def action_previous_citation(self) -> None:
        """Light the quote before."""
        self._step_citation(-1)

    def action_next_turn(self) -> None:
        """Go to the question after."""
        self._step_turn(1)

    def action_previous_turn(self) -> None:
        """Go to the question before."""
        self._step_turn(-1)

    def action_copy_answer(self) -> None:
        """Copy the answer with its quotes."""
        if (turn := self.current) and (turn.text or turn.citations):
            self.post_message(CopyWanted(copied_answer(turn.question, turn.text, turn.citations), "the answer"))
        else:
            self._say("There is no answer to copy yet.")

    def action_copy_citation(self) -> None:
        """Copy the lit quote."""
        if citation := self._lit_citation():
            self.post_message(CopyWanted(copied_citation(citation), "the quote"))
        else:
            self._say("There is no quote to copy: choose one first.")

    def action_edit_question(self) -> None:
        """Take the question back into the prompt."""
        if turn := self.current:
            self.post_message(QuestionEdited(turn.question))

    def action_ask_again(self) -> None:
        """Ask the same question about what is selected now."""
        if turn := self.current:
            self.post_message(QuestionAsked(turn.question))

    def action_forget(self) -> None:
        """Delete the conversation, once the user has said so twice."""
        from nemo_docs.tui.screens.confirm import ConfirmScreen

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                Job(self, "forgetting the conversation", self._forget).start()

        detail = "Its questions and answers go; the documents stay."
        self.app.push_screen(ConfirmScreen("Forget this conversation?", yes="Forget", detail=detail), answered)

    def _forget(self, _cancelled: Cancelled) -> Iterator[None]:
        self.desk.forget_conversation()
        yield from ()

    def focus_current(self) -> None:
        """Take the focus where actions are about to happen."""
        turn = self.current
        (turn.query_one(Question) if turn else self).focus()

    async def _add(self, turn: Turn) -> None:
        await self._turns.query_children(".welcome").remove()
        await self._turns.mount(turn)
        self.scroll_end(animate=False)

    def _start_next(self) -> None:
        if not self.is_busy:
            for turn in self.turns:
                if turn.state is TurnState.WAITING:
                    turn.start()
                    return

    def _step_citation(self, step: int) -> None:
        turn = self.current
        blocks = [block for block in turn.blocks if block.citation] if turn else []
        if not blocks:
            return
        at = blocks.index(self._lit) + step if self._lit in blocks else (0 if step > 0 else len(blocks) - 1)
        blocks[at % len(blocks)].focus()

    def _step_turn(self, step: int) -> None:
        turns, turn = self.turns, self.current
        if turn:
            at = min(max(turns.index(turn) + step, 0), len(turns) - 1)
            turns[at].query_one(Question).focus()

    def _lit_citation(self) -> Citation | None:
        return self._lit.citation if self._lit else None

    def _say(self, text: str) -> None:
        self.notify(text, markup=False)
