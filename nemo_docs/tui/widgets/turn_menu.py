"""What can be done with a turn, for the mouse; the keys stand in the footer."""

from __future__ import annotations

from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widgets import Static

from nemo_docs.actions import Pane, actions_of

OF_ANSWER, OF_QUESTION = ("copy_answer", "copy_citation"), ("edit_question", "ask_again")


class TurnMenu(Static):
    """A line of labels to click.

    Args:
        is_answered: Whether there is an answer, too.
    """

    DEFAULT_CSS = """
    TurnMenu {
        height: auto;
        padding: 0 1 0 2;
        color: $text-muted;
        link-color: $text-muted;
        link-style: none;
        link-color-hover: $text-accent;
        link-background-hover: transparent;
        link-style-hover: underline;
    }
    """

    class Picked(Message):
        """A label was clicked."""

        def __init__(self, menu: TurnMenu, action: str) -> None:
            super().__init__()
            self.menu, self.action = menu, action

    def __init__(self, *, is_answered: bool) -> None:
        labels = {
            action.id: action.label.replace(" ", "\N{NO-BREAK SPACE}") for action in actions_of(Pane.CONVERSATION)
        }
        links = [
            Content.styled(labels[each], Style.from_meta({"@click": f"pick({each!r})"}))
            for each in OF_ANSWER * is_answered + OF_QUESTION
        ]
        super().__init__(Content("  ").join(links), markup=False)

    def action_pick(self, action: str) -> None:
        """Pass on what was clicked."""
        self.post_message(self.Picked(self, action))
