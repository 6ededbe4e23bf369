"""One quote of an answer: its number, its words as they stand on the page, and where that is."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from nemo_docs.answering.events import Citation, QuoteOpen
from nemo_docs.plain import printable
from nemo_docs.tui.copying import place_of, quote_text


class QuoteBlock(Widget, can_focus=True):
    """A quote. To focus it, by key or by mouse, is to choose it.

    Args:
        opened: Its number and place, known before its words.
    """

    DEFAULT_CSS = """
    QuoteBlock {
        layout: horizontal;
        height: auto;
        border-left: blank;
        padding-right: 1;
        margin-bottom: 1;
        & > .marker {
            width: 6;
            color: $text-accent;
        }
        & > .quote {
            width: 1fr;
            height: auto;
        }
        .place {
            color: $text-muted;
        }
        &:hover {
            background: $foreground 5%;
        }
        &.-lit {
            border-left: outer $warning;
            & > .marker {
                text-style: bold;
            }
        }
        &:focus {
            background: $foreground 8%;
        }
        &:ansi:focus > .marker {
            text-style: bold reverse;
        }
    }
    """

    is_lit = reactive(False, toggle_class="-lit")
    """Whether it is the one that the source pane shows."""

    class Chosen(Message):
        """The user wants to see it in its source."""

        def __init__(self, block: QuoteBlock) -> None:
            super().__init__()
            self.block = block

    def __init__(self, opened: QuoteOpen) -> None:
        super().__init__()
        self.marker = opened.marker
        self.citation: Citation | None = None
        self._text = ""
        self._marker = Static(f"  {self.marker:>2}", classes="marker", markup=False)
        self._words = Static("“", markup=False)
        self._place = Static(f"{printable(opened.title)}, page {opened.page}", classes="place", markup=False)

    def compose(self) -> ComposeResult:
        """The number, and beside it words above place."""
        yield self._marker
        with Vertical(classes="quote"):
            yield self._words
            yield self._place

    def add(self, text: str) -> None:
        """Show the next stretch of words."""
        self._text += text
        self._words.update(f"“{printable(' '.join(self._text.split()))}")

    def close(self, citation: Citation) -> None:
        """Show the whole quote."""
        self.citation = citation
        self._words.update(quote_text(citation))
        self._place.update(place_of(citation))

    def watch_is_lit(self) -> None:
        """Say by a sign too, not by colour alone, which one is lit."""
        self._marker.update(f"{'▸' if self.is_lit else ' '} {self.marker:>2}")

    def on_focus(self, event: events.Focus) -> None:
        """Being chosen."""
        self.post_message(self.Chosen(self))
