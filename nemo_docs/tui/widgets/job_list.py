"""What is being added or read, with time left."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widget import Widget

from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Job, JobEnded
from nemo_docs.tui.messages import LibraryChanged


class JobList(Widget):
    """The work beside the conversation."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="jobs")
        self.desk = desk

    def add(self, paths: Sequence[str]) -> None:
        """Add files and folders."""
        Job(self, "adding", lambda cancelled: self.desk.add(paths, cancelled)).start()

    def on_job_ended(self, message: JobEnded) -> None:
        """There is more in the library."""
        self.post_message(LibraryChanged())

    def read(self, handles: Sequence[str]) -> None:
        """Read documents through the model."""
        Job(self, "reading", lambda cancelled: self.desk.read(handles, cancelled)).start()

    def cancel_newest(self) -> bool:
        """Stop what was begun last."""
        return False
