"""Files and folders to add: dropped, typed with completion, or chosen from a tree; folders to watch, too.

Into which collections their documents come, and what in folders is left out, can be said beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from nemo_docs.plain import printable
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.drop import KINDS
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.jobs.job import Job, JobEnded, JobEvent
from nemo_docs.tui.screens.dialog import Dialog
from nemo_docs.tui.widgets.path_field import PathField, typed_paths
from nemo_docs.tui.widgets.plain_input import PlainInput

if TYPE_CHECKING:
    from nemo_docs.tui.widgets.file_tree import FileTree


class AddFilesScreen(Dialog[list[str]]):
    """Dismisses with absolute paths that exist; an empty list adds nothing.

    Args:
        folder: Where the tree begins; None is the folder in which the app was started.
    """

    DEFAULT_CSS = """
    AddFilesScreen #box {
        width: 90;
        height: 100%;
        max-height: 34;
        #tree { height: 1fr; FileTree { background: $surface; } }
        #note { height: auto; max-height: 3; }
        .more { height: 1; }
        .more Static { width: 19; }
        .more Input { width: 1fr; }
        .buttons Button { min-width: 9; }
    }
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = folder or Path.cwd()
        self._is_watched = False
        """Whether the folders that are added are to be watched, too."""
        self._watching: Job[list[str]] | None = None
        self.collections: list[str] = []
        """What the documents are to be put into."""
        self.excludes: list[str] = []
        """What in folders is to be left alone, as in .gitignore."""

    def compose(self) -> ComposeResult:
        """The field first: it can be typed in before the tree is there."""
        with Vertical(id="box") as box:
            box.border_title = "Add files and folders"
            yield PathField()
            yield Vertical(id="tree")
            with Horizontal(classes="more"):
                yield Static("Into collections", markup=False)
                yield PlainInput(id="collections", placeholder="names, with commas between them", compact=True)
            with Horizontal(classes="more"):
                yield Static("Of folders without", markup=False)
                yield PlainInput(id="excludes", placeholder="drafts/, *.log, as in .gitignore", compact=True)
            yield Static(f"{KINDS}.", id="note", classes="muted", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Add", variant="primary", id="add", compact=True)
                yield Button("Add and watch", id="watch", compact=True)
                yield Button("Watched folders", id="watched", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Know what is said of the files when the fields are gone."""
        said = [each.strip() for each in event.value.split(",") if each.strip()]
        if event.input.id == "collections":
            self.collections = said
        elif event.input.id == "excludes":
            self.excludes = said

    def on_mount(self) -> None:
        """The tree comes when the rest is drawn."""
        self.query_one(PathField).focus()
        self.call_after_refresh(self._show_tree)

    def _show_tree(self) -> None:
        from nemo_docs.tui.widgets.file_tree import FileTree

        self.query_one("#tree").mount(FileTree(self._folder))

    def on_paste(self, event: events.Paste) -> None:
        """A drop while something other than the field has the focus."""
        self.query_one(PathField).on_paste(event)

    def on_path_field_dropped(self, event: PathField.Dropped) -> None:
        """Dropping is choosing and saying so."""
        self.dismiss(event.paths)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        event.stop()
        self._is_watched = False
        self._add()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse, or with a button focused."""
        match event.button.id:
            case "add" | "watch":
                self._is_watched = event.button.id == "watch"
                self._add()
            case "watched":
                from nemo_docs.tui.screens.watched import WatchedScreen

                self.app.push_screen(WatchedScreen(self._desk))
            case _:
                self.action_close()

    def on_file_tree_choice_changed(self, event: FileTree.ChoiceChanged) -> None:
        """Count what is chosen."""
        count = len(self._chosen())
        self._note(f"{count} chosen." if count else f"{KINDS}.")

    def on_file_tree_cut_short(self, event: FileTree.CutShort) -> None:
        """Nothing is left out silently."""
        from nemo_docs.tui.widgets.file_tree import MOST_ENTRIES

        self._note(f"Only {MOST_ENTRIES:,} entries of {event.folder} are shown; type the path of another.")

    def on_job_ended(self, event: JobEnded) -> None:
        """Looking may fail."""
        event.stop()
        if event.error:
            self._note(f"{event.error.message} {event.error.hint}", wrong=True)

    def action_close(self) -> None:
        """Add nothing."""
        self.dismiss([])

    def _chosen(self) -> list[str]:
        return [path for tree in self.query("FileTree") for path in getattr(tree, "chosen", ())]

    def _add(self) -> None:
        text = self.query_one(PathField).value.strip()
        if text:
            Job(self, "looking for files", lambda _: iter([(text, typed_paths(text))])).start()
        else:
            self._take(self._chosen(), "Drop files here, type a path, or choose in the tree.")

    def on_job_event(self, event: JobEvent) -> None:
        """The disk has said what was typed, or the folders are watched; it may be slow or far away."""
        event.stop()
        if event.job is self._watching:
            self.dismiss(cast("list[str]", event.event))
            return
        text, typed = cast("tuple[str, list[str]]", event.event)
        paths = [*dict.fromkeys([*self._chosen(), *typed])] if typed else []
        self._take(paths, f"There is no file or folder {text!r}.")

    def _take(self, paths: list[str], otherwise: str) -> None:
        if not paths:
            self._note(otherwise, wrong=True)
        elif self._is_watched:
            into, without = self.collections, self.excludes
            self._watching = Job(self, "watching folders", lambda _: self._watch(paths, into, without)).start()
        elif self.is_current:
            self.dismiss(paths)

    def _watch(self, paths: list[str], collections: list[str], excludes: list[str]) -> Iterator[list[str]]:
        """Have folders watched from now on, and add what is in them."""
        watched = self._desk.watched_folders()
        for path in paths:
            watched.add(path, collections=collections, excludes=excludes)
        yield paths

    @property
    def _desk(self) -> Desk:
        assert isinstance(self.app, Habits)
        return self.app.desk

    def _note(self, text: str, *, wrong: bool = False) -> None:
        note = self.query_one("#note", Static)
        note.update(printable(text))
        note.set_class(wrong, "wrong")
