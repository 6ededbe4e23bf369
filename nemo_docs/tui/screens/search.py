"""Search in the whole library, or in what is selected: passages come while the words are being typed.

One search runs at a time, in a job: a newer one makes the one before give up. So no library is so large that a key
would wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from nemo_docs.actions import Pane
from nemo_docs.library.records import Hit
from nemo_docs.plain import counted, printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.questions import Questions
from nemo_docs.tui.screens.whole import Tell, WholeScreen
from nemo_docs.tui.widgets.chip_bar import SEPARATOR, ChipBar
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.hit_list import HitList
from nemo_docs.tui.widgets.key_line import KeyLine
from nemo_docs.tui.widgets.plain_input import PlainInput

DEBOUNCE_S = 0.12
"""So long after the last key the search begins."""
MOST_HITS = 50
EMPTY = {
    "words": (
        "Type words that a passage should hold, in any language of the library. What stands in “quotation marks” is "
        "found as words one behind the other."
    ),
    "meaning": "Type a question or a thought: passages are found that say the same, in other languages, too.",
    "exact": "Type letters: they are found as they stand, case, marks and all, in the order of the pages.",
}
"""What can be typed, by what has to match."""
WITH_MEANING = (("auto", "either"), ("words", "words"), ("meaning", "meaning"), ("exact", "exact"))
WITHOUT_MEANING = (("auto", "words"), ("exact", "exact"))
"""What has to match, as the desk and as people call it."""
UNITS = ("passage", "page", "document")


@dataclass(slots=True)
class Sought:
    """What was looked for last, so that the search opens as it was left."""

    words: str = ""
    cursor: int = 0
    """Which passage was opened."""
    is_everywhere: bool = False
    """Whether in the whole library although something is selected."""
    match: str = "auto"
    """What had to match."""
    unit: str = "passage"
    """What was to be found."""


class SearchScreen(WholeScreen[Hit | None]):
    """Dismisses with the passage that is to be shown, or None.

    Args:
        desk: What the app works on.
        sought: What was looked for last; is kept up to date.
        selected: Handles of the documents that are selected; empty for none.
        languages: Of all documents, by their handles.
        tell: Takes a message to the main screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.SEARCH, priority=True)]  # before the keys of the field
    DEFAULT_CSS = """
    SearchScreen {
        & #search-words { height: 3; border: round $foreground 25%; background: transparent; padding: 0 1; }
        & #search-words:focus { border: round $border; }
        & #search-said { height: auto; padding: 0 2; color: $text-muted; }
    }
    """

    def __init__(
        self, desk: Desk, sought: Sought, selected: Sequence[str], languages: Mapping[str, str], tell: Tell
    ) -> None:
        super().__init__(Pane.SEARCH, tell)
        self.desk, self._sought = desk, sought
        self._selected, self._languages = tuple(selected), languages
        self._timer: Timer | None = None
        self._searching: Job[list[Hit]] | None = None
        self._questions = Questions()
        self._asking: Job[bool] | None = None
        self._ways: tuple[tuple[str, str], ...] = WITHOUT_MEANING

    def compose(self) -> ComposeResult:
        """A head, the words, how they are looked for, what was found."""
        with Horizontal(classes="head"):
            yield Static("Search", classes="title", markup=False)
            yield Control("", "search_scope", id="search-scope")
            yield Control("close", "close")
        yield PlainInput(self._sought.words, id="search-words", placeholder="Find in all documents")
        yield ChipBar()
        yield Static(EMPTY["words"], id="search-said", markup=False)
        yield HitList()
        yield KeyLine()

    def on_mount(self) -> None:
        """Look again for what was looked for last."""
        self._show_scope()
        self._show_ways()
        self.query_one(Input).focus()
        self._begin(self._sought.cursor)

        def can_mean(cancelled: Cancelled) -> Iterator[bool]:
            yield self.desk.can_search_by_meaning()

        self._asking = Job(self, "looking for meaning", can_mean).start()

    def on_unmount(self) -> None:
        """Nobody wants to know any more."""
        if self._searching:
            self._searching.cancel()
        Job(self, "ending the search", self._end).start()

    def _end(self, cancelled: Cancelled) -> Iterator[None]:
        self._questions.close()
        yield from ()

    @property
    def is_settled(self) -> bool:
        """Whether what is typed has been looked for."""
        return self._timer is None and self._searching is None

    @property
    def _handles(self) -> tuple[str, ...]:
        return () if self._sought.is_everywhere else self._selected

    # looking

    def on_input_changed(self, message: Input.Changed) -> None:
        """Look for it as soon as no more is typed."""
        message.stop()
        if message.value.strip() == self._sought.words and self._timer is None:
            return
        self._sought.words = message.value.strip()
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(DEBOUNCE_S, self._begin)

    def _begin(self, cursor: int = 0) -> None:
        if self._timer:
            self._timer.stop()
        if self._searching:
            self._searching.cancel()
        self._timer, self._searching, self._sought.cursor = None, None, cursor
        words, handles, match, unit = self._sought.words, self._handles, self._match, self._sought.unit
        if not words:
            self._show([], EMPTY.get(match, EMPTY["words"]))
            return

        def hits(cancelled: Cancelled) -> Iterator[list[Hit]]:
            vector = self._questions.vector
            yield self.desk.search(words, handles, MOST_HITS, cancelled, match=match, by=unit, vector=vector)

        self._searching = Job(self, "searching the library", hits).start()
        if self.query_one(HitList).hit is None:
            self.query_one("#search-said", Static).update("Looking …")

    def on_job_event(self, message: JobEvent) -> None:
        """Show what was found, unless something else is looked for by now."""
        message.stop()
        if message.job is self._asking and message.event:
            self._ways = WITH_MEANING
            self._show_ways()
        elif message.job is self._searching and isinstance(message.event, list):
            self._show(message.event, self._said(message.event))

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell what went wrong."""
        message.stop()
        if message.job is self._searching:
            self._searching = None
            if message.error:
                self._show([], printable(f"{message.error.message} {message.error.hint}"))

    def _said(self, hits: Sequence[Hit]) -> str:
        where = f" in {counted(len(self._handles), 'selected document')}" if self._handles else ""
        if not hits:
            return one_line(f"Nothing is found for “{self._sought.words}”{where or ' in the whole library'}.")
        unit = self._sought.unit
        if len(hits) >= MOST_HITS:
            return f"The {'first' if self._match == 'exact' else 'best'} {MOST_HITS} {unit}s{where}"
        documents = f" in {counted(len({hit.document for hit in hits}), 'document')}"
        return f"{counted(len(hits), unit)}{where or (documents if unit != 'document' else '')}"

    def _show(self, hits: list[Hit], said: str) -> None:
        self.query_one("#search-said", Static).update(Content(said))
        self.query_one(HitList).show_hits(hits, self._languages, self._sought.cursor, self._sought.unit)

    # actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is a choice of where to look only if something is selected."""
        return bool(self._selected) if action == "search_scope" else True

    def action_search_scope(self) -> None:
        """Look in the other place."""
        self._sought.is_everywhere = not self._sought.is_everywhere
        self._show_scope()
        self._begin()

    def _show_scope(self) -> None:
        scope = self.query_one("#search-scope", Control)
        scope.display = bool(self._selected)
        handles = self._handles
        scope.update(Content(f"in {counted(len(handles), 'selected document')}" if handles else "in all documents"))

    @property
    def _match(self) -> str:
        """What has to match, of what can be asked for here."""
        return self._sought.match if self._sought.match in dict(self._ways) else "auto"

    def _show_ways(self) -> None:
        chips = [*self._ways, SEPARATOR, *((unit, f"{unit}s") for unit in UNITS)]
        self.query_one(ChipBar).show_chips(chips, self._match, self._sought.unit)

    def on_chip_bar_picked(self, message: ChipBar.Picked) -> None:
        """By mouse."""
        message.stop()
        if message.name in UNITS:
            self._look(self._match, message.name)
        else:
            self._look(message.name, self._sought.unit)

    def action_search_match(self) -> None:
        """Let the next thing have to match."""
        names = [name for name, _ in self._ways]
        self._look(names[(names.index(self._match) + 1) % len(names)], self._sought.unit)

    def action_search_unit(self) -> None:
        """Find the next larger thing."""
        self._look(self._match, UNITS[(UNITS.index(self._sought.unit) + 1) % len(UNITS)])

    def _look(self, match: str, unit: str) -> None:
        """Look again, in another way."""
        self._sought.match, self._sought.unit = match, unit
        self._show_ways()
        self._begin()

    def action_next_hit(self) -> None:
        """To the next passage."""
        self.query_one(HitList).action_scroll_down()

    def action_previous_hit(self) -> None:
        """To the passage before."""
        self.query_one(HitList).action_scroll_up()

    def on_hit_list_opened(self, message: HitList.Opened) -> None:
        """By mouse."""
        message.stop()
        self.action_open_hit()

    def action_open_hit(self) -> None:
        """Show the passage in its page; while others are being looked for, none is."""
        listed = self.query_one(HitList)
        if self.is_settled and (hit := listed.hit):
            self._sought.cursor = listed.cursor
            self.dismiss(hit)
