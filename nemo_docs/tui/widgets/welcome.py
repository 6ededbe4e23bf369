"""What is shown before there is anything: what to do, samples to try, which model answers, what NeMo needs here.

What the machine has is looked up in a job; until that is known the rest is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from nemo_docs.errors import NemoDocsError
from nemo_docs.plain import printable, size
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.drop import KINDS
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.messages import PathsDropped
from nemo_docs.tui.widgets.control import Control

LARGE = "nemo"
LINE_BYTES_PER_S = 12_500_000
"""An ordinary line of 100 Mbit/s: what a fetch is reckoned with, as nobody may be asked before a fetch is wanted."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found out.

    Attributes:
        model: About the model that answers.
        large: About NeMo on this machine.
        samples: The folder of samples; empty if this installation has none.
    """

    model: str
    large: str
    samples: str


class Welcome(VerticalScroll, can_focus=True):
    """The first screen of a new library; it has the keys that scroll, as a small terminal shows half of it."""

    DEFAULT_CSS = """
    Welcome {
        padding: 1 3;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;  /* what can be clicked must not move when more becomes known */
        & Static { margin-bottom: 1; }
        & #welcome-title { text-style: bold; color: $primary; }
        & Control { color: $primary; margin-bottom: 0; }
        & #welcome-model { margin: 1 0; }
        & .muted { color: $text-muted; }
    }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="welcome")
        self.desk = desk
        self._samples = ""
        self._are_samples_wanted = False  # before it is known where they are
        self._job: Job[Machine] | None = None

    def compose(self) -> ComposeResult:
        """What to do, and what is known without asking."""
        yield Static("Ask your documents", id="welcome-title")
        yield Static(
            f"Drop documents or whole folders on this window, type or paste their paths, or choose them: {KINDS}. "
            "They are read on this machine and never leave it. Then ask: the answer comes with quotes, and each quote "
            "with its page.",
            markup=False,
        )
        yield Control("▸ Choose files", "add_files", can_focus=True, id="choose")
        yield Control("▸ Try it with the samples", "add_samples", can_focus=True, id="samples")
        yield Static(id="welcome-model", markup=False)
        yield Static(id="welcome-large", classes="muted", markup=False)

    def on_mount(self) -> None:
        """Find out about the machine."""
        self._job = Job(self, "looking at the machine", self._look).start()

    def _look(self, cancelled: Cancelled) -> Iterator[Machine]:
        yield Machine(_model(self.desk), _large(self.desk), _samples())

    def on_job_event(self, message: JobEvent) -> None:
        """Show it."""
        message.stop()
        if isinstance(message.event, Machine):
            machine, self._samples = message.event, message.event.samples
            self.query_one("#welcome-model", Static).update(Content(printable(machine.model)))
            self.query_one("#welcome-large", Static).update(Content(printable(machine.large)))
            self.query_one("#samples").display = bool(machine.samples)
            if self._are_samples_wanted and self._samples:
                self.post_message(PathsDropped([self._samples]))

    def on_job_ended(self, message: JobEnded) -> None:
        """Tell what could not be found out."""
        message.stop()
        if message.error:
            self.query_one("#welcome-model", Static).update(Content(printable(message.error.message)))

    def action_add_samples(self) -> None:
        """Add the samples."""
        if self._samples:
            self.post_message(PathsDropped([self._samples]))
        else:
            self._are_samples_wanted = True


def _samples() -> str:
    from nemo_docs.library.samples import samples_folder

    try:
        return str(samples_folder())
    except NemoDocsError:  # an installation without them; they are not offered then
        return ""


def _model(desk: Desk) -> str:
    """Which model answers, and what to know of it."""
    from nemo_docs.model.catalogue import CATALOGUE
    from nemo_docs.model.inventory import inventory

    name = desk.configuration.settings.model
    entry = CATALOGUE.get(name)
    if entry is None:
        return f"{name} answers."
    if not any(each.present for each in inventory(desk.configuration.paths.models) if each.name == name):
        return f"{entry.title} would answer, but it is not on this machine. Fetch it with: nemo-docs model pull {name}"
    return f"{entry.title} answers. {entry.note}"


def _large(desk: Desk) -> str:
    """What NeMo needs, and whether this machine has it."""
    import psutil  # type: ignore[import-untyped]

    from nemo_docs.model.catalogue import CATALOGUE
    from nemo_docs.model.pull import memory_needed

    if desk.configuration.settings.model == LARGE:
        return ""
    entry, models = CATALOGUE[LARGE], desk.configuration.paths.models
    there = next(folder for folder in (models, *models.parents) if folder.exists())
    needed = memory_needed(entry)
    memory = _against(needed, psutil.virtual_memory().total, "this machine has")
    disk = _against(entry.disk_bytes, shutil.disk_usage(there).free, "free here:")
    minutes = round(entry.download_bytes / LINE_BYTES_PER_S / 60)
    return (
        f"{entry.title} answers far better. It needs {size(needed)} of memory ({memory}), "
        f"{size(entry.disk_bytes)} of disk ({disk}), and about {minutes} minutes to fetch at 100 Mbit/s: "
        f"nemo-docs model pull {LARGE}"
    )


def _against(needed: int, has: int, words: str) -> str:
    """What there is, and whether it is too little."""
    return f"{words} {size(has)}{'' if has >= needed else ', too little'}"
