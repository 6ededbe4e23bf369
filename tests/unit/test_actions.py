from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.actions import ACTIONS, Pane, actions_of
from nemo_docs.keys import find_clash, is_typed, spelled


def test_every_action_has_one_id_keys_and_words() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert action.id.isidentifier()
        assert action.keys
        assert 1 <= len(action.label.split()) <= 3, action.label
        assert action.help.endswith("."), action.help
    assert [action for pane in Pane for action in actions_of(pane)] == sorted(
        ACTIONS, key=lambda action: list(Pane).index(action.pane)
    )


def test_keys_of_the_table_are_spelled_right_and_mean_one_thing_each() -> None:
    assert find_clash({}) is None
    for action in ACTIONS:
        assert tuple(map(spelled, action.keys)) == action.keys


def test_no_key_of_the_table_is_eaten_by_a_terminal_or_typed_into_the_prompt() -> None:
    eaten = {"ctrl+b", "ctrl+c", "ctrl+z", "ctrl+s", "ctrl+a", "ctrl+d", "f10", "f11", "f12"}
    for action in ACTIONS:
        assert not eaten.intersection(action.keys), action.id
        if action.pane in {Pane.APP, Pane.PROMPT}:
            assert not any(map(is_typed, action.keys)), action.id


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("?", "question_mark"),
        ("+", "plus"),
        ("ctrl++", "ctrl+plus"),
        ("ctrl+/", "ctrl+slash"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("ctrl+K", "ctrl+k"),
        ("K", "K"),
        ("ctrl+i", "tab"),
        ("ctrl+m", "enter"),
        ("ctrl+[", "escape"),
        ("é", "é"),
        ("f24", "f24"),
    ],
)
def test_key_has_one_spelling(written: str, key: str) -> None:
    assert spelled(written) == key


@pytest.mark.parametrize(
    "written",
    ["", "ctrl", "ctrl+", "+x", "ctlr+x", "f25", "Enter", "shift+a", "shift+slash", "ctrl+ctrl+a", "\x1b", "a b"],
)
def test_what_no_terminal_sends_is_no_key(written: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        spelled(written)


def test_punctuation_is_named_as_the_app_hears_it() -> None:
    from textual.keys import _character_to_key

    for character in string.printable.strip():
        assert spelled(character) == _character_to_key(character)


@given(st.text(max_size=12))
@example("\xa0")
def test_a_spelling_spells_itself(written: str) -> None:
    try:
        key = spelled(written)
    except ValueError:
        return
    assert spelled(key) == key
