"""How keys are spelled, and which may stand together: plain data, so that checking a settings file loads no app.

The names are Textual's, since that is what arrives. A key has one spelling here (`?` is `question_mark`, `ctrl+i` is
the `tab` that a terminal sends for it), or two settings could take the same key under two names.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from nemo_docs.actions import ACTIONS, Action, Pane

_MODIFIERS = frozenset({"alt", "ctrl", "hyper", "meta", "shift", "super"})
_NAMED = frozenset(
    {"backspace", "delete", "down", "end", "enter", "escape", "home", "insert", "left", "pagedown", "pageup", "right"}
    | {"tab", "up"}
    | {f"f{number}" for number in range(1, 25)}
)
_SHORT = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_SENT_AS = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
    "ctrl+at": "ctrl+space",
}


class Clash(NamedTuple):
    """Two actions that one key would mean in one place."""

    key: str
    action: str
    other: str


def spelled(key: str) -> str:
    """The one spelling of a key.

    Raises:
        ValueError: No terminal sends a key of that name.
    """
    *modifiers, base = ["plus"] if key == "+" else key.replace("++", "+plus").split("+")
    if not _MODIFIERS.issuperset(modifiers) or len(set(modifiers)) < len(modifiers):
        raise ValueError
    if len(base) == 1:
        if not base.isprintable():
            raise ValueError
        base = base.lower() if modifiers and base.isascii() else _name(base)
    if "shift" in modifiers and is_typed(base):
        raise ValueError  # a terminal sends the other character instead
    if len(base) != 1 and base not in _NAMED | _TYPED:
        raise ValueError
    whole = "+".join([*sorted(modifiers), _name(base) if len(base) == 1 else base])
    return _SENT_AS.get(whole, whole)


def is_typed(key: str) -> bool:
    """Whether a key types a character where text can be written."""
    return len(key) == 1 or key in _TYPED


def keys_of(action: Action, remapped: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The keys that an action has now.

    Args:
        action: A row of the table.
        remapped: The user's own keys, by id.
    """
    return remapped.get(action.id) or tuple(spelled(key) for key in action.keys)


def shown_keys(action: Action, remapped: Mapping[str, tuple[str, ...]]) -> str:
    """The keys that an action has now, for people: `/` or `ctrl+p, f7`."""
    return ", ".join(shown_key(key) for key in keys_of(action, remapped))


def shown_key(key: str) -> str:
    """A key for people: `/` for `slash`."""
    modifiers, plus, base = key.rpartition("+")
    return modifiers + plus + _CHARACTERS.get(base, base)


def find_clash(remapped: Mapping[str, tuple[str, ...]]) -> Clash | None:
    """The first key that would mean two things in one place; the one to blame is the later of `remapped`.

    A key of the whole app works in every pane. A dialog covers the app, and no dialog has all its actions, but its keys
    must differ all the same.
    """
    taken: dict[tuple[Pane, str], Action] = {}
    order = {name: position for position, name in enumerate(remapped, 1)}
    for action in sorted(ACTIONS, key=lambda each: order.get(each.id, 0)):
        panes = [each for each in Pane if each is not Pane.DIALOG] if action.pane is Pane.APP else [action.pane]
        for key in keys_of(action, remapped):
            for pane in panes:
                other = taken.setdefault((pane, key), action)
                if other is not action:
                    return Clash(key, action.id, other.id)
    return None


def _name(character: str) -> str:
    if character.isalnum():
        return character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    if not name:
        raise ValueError
    return _SHORT.get(name, name)


_CHARACTERS = {_name(each): each for each in string.punctuation}
_TYPED = frozenset(_CHARACTERS) | {"space"}
