"""One line below the jobs while documents are indexed by meaning: how many pages, how long still.

It begins by itself once the library has been at rest for a while, so that adding comes first; it rests while a question
is answered. A click pauses it, or the key that pauses work, and another goes on; closing the app ends it, and what was
done is kept. Without the extra `semantic` it is never seen.
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.events import Click
from textual.timer import Timer
from textual.widgets import Static

from nemo_docs.actions import Pane
from nemo_docs.errors import NemoDocsError
from nemo_docs.library.meaning.indexing import MeaningDone, MeaningIndexed, MeaningWaits
from nemo_docs.plain import counted, duration
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Job, JobEnded, JobEvent

REST_S = 5.0
"""Seconds without a change of the library before it begins."""


class MeaningLine(Static, can_focus=True):
    """How far indexing by meaning is.

    Args:
        desk: Does it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [each for each in bindings_of(Pane.JOBS) if each.id == "pause_job"]
    DEFAULT_CSS = """
    MeaningLine { height: auto; max-height: 2; padding: 0 1; color: $text-muted; display: none; }
    MeaningLine.-shown { display: block; }
    MeaningLine:focus { color: $text; text-style: bold reverse; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(markup=False)
        self.desk = desk
        self._job: Job[object] | None = None
        self._rest: Timer | None = None
        self._is_paused = False
        self._is_wanted_again = False
        """Whether it was gone on with before the job that was paused had ended."""
        self._said = ""

    def on_mount(self) -> None:
        """Look whether there is anything to do, after a while."""
        self.look()

    def on_unmount(self) -> None:
        """End it."""
        if self._job:
            self._job.cancel()

    @property
    def is_resting(self) -> bool:
        """Whether nothing is being done."""
        return self._job is None

    def look(self) -> None:
        """The library has changed: begin once it is at rest, unless it is going on already."""
        if self._job or self._is_paused:
            return
        if self._rest:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self._begin)

    def on_click(self, event: Click) -> None:
        """Pause, or go on."""
        event.stop()
        self.toggle()

    def action_pause_job(self) -> None:
        """By key."""
        self.toggle()

    def toggle(self) -> None:
        """Pause, or go on."""
        self._is_paused = not self._is_paused
        if self._is_paused and self._job:
            self._job.cancel()
        elif not self._is_paused:
            self._begin()
        self._is_wanted_again = self._job is not None and self._job.is_cancelled and not self._is_paused
        self._show(self._said)

    def on_job_event(self, message: JobEvent) -> None:
        """Tell how far it is."""
        message.stop()
        match message.event:
            case MeaningWaits():
                self._show("another nemo-docs does it")
            case MeaningIndexed(pages, total, seconds_left):
                self._show(f"{pages:,} of {counted(total, 'page')} · {duration(seconds_left)} left")
            case MeaningDone(pages_left=left):
                self._show(f"{counted(left, 'page')} left" if left else "")

    def on_job_ended(self, message: JobEnded) -> None:
        """Say nothing more, or what went wrong."""
        message.stop()
        self._job = None
        if isinstance(message.error, NemoDocsError):
            self._is_paused = True
            self._show(message.error.message)
        elif self._is_wanted_again:
            self._begin()

    def _begin(self) -> None:
        if self._job is None:
            self._is_wanted_again = False
            self._job = Job[object](self, "indexing by meaning", self.desk.index_by_meaning).start()

    def _show(self, said: str) -> None:
        self._said = said
        self.set_class(bool(said), "-shown")
        self.update(one_line(f"{'Paused' if self._is_paused else 'By meaning'}: {said}"))
