"""Every setting: its value, where that came from, what it is for; changed in place with the file's own check."""

from __future__ import annotations

from typing import cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from nemo_docs.errors import SettingsError
from nemo_docs.kinds import Choice
from nemo_docs.plain import printable
from nemo_docs.settings import MODEL_SETTINGS, Configuration, check, help_of, kind_of, names, shown, value_of
from nemo_docs.tui.cells import padded
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.jobs.job import Job, JobEnded, JobEvent
from nemo_docs.tui.screens.dialog import Dialog
from nemo_docs.tui.widgets.plain_input import PlainInput

VALUE_CELLS = 20
"""What is longer is seen whole in the field."""
_NAME_CELLS = max(map(cell_len, names()))


class SettingsScreen(Dialog[None]):
    """The settings file, as far as people want to see it."""

    DEFAULT_CSS = """
    SettingsScreen #box {
        width: 100;
        height: 100%;
        max-height: 44;
        OptionList { height: 1fr; min-height: 4; }
        #help, #note { height: auto; max-height: 3; }
        .buttons { margin-top: 0; }
    }
    """

    def compose(self) -> ComposeResult:
        """The list above, the one that is being changed below."""
        with Vertical(id="box") as box:
            box.border_title = "Settings"
            yield OptionList(*(Option(self._row(name), id=name) for name in names()))
            yield Static(id="help", classes="muted", markup=False)
            yield PlainInput(placeholder="Choose a setting above", select_on_focus=True)
            yield Static(id="note", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Save", variant="primary", id="save", compact=True)
                yield Button("Default", id="default", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """Begin with the first."""
        self._setting = names()[0]
        self._writing: Job[Configuration] | None = None
        self.query_one(OptionList).focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what it is for."""
        self._setting = event.option.id or self._setting
        field, kind = self.query_one(Input), kind_of(self._setting)
        field.suggester = SuggestFromList(kind.words) if isinstance(kind, Choice) else None
        field.value = self._shown(self._setting)
        self.query_one("#help", Static).update(help_of(self._setting))
        self._note(self._caution())

    def on_option_list_option_selected(self) -> None:
        """Go to the field."""
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check it while it is typed."""
        if event.input.has_focus:
            self._check(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        event.stop()
        self._save(event.value)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse, or with a button focused."""
        match event.button.id:
            case "save":
                self._save(self.query_one(Input).value)
            case "default":
                self._write(None)
            case _:
                self.action_close()

    def on_job_event(self, event: JobEvent) -> None:
        """It was written, and this holds now."""
        event.stop()
        self._habits.take_configuration(cast(Configuration, event.event))
        options = self.query_one(OptionList)
        for name in names():
            options.replace_option_prompt(name, self._row(name))
        self.query_one(Input).value = self._shown(self._setting)
        self._note(f"Written. {self._caution()}")

    def on_job_ended(self, event: JobEnded) -> None:
        """Or it could not be."""
        event.stop()
        self._writing = None
        if event.error:
            self._note(f"{event.error.message} {event.error.hint}", wrong=True)

    @property
    def _habits(self) -> Habits:
        assert isinstance(self.app, Habits)
        return self.app

    @property
    def _configuration(self) -> Configuration:
        return self._habits.desk.configuration

    def _shown(self, name: str) -> str:
        return printable(shown(value_of(self._configuration.settings, name)))

    def _row(self, name: str) -> Content:
        origin = self._configuration.origins[name]
        style = "" if origin == "default" else "bold"
        row = f"{padded(name, _NAME_CELLS)} {padded(self._shown(name), VALUE_CELLS)}"
        return Content.assemble((row, style), printable(f"  from {origin}"))

    def _caution(self) -> str:
        """What stands between the file and the effect."""
        origin = self._configuration.origins[self._setting]
        if origin.startswith("NEMO_DOCS_"):
            return f"{origin} is set in the environment and wins over the file."
        if origin.startswith("option "):
            return f"The {origin} of this run wins over the file."
        return "The next question opens the model anew." if self._setting in MODEL_SETTINGS else ""

    def _check(self, text: str) -> bool:
        try:
            check(self._setting, text, "here")
        except SettingsError as error:
            self._note(f"{error.message} {error.hint}", wrong=True)
            return False
        self._note(self._caution())
        return True

    def _save(self, text: str) -> None:
        if self._check(text):
            self._write(text)

    def _write(self, text: str | None) -> None:
        if self._writing is None:
            self._writing = Job(self, "settings", self._habits.change_setting(self._setting, text)).start()

    def _note(self, text: str, *, wrong: bool = False) -> None:
        note = self.query_one("#note", Static)
        note.update(printable(text.strip()))
        note.set_class(wrong, "wrong")
