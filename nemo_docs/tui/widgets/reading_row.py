"""A batch of the reading queue in the list of jobs: read, paused, gone on with, or taken out of the queue.

It shows what the queue in the library says, so that it looks the same after a restart, and tells its list what the user
wants done to the queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from enum import StrEnum

from textual.message import Message

from nemo_docs.errors import NemoDocsError
from nemo_docs.library.reading_queue import QueuedDocument, QueueState
from nemo_docs.tui.jobs.queued import Reading
from nemo_docs.tui.widgets.job_row import TOLD_FAILURES, JobRow, Stage


class Act(StrEnum):
    """What becomes of a batch."""

    PAUSE = "pause"
    RESUME = "resume"
    DROP = "drop"


class ReadingRow(JobRow):
    """A row for documents that are read through the model.

    Args:
        items: The batch as it stands in the queue.
    """

    class Changed(Message):
        """The user wants something done to the batch."""

        def __init__(self, row: ReadingRow, act: Act) -> None:
            super().__init__()
            self.row, self.act = row, act

    work: Reading

    def __init__(self, items: Sequence[QueuedDocument]) -> None:
        super().__init__(Reading(items))
        self.number = items[0].batch
        """Of the batch."""
        self._is_here = False
        self._stand()

    @property
    def handles(self) -> tuple[str, ...]:
        """The documents of the batch that are still in the queue."""
        return tuple(item.handle for item in self.work.items)

    # what becomes of it

    def follow(self, items: Sequence[QueuedDocument]) -> None:
        """Show how it stands in the queue."""
        self.work.follow(items)
        self._stand()

    def take(self, event: object) -> None:
        """Show how far it is; it is being read, unless it only waits for another program."""
        self._is_here, self.error = True, None
        self.work.take(event, time.monotonic())
        self._stand()

    def rest(self) -> None:
        """It is read no longer, or not yet."""
        self._is_here = False
        self.work.wait()
        self._stand()

    def fail(self, error: NemoDocsError) -> None:
        """Tell why nothing can be read; the queue keeps it."""
        self._is_here, self.error = False, error
        self._stand()

    def finish(self) -> None:
        """All of it is read."""
        self.stage = Stage.DONE
        self.draw()
        self.post_message(self.Over(self))

    def _stand(self) -> None:
        states = {item.state for item in self.work.items}
        if self.error:
            self.stage = Stage.FAILED
        elif self._is_here and QueueState.WAITING in states:
            self.stage = Stage.RUNNING
        elif QueueState.WAITING in states:
            self.stage = Stage.WAITING
        elif QueueState.PAUSED in states:
            self.stage = Stage.PAUSED
        elif QueueState.FAILED in states:
            self.stage = Stage.FAILED
        self.draw()

    # what the user wants

    @property
    def can_pause(self) -> bool:
        """Whether it can be paused, or gone on with."""
        return self.stage in (Stage.WAITING, Stage.RUNNING, Stage.PAUSED, Stage.FAILED)

    def action_pause_job(self) -> None:
        """Pause it, or go on with it, or try it again."""
        if self.can_pause:
            self.post_message(self.Changed(self, Act.PAUSE if self.is_active else Act.RESUME))

    def action_stop_job(self) -> None:
        """Take it out of the queue; what was read is kept."""
        if self.stage is Stage.DONE:
            self.dismiss()
        else:
            self.post_message(self.Changed(self, Act.DROP))

    # how it looks

    def _stop_label(self) -> str:
        return "dismiss" if self.stage in (Stage.DONE, Stage.FAILED) else "stop"

    def _detail(self) -> str:
        if self.stage is Stage.WAITING:
            whole = all(item.is_whole for item in self.work.items)
            return self.work.detail(time.monotonic()) if whole else "waiting until all its pages are here"
        return super()._detail()

    def _failures(self) -> Iterator[str]:
        if self.error:
            yield from super()._failures()
        else:
            reasons = self.work.reasons
            yield from reasons[:TOLD_FAILURES]
            if len(reasons) > TOLD_FAILURES:
                yield f"{len(reasons) - TOLD_FAILURES:,} more could not be read."
