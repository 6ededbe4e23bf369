"""Answers as plain text for a terminal: the answer on one stream, narration on another.

Everything shown goes through `printable`: text of documents and models cannot move the cursor or become markup.
"""

from __future__ import annotations

import textwrap
from typing import Protocol, TextIO

from nemo_docs.answering.events import (
    Answer,
    AnswerEvent,
    Citation,
    Coverage,
    Plan,
    Progress,
    QuoteClose,
    Text,
    Warn,
)
from nemo_docs.plain import counted, duration, printable

WIDTH = 100


class Narrator(Protocol):
    """Tells how far along a task is."""

    def update(self, task: str, done: int, of: int, note: str = "") -> None:
        """Done of so many units."""

    def say(self, text: str) -> None:
        """One line."""

    def clear(self) -> None:
        """Take an updating line away."""


class PlainRenderer:
    """Shows one answer as its events come.

    Args:
        out: Takes the quotes, the answer and the coverage.
        narrator: Takes the rest.
    """

    def __init__(self, out: TextIO, narrator: Narrator) -> None:
        self._out, self._narrator = out, narrator
        self._is_answering = False

    def show(self, event: AnswerEvent) -> None:
        """Show one event."""
        match event:
            case Plan():
                self._narrator.say(plan_line(event))
            case Progress(stage="reading"):
                left = "" if event.seconds_left is None else f"tokens, {duration(event.seconds_left)} left"
                task = f"Reading window {event.window} of {event.windows}"
                self._narrator.update(task, event.tokens, event.tokens_total, left)
            case QuoteClose():
                self._write(quote_block(event.citation))
            case Text():
                if not self._is_answering:
                    self._write("\n")
                    self._is_answering = True
                self._write(printable(event.text, lines=True))
            case Warn():
                self._narrator.say(f"Warning: {event.message}")
            case Answer():
                self._write(("\n" if self._is_answering else "") + f"\n{coverage_line(event)}\n")

    def _write(self, text: str) -> None:
        self._narrator.clear()
        self._out.write(text)
        self._out.flush()


def quote_block(citation: Citation) -> str:
    """A quote with its place, wrapped."""
    pages = sorted({span.page for span in citation.spans})
    where = f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]}-{pages[-1]}"
    quote = printable(" ".join(citation.text.split()))
    lead = f"[{citation.marker}] "
    lines = textwrap.wrap(f"“{quote}”", WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead))
    name = f", {citation.passage}" if citation.passage else ""
    return "\n".join([*lines, f"{' ' * len(lead)}{printable(citation.title)}, {where}{name}", ""])


def plan_line(plan: Plan) -> str:
    """What will be read, in one line."""
    documents = counted(plan.documents, "document")
    tokens = sum(window.tokens for window in plan.windows)
    windows = counted(len(plan.windows), "window")
    cached = f" ({plan.tokens_cached:,} of them cached)" if plan.tokens_cached else ""
    return f"{plan.model}: {documents}, {plan.tokens:,} tokens; reading {tokens:,}{cached} in {windows}{_time(plan)}."


def _time(plan: Plan) -> str:
    """How long reading takes, and that it may be longer than is allowed."""
    budget = f"{plan.budget_s:g} s"
    if plan.seconds is None:
        unknown = ", speed not measured yet"
        return f"{unknown}: as many as {budget} allow" if len(plan.windows) > 1 else unknown
    allowed = f", of which {budget} are allowed" if plan.seconds > plan.budget_s and len(plan.windows) > 1 else ""
    return f", about {duration(plan.seconds)}{allowed}"


def coverage_line(answer: Answer) -> str:
    """What was read, and what was not."""
    coverage = answer.coverage
    line = f"Read {coverage.pages_read:,} of {counted(coverage.pages_total, 'page')}"
    if coverage.pages_in_part:
        line += f" and {coverage.pages_in_part:,} in part"
    line += (
        f" ({coverage.tokens_read:,} of {coverage.tokens_total:,} tokens) of {counted(coverage.documents, 'document')}"
    )
    if coverage.pages_without_text:
        line += f"; {counted(coverage.pages_without_text, 'page')} without text"
    if coverage.left_out:
        line += f"; not read: {_left_out(coverage)}"
    timing = answer.timing
    restored = f" ({timing.tokens_restored:,} came from the disk)" if timing.tokens_restored else ""
    again = (
        f"; {timing.tokens_recomputed:,} of these were on the disk, which is slower here than reading"
        if timing.tokens_recomputed
        else ""
    )
    return (
        f"{line}. {timing.tokens_cached:,} tokens were cached{restored}, {timing.tokens_prefilled:,} read now{again}."
    )


def _left_out(coverage: Coverage) -> str:
    """Page ranges by document, neighbours joined."""
    ranges: dict[str, list[list[int]]] = {}
    for gap in coverage.left_out:
        held = ranges.setdefault(gap.document, [])
        if held and gap.first_page <= held[-1][1] + 1:
            held[-1][1] = max(held[-1][1], gap.last_page)
        else:
            held.append([gap.first_page, gap.last_page])
    named = {doc: ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in held) for doc, held in ranges.items()}
    return "; ".join(f"{doc} pages {pages}" for doc, pages in named.items())
