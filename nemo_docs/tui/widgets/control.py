"""A word or sign that does something when it is clicked: the mouse's way to an action of the pane around it.

Where no key of its own leads to the action, the control takes the focus, and Enter is a click.
"""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Control(Static):
    """A clickable label.

    Args:
        label: What is shown.
        action: The action's id; the nearest widget around that has `action_<id>` carries it out.
        can_focus: Whether it can be reached and used by key, too.
    """

    DEFAULT_CSS = """
    Control {
        width: auto;
        height: 1;
        color: $text-muted;
        pointer: pointer;
        &:hover { color: $text; text-style: reverse; }
        &:focus { color: $text; text-style: bold reverse; }
    }
    """

    def __init__(self, label: str, action: str, *, can_focus: bool = False, id: str | None = None) -> None:
        super().__init__(Content(label), id=id)
        self._action = action
        self.can_focus = can_focus

    async def key_enter(self) -> None:
        """Carry the action out."""
        await self.on_click()

    async def on_click(self) -> None:
        """Carry the action out."""
        for node in self.ancestors:
            if hasattr(node, f"action_{self._action}"):
                await self.app.run_action(self._action, default_namespace=node)
                return
