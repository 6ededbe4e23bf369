"""The cited page with its quotes lit; or any page of a document, with what was searched for.

What is lit is a list of places over the pages of one document, walked with next and previous: the spans of a quote, or
the matches of a search. A place is lit only on the very text that it was found in: where a page has been read anew
since, the pane shows the text that was quoted, says so, and leads to the one of today; where the library no longer has
it, the stored quote. Pages are loaded and searched in jobs; only the newest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from nemo_docs.actions import Pane
from nemo_docs.answering.events import Citation
from nemo_docs.library.records import Document, Hit
from nemo_docs.plain import printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.messages import CopyWanted
from nemo_docs.tui.page_layout import Light
from nemo_docs.tui.shelf import Leaf
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.page_bar import PageBar
from nemo_docs.tui.widgets.page_view import PageView
from nemo_docs.tui.widgets.plain_input import PlainInput

MOST_MATCHES = 1_000
EMPTY = "A quote is shown here in its page, and any document that you open."


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a page that can be lit."""

    page: int
    start: int
    end: int
    text_sha256: str
    """The page text that the offsets belong to."""


class SourcePane(Widget):
    """A document, page by page."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.SOURCE)]
    DEFAULT_CSS = """
    SourcePane {
        layout: vertical;
        padding: 0 1;
        & #source-title { height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        & #source-place { height: 1; }
        & #source-where {
            width: 1fr; height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis;
        }
        & #source-place Control { padding: 0 1; }
        & #source-note { height: auto; max-height: 50%; color: $text-muted; padding: 1 2; }
        & #source-turn { margin: 0 2 1 2; color: $primary; display: none; }
        & #source-search { height: 1; border: none; padding: 0; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="source")
        self.desk = desk
        self._leaf: Leaf | None = None
        self._citation: Citation | None = None
        self._query = ""
        self._places: list[Place] = []
        self._faint: list[Place] = []
        self._at = 0
        self._is_now_wanted = False
        """Whether a page that has changed is to be shown as it is now, not as it was quoted."""
        self._loading: Job[Leaf] | None = None
        self._searching: Job[list[Place]] | None = None

    def compose(self) -> ComposeResult:
        """A head of three lines, the page, and the search below it."""
        yield Static(id="source-title", markup=False)
        with Horizontal(id="source-place"):
            yield Static(id="source-where", markup=False)
            yield Control("‹", "previous_page")
            yield Control("›", "next_page")
        yield PageBar()
        yield Static(EMPTY, id="source-note", markup=False)
        yield Control("", "turn_back", can_focus=True, id="source-turn")
        yield PageView()
        yield PlainInput(id="source-search", placeholder="Find in this document", compact=True)

    def on_mount(self) -> None:
        """Nothing is shown yet."""
        self._show_parts(page=False)
        self.query_one("#source-search").display = False

    def focus(self, scroll_visible: bool = True) -> SourcePane:
        """Give the keys to the page."""
        self.query_one(PageView).focus(scroll_visible)
        return self

    # what others ask for

    def open_document(self, handle: str, page: int = 1) -> None:
        """Show a page of a document with nothing lit."""
        self._forget()
        self._open(handle, page)

    def show_citation(self, citation: Citation, siblings: Sequence[Citation] = ()) -> None:
        """Light a quote, and more faintly the others that stand on the same pages."""
        self._forget()
        self._citation = citation
        self._places = _places(citation)
        others = (each for each in siblings if each.document == citation.document and each.marker != citation.marker)
        self._faint = [place for each in others for place in _places(each)]
        self._open(citation.document, self._places[0].page if self._places else 1)

    def show_hit(self, hit: Hit, query: str) -> None:
        """Light a passage that a search of the library found."""
        self._forget()
        self._query = query
        self._places = [Place(hit.page, hit.start, hit.end, hit.text_sha256)]
        self._open(hit.document, hit.page)

    def _forget(self) -> None:
        if self._searching:
            self._searching.cancel()
        self._searching, self._citation, self._query = None, None, ""
        self._places, self._faint, self._at = [], [], 0
        self._is_now_wanted = False

    def _open(self, handle: str, page: int) -> None:
        if self._loading:
            self._loading.cancel()
        quoted = self._quoted_text(page)

        def leaf(cancelled: Cancelled) -> Iterator[Leaf]:
            yield self.desk.leaf(handle, page, quoted)

        self._loading = Job(self, "opening a page", leaf).start()

    def _quoted_text(self, page: int) -> str:
        """The hash of the text of a page that is to be shown as it was quoted; empty for the one of today."""
        if self._citation is None or self._is_now_wanted:
            return ""
        return next((place.text_sha256 for place in self._places if place.page == page), "")

    # what jobs bring

    def on_job_event(self, message: JobEvent) -> None:
        """Take a page, a match or a word of the viewer's."""
        message.stop()
        event = message.event
        if message.job is self._loading and isinstance(event, Leaf):
            self._leaf = event
            self._show()
        elif message.job is self._searching and isinstance(event, list):
            self._take_matches(event)
        elif isinstance(event, str):
            self.notify(event, markup=False)

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell what went wrong, where it concerns."""
        message.stop()
        if message.job is self._loading:
            self._loading = None
            if message.error:
                self._show_parts(page=False)
                self.query_one("#source-note", Static).update(Content(self._missing(message.error.message)))
        elif message.job is self._searching:
            self._searching = None
            if message.error:
                self.notify(printable(message.error.message), severity="error", markup=False)
            self._show_where()
        elif message.error:
            said = f"{message.error.message} {message.error.hint}".strip()
            self.notify(said, severity="warning", markup=False)

    def _missing(self, message: str) -> str:
        if self._citation is None:
            return printable(message)
        return f"{printable(message)}\n\nThe quote was:\n\n“{printable(self._citation.text, lines=True)}”"

    # showing

    @property
    def is_settled(self) -> bool:
        """Whether what was asked for is on the screen."""
        return self._loading is None and self._searching is None and self.query_one(PageView).is_laid_out

    def _show(self) -> None:
        assert self._leaf is not None
        text = self._leaf.text
        note = self._note(self._leaf)
        self._show_parts(page=text is not None, note=note)
        self._show_where()
        if text is not None:
            self.query_one(PageView).show_text(text.text, self._lights())
        turn = self.query_one("#source-turn", Control)
        turn.display = self._leaf.is_earlier or (self._is_now_wanted and self._is_changed(self._leaf))
        turn.update(Content("▸ Show it as it was quoted" if self._is_now_wanted else "▸ Show it as it is now"))

    def action_turn_back(self) -> None:
        """Show a page that has changed as it is now, or as it was quoted."""
        if self._leaf is not None and self._citation is not None:
            self._is_now_wanted = not self._is_now_wanted
            self._open(self._leaf.document.handle, self._leaf.number)

    def _show_parts(self, *, page: bool, note: str = EMPTY) -> None:
        self.query_one("#source-turn").display = False
        label = self.query_one("#source-note", Static)
        label.update(Content(note))
        label.display = bool(note)
        self.query_one(PageView).display = page
        for part in (self.query_one("#source-place"), self.query_one(PageBar)):
            part.display = self._leaf is not None

    def _note(self, leaf: Leaf) -> str:
        if leaf.text is None:
            if leaf.page is None:
                return f"Page {leaf.number} has not been read yet."
            return f"Page {leaf.number} has no text: {printable(leaf.page.note) or 'nothing is written on it'}."
        if leaf.is_earlier:
            return "This page has changed since it was quoted. Its text is shown as it was then."
        if self._citation is not None and self._is_changed(leaf):
            quote = printable(self._citation.text, lines=True)
            return f"This page has changed since it was quoted. The quote was:\n\n“{quote}”"
        return ""

    def _is_changed(self, leaf: Leaf) -> bool:
        """Whether something was found on this page in a text that it does not have."""
        now = leaf.text.sha256 if leaf.text else ""
        return any(place.page == leaf.number and place.text_sha256 != now for place in self._places)

    def _show_where(self) -> None:
        if (leaf := self._leaf) is None:
            return
        title = self.query_one("#source-title", Static)
        title.update(Content(one_line(leaf.document.title)))
        where = f"page {leaf.number:,}" + ("" if leaf.is_earlier else f" of {leaf.document.pages:,}")
        count = len(self._places)
        if self._citation is not None:
            part = f", part {self._at + 1} of {count}" if count > 1 else ""
            where += f" · quote [{self._citation.marker}]{part}"
        elif self._query:
            number = f"{self._at + 1:,} of {count:,}{'+' if count >= MOST_MATCHES else ''}"
            found = number if count else "searching" if self._searching else "not found"
            where += f" · {found}: “{one_line(self._query)}”"
        self.query_one("#source-where", Static).update(Content(where))
        self.query_one(PageBar).show_pages(leaf.number, leaf.document.pages, {p.page for p in self._places})

    def _lights(self) -> list[Light]:
        leaf = self._leaf
        if leaf is None or leaf.text is None:
            return []
        here = self._places[self._at] if self._places else None
        strong_is_all = self._citation is not None  # of a quote every span is shown, of a search one match is
        places = [(place, place == here or strong_is_all) for place in self._places]
        places += [(place, False) for place in self._faint]
        return [
            Light(place.start, place.end, is_strong)
            for place, is_strong in places
            if place.page == leaf.number and place.text_sha256 == leaf.text.sha256
        ]

    # actions

    def action_next_page(self) -> None:
        """Show the next page."""
        self._turn(1)

    def action_previous_page(self) -> None:
        """Show the page before."""
        self._turn(-1)

    def _turn(self, by: int) -> None:
        if self._leaf is not None:
            self._go_to(self._leaf.number + by)

    def _go_to(self, page: int) -> None:
        if self._leaf is not None and 1 <= page <= self._leaf.document.pages and page != self._leaf.number:
            self._open(self._leaf.document.handle, page)

    def on_page_bar_picked(self, message: PageBar.Picked) -> None:
        """Go to the page that was clicked."""
        message.stop()
        self._go_to(message.page)

    def action_next_span(self) -> None:
        """Go to the next lit place."""
        self._walk(1)

    def action_previous_span(self) -> None:
        """Go to the lit place before."""
        self._walk(-1)

    def _walk(self, by: int) -> None:
        if self._places and self._leaf is not None:
            self._at = (self._at + by) % len(self._places)
            self._show_place()

    def _show_place(self) -> None:
        assert self._leaf is not None
        page = self._places[self._at].page
        if page != self._leaf.number:
            self._open(self._leaf.document.handle, page)
            return
        self._show_where()
        self.query_one(PageView).show_lights(self._lights())

    def action_search_source(self) -> None:
        """Ask for words."""
        if self._leaf is not None:
            field = self.query_one("#source-search", Input)
            field.display = True
            field.focus()

    def close_field(self) -> bool:
        """Give the search up if it is being written; whether it was."""
        if is_open := self.query_one("#source-search", Input).has_focus:
            self.focus()
        return is_open

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Search for the words; none take the search away."""
        message.stop()
        if self._leaf is None:
            return
        self._forget()
        self._query = message.value.strip()
        self.focus()
        message.input.display = False
        if not self._query:
            self._show()
            return
        handle, query = self._leaf.document.handle, self._query
        self._searching = Job(
            self, "searching a document", lambda gone: matches(self.desk, handle, query, gone)
        ).start()
        self._show()

    def on_input_blurred(self, message: Input.Blurred) -> None:
        """Take the field away when something else has the keys."""
        message.stop()
        message.input.display = False

    def _take_matches(self, found: list[Place]) -> None:
        assert self._leaf is not None
        is_first = not self._places
        self._places += found
        if is_first and found:
            number = self._leaf.number
            self._at = next((at for at, place in enumerate(found) if place.page >= number), 0)
            self._show_place()
        else:
            self._show_where()

    def action_open_file(self) -> None:
        """Open the real file at this page."""
        if self._leaf is not None:
            Job(self, "opening a file", _viewed(self._leaf.document, self._leaf.number)).start()

    def action_copy_span(self) -> None:
        """Copy the lit place with its source."""
        leaf = self._leaf
        if leaf is None or not self._places:
            self.notify("Nothing is lit that could be copied.", severity="warning")
            return
        place = self._places[self._at]
        if self._citation is not None:
            pages = sorted({each.page for each in self._places})
            self._copy(self._citation.text, leaf.document.title, pages, "the quote")
        elif leaf.text is not None and place.text_sha256 == leaf.text.sha256:
            self._copy(leaf.text.text[place.start : place.end], leaf.document.title, [place.page], "the match")

    def _copy(self, text: str, title: str, pages: list[int], what: str) -> None:
        where = f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]}-{pages[-1]}"
        self.post_message(CopyWanted(f"“{text}”\n{title}, {where}", what))


def _places(citation: Citation) -> list[Place]:
    return [Place(span.page, span.start, span.end, span.text_sha256) for span in citation.spans]


def _viewed(document: Document, page: int) -> Callable[[Cancelled], Iterator[str]]:
    def view(cancelled: Cancelled) -> Iterator[str]:
        from nemo_docs.tui.viewer import open_file

        yield open_file(document.path, page)

    return view


def matches(desk: Desk, handle: str, words: str, cancelled: Cancelled) -> Iterator[list[Place]]:
    """Where words stand in a document, in lists of a page or more, `MOST_MATCHES` places at most."""
    from nemo_docs.tui.finding import Finder

    finder, total = Finder(words), 0
    with desk.reader() as library:
        pages = library.page_texts(handle)
    for page in pages:
        if cancelled() or total >= MOST_MATCHES:
            return
        found = [Place(page.number, start, end, page.sha256) for start, end in finder.spans(page.text)]
        total += len(found)
        if found:
            yield found[: MOST_MATCHES - total + len(found)]
