from __future__ import annotations

from pathlib import Path

import pytest

from nemo_docs import settings
from nemo_docs.errors import ExitCode
from tests.cli.conftest import NemoDocs


def test_config_shows_every_setting_and_where_it_came_from(
    nemo_docs: NemoDocs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_SEED", "7")
    nemo_docs("config", "set", "budget", "90")
    events = {event["name"]: event for event in nemo_docs("config", "show", "--json").events}
    assert tuple(events) == settings.names()
    assert (events["seed"]["value"], events["seed"]["origin"]) == (7, "NEMO_DOCS_SEED")
    assert events["budget"]["value"] == 90
    assert events["budget"]["origin"].endswith("config.toml line 1")
    assert events["window"]["value"] is None
    plain = nemo_docs("config").out
    assert "window = auto\n    from default." in plain
    assert "seed = 7\n    from NEMO_DOCS_SEED." in plain


def test_set_narrates_on_stderr_and_unset_undoes_it(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("config", "set", "window", "32k")
    assert (done.code, done.out) == (0, "")
    assert "window = 32768" in done.err
    assert nemo_docs("config", "unset", "window").code == 0
    assert nemo_docs("config", "unset", "window").code == ExitCode.NOTHING_FOUND


def test_unknown_setting_is_a_usage_error_with_the_nearest_name(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("config", "set", "temprature", "1")
    assert done.code == ExitCode.USAGE
    assert "hint: Did you mean temperature?" in done.err


def test_broken_file_stops_commands_and_config_can_still_mend_it(nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("modle = 'nemo'\n")
    done = nemo_docs("list")
    assert done.code == ExitCode.USAGE
    assert "config.toml line 1" in done.err
    assert nemo_docs("config", "path").out == f"{home / 'config.toml'}\n"
    assert nemo_docs("config", "unset", "modle").code == 0
    assert nemo_docs("list").code == 0


def test_path_prints_each_place(nemo_docs: NemoDocs, home: Path) -> None:
    assert nemo_docs("config", "path", "library").out == f"{home / 'library.db'}\n"
    assert nemo_docs("config", "path", "elsewhere").code == ExitCode.USAGE


def test_home_that_is_a_file_is_one_sentence(
    nemo_docs: NemoDocs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEMO_DOCS_HOME", str(tmp_path / "file"))
    done = nemo_docs("list")
    assert done.code == ExitCode.USAGE
    assert "which is not a folder" in done.err


def test_keys_are_shown_set_and_unset_like_the_others(nemo_docs: NemoDocs, home: Path) -> None:
    assert nemo_docs("config", "set", "keys.quit", "ctrl+x,f9").code == 0
    event = next(each for each in nemo_docs("config", "show", "--json").events if each["name"] == "keys.quit")
    assert event["value"] == ["ctrl+x", "f9"]
    assert event["origin"] == f"{home / 'config.toml'} line 2"
    assert "keys.quit = ctrl+x,f9\n" in nemo_docs("config").out
    done = nemo_docs("config", "set", "keys.quit", "ctrl+p")
    assert done.code == ExitCode.USAGE
    assert "is the key of palette in the same place" in done.err
    done = nemo_docs("config", "set", "keys.qit", "ctrl+x")
    assert done.code == ExitCode.USAGE
    assert "hint: Did you mean keys.quit?" in done.err
    assert nemo_docs("config", "unset", "keys.quit").code == 0
    assert nemo_docs("config", "unset", "keys.quit").code == ExitCode.NOTHING_FOUND


def test_clash_in_the_file_stops_commands_and_config_can_still_mend_it(nemo_docs: NemoDocs, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[keys]\nquit = 'f1'\n")
    assert "config.toml line 2" in nemo_docs("list").err
    assert nemo_docs("config", "unset", "keys.quit").code == 0
    assert nemo_docs("list").code == 0


def test_unknown_theme_is_refused_with_the_nearest_name(nemo_docs: NemoDocs) -> None:
    done = nemo_docs("config", "set", "theme", "gruvboks")
    assert done.code == ExitCode.USAGE
    assert "hint: Did you mean gruvbox?" in done.err
