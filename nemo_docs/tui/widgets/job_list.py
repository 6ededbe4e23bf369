"""What is being added or read, with time left. It is there only while there is something to tell.

Two ingests run at a time, since each has a process that reads files; others wait visibly. Reading through the model
queues in the engine. What is done goes away by itself, what failed stays until it is dismissed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from textual.containers import VerticalScroll

from nemo_docs.plain import printable
from nemo_docs.tui.cells import counted
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.work import Adding, Prereading
from nemo_docs.tui.messages import LibraryChanged
from nemo_docs.tui.widgets.job_row import JobRow, Stage

MOST_INGESTS = 2
FADE_S = 4.0


class JobList(VerticalScroll, can_focus=False):
    """The work beside the conversation."""

    DEFAULT_CSS = """
    JobList {
        height: auto;
        max-height: 50%;
        display: none;
        border-top: solid $surface-lighten-2;
        scrollbar-size-vertical: 1;
        &.-busy { display: block; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="jobs")
        self.desk = desk

    # what others ask for

    def add(self, paths: Sequence[str]) -> None:
        """Add files and folders; a large folder is asked about once its files are counted."""
        if self._is_adding(paths):
            self.notify("This is being added already.", markup=False)
        elif paths:
            row = self._show(JobRow(Adding(self.desk, paths)))
            row.count(lambda cancelled: self.desk.count_files(paths, cancelled))

    def read(self, handles: Sequence[str]) -> None:
        """Read documents through the model, so that questions start at once."""
        self._show(JobRow(Prereading(self.desk, handles))).run_work()

    def _is_adding(self, paths: Sequence[str]) -> bool:
        active = [row.work for row in self.rows if row.is_active]
        return any(isinstance(work, Adding) and work.paths == tuple(paths) for work in active)

    @property
    def left(self) -> list[str]:
        """What is on its way into the library and would not go on by itself."""
        works = [row.work for row in self.rows if row.is_active]
        return [work.left for work in works if isinstance(work, Adding) and work.left]

    def cancel_newest(self) -> bool:
        """Stop what began last; whether there was anything."""
        active = [row for row in self.rows if row.is_active]
        if active:
            active[-1].action_stop_job()
        return bool(active)

    @property
    def rows(self) -> list[JobRow]:
        """All rows, the oldest first."""
        return list(self.query(JobRow))

    # what rows tell

    def _show(self, row: JobRow) -> JobRow:
        self.mount(row)
        self.add_class("-busy")
        self.call_after_refresh(row.scroll_visible)
        return row

    def on_job_row_counted(self, message: JobRow.Counted) -> None:
        """Ask before much is added, else let it begin."""
        message.stop()
        row, limit = message.row, self.desk.configuration.settings.folder_limit
        assert isinstance(row.work, Adding)
        folders = [path for path in row.work.paths if os.path.isdir(path)]
        if message.files <= limit or not folders:
            row.wait()
            self._start_next()
            return
        from nemo_docs.tui.screens.confirm import ConfirmScreen

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                row.wait()
                self._start_next()
            else:
                row.action_stop_job()

        question = f"Add {counted(message.files, 'file')}?"
        self.app.push_screen(ConfirmScreen(question, yes="Add them", detail="\n".join(folders)), answered)

    def _start_next(self) -> None:
        rows = [row for row in self.rows if isinstance(row.work, Adding)]
        running = sum(row.stage is Stage.RUNNING for row in rows)
        for row in [row for row in rows if row.stage is Stage.WAITING][: max(0, MOST_INGESTS - running)]:
            row.run_work()

    def on_job_row_over(self, message: JobRow.Over) -> None:
        """Let the next begin, and what went well go away."""
        message.stop()
        row = message.row
        self.post_message(LibraryChanged())  # or how much of it is read
        self._start_next()
        if row.stage is not Stage.FAILED:
            self.set_timer(FADE_S, row.dismiss)

    async def on_job_row_dismissed(self, message: JobRow.Dismissed) -> None:
        """Take a row away, and the list with the last."""
        message.stop()
        await message.row.remove()
        self.set_class(bool(self.rows), "-busy")

    def on_job_row_password_wanted(self, message: JobRow.PasswordWanted) -> None:
        """Ask for a file's password and try again with it."""
        message.stop()
        from nemo_docs.tui.screens.line import LineScreen

        row, path = message.row, message.path

        def typed(password: str | None) -> None:
            if password:
                row.forget(path)
                self._show(JobRow(Adding(self.desk, [path], password)))
                self._start_next()

        name = printable(os.path.basename(path))
        detail = "It is used once, to read the file, and kept nowhere."
        self.app.push_screen(LineScreen(f"The password of {name}", detail=detail, is_password=True), typed)
