"""The reading plan: which windows are read, in which order, and what that leaves out.

A document that fits the size that the model reads well is one window. Of a longer one the windows are read in the order
of their best sentence, those that hold none of the best sentences not at all, and only as many as the budget of time
allows. What is not read is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from nemo_docs.answering.events import Coverage, LeftOut, WindowNote
from nemo_docs.answering.ranking import Candidate
from nemo_docs.answering.sentences import Stretch
from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import Window, packed, windows_of
from nemo_docs.backends.base import Backend
from nemo_docs.errors import ContextExceeded

SENTENCES = 16
"""Windows are read for the sake of this many of the best sentences."""
WORTH_READING = 0.4
"""A sentence is not worth a window when the words give it less than this share of the best one's score."""
ROOM_TOKENS = 1536
"""Kept free behind a window's text for the question, the quotes and the answer, beside the answer's own limit."""


def window_limit(backend: Backend, wanted: int | None, answer_tokens: int) -> int:
    """The most tokens of text in a window.

    Args:
        backend: The model.
        wanted: What the user asked for, or None for the size that the model reads well.
        answer_tokens: The longest answer.

    Raises:
        ContextExceeded: If the user asked for more than the model has, or the answer leaves no room for a document.
    """
    largest = backend.window_tokens - ROOM_TOKENS - answer_tokens
    if wanted is not None and wanted > backend.window_tokens:
        raise ContextExceeded(
            f"A window of {wanted:,} tokens is {wanted - backend.window_tokens:,} more than the "
            f"{backend.window_tokens:,} of {backend.name}.",
            hint="Ask for a smaller --window, or leave it at auto.",
        )
    if largest < 1:
        raise ContextExceeded(
            f"An answer of {answer_tokens:,} tokens leaves no room for a document in a window of "
            f"{backend.window_tokens:,}.",
            hint="Ask for a shorter answer with --answer-tokens, or choose a model with a larger window.",
        )
    return min(backend.effective_window_tokens if wanted is None else wanted, largest)


def cut(sources: Sequence[Source], backend: Backend, limit: int, *, pack: bool) -> list[Window]:
    """All windows of the documents, in order; packed whole into shared windows if `pack`."""
    tokenizer = backend.tokenizer
    if pack:
        return packed(sources, tokenizer, limit)
    return [window for source in sources for window in windows_of(source, tokenizer, limit)]


def order(windows: Sequence[Window], candidates: Sequence[Candidate]) -> list[Window]:
    """The windows that are worth reading, in the order of their best sentence.

    Args:
        windows: All of them.
        candidates: Sentences, best first.

    Returns:
        Those that hold some of the best sentences; all, in their own order, where no sentence tells.
    """
    home = {id(segment): n for n, window in enumerate(windows) for segment in window.segments}
    top = max((candidate.words for candidate in candidates), default=0.0)
    # a sentence that shares no word with the question says nothing about where to look
    best = (c for c in candidates[:SENTENCES] if c.words > 0.0 and c.words >= WORTH_READING * top)
    ranked = dict.fromkeys(home[id(candidate.segment)] for candidate in best)
    return [windows[n] for n in ranked] or list(windows)


def coverage(sources: Sequence[Source], windows: Sequence[Window], read: Sequence[Window]) -> Coverage:
    """What was read out of what there is."""
    seen = {id(window) for window in read}
    missed = [window for window in windows if id(window) not in seen]
    unread, begun = _pages(missed), _pages(read)
    return Coverage(
        documents=len(sources),
        pages_read=sum(len(source.pages) for source in sources) - len(unread),
        pages_in_part=len(unread & begun),
        pages_total=sum(source.pages_total for source in sources),
        pages_without_text=sum(source.pages_without_text for source in sources),
        tokens_read=sum(window.tokens for window in read),
        tokens_total=sum(window.tokens for window in windows),
        windows=len(read),
        windows_total=len(windows),
        left_out=tuple(
            LeftOut(segment.source.handle, *_page_range(segment.stretches), segment.tokens)
            for window in missed
            for segment in window.segments
        ),
    )


def _pages(windows: Sequence[Window]) -> set[tuple[str, int]]:
    """The pages that these windows hold anything of, as (document, page)."""
    return {
        (segment.source.handle, s.page.number) for w in windows for segment in w.segments for s in segment.stretches
    }


def note(window: Window) -> WindowNote:
    """A window as a plan shows it."""
    handles = ", ".join(dict.fromkeys(segment.source.handle for segment in window.segments))
    return WindowNote(handles, *_page_range(window.stretches), window.tokens)


def _page_range(stretches: Sequence[Stretch]) -> tuple[int, int]:
    numbers = [stretch.page.number for stretch in stretches]
    return min(numbers), max(numbers)
