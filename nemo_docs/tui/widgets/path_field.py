"""A field for paths: takes what a terminal types for dropped files, and completes what is typed by hand."""

from __future__ import annotations

import asyncio
import os
from itertools import islice
from typing import ClassVar, cast

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.suggester import Suggester

from nemo_docs.plain import printable
from nemo_docs.tui.drop import dropped_paths, may_be_drop
from nemo_docs.tui.jobs.job import Job, JobEvent
from nemo_docs.tui.screens.dialog import dialog_bindings
from nemo_docs.tui.widgets.plain_input import PlainInput

MOST_ENTRIES = 5_000
"""Of one folder that a completion looks at."""


def typed_paths(text: str) -> list[str]:
    """The paths that a typed text names: any dropped form, or one path relative to where the app was started."""
    if paths := dropped_paths(text):
        return paths
    path = os.path.abspath(os.path.expanduser(text.strip()))
    is_safe = bool(text.strip()) and printable(path) == path
    return [path] if is_safe and os.path.lexists(path) else []


def completion(text: str) -> str | None:
    """The first path that begins with `text`, or None; a folder ends with a separator."""
    folder, begin = os.path.split(os.path.expanduser(text))
    if not text or text in "'\"":
        return None
    try:
        with os.scandir(folder or ".") as entries:
            found = min(
                (
                    (entry.name, entry.is_dir())
                    for entry in islice(entries, MOST_ENTRIES)
                    if entry.name.startswith(begin)
                    and entry.name.startswith(".") == begin.startswith(".")
                    and printable(entry.name) == entry.name
                ),
                default=None,
            )
    except (OSError, ValueError):
        return None
    return None if found is None else text[: len(text) - len(begin)] + found[0] + (os.sep if found[1] else "")


class PathSuggester(Suggester):
    """Completes paths, in a thread: a folder may be on a slow disk."""

    async def get_suggestion(self, value: str) -> str | None:
        """What the field shows behind the cursor."""
        return await asyncio.to_thread(completion, value)


class PathField(PlainInput):
    """Where paths are typed and dropped."""

    BINDINGS: ClassVar[list[BindingType]] = [*dialog_bindings("complete_path")]

    class Dropped(Message):
        """Files were dropped: all of them exist."""

        def __init__(self, paths: list[str]) -> None:
            super().__init__()
            self.paths = paths

    def __init__(self) -> None:
        super().__init__(
            placeholder="Drop files here, or type a path",
            suggester=PathSuggester(use_cache=False, case_sensitive=True),
            select_on_focus=False,
        )

    def on_paste(self, event: events.Paste) -> None:
        """A drop is more than the first line, which is all that an Input takes of it."""
        if not may_be_drop(event.text):
            super().on_paste(event)
            return
        event.stop()
        event.prevent_default()
        Job(self, "looking at a paste", lambda _: iter([(event, dropped_paths(event.text))])).start()

    def on_job_event(self, event: JobEvent) -> None:
        """The disk has said whether it was a drop; it may be slow or far away."""
        event.stop()
        paste, paths = cast("tuple[events.Paste, list[str]]", event.event)
        if paths:
            self.post_message(self.Dropped(paths))
        else:
            super().on_paste(paste)

    def action_complete_path(self) -> None:
        """Take the completion, else go on."""
        before = self.value
        self.action_end()
        self.action_cursor_right()
        if self.value == before:
            self.screen.focus_next()
