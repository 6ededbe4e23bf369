"""The tree of errors is drawn in its module's docstring; the drawing must be true."""

from __future__ import annotations

import inspect

from nemo_docs import errors


def test_every_error_is_drawn_with_its_exit_code() -> None:
    drawn = errors.__doc__ or ""
    classes = [
        each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.NemoDocsError)
    ]
    for each in classes:
        assert each.__name__ in drawn
    assert len(classes) == sum("Error" in line or "──" in line for line in drawn.splitlines())


def test_message_and_hint_are_kept_apart() -> None:
    error = errors.NothingFound("No document a.", hint="Add one.")
    assert (str(error), error.hint, error.exit_code) == ("No document a.", "Add one.", 3)
