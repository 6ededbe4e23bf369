from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs import settings, settings_file
from nemo_docs.errors import ExitCode, SettingsError
from nemo_docs.paths import Paths, private_folder


@pytest.fixture
def paths(home: Path) -> Paths:
    home.mkdir()
    return Paths.find()


def load(paths: Paths, **options: object) -> settings.Configuration:
    return settings.load(paths, environ={}, options=options)


def test_without_a_file_every_value_is_the_default(paths: Paths) -> None:
    found = load(paths)
    assert found.settings == settings.Settings()
    assert set(found.origins.values()) == {"default"}


def test_every_default_is_within_its_own_bounds() -> None:
    defaults = settings.Settings()
    for name in settings.names():
        value = settings.value_of(defaults, name)
        assert settings.check(name, settings.shown(value), "test") == value


def test_option_beats_environment_beats_file_and_each_says_so(paths: Paths) -> None:
    paths.config.write_text('# mine\nbudget = 10\nseed = 1\nmodel = "nemo"\n')
    found = settings.load(
        paths, environ={"NEMO_DOCS_SEED": "2", "NEMO_DOCS_BUDGET": "20"}, options={"budget": "30", "model": None}
    )
    assert (found.settings.budget, found.settings.seed, found.settings.model) == (30.0, 2, "nemo")
    assert found.origins["budget"] == "option --budget"
    assert found.origins["seed"] == "NEMO_DOCS_SEED"
    assert found.origins["model"] == f"{paths.config} line 4"
    assert found.origins["device"] == "default"


def test_unknown_key_is_refused_with_its_line_and_the_nearest_name(paths: Paths) -> None:
    paths.config.write_text('model = "nemo"\n\nbuget = 3\n')
    with pytest.raises(SettingsError, match="line 3") as caught:
        load(paths)
    assert "buget" in caught.value.message
    assert caught.value.hint == "Did you mean budget?"
    assert caught.value.exit_code == ExitCode.USAGE


def test_unknown_table_is_refused_with_its_line(paths: Paths) -> None:
    paths.config.write_text("\n[engine]\nbudget = 3\n")
    with pytest.raises(SettingsError, match=r"'engine' .* line 2"):
        load(paths)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", "0"),
        ("budget", "nan"),
        ("budget", True),
        ("threads", "-1"),
        ("threads", 1.5),
        ("temperature", "hot"),
        ("precision", "fp16"),
        ("device", "gpu"),
        ("window", "511"),
        ("window", "16q"),
        ("window", 16.5),
        ("kv_memory", "-4GB"),
        ("store_size", "half"),
        ("store_floor", "auto"),
        ("host_memory", "all"),
        ("language", "xx"),
        ("model", ""),
        ("model", "a\x1b[2J"),
        ("seed", []),
        ("budget", 10**400),
        ("device", "cuda:999999999999"),
    ],
)
def test_value_out_of_bounds_is_refused_in_a_sentence_with_name_value_and_place(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.check(name, value, "the place")
    assert caught.value.message.startswith(f"{name} = {value!r} (the place) must be ")


@pytest.mark.parametrize(
    ("text", "value"), [("auto", None), ("16k", 16_384), ("16K", 16_384), ("128 k", 131_072), ("9000", 9000)]
)
def test_window_takes_a_number_thousands_or_auto(text: str, value: int | None) -> None:
    assert settings.check("window", text, "test") == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("store_size", "auto", None),
        ("store_size", "0", 0),
        ("store_floor", "500MB", 5 * 10**8),
        ("host_memory", "40GB", 4 * 10**10),
        ("host_memory", "auto", None),
    ],
)
def test_room_for_what_was_read_is_an_amount_of_bytes(name: str, text: str, value: int | None) -> None:
    assert settings.check(name, text, "test") == value


@given(st.integers(512, 1_048_576))
def test_a_shown_value_reads_back_as_itself(tokens: int) -> None:
    assert settings.check("window", settings.shown(tokens), "test") == tokens


