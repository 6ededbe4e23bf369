"""What is being added or read, with time left. It is there only while there is something to tell.

Two ingests run at a time, since each has a process that reads files; others wait visibly. Reading through the model has
rows of its own at the top. What is done goes away by itself, unless files were left alone as nobody can read them; what
failed stays until it is tried again or dismissed. What waits, is paused or failed stands in the library's queue, and is
shown by the next start, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from nemo_docs.errors import SettingsError
from nemo_docs.library.adding_queue import AddingQueue, FileState
from nemo_docs.plain import counted, printable
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.jobs.queued_files import Batch, batches, let_go, pause
from nemo_docs.tui.jobs.redoing import Redoing
from nemo_docs.tui.jobs.work import Adding
from nemo_docs.tui.messages import LibraryChanged
from nemo_docs.tui.wanted import Drop, Wanted
from nemo_docs.tui.widgets.adding_row import AddingRow
from nemo_docs.tui.widgets.folder_watch import FolderWatch
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from nemo_docs.tui.widgets.reading_row import Act, ReadingRow
from nemo_docs.tui.widgets.reading_rows import ReadingRows

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
        self._reading = ReadingRows(desk)
        self._watch = FolderWatch(desk)
        self._wanted = Wanted(desk.configuration.paths.state)
        self._looking: Job[Drop | Batch] | None = None
        self._keepings = 0
        self._is_leaving = False

    def compose(self) -> ComposeResult:
        """The rows of reading; those of files come behind."""
        yield self._reading
        yield self._watch

    def on_mount(self) -> None:
        """Go on with what a process that has ended was asked to add, and show what waits in the queue otherwise."""

        def left(cancelled: Cancelled) -> Iterator[Drop | Batch]:
            drops = self._wanted.take_over()
            yield from drops
            yield from batches(self.desk.adding_queue(), [path for drop in drops for path in drop.paths])

        self._looking = Job(self, "looking for what was to be added", left).start()

    def on_job_event(self, message: JobEvent) -> None:
        """Something was to be added before, and is not all there."""
        message.stop()
        if message.job is not self._looking:
            return
        if isinstance(message.event, Batch):
            self._take_batch(message.event)
            return
        assert isinstance(message.event, Drop)
        _, collections, excludes = drop = message.event
        if paths := [path for path in drop.paths if os.path.lexists(path)]:
            self._go_on(Adding(self.desk, paths, collections=collections, excludes=excludes), paths)

    def _go_on(self, work: Adding, paths: Sequence[str]) -> None:
        name = printable(os.path.basename(paths[0].rstrip(os.sep)))
        others = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        self.notify(f"Going on with {name}{others}, which was to be added before.", markup=False)
        self._show(AddingRow(work)).wait()
        self.call_after_refresh(self._start_next)

    def _take_batch(self, batch: Batch) -> None:
        work = Adding(self.desk, batch.paths, collections=batch.collections)
        if batch.state is FileState.WAITING:
            self._go_on(work, batch.paths)
            return
        work.failures.extend(batch.failures)
        self._show(AddingRow(work, Stage.FAILED if batch.state is FileState.FAILED else Stage.PAUSED))

    def on_job_ended(self, message: JobEnded) -> None:
        """What cannot be kept is added all the same; what cannot be changed is told."""
        message.stop()
        if message.error:
            self.notify(printable(f"{message.error.message} {message.error.hint}"), severity="error", markup=False)

    def leave(self) -> None:
        """The app is leaving: what is not added by now stays wanted."""
        self._is_leaving = True
        self._reading.leave()
        self._watch.leave()

    def _keep(self) -> None:
        """Have on disk what is still to be added; what nobody has agreed to yet is not."""
        if self._is_leaving:
            return
        self._keepings += 1
        order = self._keepings
        agreed = [row.work for row in self.rows if row.stage in (Stage.WAITING, Stage.RUNNING)]
        works = [work for work in agreed if isinstance(work, Adding)]
        drops = [Drop(work.paths, work.collections, work.excludes) for work in works]

        def keep(_cancelled: Cancelled) -> Iterator[None]:
            with suppress(OSError, SettingsError):
                self._wanted.keep(drops, order)
            yield from ()

        Job(self, "keeping what is to be added", keep).start()

    # what others ask for

    def add(self, paths: Sequence[str], *, collections: Sequence[str] = (), excludes: Sequence[str] = ()) -> None:
        """Add files and folders; a large folder is asked about once its files are counted.

        Args:
            paths: Of them.
            collections: Their documents are put into these.
            excludes: Patterns as in .gitignore, for what is in folders.
        """
        if self._is_adding(paths):
            self.notify("This is being added already.", markup=False)
        elif paths:
            row = self._show(AddingRow(Adding(self.desk, paths, collections=collections, excludes=excludes)))
            row.count(lambda cancelled: self.desk.count_files(paths, excludes, cancelled))

    def redo(self, handle: str, title: str, pages: Sequence[int], extractor: str | None) -> None:
        """Read pages of a document again."""
        row = self._show(JobRow(Redoing(self.desk, handle, title, pages, extractor)))
        row.wait()
        self._start_next()

    def read(self, handles: Sequence[str], *, is_first: bool = True) -> None:
        """Read documents through the model, so that questions start at once: before all that wait, or behind them."""
        self._reading.add(handles, is_first=is_first)

    def look_at_queue(self) -> None:
        """Show what somebody has done to the reading queue, or to the list of watched folders."""
        self._reading.look()
        self._watch.look()

    def begin_reading_anew(self) -> None:
        """Read as other settings say."""
        self._reading.begin_anew()

    def _is_adding(self, paths: Sequence[str]) -> bool:
        active = [row.work for row in self.rows if row.is_active]
        return any(isinstance(work, Adding) and work.paths == tuple(paths) for work in active)

    @property
    def left(self) -> list[str]:
        """What is on its way into the library and would not go on by itself."""
        works = [row.work for row in self.rows if row.is_active]
        return [work.left for work in works if isinstance(work, Adding) and work.left]

    def cancel_newest(self) -> bool:
        """Stop what began last, else pause what is read: no key loses a queue; whether there was anything."""
        active = [row for row in self.rows if row.is_active]
        if active and isinstance(active[-1], ReadingRow):
            self._reading.pause()
        elif active:
            active[-1].action_stop_job()
        return bool(active)

    @property
    def rows(self) -> list[JobRow]:
        """All rows, the oldest first."""
        return list(self.query(JobRow))

    # what rows tell

    def _show(self, row: JobRow) -> JobRow:
        self.mount(row)
        self._make_seen(row)
        return row

    def on_reading_rows_shown(self, message: ReadingRows.Shown) -> None:
        """Show a row that came by itself."""
        message.stop()
        self._make_seen(message.row)

    def _make_seen(self, row: JobRow) -> None:
        self.add_class("-busy")
        self.call_after_refresh(row.scroll_visible)

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
        rows = [row for row in self.rows if isinstance(row.work, Adding | Redoing)]
        running = sum(row.stage is Stage.RUNNING for row in rows)
        for row in [row for row in rows if row.stage is Stage.WAITING][: max(0, MOST_INGESTS - running)]:
            row.run_work()
        self._keep()

    def on_job_row_over(self, message: JobRow.Over) -> None:
        """Let the next begin, and what went well go away."""
        message.stop()
        row = message.row
        self.post_message(LibraryChanged(is_read=isinstance(row, ReadingRow)))
        if isinstance(row, AddingRow) and row.stage in (Stage.PAUSED, Stage.STOPPED):
            change, paths = pause if row.stage is Stage.PAUSED else let_go, row.work.paths
            self._with_queue(lambda queue: change(queue, paths))
        self._start_next()
        is_news = isinstance(row.work, Adding) and row.work.has_left_alone and row.stage is Stage.DONE
        if row.stage not in (Stage.FAILED, Stage.PAUSED) and not is_news:
            self.set_timer(FADE_S, row.dismiss)

    def on_folder_watch_came(self, message: FolderWatch.Came) -> None:
        """Add what has come into a watched folder."""
        message.stop()
        paths, folder = message.paths, message.folder
        if not self._is_adding(paths):
            work = Adding(self.desk, paths, collections=folder.collections, excludes=folder.excludes)
            self._show(AddingRow(work)).wait()
            self._start_next()

    def on_adding_row_changed(self, message: AddingRow.Changed) -> None:
        """Go on with files, try them again, or let go of them."""
        message.stop()
        row = message.row
        failed = [*message.paths] or [failure.path for failure in row.work.failures]
        if message.act is Act.RESUME:
            again = failed if failed and row.stage is Stage.FAILED else row.work.paths
            self._show(AddingRow(row.work.again(again))).wait()
            self._start_next()
        elif row.stage is Stage.FAILED:
            self._with_queue(lambda queue: queue.forget(failed))
        else:
            self._with_queue(lambda queue: let_go(queue, row.work.paths))
        if message.paths:
            row.forget(message.paths)
        else:
            row.dismiss()

    def on_job_row_failures_wanted(self, message: JobRow.FailuresWanted) -> None:
        """Show all that failed, to be tried again or let go."""
        message.stop()
        row = message.row
        if isinstance(row, AddingRow) and self.screen.is_current:  # else the key was pressed twice
            from nemo_docs.tui.screens.failures import FailuresScreen

            self.app.push_screen(FailuresScreen(row, self.post_message))

    def _with_queue(self, act: Callable[[AddingQueue], None]) -> None:
        def change(cancelled: Cancelled) -> Iterator[None]:
            act(self.desk.adding_queue())
            yield from ()

        Job(self, "the queue of files", change).start()

    async def on_job_row_dismissed(self, message: JobRow.Dismissed) -> None:
        """Take a row away, and the list with the last."""
        message.stop()
        await message.row.remove()
        self.set_class(bool(self.rows), "-busy")

    def on_job_row_password_wanted(self, message: JobRow.PasswordWanted) -> None:
        """Ask for the password of files and try again with it."""
        message.stop()
        from nemo_docs.tui.screens.line import LineScreen

        row, paths = message.row, message.paths

        def typed(password: str | None) -> None:
            if password:
                row.forget(paths)
                if isinstance(row.work, Redoing):
                    self._show(JobRow(row.work.with_password(password)))
                elif isinstance(row.work, Adding):
                    self._show(AddingRow(row.work.again(paths, password)))
                self._start_next()

        name = printable(os.path.basename(paths[0])) if len(paths) == 1 else counted(len(paths), "file")
        detail = f"It is used once, to read {'the file' if len(paths) == 1 else 'these files'}, and kept nowhere."
        self.app.push_screen(LineScreen(f"The password of {name}", detail=detail, is_password=True), typed)
