"""Writing, pasting, dropping: the prompt as a user meets it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key, Paste
from textual.message import Message
from textual.pilot import Pilot

from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.jobs.job import Job, JobEnded
from nemo_docs.tui.messages import PathsDropped, QuestionAsked
from nemo_docs.tui.widgets.prompt import LONGEST_QUESTION, Prompt
from tests.tui.support import Messages, app_on, until

pytestmark = pytest.mark.asyncio


def prompt_of(app: NemoDocsApp) -> Prompt:
    return app.main.query_one(Prompt)


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(Paste(text))
    await pilot.pause()


def notices(app: NemoDocsApp) -> list[str]:
    return [each.message for each in app._notifications]


async def test_enter_sends_and_the_prompt_is_empty_again(tiny_folder: Path) -> None:
    asked = Messages(QuestionAsked)
    async with app_on(tiny_folder).run_test(message_hook=asked) as pilot:
        assert isinstance(pilot.app.focused, Prompt)
        await pilot.press(*"Why?", "enter")
        assert prompt_of(pilot.app).text == ""
        await until(pilot, lambda: asked.kept)
        assert asked.kept[0].question == "Why?"


async def test_keys_that_come_faster_than_they_are_drawn_keep_their_order(tiny_folder: Path) -> None:
    asked = Messages(QuestionAsked)
    async with app_on(tiny_folder).run_test(message_hook=asked) as pilot:
        for _ in range(2):
            for key, character in [
                *((letter, letter) for letter in "Why"),
                ("ctrl+j", None),
                ("b", "b"),
                ("enter", None),
            ]:
                pilot.app.post_message(Key(key, character))
        await until(pilot, lambda: len(asked.kept) == 2)
        assert [each.question for each in asked.kept] == ["Why\nb", "Why\nb"]
        assert prompt_of(pilot.app).text == ""


async def test_a_blank_prompt_asks_nothing(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        await pilot.press("space", "ctrl+j", "enter")
        await pilot.pause()
        assert not [*pilot.app.main.query("Turn")]


@pytest.mark.parametrize("key", ["shift+enter", "ctrl+j"])
async def test_other_enters_begin_a_line_and_the_prompt_grows_to_six(tiny_folder: Path, key: str) -> None:
    async with app_on(tiny_folder).run_test(size=(80, 24)) as pilot:
        await pilot.press("a", key, "b")
        prompt = prompt_of(pilot.app)
        assert prompt.text == "a\nb"
        assert prompt.size.height == 2
        await pilot.press(*[key] * 10)
        assert prompt.size.height == 6


async def test_history_is_walked_at_the_first_and_last_line_and_keeps_the_draft(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        prompt = prompt_of(pilot.app)
        await pilot.press(*"one", "enter", *"two", "ctrl+j", *"lines", "enter", *"draft")
        await pilot.press("up")
        assert prompt.text == "two\nlines"
        await pilot.press("up")  # a line within the question
        assert (prompt.text, prompt.cursor_location[0]) == ("two\nlines", 0)
        await pilot.press("up")
        assert prompt.text == "one"
        await pilot.press("up")
        assert prompt.text == "one"
        await pilot.press("down")
        assert prompt.text == "two\nlines"
        await pilot.press("down")
        assert prompt.text == "draft"
        await pilot.press("down")
        assert prompt.text == "draft"


async def test_a_paste_is_inserted_once_at_the_cursor(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        prompt = prompt_of(pilot.app)
        await pilot.press(*"ad", "left")
        await paste(pilot, "b\r\nc")
        await until(pilot, lambda: "c" in prompt.text)
        await pilot.press("!")
        assert prompt.text == "ab\nc!d"


async def test_a_paste_shows_what_would_act_on_the_terminal(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        await paste(pilot, "[red]x[/]\x1b[2J\u202etxt")
        await until(pilot, lambda: prompt_of(pilot.app).text)
        assert prompt_of(pilot.app).text == "[red]x[/]\\x1b[2J\\u202etxt"


async def test_a_paste_that_is_known_before_the_one_before_is_over_waits_for_it(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken with that one, and its own end, which came later, ended the app."""
    is_known, is_over, posted = threading.Event(), threading.Event(), Job._post

    def post(job: Job[Any], message: Message) -> None:
        if looking is None or job not in looking:
            posted(job, message)
        elif [*looking].index(job) == 0:
            assert is_known.wait(60)
            posted(job, message)
            if isinstance(message, JobEnded):
                is_over.set()
        else:
            if isinstance(message, JobEnded):
                assert is_over.wait(60)
            posted(job, message)
            is_known.set()

    monkeypatch.setattr(Job, "_post", post)
    looking: dict[Any, Any] | None = None
    async with app_on(tiny_folder).run_test() as pilot:
        prompt = prompt_of(pilot.app)
        looking = prompt._looking
        pilot.app.post_message(Paste("one "))
        pilot.app.post_message(Paste("two"))
        await until(pilot, lambda: prompt.text == "one two" and not looking)
        await until(
            pilot, lambda: not any(thread.name == "job looking for dropped files" for thread in threading.enumerate())
        )
        await pilot.press("!")
        assert prompt.text == "one two!"


