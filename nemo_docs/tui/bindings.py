"""From the table of actions to Textual's bindings."""

from __future__ import annotations

from textual.binding import Binding

from nemo_docs.actions import Pane, actions_of


def bindings_of(pane: Pane, *, priority: bool = False) -> list[Binding]:
    """The bindings of a pane, each with the id by which it can be remapped.

    Args:
        pane: Whose.
        priority: Whether they come before the focused widget's own keys.
    """
    return [
        Binding(
            ",".join(action.keys),
            action.id,
            action.label,
            show=action.in_footer,
            priority=priority,
            tooltip=action.help,
            id=action.id,
        )
        for action in actions_of(pane)
    ]
