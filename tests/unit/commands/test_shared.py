from __future__ import annotations

import io

import click
import pytest

from nemo_docs.commands.shared import setting_options, text_or_stdin
from nemo_docs.errors import SettingsError, UsageError
from nemo_docs.settings import load


def standard_input(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def test_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", standard_input(b"Wann endet der Vertrag?\n"))
    assert text_or_stdin("-") == "Wann endet der Vertrag?"
    assert text_or_stdin(" as it is ") == "as it is"


@pytest.mark.parametrize("content", [b"", b" \n", b"caf\xe9"])
def test_input_that_is_empty_or_not_utf8_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", standard_input(content))
    with pytest.raises(UsageError):
        text_or_stdin("-")


def test_setting_options_win_over_everything_and_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_DOCS_BUDGET", "5")

    @click.command
    @setting_options("budget", "window")
    def command(**options: object) -> tuple[float, int | None]:
        settings = load(options=options).settings
        return settings.budget, settings.window

    assert command.main(["--budget", "90"], standalone_mode=False) == (90.0, None)
    assert command.main(["--window", "16k"], standalone_mode=False) == (5.0, 16_384)
    with pytest.raises(SettingsError, match="option --window"):
        command.main(["--window", "wide"], standalone_mode=False)


def test_switch_is_an_option_without_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_DOCS_IN_PROCESS", "yes")

    @click.command
    @setting_options("in_process")
    def command(**options: object) -> bool:
        return load(options=options).settings.in_process

    assert command.main([], standalone_mode=False) is True
    assert command.main(["--no-in-process"], standalone_mode=False) is False
    monkeypatch.delenv("NEMO_DOCS_IN_PROCESS")
    assert command.main([], standalone_mode=False) is False
    assert command.main(["--in-process"], standalone_mode=False) is True
