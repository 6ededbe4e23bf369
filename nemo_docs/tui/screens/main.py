"""The main screen: library, conversation, source; what goes from one of them to another.

A narrow terminal has room for the conversation and one pane at its side. Going to a pane shows it; going to it again,
or a click on its name in the title line, puts it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TextArea

from nemo_docs.actions import ACTIONS, Action, Pane
from nemo_docs.errors import EngineStopped
from nemo_docs.plain import printable
from nemo_docs.settings import MODEL_SETTINGS, Configuration
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.messages import (
    CitationShown,
    ConversationChanged,
    CopyWanted,
    DocumentOpened,
    LedgerOpened,
    LibraryChanged,
    LibraryShown,
    PathsDropped,
    QuestionAsked,
    QuestionEdited,
    ReadWanted,
    RedoWanted,
    SelectionChanged,
    SharesCounted,
)
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.fit_meter import FitMeter
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.key_line import KeyLine
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.meaning_line import MeaningLine
from nemo_docs.tui.widgets.prompt import Prompt
from nemo_docs.tui.widgets.source_pane import SourcePane
from nemo_docs.tui.widgets.title_line import EngineState, TitleLine
from nemo_docs.tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from nemo_docs.library.records import Hit
    from nemo_docs.tui.clipboard import Copied
    from nemo_docs.tui.screens.search import Sought

NARROW, WIDE = "-narrow", "-wide"
SCREEN_ACTIONS = frozenset(
    {"cancel", "focus_library", "focus_conversation", "focus_source", "focus_prompt"}
    | {"new_conversation", "search_library"}
)
"""Of those that work everywhere, the ones that are about the panes; the app carries out the others."""
READING_SETTINGS = MODEL_SETTINGS | {"answer_tokens", "window"}
"""Those that decide which windows are read by what."""
THREE_PANES = 110
"""Columns from which all three have room."""


class MainScreen(Screen[None]):
    """Where people work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        replace(binding, priority=binding.action == "search_library")  # before a key that edits the prompt
        for binding in bindings_of(Pane.APP)
        if binding.action in SCREEN_ACTIONS
    ]
    HORIZONTAL_BREAKPOINTS = [(0, NARROW), (THREE_PANES, WIDE)]  # noqa: RUF012  # as Textual declares it
    AUTO_FOCUS: ClassVar[str | None] = "Prompt"

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._shown = {"library", "source"}
        """The side panes that are wanted."""
        self._last_side = "library"
        """The one that a narrow terminal shows, if it is wanted."""
        self._settings = desk.configuration.settings
        self._warm_up: Job[None] | None = None
        self._is_prompt_empty = True
        self._sought: Sought | None = None
        """What was looked for last."""
        self._is_empty = False
        """Whether the library is known to hold nothing."""

    def compose(self) -> ComposeResult:
        """Three panes, the prompt below the middle one."""
        yield TitleLine(self.desk.configuration.settings.model)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield LibraryPane(self.desk)
                yield JobList(self.desk)
                yield MeaningLine(self.desk)
            with Vertical(id="middle"):
                yield Welcome(self.desk)
                yield Conversation(self.desk)
                yield FitMeter(self.desk)
                yield Prompt()
            with Vertical(id="right"):
                yield SourcePane(self.desk)
        yield KeyLine()

    def on_mount(self) -> None:
        """Show the panes."""
        self._conversation = self.query_one(Conversation)
        self._prompt = self.query_one(Prompt)
        self._library = self.query_one(LibraryPane)
        self._jobs = self.query_one(JobList)
        self._source = self.query_one(SourcePane)
        self._fit = self.query_one(FitMeter)
        self._title = self.query_one(TitleLine)
        self._welcome = self.query_one(Welcome)
        self._show_welcome()
        self._arrange()
        if isinstance(self.app, Habits):
            self.app.configuration_signal.subscribe(self, self._take_configuration)

    def _take_configuration(self, configuration: Configuration) -> None:
        before, self._settings = self._settings, configuration.settings
        if any(getattr(before, name) != getattr(self._settings, name) for name in READING_SETTINGS):
            self._library.forget_shares()
            self._jobs.begin_reading_anew()
        self._title.model = configuration.settings.model
        self._title.engine = EngineState.ASLEEP
        self._fit.show_fit(self._library.selected)

    def on_resize(self) -> None:
        """Other panes may have room now."""
        self.call_after_refresh(self._arrange)

    def leave(self) -> None:
        """The app is leaving."""
        with suppress(NoMatches):  # it may never have come to be drawn
            self.query_one(JobList).leave()

    @property
    def left(self) -> list[str]:
        """What is on its way into the library and would not go on by itself."""
        return self.query_one(JobList).left if self.is_mounted else []

    def take_paste(self, text: str) -> None:
        """Take text that was pasted where nobody wanted it."""
        self._prompt.paste(text)

    def offers(self) -> Iterator[tuple[Action, Callable[[], object]]]:
        """Each action of the table, with what carries it out."""
        panes: dict[Pane, DOMNode | None] = {
            Pane.LIBRARY: self._library,
            Pane.CONVERSATION: self._conversation,
            Pane.SOURCE: self._source,
            Pane.PROMPT: self._prompt,
            Pane.JOBS: self.focused,
        }
        for action in ACTIONS:
            owner = panes.get(action.pane) or (self if action.id in SCREEN_ACTIONS else self.app)
            applies = hasattr(owner, f"action_{action.id}") and owner.check_action(action.id, ())
            if applies and action.id != "palette":
                yield action, partial(self.call_later, self.app.run_action, action.id, owner)

    # What the panes tell

    async def on_question_asked(self, message: QuestionAsked) -> None:
        """Ask it about what is selected."""
        self._warm()
        await self._conversation.ask(message.question, self._library.selected)
        self._show_welcome()

    def on_question_edited(self, message: QuestionEdited) -> None:
        """Put it into the prompt."""
        self._prompt.take(message.question)

    def on_paths_dropped(self, message: PathsDropped) -> None:
        """Add them."""
        self._jobs.add(message.paths, collections=message.collections, excludes=message.excludes)

    def on_read_wanted(self, message: ReadWanted) -> None:
        """Read them through the model."""
        self._jobs.read(message.handles, is_first=message.is_first)

    def on_selection_changed(self, message: SelectionChanged) -> None:
        """See whether it fits."""
        self._fit.show_fit(message.handles)

    def on_library_changed(self, message: LibraryChanged) -> None:
        """Show what there is now."""
        self._library.reload()
        self._jobs.look_at_queue()
        self.query_one(MeaningLine).look()
        self._fit.show_fit(self._library.selected, only_if_changed=not message.is_read)

    async def on_library_shown(self, message: LibraryShown) -> None:
        """Say what to do where there is nothing yet; let answers go whose documents have gone."""
        self._is_empty = not message.handles
        self._show_welcome()
        await self._conversation.lose(message.handles)

    def on_conversation_changed(self, message: ConversationChanged) -> None:
        """What was read for an answer need not be read again; an engine that ended holds no model."""
        if (turns := self._conversation.turns) and isinstance(turns[-1].error, EngineStopped):
            self._title.engine = EngineState.ASLEEP
        self._show_welcome()
        self._fit.show_fit(self._library.selected)

    def _show_welcome(self) -> None:
        self._welcome.display = self._is_empty and not self._conversation.turns
        self._conversation.display = not self._welcome.display

    def on_shares_counted(self, message: SharesCounted) -> None:
        """Tell for each document how much of it is read."""
        self._library.set_read_share(message.shares)

    def on_document_opened(self, message: DocumentOpened) -> None:
        """Show its page."""
        self._want("source")
        self._source.open_document(message.handle, message.page)

    def on_ledger_opened(self, message: LedgerOpened) -> None:
        """Show what became of a document's pages, and then the one that is chosen there."""
        if not self.is_current:  # the key was pressed twice
            return
        from nemo_docs.tui.screens.ledger import LedgerScreen

        def chosen(page: int | None) -> None:
            if page is not None:
                self.post_message(DocumentOpened(message.document.handle, page))

        self.app.push_screen(LedgerScreen(self.desk, message.document, self.post_message, message.only), chosen)

    def on_redo_wanted(self, message: RedoWanted) -> None:
        """Read pages again."""
        self._jobs.redo(message.handle, message.title, message.pages, message.extractor)

    def on_citation_shown(self, message: CitationShown) -> None:
        """Light it; one that has only just come takes no room from a pane that is in use."""
        if message.is_chosen or ("source" in self._shown and not self._library.has_focus_within):
            self._want("source")
        self._source.show_citation(message.citation, message.siblings)

    def on_copy_wanted(self, message: CopyWanted) -> None:
        """Copy it."""
        Job(self, "copying", lambda cancelled: self._copy(message)).start()

    def on_job_event(self, message: JobEvent) -> None:
        """Say what became of a copy; the terminal itself is asked from here."""
        from nemo_docs.tui.clipboard import TERMINAL

        assert isinstance(message.event, tuple)
        copied, text = message.event
        if copied.how == TERMINAL:
            self.app.copy_to_clipboard(text)
        severity: SeverityLevel = "information" if copied.is_certain else "warning"
        self.notify(printable(copied.message), severity=severity, markup=False)

    def on_job_ended(self, message: JobEnded) -> None:
        """The model is loaded, or something could not be done."""
        if message.job is self._warm_up:
            self._title.engine = EngineState.FAILED if message.error else EngineState.READY
        elif message.error:
            self.notify(printable(message.error.message), severity="error", markup=False)

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """Load the model while a question is being written; it may have gone to rest since the last one."""
        if message.text_area is self._prompt:
            was_empty, self._is_prompt_empty = self._is_prompt_empty, not self._prompt.text
            if was_empty and not self._is_prompt_empty:
                self._warm()

    def _warm(self) -> None:
        if self._warm_up is None or not self._warm_up.is_running:
            if self._title.engine is not EngineState.READY:
                self._title.engine = EngineState.LOADING
            self._warm_up = Job(self, "loading the model", self._load).start()

    def _load(self, cancelled: Cancelled) -> Iterator[None]:
        self.desk.ready(cancelled)
        yield from ()

    def _copy(self, message: CopyWanted) -> Iterator[tuple[Copied, str]]:
        from nemo_docs.tui.clipboard import copy

        yield copy(message.text, message.what), message.text

    # What the keys do

    def action_cancel(self) -> None:
        """Close the field that is being written, else stop the answer, else the newest reading."""
        steps = (
            self._library.close_field,
            self._source.close_field,
            self._conversation.cancel,
            self._jobs.cancel_newest,
        )
        if not any(step() for step in steps):
            self.action_focus_prompt()

    def action_focus_library(self) -> None:
        """Go to the library, or put it away."""
        self._go_or_put_away("library")

    def action_focus_source(self) -> None:
        """Go to the source, or put it away."""
        self._go_or_put_away("source")

    def action_focus_conversation(self) -> None:
        """Go to the conversation, or to what stands in its place."""
        if self._welcome.display:
            self._welcome.focus()
        else:
            self._conversation.focus_current()

    def action_focus_prompt(self) -> None:
        """Go to the prompt."""
        self._prompt.focus()

    def action_search_library(self) -> None:
        """Search in all documents, and show what is chosen there."""
        if not self.is_current:  # the key was pressed twice
            return
        from nemo_docs.tui.screens.search import SearchScreen, Sought

        self._sought = sought = self._sought or Sought()
        languages = {document.handle: document.language for document in self._library.documents}

        def chosen(hit: Hit | None) -> None:
            if hit is not None:
                self._want("source")
                self._source.show_hit(hit, sought.words)
                self._source.focus()

        selected = self._library.selected
        self.app.push_screen(SearchScreen(self.desk, sought, selected, languages, self.post_message), chosen)

    async def action_new_conversation(self) -> None:
        """Begin another conversation."""
        await self._conversation.begin_anew()
        self._prompt.focus()

    def action_toggle_pane(self, name: str) -> None:
        """Show a side pane, or put it away."""
        if self._is_displayed(name):
            self._put_away(name)
        else:
            self._want(name)

    # Which side panes are seen

    def _go_or_put_away(self, name: str) -> None:
        pane = self._pane(name)
        if self._is_displayed(name) and pane.has_focus_within:
            self._put_away(name)
        else:
            self._want(name)
            _focus_first(pane)

    def _want(self, name: str) -> None:
        self._shown.add(name)
        self._last_side = name
        self._arrange()

    def _put_away(self, name: str) -> None:
        self._shown.discard(name)
        if self.has_class(NARROW):  # else the other one would come up in its place
            self._shown.clear()
        if self._pane(name).has_focus_within:
            self._prompt.focus()
        self._arrange()

    def _arrange(self) -> None:
        for name in ("library", "source"):
            self.set_class(name in self._shown, f"-with-{name}")
            self.set_class(name == self._last_side, f"-last-{name}")
        self._title.shown = frozenset(name for name in self._shown if self._is_displayed(name))

    def _pane(self, name: str) -> Widget:
        return self._library if name == "library" else self._source

    def _is_displayed(self, name: str) -> bool:
        return name in self._shown and (self.has_class(WIDE) or self._last_side == name)


def _focus_first(pane: Widget) -> None:
    """Focus a pane, or what in it can be."""
    for widget in pane.walk_children(Widget, with_self=True):
        if widget.focusable:
            widget.focus()
            return
