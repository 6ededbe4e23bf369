"""What people are used to from any app: colours, keys, help, settings, a palette, right-to-left text.

A base of the app, so that `app.py` only wires the panes. Whatever is not needed to paint the app first is imported when
it is asked for; settings are written by a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.filter import LineFilter, Monochrome, NoColor
from textual.signal import Signal
from textual.widget import Widget

from nemo_docs.actions import Pane
from nemo_docs.plain import printable
from nemo_docs.settings import Configuration, load
from nemo_docs.tui.bidi import bidi_filter
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.jobs.job import Cancelled, Job, JobEnded, JobEvent
from nemo_docs.tui.messages import PathsDropped
from nemo_docs.tui.themes import OWN_THEMES

if TYPE_CHECKING:
    from nemo_docs.tui.screens.add_files import AddFilesScreen


class Habits(App[None]):
    """An app with the usual habits.

    Args:
        desk: The app's model; its configuration is replaced when a setting changes.
    """

    DEFAULT_CSS = """
    Habits:nocolor:ansi {
        OptionList > .option-list--option-highlighted { text-style: bold underline !important; }
        Tree > .tree--cursor { text-style: bold underline !important; }
    }
    """
    """Where not even greys are left, the line of a cursor is underlined."""

    ENABLE_COMMAND_PALETTE = False
    """No key of Textual's own: the palette's stands in the table."""
    BINDINGS: ClassVar[list[BindingType]] = [
        each for each in bindings_of(Pane.APP) if each.id in {"add_files", "help", "palette", "settings", "theme"}
    ]
    """What is carried out below; a screen that does one of them itself comes first."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.configuration_signal: Signal[Configuration] = Signal(self, "configuration")
        """Tells of settings that hold from now on."""
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self._apply(desk.configuration)

    @property
    def remapped(self) -> Mapping[str, tuple[str, ...]]:
        """The user's own keys, by action."""
        return self.desk.configuration.settings.keys

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters, then the one for right-to-left text.

        Textual chooses what NO_COLOR means when the app is made: greys, or nothing at all where the terminal's own
        colours are used. The theme may have changed since.
        """
        filters = [each for each in super().get_line_filters() if not isinstance(each, Monochrome | NoColor)]
        if self.no_color:
            filters.append(_NO_COLOR if self.native_ansi_color else _MONOCHROME)
        return [*filters, self._bidi]

    def take_configuration(self, configuration: Configuration) -> None:
        """Let changed settings hold from now on."""
        self.desk.configuration = configuration
        self._apply(configuration)
        self.configuration_signal.publish(configuration)
        for screen in self.screen_stack:
            for widget in screen.walk_children(Widget):
                widget.refresh()  # lines are kept as the filters left them

    def change_setting(self, name: str, text: str | None) -> Callable[[Cancelled], Iterator[Configuration]]:
        """The work of a job that writes a setting, or with None takes it out, and yields what holds then.

        Raises:
            SettingsError: When it runs: the value is refused, or the file cannot be written or read.
        """
        before = self.desk.configuration

        def write(_cancelled: Cancelled) -> Iterator[Configuration]:
            from nemo_docs.settings_file import set_value, unset

            if text is None:
                unset(before.paths.config, name)
            else:
                set_value(before.paths.config, name, text)
            options = {
                each: getattr(before.settings, each)
                for each, origin in before.origins.items()
                if origin.startswith("option ")
            }
            yield load(options=options)

        return write

    # What the keys do

    def action_palette(self) -> None:
        """Find an action by its name."""
        from textual.command import CommandPalette

        from nemo_docs.tui.palette import ActionProvider

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(providers=[ActionProvider], placeholder="Find an action"))

    def action_help(self) -> None:
        """Show what the focused pane can do."""
        from nemo_docs.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.focused_pane(), self.remapped))

    def action_settings(self) -> None:
        """Show and change settings."""
        from nemo_docs.tui.screens.settings import SettingsScreen

        self.push_screen(SettingsScreen())

    def action_theme(self) -> None:
        """Choose the colours."""
        from nemo_docs.tui.screens.theme import ThemeScreen

        self.push_screen(ThemeScreen(), self._keep_theme)

    def action_add_files(self) -> None:
        """Choose files to add."""
        from nemo_docs.tui.screens.add_files import AddFilesScreen

        screen = AddFilesScreen()
        self.push_screen(screen, partial(self._add, self.screen.post_message, screen))

    def focused_pane(self) -> Pane:
        """The pane that has the focus; APP for none."""
        if self.focused is not None:
            for node in self.focused.ancestors_with_self:
                if node.id in _PANES:
                    return _PANES[node.id]
        return Pane.APP

    def on_job_event(self, event: JobEvent) -> None:
        """A setting was written."""
        if event.job is self._writing and isinstance(event.event, Configuration):
            self.take_configuration(event.event)

    def on_job_ended(self, event: JobEnded) -> None:
        """A setting could not be written."""
        if event.job is self._writing and event.error:
            self.notify(printable(f"{event.error.message} {event.error.hint}"), severity="error", markup=False)

    _writing: Job[Configuration] | None = None

    def _keep_theme(self, name: str | None) -> None:
        if name is not None:
            self._writing = Job(self, "keeping the colours", self.change_setting("theme", name)).start()

    def _add(self, post: Callable[[PathsDropped], bool], screen: AddFilesScreen, paths: list[str] | None) -> None:
        if paths:
            post(PathsDropped(paths, screen.collections, screen.excludes))

    def _apply(self, configuration: Configuration) -> None:
        settings = configuration.settings
        self.theme = settings.theme
        self._bidi = bidi_filter(settings.bidi)
        self.set_keymap({action: ",".join(keys) for action, keys in settings.keys.items()})


_PANES = {pane.value: pane for pane in Pane if pane not in {Pane.APP, Pane.DIALOG}}
_MONOCHROME, _NO_COLOR = Monochrome(), NoColor()
