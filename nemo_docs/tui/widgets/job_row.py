"""One piece of work: what it is, how far it is, and how it is stopped; or what went wrong, until it is dismissed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from nemo_docs.actions import Pane
from nemo_docs.errors import Encrypted, NemoDocsError
from nemo_docs.plain import printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.cells import one_line
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.jobs.redoing import Redoing
from nemo_docs.tui.jobs.work import Adding, Work
from nemo_docs.tui.widgets.control import Control

TOLD_FAILURES = 3
"""Of more the others are told on a screen of their own."""
SLIM = 28
"""Cells; below them a title has a line of its own."""


class Stage(StrEnum):
    """Where a piece of work is in its life."""

    COUNTING = "counting"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


_SIGNS = {
    Stage.COUNTING: "…",
    Stage.WAITING: "…",
    Stage.RUNNING: "▸",
    Stage.PAUSED: "‖",
    Stage.DONE: "✓",
    Stage.STOPPED: "■",
    Stage.FAILED: "✗",
}


class JobRow(Widget, can_focus=True):
    """A row of the list of jobs.

    Args:
        work: What is done.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.JOBS)]
    DEFAULT_CSS = """
    JobRow {
        height: auto;
        padding: 0 1;
        & Horizontal { height: 1; }
        & .job-title { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & .job-detail { height: auto; color: $text-muted; }
        & #password, & #failures { color: $primary; }
        & #pause { margin: 0 1; }
        &:focus .job-title { text-style: bold reverse; }
        &.-failed .job-title { color: $text-error; }
        &.-done .job-title { color: $text-success; }
        &.-many .job-detail { text-wrap: nowrap; text-overflow: ellipsis; }
        &.-slim Horizontal { layout: grid; grid-size: 2; grid-columns: auto 1fr; grid-gutter: 0 1; height: 2; }
        &.-slim .job-title { column-span: 2; width: 100%; }
        &.-slim #pause { margin: 0; }
    }
    """

    class Over(Message):
        """The work has ended, by itself or because it was stopped or dismissed."""

        def __init__(self, row: JobRow) -> None:
            super().__init__()
            self.row = row

    class Counted(Message):
        """The files are counted, and the work could begin."""

        def __init__(self, row: JobRow, files: int) -> None:
            super().__init__()
            self.row, self.files = row, files

    class Dismissed(Message):
        """Nothing is left to tell."""

        def __init__(self, row: JobRow) -> None:
            super().__init__()
            self.row = row

    class PasswordWanted(Message):
        """The user would type the password of some files."""

        def __init__(self, row: JobRow, *paths: str) -> None:
            super().__init__()
            self.row, self.paths = row, paths

    class FailuresWanted(Message):
        """The user would see all that failed."""

        def __init__(self, row: JobRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.stage = Stage.WAITING
        self.error: NemoDocsError | None = None
        self._files = 0
        self._is_on_screen = False
        self._job: Job[Any] | None = None

    def compose(self) -> ComposeResult:
        """A title with a control at its right, and what there is to say."""
        with Horizontal():
            yield Static(classes="job-title", markup=False)
            yield Control("pause", "pause_job", id="pause")
            yield Control("stop", "stop_job", id="stop")
        yield Static(classes="job-detail", markup=False)
        yield Control("▸ Type the password", "give_password", id="password")
        yield Control("", "show_failures", id="failures")

    def on_mount(self) -> None:
        """Show it as it is, and begin."""
        self._is_on_screen = True
        if self._job:
            self._job.start()
        self.call_after_refresh(self.draw)  # what stands inside others comes after this

    def on_resize(self) -> None:
        """A narrow row takes another line."""
        self.set_class(self.size.width < SLIM, "-slim")

    def _begin(self, job: Job[Any]) -> None:
        """Start a job once there is a queue for its messages: a thread that makes one races with the screen's own."""
        self._job = job
        if self._is_on_screen:
            job.start()

    # its life

    def count(self, files: Callable[[Cancelled], Iterator[int]]) -> None:
        """Count the files first."""
        self.stage = Stage.COUNTING
        self._begin(Job(self, "counting files", files))

    def wait(self) -> None:
        """Wait for others to end."""
        self.stage, self._job = Stage.WAITING, None
        self.draw()

    def run_work(self) -> None:
        """Begin."""
        self.stage = Stage.RUNNING
        self._begin(Job(self, self.work.title, self.work.events))
        self.draw()

    @property
    def can_pause(self) -> bool:
        """Whether it can be paused, or gone on with."""
        return False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to pause only what can be."""
        return self.can_pause if action == "pause_job" else True

    def action_pause_job(self) -> None:
        """Pause it, or go on with it."""

    def action_stop_job(self) -> None:
        """Stop it; what has ended is dismissed."""
        if self.stage is Stage.RUNNING and self._job:
            self._job.cancel()
            self.stage = Stage.STOPPED
            self.draw()
            return
        if self.stage is Stage.COUNTING and self._job:
            self._job.cancel()
        if self.is_active:
            self.stage = Stage.STOPPED
            self.post_message(self.Over(self))
        self.dismiss()

    def dismiss(self) -> None:
        """Ask to be taken away."""
        self.post_message(self.Dismissed(self))

    @property
    def is_active(self) -> bool:
        """Whether there is something to stop."""
        return self.stage in (Stage.COUNTING, Stage.WAITING, Stage.RUNNING)

    def on_job_event(self, message: JobEvent) -> None:
        """Tell how far it is."""
        message.stop()
        if message.job is not self._job:
            return
        if self.stage is Stage.COUNTING:
            self._files = int(str(message.event))
        else:
            self.work.take(message.event, time.monotonic())
        self.draw()

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell what came of it."""
        message.stop()
        if message.job is not self._job:
            return
        if self.stage is Stage.COUNTING and message.error is None:
            self.post_message(self.Counted(self, self._files))
            return
        self.error = message.error
        if self.error or (self.work.failures and self.stage is not Stage.PAUSED):
            self.stage = Stage.FAILED
        elif self.stage not in (Stage.STOPPED, Stage.PAUSED):
            self.stage = Stage.DONE
        self.draw()
        self.post_message(self.Over(self))

    # a password

    @property
    def encrypted(self) -> str:
        """The path or title of a file that waits for its password; empty if none does."""
        if isinstance(self.error, Encrypted) and isinstance(self.work, Redoing):
            return self.work.document
        return next((each.path for each in self.work.failures if isinstance(each.error, Encrypted)), "")

    def action_give_password(self) -> None:
        """Ask for the password, if that is what is missing."""
        if self.stage is Stage.FAILED and self.encrypted:
            self.post_message(self.PasswordWanted(self, self.encrypted))

    # what failed

    def action_show_failures(self) -> None:
        """Show all that failed, if anything did."""
        if self.stage is Stage.FAILED and self.work.failures:
            self.post_message(self.FailuresWanted(self))

    def forget(self, paths: Collection[str]) -> None:
        """Tell no longer of files that are tried again or let go; a row with nothing left to tell goes."""
        if isinstance(self.error, Encrypted):
            self.error = None
        self.work.failures[:] = [each for each in self.work.failures if each.path not in paths]
        if self.error or self.work.failures:
            self.draw()
        else:
            self.dismiss()

    # how it looks

    def draw(self) -> None:
        """Show the state."""
        if len(self.query(".job-title, .job-detail, #pause, #stop, #password, #failures")) < 6:  # not wholly there yet
            return
        for stage in Stage:
            self.set_class(stage is self.stage, f"-{stage}")
        title, detail = self.query_one(".job-title", Static), self.query_one(".job-detail", Static)
        title.update(Content(one_line(f"{_SIGNS[self.stage]} {self.work.title}")))
        detail.update(Content(self._detail()))
        self.query_one("#stop", Control).update(Content(self._stop_label()))
        pause = self.query_one("#pause", Control)
        pause.display = self.can_pause
        pause.update(Content(self._pause_label()))
        self.query_one("#password").display = self.stage is Stage.FAILED and bool(self.encrypted)
        failures, failed = self.query_one("#failures", Control), len(self.work.failures)
        failures.display = is_many = self.stage is Stage.FAILED and failed > 1
        failures.update(Content(f"▸ Show all {failed:,}"))
        self.set_class(is_many, "-many")

    def _pause_label(self) -> str:
        return "pause" if self.is_active else "go on"

    def _stop_label(self) -> str:
        return "stop" if self.is_active else "dismiss"

    def _detail(self) -> str:
        match self.stage:
            case Stage.COUNTING:
                return f"counting files: {self._files:,}"
            case Stage.WAITING:
                return "waiting for others to be done"
            case Stage.RUNNING:
                return f"{_bar(self.work.share)} {self.work.detail(time.monotonic())}"
            case Stage.PAUSED:
                return "paused; what was read is kept"
            case Stage.STOPPED:
                kept = "pages" if isinstance(self.work, Adding | Redoing) else "tokens"
                return f"stopped; the {kept} that were read are kept"
            case Stage.DONE:
                return printable(self.work.result())
            case Stage.FAILED:
                pass
        return printable("\n".join(self._failures()), lines=True)

    def _failures(self) -> Iterator[str]:
        """What went wrong; of several files a line each, without what to do."""
        failures = self.work.failures
        if len(failures) > 1:
            yield f"{len(failures):,} files could not be added"
        if isinstance(self.work, Adding) and self.work.added:
            yield self.work.added
        if self.error or len(failures) == 1:
            error = self.error or failures[0].error
            hint = "" if isinstance(error, Encrypted) else error.hint  # there is a control for that here
            yield f"{error.message} {hint}".strip()
        if len(failures) > 1:
            yield from (failure.error.message for failure in failures[:TOLD_FAILURES])


def _bar(share: float, cells: int = 8) -> str:
    done = round(min(1.0, share) * cells)
    return "━" * done + "╌" * (cells - done)
