"""One line at the top: which panes there are, which model answers, and whether it is ready."""

from __future__ import annotations

from enum import StrEnum

from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

from nemo_docs.plain import printable


class EngineState(StrEnum):
    """How far the model is."""

    ASLEEP = "not loaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "cannot be loaded"


class TitleLine(Widget):
    """The names of the side panes, which can be clicked, and the model's.

    Args:
        model: Its name or folder.
    """

    DEFAULT_CSS = """
    TitleLine {
        height: 1;
        padding: 0 1;
        color: $text-muted;
        background: $panel;
        link-color: $text-muted;
        link-style: none;
        link-color-hover: $text;
        link-background-hover: transparent;
        link-style-hover: underline;
    }
    """

    model: reactive[str] = reactive("")
    """What answers."""
    engine: reactive[EngineState] = reactive(EngineState.ASLEEP)
    shown: reactive[frozenset[str]] = reactive(frozenset[str]())
    """The side panes that are seen."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.set_reactive(TitleLine.model, model)

    def render(self) -> Content:
        """Names at the left, the model at the right, cut where there is no room."""
        left = Content.assemble(("nemo-docs", "bold $text"), "   ", self._tab("library"), "  ", self._tab("source"))
        room = max(0, self.content_size.width - left.cell_length)
        right = Content(f"  {printable(self.model)} · {self.engine}").truncate(room, ellipsis=True)
        return Content.assemble(left, " " * (room - right.cell_length), right)

    def _tab(self, name: str) -> Content:
        sign = "▪" if name in self.shown else "▫"
        return Content.styled(f"{sign} {name}", Style.from_meta({"@click": f"screen.toggle_pane('{name}')"}))