@pytest.mark.parametrize("content", ["budget = \n", f"budget = 1{'0' * 5000}\n", f"budget = {'[' * 5000}\n"])
def test_file_that_is_not_toml_is_refused_with_its_path(paths: Paths, content: str) -> None:
    paths.config.write_text(content)
    with pytest.raises(SettingsError, match="not valid TOML") as caught:
        load(paths)
    assert str(paths.config) in caught.value.message


def test_file_that_is_not_utf8_is_refused(paths: Paths) -> None:
    paths.config.write_bytes(b'model = "\xff"\n')
    with pytest.raises(SettingsError, match="cannot be read"):
        load(paths)


def test_set_keeps_comments_and_unset_restores_the_default(paths: Paths) -> None:
    paths.config.write_text("# why I chose this\nbudget = 10 # seconds\n")
    settings_file.set_value(paths.config, "budget", "20")
    settings_file.set_value(paths.config, "window", "auto")
    text = paths.config.read_text()
    assert "# why I chose this" in text
    assert "# seconds" in text
    assert load(paths).settings.budget == 20
    assert load(paths).settings.window is None
    assert settings_file.unset(paths.config, "budget")
    assert not settings_file.unset(paths.config, "budget")
    assert load(paths).settings.budget == settings.Settings().budget


def test_unset_mends_a_file_with_an_unknown_key(paths: Paths) -> None:
    paths.config.write_text("buget = 3\n")
    assert settings_file.unset(paths.config, "buget")
    assert load(paths).settings == settings.Settings()


def test_refused_value_leaves_the_file_as_it_was(paths: Paths) -> None:
    paths.config.write_text("budget = 10\n")
    with pytest.raises(SettingsError):
        settings_file.set_value(paths.config, "budget", "never")
    assert paths.config.read_text() == "budget = 10\n"


def test_file_and_folders_are_private(tmp_path: Path) -> None:
    config = tmp_path / "new" / "folder" / "config.toml"
    settings_file.set_value(config, "budget", "20")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(config.parent.parent.stat().st_mode) == 0o700


def test_settings_behind_a_link_are_changed_where_they_are(paths: Paths, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.toml"
    kept.write_text("# mine\n")
    paths.config.symlink_to(kept)
    settings_file.set_value(paths.config, "seed", "3")
    assert paths.config.is_symlink()
    assert kept.read_text() == "# mine\nseed = 3\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_models_folder_moves_the_models_and_nothing_else(paths: Paths, tmp_path: Path) -> None:
    found = load(paths, models_folder=str(tmp_path / "big"))
    assert found.paths.models == tmp_path / "big"
    assert found.paths.library == paths.library


def test_looking_paths_up_makes_no_folder(home: Path) -> None:
    settings.load()
    assert not home.exists()


def test_home_of_nobody_is_a_folder_of_that_name() -> None:
    assert Paths.find({"NEMO_DOCS_HOME": "~nobody-of-this-name/docs"}).models.parts[-3:] == (
        "~nobody-of-this-name",
        "docs",
        "models",
    )


def test_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match="not a folder"):
        Paths.find({"NEMO_DOCS_HOME": str(file)})


def test_folder_below_a_file_cannot_be_made_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be made"):
        private_folder(tmp_path / "file" / "folder")


def test_without_a_home_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEMO_DOCS_HOME")
    paths = Paths.find({})
    assert {paths.library.name, paths.models.name, paths.kv.name} == {"library.db", "models", "kv"}
    assert all("nemo-docs" in str(path) for path in (paths.config, paths.library, paths.models, paths.kv, paths.state))


