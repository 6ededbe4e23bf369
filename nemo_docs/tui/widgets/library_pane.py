"""The library: what there is, and what a question is about.

Nothing selected means the whole library, and the pane says so. What other processes change is noticed and shown; what a
process that died left half read is read to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from nemo_docs.actions import Pane
from nemo_docs.library.records import Document
from nemo_docs.plain import counted, printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.ledger import ALL, NO_TEXT
from nemo_docs.tui.messages import (
    DocumentOpened,
    LedgerOpened,
    LibraryChanged,
    LibraryShown,
    PathsDropped,
    ReadWanted,
    SelectionChanged,
)
from nemo_docs.tui.watching import Change, changes, stalled
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.document_list import DocumentList, Entry, Heading, Row
from nemo_docs.tui.widgets.plain_input import PlainInput

if TYPE_CHECKING:
    from nemo_docs.answering.fit import Share

ALONE = "Without a collection"


class LibraryPane(Widget):
    """The documents."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.LIBRARY)]
    DEFAULT_CSS = """
    LibraryPane {
        height: 1fr;
        layout: vertical;
        & #library-head { height: 1; padding: 0 1; }
        & #library-title { width: 1fr; height: 1; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        & #library-empty { height: 1fr; padding: 1 2; color: $text-muted; }
        & #library-scope { height: auto; max-height: 2; padding: 0 1; color: $text-muted; }
        & #library-filter { height: 1; border: none; padding: 0 1; display: none; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="library")
        self.desk = desk
        self._documents: list[Document] | None = None
        self._selected: dict[str, None] = {}  # in the order of selection
        self._words = ""
        self._shares: dict[str, Share] = {}
        self._loading: Job[list[Document]] | None = None
        self._is_stale = False
        self._watching: Job[Change] | None = None
        self._resuming: Job[list[Document]] | None = None

    def compose(self) -> ComposeResult:
        """A head, the documents, what a question is about, the filter."""
        with Horizontal(id="library-head"):
            yield Static("Library", id="library-title", markup=False)
            yield Control("+ add", "add_files")
        yield DocumentList()
        yield Static("Looking …", id="library-empty", markup=False)
        yield Static(id="library-scope", markup=False)
        yield PlainInput(id="library-filter", placeholder="Words of a title or collection", compact=True)

    def on_mount(self) -> None:
        """Load the documents and watch for changes."""
        self.query_one(DocumentList).display = False
        path = self.desk.configuration.paths.library
        self._watching = Job(self, "watching the library", lambda cancelled: changes(path, cancelled)).start()
        self.reload()

    def on_unmount(self) -> None:
        """Watch no longer."""
        for job in (self._watching, self._resuming):
            if job:
                job.cancel()

    def focus(self, scroll_visible: bool = True) -> LibraryPane:
        """Give the keys to the documents."""
        self.query_one(DocumentList).focus(scroll_visible)
        return self

    # what others ask for

    @property
    def selected(self) -> tuple[str, ...]:
        """Handles of the documents that a question is about; empty for the whole library."""
        return tuple(self._selected)

    @property
    def documents(self) -> list[Document]:
        """What there is, as far as it is known."""
        return self._documents or []

    @property
    def is_loaded(self) -> bool:
        """Whether it is known what there is."""
        return self._documents is not None and self._loading is None

    def reload(self) -> None:
        """Show what there is now; asked again while that is being found out, find it out once more."""
        if self._loading:
            self._is_stale = True
            return

        def documents(cancelled: Cancelled) -> Iterator[list[Document]]:
            yield self.desk.documents()

        self._loading = Job(self, "looking into the library", documents).start()

    def set_read_share(self, shares: Sequence[Share]) -> None:
        """Show how much of some documents is read."""
        self._shares.update((share.document, share) for share in shares)
        self.query_one(DocumentList).show_shares(self._shares)

    def forget_shares(self) -> None:
        """Another model is in use: what was read by the one before says nothing."""
        self._shares.clear()
        self.query_one(DocumentList).show_shares(self._shares)

    # what jobs bring

    def on_job_event(self, message: JobEvent) -> None:
        """Take documents, or a change."""
        message.stop()
        if isinstance(message.event, Change):
            self.post_message(LibraryChanged())
        elif message.job is self._loading and isinstance(message.event, list):
            self._take(message.event)
        elif message.job is self._resuming and message.event:
            self._resume(message.event)

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell what went wrong, where it concerns."""
        message.stop()
        if message.job is self._loading:
            self._loading = None
            if message.error and self._documents is None:
                said = printable(f"{message.error.message}\n\n{message.error.hint}", lines=True)
                self.query_one("#library-empty", Static).update(Content(said))
            if self._is_stale:
                self._is_stale = False
                self.reload()
        elif message.error:
            self.notify(printable(f"{message.error.message} {message.error.hint}"), severity="error", markup=False)

    def _take(self, documents: list[Document]) -> None:
        is_first, self._documents = self._documents is None, documents
        known = {document.handle for document in documents}
        gone = [handle for handle in self._selected if handle not in known]
        for handle in gone:
            del self._selected[handle]
        self._show()
        self.post_message(LibraryShown([document.handle for document in documents]))
        if is_first:
            self._resuming = Job(self, "looking for half read documents", lambda no: stalled(self.desk, no)).start()
        if is_first or gone:
            self.post_message(SelectionChanged(self.selected))

    def _resume(self, documents: object) -> None:
        assert isinstance(documents, list)
        first: Document = documents[0]
        read = f"{first.pages_read:,} of {counted(first.pages, 'page')}"
        others = f" and {len(documents) - 1:,} more" if len(documents) > 1 else ""
        self.notify(one_line(f"Going on with {first.title} ({read} read){others}."), markup=False)
        self.post_message(PathsDropped([document.path for document in documents]))

    # showing

    def _show(self) -> None:
        documents = self.documents
        rows = rows_of(documents, self._words)
        listed = self.query_one(DocumentList)
        listed.display = bool(rows)
        listed.show_rows(rows)
        empty = self.query_one("#library-empty", Static)
        empty.display = not rows
        empty.update(Content(f"Nothing is called “{one_line(self._words)}”." if documents else "No documents yet."))
        shown = len({row.document.handle for row in rows if isinstance(row, Entry)})
        count = f"{shown:,} of {len(documents):,}" if self._words else f"{len(documents):,}"
        self.query_one("#library-title", Static).update(Content(f"Library · {count}" if documents else "Library"))
        self._show_scope()

    def _show_scope(self) -> None:
        self.query_one(DocumentList).show_selected(self._selected)
        scope = self.query_one("#library-scope", Static)
        scope.display = bool(self.documents)
        if self._selected:
            pages = sum(document.pages for document in self.documents if document.handle in self._selected)
            said = f"Asking {counted(len(self._selected), 'document')}, {counted(pages, 'page')}"
        else:
            said = "Asking the whole library"
        scope.update(Content(said))

    # selecting

    def on_document_list_toggled(self, message: DocumentList.Toggled) -> None:
        """Select by mouse."""
        message.stop()
        self._toggle(message.handles)

    def on_document_list_opened(self, message: DocumentList.Opened) -> None:
        """Open by mouse."""
        message.stop()
        self.post_message(DocumentOpened(message.handle))

    def on_document_list_gaps_wanted(self, message: DocumentList.GapsWanted) -> None:
        """Tell of pages without text by mouse."""
        message.stop()
        self.action_open_gaps()

    def _toggle(self, handles: Sequence[str]) -> None:
        """Select them all; if they are, none of them."""
        if all(handle in self._selected for handle in handles):
            for handle in handles:
                del self._selected[handle]
        else:
            self._selected.update(dict.fromkeys(handles))
        self._tell()

    def _tell(self) -> None:
        self._show_scope()
        self.post_message(SelectionChanged(self.selected))

    # actions

    def _here(self) -> tuple[str, ...]:
        row = self.query_one(DocumentList).row
        if isinstance(row, Heading):
            return row.handles
        return (row.document.handle,) if row else ()

    def _document_here(self) -> Document | None:
        row = self.query_one(DocumentList).row
        return row.document if isinstance(row, Entry) else None

    def action_toggle_selected(self) -> None:
        """Ask about this document or collection, or no longer."""
        if handles := self._here():
            self._toggle(handles)

    def action_select_all(self) -> None:
        """Ask about the whole library; under a filter, about all that it shows."""
        if self._selected:
            self._selected.clear()
        elif self._words:
            shown = rows_of(self.documents, self._words)
            self._selected.update((row.document.handle, None) for row in shown if isinstance(row, Entry))
        self._tell()

    def action_open_document(self) -> None:
        """Show its pages."""
        if document := self._document_here():
            self.post_message(DocumentOpened(document.handle))

    def action_open_ledger(self) -> None:
        """Show what became of each of its pages."""
        self._open_ledger(ALL)

    def action_open_gaps(self) -> None:
        """Show those of its pages that hold no text."""
        self._open_ledger(NO_TEXT)

    def _open_ledger(self, only: str) -> None:
        if document := self._document_here():
            self.post_message(LedgerOpened(document, only))

    def _meant(self) -> tuple[str, ...]:
        """The document or collection at the cursor; where that is selected, all that are, in the library's order."""
        here = self._here()
        if here and self._selected.keys() >= set(here):
            return tuple(each.handle for each in self.documents if each.handle in self._selected)
        return here

    def action_read_document(self) -> None:
        """Read what is meant through the model, before all that waits."""
        if handles := self._meant():
            self.post_message(ReadWanted(handles))

    def action_read_later(self) -> None:
        """Put what is meant at the end of what is read."""
        if handles := self._meant():
            self.post_message(ReadWanted(handles, is_first=False))

    def action_tag_document(self) -> None:
        """Ask for the collections of what is meant; those that not all of several documents are in stay as they are."""
        if documents := self._documents_meant():
            from nemo_docs.tui.screens.line import LineScreen

            first, *others = documents
            shared = [name for name in first.collections if all(name in each.collections for each in others)]

            def typed(names: str | None) -> None:
                if names is not None:
                    wanted = [name.strip() for name in names.split(",") if name.strip()]
                    kept = {
                        each.handle: [name for name in each.collections if name not in shared] for each in documents
                    }
                    self._change(
                        "changing collections",
                        kept,
                        lambda handle: self.desk.set_collections(handle, [*kept[handle], *wanted]),
                    )

            detail = "Names, with commas between them. Leave it empty to take the document out of all."
            if others:
                detail = (
                    "Names, with commas between them. Those that only some of the documents are in stay as they are."
                )
            question = one_line(f"Collections of {_named(documents)}")
            self.app.push_screen(LineScreen(question, value=", ".join(shared), detail=detail), typed)

    def action_remove_document(self) -> None:
        """Take what is meant out of the library, once the user has said so twice."""
        if documents := self._documents_meant():
            from nemo_docs.tui.screens.confirm import ConfirmScreen

            handles = [each.handle for each in documents]

            def answered(is_wanted: bool | None) -> None:
                if is_wanted:
                    self._change("removing documents", handles, self.desk.remove)

            detail = "Its pages and what was read of it go; the file stays:"
            if len(documents) > 1:
                detail = "Their pages and what was read of them go; the files stay:"
            detail = "\n".join([detail, *(each.path for each in documents)])
            question = one_line(f"Remove {_named(documents)}?")
            self.app.push_screen(ConfirmScreen(question, yes="Remove", detail=detail), answered)

    def _documents_meant(self) -> list[Document]:
        handles = set(self._meant())
        return [each for each in self.documents if each.handle in handles]

    def _change(self, name: str, handles: Iterable[str], act: Callable[[str], None]) -> None:
        """Do something to documents, one after the other."""
        wanted = [*handles]

        def change(cancelled: Cancelled) -> Iterator[Change]:
            for handle in wanted:
                act(handle)
                yield Change()

        Job(self, name, change).start()

    def action_filter_library(self) -> None:
        """Ask for words."""
        field = self.query_one("#library-filter", Input)
        field.display = True
        field.focus()

    def close_field(self) -> bool:
        """Give the filter up if it is being written; whether it was."""
        field = self.query_one("#library-filter", Input)
        if is_open := field.has_focus:
            field.value = ""
            self.focus()
        return is_open

    def on_input_changed(self, message: Input.Changed) -> None:
        """Show what the words leave."""
        message.stop()
        self._words = message.value.strip()
        if self._documents is not None:
            self._show()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Back to the documents."""
        message.stop()
        self.focus()

    def on_input_blurred(self, message: Input.Blurred) -> None:
        """An empty filter goes away."""
        message.stop()
        message.input.display = bool(message.value)


def _named(documents: Sequence[Document]) -> str:
    return documents[0].title if len(documents) == 1 else counted(len(documents), "document")


def rows_of(documents: Sequence[Document], words: str) -> list[Row]:
    """The rows of documents whose titles or collections hold all these words: by collection, if there are any."""
    from nemo_docs.tui.finding import Finder

    finders = [Finder(word) for word in words.split()]
    kept = [
        document
        for document in documents
        if all(any(finder.spans("\n".join((document.title, *document.collections)))) for finder in finders)
    ]
    groups: dict[str, list[Document]] = {}
    for document in kept:
        for name in document.collections or (ALONE,):
            groups.setdefault(name, []).append(document)
    alone = groups.pop(ALONE, [])
    rows: list[Row] = []
    for name in sorted(groups, key=str.casefold):
        rows += [Heading(name, tuple(each.handle for each in groups[name])), *map(Entry, groups[name])]
    if groups and alone:
        rows.append(Heading(ALONE, tuple(each.handle for each in alone)))
    return [*rows, *map(Entry, alone)]
