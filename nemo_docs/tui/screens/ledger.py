"""What became of each page of a document: a row a page, filtered by flag; pages are opened, or read again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from nemo_docs.actions import Pane
from nemo_docs.library.records import Document, Page
from nemo_docs.plain import counted, printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.ledger import ALL, chip_label, chips_of, filtered, place_of, told
from nemo_docs.tui.messages import RedoWanted
from nemo_docs.tui.screens.whole import Tell, WholeScreen
from nemo_docs.tui.watching import Change, changes
from nemo_docs.tui.widgets.chip_bar import ChipBar
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.key_line import KeyLine
from nemo_docs.tui.widgets.page_list import PageList
from nemo_docs.tui.widgets.plain_input import PlainInput


class LedgerScreen(WholeScreen[int | None]):
    """The ledger of one document; dismisses with the page that is to be shown, or None.

    Args:
        desk: What the app works on.
        document: Whose.
        tell: Takes a message to the main screen.
        only: The filter at first, as `nemo_docs.tui.ledger` names them; all pages if it would leave none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.LEDGER)]
    DEFAULT_CSS = """
    LedgerScreen {
        & #ledger-columns { height: 1; color: $text-muted; text-style: underline; text-wrap: nowrap; }
        & #ledger-empty { height: 1fr; padding: 1 2; color: $text-muted; }
        & #ledger-told { height: auto; max-height: 4; padding: 0 1; color: $text-muted; background: $surface; }
        & #ledger-find { height: 1; border: none; padding: 0 1; display: none; }
    }
    """

    def __init__(self, desk: Desk, document: Document, tell: Tell, only: str = ALL) -> None:
        super().__init__(Pane.LEDGER, tell)
        self.desk, self._document, self._only = desk, document, only
        self._pages: list[Page] | None = None
        self._chosen: set[int] = set()
        self._loading: Job[list[Page]] | None = None
        self._is_stale = False
        self._watching: Job[Change] | None = None

    def compose(self) -> ComposeResult:
        """A head, the filters, the pages, all there is to know of one."""
        with Horizontal(classes="head"):
            yield Static(classes="title", id="ledger-title", markup=False)
            yield Control("read again", "redo_pages")
            yield Control("close", "close")
        yield ChipBar()
        yield Static(id="ledger-columns", markup=False)
        yield PageList()
        yield Static("Looking …", id="ledger-empty", markup=False)
        yield Static(id="ledger-told", markup=False)
        yield PlainInput(id="ledger-find", placeholder="Number or label of a page", compact=True)
        yield KeyLine()

    def on_mount(self) -> None:
        """Load the pages and watch for changes."""
        self._show_title()
        self.query_one(PageList).display = False
        path = self.desk.configuration.paths.library
        self._watching = Job(self, "watching a ledger", lambda cancelled: changes(path, cancelled)).start()
        self._load()

    def on_unmount(self) -> None:
        """Watch no longer."""
        if self._watching:
            self._watching.cancel()

    @property
    def pages(self) -> list[Page]:
        """All pages, as far as they are known."""
        return self._pages or []

    # what jobs bring

    def _load(self) -> None:
        if self._loading:
            self._is_stale = True
            return

        def pages(cancelled: Cancelled) -> Iterator[list[Page]]:
            yield self.desk.pages(self._document.handle)

        self._loading = Job(self, "looking into a ledger", pages).start()

    def on_job_event(self, message: JobEvent) -> None:
        """Take the pages, or look again."""
        message.stop()
        if isinstance(message.event, Change):
            self._load()
        elif message.job is self._loading and isinstance(message.event, list):
            is_first, self._pages = self._pages is None, message.event
            self._show()
            if is_first:
                self.query_one(PageList).focus()

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell what went wrong."""
        message.stop()
        if message.job is self._loading:
            self._loading = None
            if self._is_stale:
                self._is_stale = False
                self._load()
        if message.error:
            self.notify(printable(f"{message.error.message} {message.error.hint}"), severity="error", markup=False)

    # showing

    def _show_title(self) -> None:
        pages = f"{self._document.pages:,}"
        if self._pages is not None and len(self._pages) != self._document.pages:
            pages = f"{len(self._pages):,} of {pages}"
        chosen = f" · {len(self._chosen):,} chosen" if self._chosen else ""
        said = one_line(f"{self._document.title} · {pages} page{'' if self._document.pages == 1 else 's'}{chosen}")
        self.query_one("#ledger-title", Static).update(Content(said))

    def _show(self) -> None:
        chips = chips_of(self.pages)
        if self._only not in {chip.name for chip in chips}:
            self._only = ALL
        self.query_one(ChipBar).show_chips([(chip.name, chip_label(chip)) for chip in chips], self._only)
        rows = self._rows
        listed, empty = self.query_one(PageList), self.query_one("#ledger-empty", Static)
        listed.display, empty.display = bool(rows), not rows
        empty.update("No page has been read yet.")
        listed.show_pages(rows)
        self._chosen &= {page.number for page in self.pages}
        self._show_chosen()

    def _show_chosen(self) -> None:
        self.query_one(PageList).show_chosen(self._chosen)
        self._show_title()

    @property
    def _rows(self) -> list[Page]:
        return filtered(self.pages, self._only)

    def on_page_list_moved(self) -> None:
        """Tell all that there is to know of the page, below columns that are as wide as the list is now."""
        listed = self.query_one(PageList)
        self.query_one("#ledger-columns", Static).update(Content(listed.head))
        self.query_one("#ledger-told", Static).update(Content(told(listed.page) if listed.page else ""))

    # actions

    def on_page_list_opened(self) -> None:
        """By mouse."""
        self.action_open_page()

    def on_page_list_toggled(self) -> None:
        """By mouse."""
        self.action_choose_page()

    def on_chip_bar_picked(self, message: ChipBar.Picked) -> None:
        """Filter by mouse."""
        message.stop()
        self._filter(message.name)

    def _filter(self, name: str) -> None:
        self._only = name
        self._show()

    def action_next_flag(self) -> None:
        """The next filter."""
        self._walk(1)

    def action_previous_flag(self) -> None:
        """The filter before."""
        self._walk(-1)

    def _walk(self, by: int) -> None:
        names = [chip.name for chip in chips_of(self.pages)]
        self._filter(names[(names.index(self._only) + by) % len(names)])

    def action_open_page(self) -> None:
        """Show it in the source pane."""
        if page := self.query_one(PageList).page:
            self.dismiss(page.number)

    def action_choose_page(self) -> None:
        """Choose the page, or no longer."""
        if page := self.query_one(PageList).page:
            self._chosen ^= {page.number}
            self._show_chosen()

    def action_choose_pages(self) -> None:
        """Choose all that are shown; if some are chosen, none."""
        self._chosen = set() if self._chosen else {page.number for page in self._rows}
        self._show_chosen()

    def action_redo_pages(self) -> None:
        """Ask with what the chosen pages are to be read again."""
        here = self.query_one(PageList).page
        numbers = sorted(self._chosen) or ([here.number] if here else [])
        if not numbers:
            return
        from nemo_docs.tui.screens.redo import AUTOMATIC, RedoScreen

        def answered(way: str | None) -> None:
            if way is not None:
                extractor = None if way == AUTOMATIC else way
                self.tell(RedoWanted(self._document.handle, self._document.title, numbers, extractor))
                self._chosen = set()
                self._show_chosen()
                self.notify(f"{counted(len(numbers), 'page')} to be read again.", markup=False)

        what = f"page {numbers[0]:,}" if len(numbers) == 1 else counted(len(numbers), "page")
        self.app.push_screen(RedoScreen(one_line(f"Read {what} of {self._document.title} again")), answered)

    def action_find_page(self) -> None:
        """Ask for a number or a label."""
        field = self.query_one("#ledger-find", Input)
        field.display, field.value = True, ""
        field.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Go there while it is being typed."""
        message.stop()
        if (at := place_of(self._rows, message.value)) is not None:
            self.query_one(PageList).move_to(at)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Back to the pages."""
        message.stop()
        self.query_one(PageList).focus()

    def on_input_blurred(self, message: Input.Blurred) -> None:
        """The field goes away."""
        message.stop()
        message.input.display = False

    def action_close(self) -> None:
        """Close the field, else the screen."""
        if self.query_one("#ledger-find", Input).has_focus:
            self.query_one(PageList).focus()
        else:
            self.dismiss(None)
