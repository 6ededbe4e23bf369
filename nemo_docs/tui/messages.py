"""What the panes tell each other. Every message goes up to the main screen, which hands it to whom it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from nemo_docs.answering.events import Citation

if TYPE_CHECKING:
    from nemo_docs.answering.fit import Share
    from nemo_docs.library.records import Document


class QuestionAsked(Message):
    """The prompt was sent."""

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = question


class PathsDropped(Message):
    """Files or folders were dropped, pasted or typed: all of them exist.

    Attributes:
        paths: Of the files and folders.
        collections: Their documents are to be put into these.
        excludes: Patterns as in .gitignore, for what is in folders.
    """

    def __init__(self, paths: Sequence[str], collections: Sequence[str] = (), excludes: Sequence[str] = ()) -> None:
        super().__init__()
        self.paths, self.collections, self.excludes = tuple(paths), tuple(collections), tuple(excludes)


class SelectionChanged(Message):
    """Other documents are selected; empty means the whole library."""

    def __init__(self, handles: Sequence[str]) -> None:
        super().__init__()
        self.handles = tuple(handles)


class LibraryChanged(Message):
    """Documents were added, changed or removed, by this process or another.

    Attributes:
        is_read: Whether documents were read through the model.
    """

    def __init__(self, *, is_read: bool = False) -> None:
        super().__init__()
        self.is_read = is_read


class ReadWanted(Message):
    """Documents are to be read through the model.

    Attributes:
        handles: Which.
        is_first: Before all that wait, or behind them.
    """

    def __init__(self, handles: Sequence[str], *, is_first: bool = True) -> None:
        super().__init__()
        self.handles, self.is_first = tuple(handles), is_first


class SharesCounted(Message):
    """It is known how much of some documents is read.

    Attributes:
        shares: For each document its tokens and how many of them are cached.
    """

    def __init__(self, shares: Sequence[Share]) -> None:
        super().__init__()
        self.shares = tuple(shares)


class LibraryShown(Message):
    """It is known which documents there are, by their handles."""

    def __init__(self, handles: Sequence[str]) -> None:
        super().__init__()
        self.handles = tuple(handles)


class DocumentOpened(Message):
    """A document's page is to be shown."""

    def __init__(self, handle: str, page: int = 1) -> None:
        super().__init__()
        self.handle, self.page = handle, page


class LedgerOpened(Message):
    """What became of a document's pages is to be shown.

    Attributes:
        document: Whose.
        only: The filter at first, as `nemo_docs.tui.ledger` names them.
    """

    def __init__(self, document: Document, only: str) -> None:
        super().__init__()
        self.document, self.only = document, only


class RedoWanted(Message):
    """Pages are to be read again.

    Attributes:
        handle: Of their document.
        title: Of their document.
        pages: Their numbers.
        extractor: With what; None leaves the choice to the reader.
    """

    def __init__(self, handle: str, title: str, pages: Sequence[int], extractor: str | None) -> None:
        super().__init__()
        self.handle, self.title, self.pages, self.extractor = handle, title, tuple(pages), extractor


class CitationShown(Message):
    """A quote is to be lit in its source.

    Attributes:
        citation: The quote.
        siblings: All quotes of the same answer; those on the same page are lit more faintly.
        is_chosen: Whether the user wants to see it, as opposed to its just having come.
    """

    def __init__(self, citation: Citation, siblings: Sequence[Citation] = (), *, is_chosen: bool = True) -> None:
        super().__init__()
        self.citation, self.siblings, self.is_chosen = citation, tuple(siblings), is_chosen


class ConversationChanged(Message):
    """There are turns where there were none, none where there were some, or another one is over."""


class QuestionEdited(Message):
    """A question is to go back into the prompt."""

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = question


class CopyWanted(Message):
    """Text is to go to the clipboard.

    Attributes:
        text: What to copy, with its source.
        what: What it is called in the notice, such as "the quote".
    """

    def __init__(self, text: str, what: str) -> None:
        super().__init__()
        self.text, self.what = text, what
