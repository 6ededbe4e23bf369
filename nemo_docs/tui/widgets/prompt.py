"""Where questions are written and files are dropped.

No terminal has an event for a dropped file: it pastes the path, or types it. So every paste, and whatever is sent, is
first looked at: if all of it are existing paths it is a drop. Looking touches the disk, which may be slow or far away,
so a job does it; sending waits for a paste that is still being looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.widgets import TextArea
from textual.widgets.text_area import Selection

from nemo_docs.actions import Pane
from nemo_docs.plain import printable
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.history import QuestionHistory
from nemo_docs.tui.jobs.job import Job, JobEnded, JobEvent
from nemo_docs.tui.messages import PathsDropped, QuestionAsked

LONGEST_QUESTION = 20_000
"""In characters. More is a document, and would fill the model's window."""


@dataclass(slots=True)
class _Looking:
    """A text that is being looked at."""

    text: str
    selection: Selection | None
    """What a paste replaces; None if the text was sent."""
    paths: list[str] | None = None
    """What it was found to be; None until then."""


class Prompt(TextArea):
    """The prompt: a few lines, growing with what is written."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Pane.PROMPT, priority=True)]  # before TextArea's own keys
    DEFAULT_CSS = """
    Prompt {
        height: auto;
        min-height: 3;
        max-height: 8;
        border: round $foreground 25%;
        background: transparent;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        &:focus {
            border: round $border;
        }
    }
    """

    def __init__(self) -> None:
        super().__init__(
            id="prompt",
            placeholder="Ask a question, or drop files here",
            highlight_cursor_line=False,
            tab_behavior="focus",
        )
        self._sent = QuestionHistory()
        self._looking: dict[Job[list[str]], _Looking] = {}
        self._is_send_wanted = False

    def take(self, text: str) -> None:
        """Put a question in, to be changed and sent; what stood there is kept among the earlier ones."""
        self._sent.add(self.text.strip())
        self._show(text)
        self.focus()

    def paste(self, text: str) -> None:
        """Take pasted text: add it if it is a drop, else insert it."""
        self._look(_Looking(text, self.selection))

    # Keys that come before TextArea's own also come before letters that still wait in the queue: so they wait too.

    def action_send(self) -> None:
        """Ask, or add the files that were typed."""
        self.call_later(self._send)

    def action_new_line(self) -> None:
        """Begin a new line."""
        self.call_later(self._new_line)

    def action_earlier_question(self) -> None:
        """Go up a line, or to the question before."""
        self.call_later(self._earlier_question)

    def action_later_question(self) -> None:
        """Go down a line, or to the question after."""
        self.call_later(self._later_question)

    # Ours takes these two from TextArea, and Textual does not give them back when ours is remapped.

    def key_up(self) -> None:
        """Go up a line, where the key means nothing else."""
        self.action_cursor_up()

    def key_down(self) -> None:
        """Go down a line, where the key means nothing else."""
        self.action_cursor_down()

    def _send(self) -> None:
        if self._is_pasting:
            self._is_send_wanted = True
            return
        text = self.text.strip()
        if len(text) > LONGEST_QUESTION:
            self._refuse(len(text))
        elif text:
            self._sent.add(text)
            self.text = ""
            self._look(_Looking(text, None))

    def _new_line(self) -> None:
        self.move_cursor(self.replace("\n", *self.selection).end_location)

    def _earlier_question(self) -> None:
        if not self.navigator.is_first_wrapped_line(self.cursor_location):
            self.action_cursor_up()
        elif (question := self._sent.earlier(self.text)) is not None:
            self._show(question)

    def _later_question(self) -> None:
        if not self.navigator.is_last_wrapped_line(self.cursor_location):
            self.action_cursor_down()
        elif (question := self._sent.later()) is not None:
            self._show(question)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()  # TextArea would insert it a second time
        self.paste(event.text)

    def on_job_event(self, message: JobEvent) -> None:
        """A text was looked at."""
        message.stop()
        assert isinstance(message.event, list)
        self._looking[message.job].paths = message.event

    def on_job_ended(self, message: JobEnded) -> None:
        """Take what was looked at, in the order in which it came; what was to be sent meanwhile can go."""
        message.stop()
        if (
            looking := self._looking.get(message.job)
        ) is None:  # it was taken with one before, as soon as both were known
            return
        looking.paths = looking.paths or []  # none where the looking failed: the text is not lost for that
        for job, each in [*self._looking.items()]:
            if each.paths is None:
                break
            del self._looking[job]
            self._settle(each, each.paths)
        if self._is_send_wanted and not self._is_pasting:
            self._is_send_wanted = False
            self._send()

    @property
    def _is_pasting(self) -> bool:
        return any(looking.selection is not None for looking in self._looking.values())

    def _look(self, looking: _Looking) -> None:
        def look() -> Iterator[list[str]]:
            from nemo_docs.tui.drop import dropped_paths

            yield dropped_paths(looking.text)

        job = Job(self, "looking for dropped files", lambda cancelled: look())
        self._looking[job] = looking
        job.start()

    def _settle(self, looking: _Looking, paths: list[str]) -> None:
        if paths:
            self.post_message(PathsDropped(paths))
        elif looking.selection is None:
            self.post_message(QuestionAsked(looking.text))
        elif len(looking.text) > LONGEST_QUESTION:
            self._refuse(len(looking.text))
        else:
            self._insert(looking.text, looking.selection)

    def _insert(self, text: str, selection: Selection) -> None:
        shown = printable(text.replace("\r\n", "\n").replace("\r", "\n"), lines=True)
        has_moved = self.selection != selection
        end = self.replace(shown, *selection, maintain_selection_offset=has_moved).end_location
        if not has_moved:
            self.move_cursor(end)
        for waiting in self._looking.values():
            if waiting.selection == selection:  # pasted at the same place, and so behind this
                waiting.selection = Selection.cursor(end)

    def _show(self, text: str) -> None:
        self.text = printable(text, lines=True)  # a question may come from a shell, or from a library edited by hand
        self.move_cursor(self.document.end)

    def _refuse(self, characters: int) -> None:
        self.notify(
            f"{characters:,} characters are too many for a question, which may have {LONGEST_QUESTION:,}. "
            "Save the text as a file and drop it here: then ask about it.",
            title="Too long",
            severity="warning",
            timeout=10,
            markup=False,
        )