def test_keys_come_from_the_file_with_their_lines(paths: Paths) -> None:
    paths.config.write_text('seed = 1\n\n[keys]  # mine\n# one\nquit = "ctrl+x"\n"copy_answer" = "K, ?"\n')
    found = load(paths)
    assert found.settings.keys == {"quit": ("ctrl+x",), "copy_answer": ("K", "question_mark")}
    assert found.origins["keys.quit"] == f"{paths.config} line 5"
    assert found.origins["keys.copy_answer"] == f"{paths.config} line 6"
    assert found.origins["keys.help"] == "default"
    assert settings.value_of(found.settings, "keys.help") == ("f1",)
    paths.config.write_text('seed = 1\nkeys.quit = "f9"\n')
    assert load(paths).origins["keys.quit"] == f"{paths.config} line 2"


@pytest.mark.parametrize(
    ("content", "sentence", "hint"),
    [
        ('[keys]\nquti = "f9"\n', r"no setting 'keys.quti' \(.* line 2\)", "Did you mean keys.quit?"),
        ('[keys]\nquit = "ctlr+x"\n', r"keys.quit = 'ctlr\+x' \(.* line 2\) must be keys such as", ""),
        ("[keys]\nquit = 3\n", "must be keys", ""),
        ("keys = 3\n", r"keys = 3 \(.* line 1\) must be a table", "Such as `keys.quit = "),
        ('[keys]\nquit = "q"\n', "a bare letter is text there", ""),
        ('[keys]\nsend = "slash"\n', "a bare letter is text there", ""),
        ('[keys]\nquit = "ctrl+p"\n', r"keys.quit = 'ctrl\+p' \(.* line 2\) is the key of palette", "Choose another"),
        ('[keys]\ncopy_answer = "f1"\n', r"keys.copy_answer = 'f1' .* is the key of help", "Choose another"),
        ('[keys]\nnext_page = "f7"\nopen_file = "f7"\n', r"keys.open_file = 'f7' \(.* line 3\)", "Choose another"),
    ],
)
def test_wrong_keys_are_refused_in_a_sentence(paths: Paths, content: str, sentence: str, hint: str) -> None:
    paths.config.write_text(content)
    with pytest.raises(SettingsError, match=sentence) as caught:
        load(paths)
    assert caught.value.hint.startswith(hint)


def test_same_key_in_two_panes_and_two_keys_that_swap_are_fine(paths: Paths) -> None:
    paths.config.write_text('[keys]\nopen_file = "g"\nnext_citation = "p"\nprevious_citation = "n"\n')
    assert load(paths).settings.keys["previous_citation"] == ("n",)


def test_keys_are_set_and_unset_without_losing_a_comment(paths: Paths) -> None:
    paths.config.write_text("# mine\nseed = 1\n")
    assert settings_file.set_value(paths.config, "keys.quit", "ctrl+x") == "ctrl+x"
    settings_file.set_value(paths.config, "keys.send", "f8, f7")
    assert load(paths).settings.keys == {"quit": ("ctrl+x",), "send": ("f8", "f7")}
    with pytest.raises(SettingsError, match=r"keys.help = .*command line.* is the key of quit"):
        settings_file.set_value(paths.config, "keys.help", "ctrl+x")
    assert settings_file.unset(paths.config, "keys.quit")
    assert not settings_file.unset(paths.config, "keys.quit")
    assert settings_file.unset(paths.config, "keys.send")
    assert paths.config.read_text().strip() == "# mine\nseed = 1"


def test_keys_that_are_no_table_can_be_mended(paths: Paths) -> None:
    paths.config.write_text("keys = 3\n")
    with pytest.raises(SettingsError, match="not a table") as caught:
        settings_file.set_value(paths.config, "keys.quit", "f9")
    assert "config unset keys" in caught.value.hint
    assert settings_file.unset(paths.config, "keys")
    assert load(paths).settings.keys == {}


def test_wrong_choice_is_refused_with_the_nearest_word() -> None:
    with pytest.raises(SettingsError, match="theme = 'nemo-drak'") as caught:
        settings.check("theme", "nemo-drak", "test")
    assert caught.value.hint == "Did you mean nemo-dark?"
