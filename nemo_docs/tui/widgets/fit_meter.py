"""Whether what is selected fits, before anything is asked: one line above the prompt, two where it is narrow.

Counting runs in a job; what is known so far is shown at once, and the newest question wins. A library that changes
while it is counted is counted again when that is over, not from the start at every page that comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from nemo_docs.errors import NemoDocsError, NothingFound
from nemo_docs.plain import counted, duration, printable, size
from nemo_docs.tui.cells import fitted, short_number
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Job, JobEnded, JobEvent
from nemo_docs.tui.messages import SharesCounted

if TYPE_CHECKING:
    from nemo_docs.answering.fit import Fit

DEBOUNCE_S = 0.3
"""From a new selection to the count."""
AGAIN_S = 2.0
"""From a change of the library to the next count of the same selection."""
LINES = 2
_DOT = " · "


class FitMeter(Static):
    """What the next question would cost."""

    DEFAULT_CSS = """
    FitMeter {
        height: auto;
        max-height: 2;
        padding: 0 1;
        color: $text-muted;
        &.-wrong { color: $text-warning; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="fit", markup=False)
        self.desk = desk
        self._handles: tuple[str, ...] | None = None
        self._parts: list[str] = []
        self._timer: Timer | None = None
        self._job: Job[Fit] | None = None
        self._is_stale = False
        self._only_if_changed = True

    def show_fit(self, handles: Sequence[str], *, only_if_changed: bool = False) -> None:
        """Count for these documents, or for all where none is named, a moment from now.

        Args:
            handles: The documents.
            only_if_changed: Whether to leave it if they are what they were when they were last counted.
        """
        self._only_if_changed = self._only_if_changed and only_if_changed
        is_same, self._handles = tuple(handles) == self._handles, tuple(handles)
        if is_same and (self._job or self._timer):
            self._is_stale = True
            return
        self._count_in(AGAIN_S if is_same else DEBOUNCE_S)

    @property
    def is_settled(self) -> bool:
        """Whether what is shown is the whole of it."""
        return self._job is None and self._timer is None

    def _count_in(self, seconds: float) -> None:
        if self._timer:
            self._timer.stop()
        if self._job:
            self._job.cancel()
            self._job = None
        self._is_stale = False
        self._timer = self.set_timer(seconds, self._count)

    def _count(self) -> None:
        self._timer = None
        handles, only_if_changed, self._only_if_changed = self._handles or (), self._only_if_changed, True
        self._job = Job(
            self, "counting", lambda no: self.desk.fit(handles, no, only_if_changed=only_if_changed)
        ).start()

    def on_job_event(self, message: JobEvent) -> None:
        """Show what is known so far."""
        message.stop()
        if message.job is not self._job:
            return
        fit: Fit = message.event  # type: ignore[assignment]
        self._show(parts(fit, is_library=not self._handles), is_wrong=_does_not_fit(fit))
        if fit.is_whole:
            self.post_message(SharesCounted(fit.shares))

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell why nothing can be counted; count again what changed meanwhile."""
        message.stop()
        if message.job is not self._job:
            return
        self._job = None
        if message.error:
            is_wrong = not isinstance(message.error, NothingFound)
            self._show(_told(message.error), is_wrong=is_wrong)
        if self._is_stale:
            self._count_in(AGAIN_S)

    def _show(self, parts: list[str], *, is_wrong: bool) -> None:
        self._parts = parts
        self.set_class(is_wrong, "-wrong")
        self._draw()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._draw()

    def _draw(self) -> None:
        self.update(Content("\n".join(broken(self._parts, self.content_region.width))))


def parts(fit: Fit, *, is_library: bool) -> list[str]:
    """A fit in plain words, the most telling first."""
    others = [f"{fit.documents_without_text:,} more without text"] * bool(fit.documents_without_text)
    others += [f"{fit.documents_half_read:,} more not read in to the end"] * bool(fit.documents_half_read)
    empty = f" ({', '.join(others)})" if others else ""
    scope = f"{counted(fit.documents, 'document')}{empty}, {counted(fit.pages, 'page')}"
    told = [f"whole library: {scope}" if is_library else scope]
    if not fit.windows:
        return [*told, f"{short_number(fit.tokens)} tokens on {counted(fit.pages_counted, 'page')}, counting"]
    told.append(f"{short_number(fit.tokens)} tokens")
    told.append(_windows(fit))
    told += _reading(fit) if fit.is_whole else ["looking up what is read"]
    if fit.memory_bytes:
        told.insert(1 if _does_not_fit(fit) else len(told), _memory(fit))
    return told


def _memory(fit: Fit) -> str:
    where = f" on {fit.memory_where}" if fit.memory_where not in ("", "cpu") else ""
    way = f" in {fit.memory_way}" if fit.memory_way else ""
    return f"{size(fit.memory_bytes)} of memory{where}{way}, {size(fit.memory_free_bytes)} free"


def _windows(fit: Fit) -> str:
    if fit.windows == 1:
        return "fits in one window"
    return f"{fit.windows:,} windows of {short_number(fit.window_tokens)}"


def _reading(fit: Fit) -> list[str]:
    left = fit.tokens - fit.tokens_cached
    if left <= 0:
        return ["all of it read already"]
    read = [f"{_percent(fit.tokens_cached, fit.tokens)} read already"] if fit.tokens_cached else []
    if fit.seconds is None:
        return [*read, "speed not measured yet"]
    takes = f"{duration(fit.seconds)} to read{' the rest' if read else ''}"
    if fit.seconds > fit.budget_s and fit.windows > 1:
        takes += f"; {fit.budget_s:g} s read about {fit.windows_in_budget} of them"
    return [*read, takes]


def _percent(part: int, whole: int) -> str:
    """Never 0% of something nor 100% of not all."""
    return f"{min(99, max(1, round(100 * part / whole)))}%"


def _does_not_fit(fit: Fit) -> bool:
    """Whether the model needs more memory than is left; what is cached proves that it is there already."""
    return fit.memory_bytes > fit.memory_free_bytes > 0 and not fit.tokens_cached


def _told(error: NemoDocsError) -> list[str]:
    return [printable(text) for text in (error.message, error.hint) if text]


def broken(parts: Sequence[str], width: int) -> list[str]:
    """Parts on two lines at most, in their order; one that finds no place is left out."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1] + _DOT + part) <= width:
            lines[-1] += _DOT + part
        elif len(lines) < LINES:
            lines.append(fitted(part, width))
    return lines