async def test_enter_right_behind_a_paste_waits_for_it(tiny_folder: Path) -> None:
    asked = Messages(QuestionAsked)
    async with app_on(tiny_folder).run_test(message_hook=asked) as pilot:
        pilot.app.post_message(Paste("What is this?"))
        await pilot.press("enter")
        await until(pilot, lambda: asked.kept)
        assert asked.kept[0].question == "What is this?"
        assert prompt_of(pilot.app).text == ""


@pytest.mark.parametrize("is_focused", [True, False])
async def test_a_dropped_file_is_added_and_not_inserted(tiny_folder: Path, tmp_path: Path, is_focused: bool) -> None:
    file = tmp_path / "two words.txt"
    file.write_text("The rent is due on the first day.")
    dropped = Messages(PathsDropped)
    async with app_on(tiny_folder).run_test(message_hook=dropped) as pilot:
        if not is_focused:  # the terminal has lost the focus to the file manager
            pilot.app.screen.set_focus(None)
        await paste(pilot, f"'{file}' ")
        await until(pilot, pilot.app.desk.documents)
        assert [each.paths for each in dropped.kept] == [(str(file),)]
        assert prompt_of(pilot.app).text == ""


async def test_a_path_that_was_typed_is_added_when_sent(tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "typed.txt"
    file.write_text("The rent is due on the first day.")
    async with app_on(tiny_folder).run_test() as pilot:
        prompt_of(pilot.app).take(f"{file} ")
        await pilot.press("enter")
        await until(pilot, pilot.app.desk.documents)
        assert not [*pilot.app.main.query("Turn")]


@pytest.mark.parametrize("pane", [None, "#conversation"])
async def test_text_pasted_outside_the_prompt_goes_into_it(tiny_folder: Path, pane: str | None) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        app = pilot.app
        app.screen.set_focus(app.main.query_one(pane) if pane else None)
        await paste(pilot, "words")
        await until(pilot, lambda: prompt_of(app).text)
        assert prompt_of(app).text == "words"


@pytest.mark.parametrize(
    "text",
    ["x" * (LONGEST_QUESTION + 1), "line\n" * 1_000_000, "/" + "a/" * 5_000_000],
    ids=["question", "lines", "path"],  # else the text itself is the name
)
async def test_a_paste_that_is_too_long_is_told_and_not_inserted(tiny_folder: Path, text: str) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        await pilot.press(*"kept")
        await paste(pilot, text)
        await until(pilot, lambda: notices(pilot.app))
        assert f"{len(text):,} characters are too many" in notices(pilot.app)[0]
        assert prompt_of(pilot.app).text == "kept"


async def test_a_question_grown_too_long_stays_in_the_prompt(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        for _ in range(2):
            await paste(pilot, "x" * (LONGEST_QUESTION // 2 + 1))
        await until(pilot, lambda: len(prompt_of(pilot.app).text) > LONGEST_QUESTION)
        await pilot.press("enter")
        await until(pilot, lambda: notices(pilot.app))
        assert len(prompt_of(pilot.app).text) == LONGEST_QUESTION + 2


async def test_the_model_is_loaded_while_the_first_question_is_written(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        assert str(pilot.app.main.query_one("TitleLine").engine) == "not loaded"
        await pilot.press("W")
        await until(pilot, lambda: pilot.app.main.query_one("TitleLine").engine == "ready")


async def test_the_cursor_keeps_its_keys_when_earlier_questions_get_another(tiny_folder: Path, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text('[keys]\nearlier_question = "f7"\nlater_question = "f8"\n')
    async with app_on(tiny_folder).run_test() as pilot:
        await pilot.press(*"one", "ctrl+j", *"two", "up")
        await until(pilot, lambda: prompt_of(pilot.app).cursor_location == (0, 3))
        await pilot.press("down")
        await until(pilot, lambda: prompt_of(pilot.app).cursor_location == (1, 3))
