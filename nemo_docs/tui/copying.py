"""What goes to the clipboard: a quote with its source, an answer with its quotes.

White space within a quote is joined as on screen, where line ends of the page mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from nemo_docs.answering.events import Citation
from nemo_docs.plain import printable


def quote_text(citation: Citation) -> str:
    """The quote on one line, safe to show."""
    return f"“{printable(' '.join(citation.text.split()))}”"


def place_of(citation: Citation) -> str:
    """Title and page, safe to show."""
    pages = sorted({span.page for span in citation.spans})
    where = f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]}-{pages[-1]}"
    return f"{printable(citation.title)}, {where}"


def copied_citation(citation: Citation) -> str:
    """A quote and its source."""
    return f"{quote_text(citation)} ({place_of(citation)})"


def copied_answer(question: str, text: str, citations: Sequence[Citation]) -> str:
    """A question, its answer, and the quotes that the marks in it mean."""
    quotes = [f"[{citation.marker}] {copied_citation(citation)}" for citation in citations]
    parts = [printable(question, lines=True), printable(text, lines=True).strip(), "\n".join(quotes)]
    return "\n\n".join(part for part in parts if part) + "\n"
