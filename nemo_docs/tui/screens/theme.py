"""The colours, chosen by looking at them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from nemo_docs.settings import THEMES
from nemo_docs.tui.screens.dialog import Dialog


class ThemeScreen(Dialog[str]):
    """Shows the app in each theme as the cursor comes to it; dismisses with the one that was chosen, or None."""

    DEFAULT_CSS = """
    ThemeScreen {
        align: right middle;
        #box { width: 44; height: 100%; max-height: 30; }
        OptionList { height: 1fr; }
    }
    """

    def compose(self) -> ComposeResult:
        """The names, with what kind of colours they are."""
        with Vertical(id="box") as box:
            box.border_title = "Colours"
            yield OptionList(*(Option(Content(self._label(name)), id=name) for name in THEMES))
            if self.app.no_color:
                yield Static("NO_COLOR is set: no theme shows any colour.", classes="muted", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Choose", variant="primary", id="choose", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """Begin with the colours that are there."""
        self._before = self.app.theme
        names = self.query_one(OptionList)
        names.highlighted = THEMES.index(self._before) if self._before in THEMES else 0
        names.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show it."""
        if event.option.id:
            self.app.theme = event.option.id

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Keep it."""
        self.dismiss(event.option.id)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """By mouse."""
        if event.button.id == "choose":
            self.dismiss(self.app.theme)
        else:
            self.action_close()

    def action_close(self) -> None:
        """Go back to the colours before."""
        self.app.theme = self._before
        self.dismiss(None)

    def _label(self, name: str) -> str:
        theme = self.app.available_themes[name]
        kind = "dark" if theme.dark else "light"
        return f"{name}  ({kind}{', as the terminal' if theme.ansi else ''})"
