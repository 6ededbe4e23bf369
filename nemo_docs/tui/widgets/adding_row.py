"""Files on their way into the library: paused, gone on with, tried again, or let go.

Each of them stands in the queue of the library, so what is paused or could not be read is there after a restart, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.message import Message

from nemo_docs.tui.jobs.work import Adding
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from nemo_docs.tui.widgets.reading_row import Act


class AddingRow(JobRow):
    """A row for files that are added.

    Args:
        work: What is added.
        stage: Where it is.
    """

    class Changed(Message):
        """The user wants something done to the files."""

        def __init__(self, row: AddingRow, act: Act, paths: Sequence[str] = ()) -> None:
            super().__init__()
            self.row, self.act = row, act
            self.paths = tuple(paths)
            """Those of the files that failed which are meant; empty for all of the row."""

    work: Adding

    def __init__(self, work: Adding, stage: Stage = Stage.WAITING) -> None:
        super().__init__(work)
        self.stage = stage

    @property
    def can_pause(self) -> bool:
        """Whether it can be paused, gone on with, or tried again."""
        return self.stage in (Stage.RUNNING, Stage.PAUSED, Stage.FAILED)

    def action_pause_job(self) -> None:
        """Pause it, go on with it, or try again what failed."""
        if self.stage is Stage.RUNNING and self._job:
            self.stage = Stage.PAUSED  # its end says so to the list
            self._job.cancel()
            self.draw()
        elif self.can_pause and not (self._job and self._job.is_running):
            self.post_message(self.Changed(self, Act.RESUME))

    def action_stop_job(self) -> None:
        """Stop it, or let go of what is paused or could not be read."""
        if self.stage in (Stage.PAUSED, Stage.FAILED):
            self.post_message(self.Changed(self, Act.DROP))
        else:
            super().action_stop_job()

    def _stop_label(self) -> str:
        return "stop" if self.stage is Stage.PAUSED else super()._stop_label()

    def _pause_label(self) -> str:
        return "try again" if self.stage is Stage.FAILED else super()._pause_label()
