"""Asking in the app: what is seen while an answer comes, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from nemo_docs.answering.events import Answer, Citation, Coverage, Span, Timing
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import Turn as Kept
from nemo_docs.library.records import TurnId
from nemo_docs.library.records import TurnState as KeptState
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.messages import CitationShown, CopyWanted
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.prompt import Prompt
from nemo_docs.tui.widgets.quote_block import QuoteBlock
from nemo_docs.tui.widgets.turn import Question, Turn, TurnState
from tests.tui.rest import at_rest
from tests.tui.support import Messages, add_document, app_on, click, until

pytestmark = pytest.mark.asyncio

RENT = (
    "The rent is due on the third day of a month.\n\nThe notice period is three months. Dogs are allowed in the garden"
)
RENT += "\f and in the yard. The landlord repairs the roof."
BOOK = "The rent is due on the third day of a month. " * 3000
"""Long enough to be stopped in the middle."""
HOSTILE = (
    "[red]x[/] \x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u202c <b>bold</b> ![i](http://a.b/c) [l](http://a.b) &#x202e;"
)
OVER = {TurnState.DONE, TurnState.FAILED}


def conversation_of(app: NemoDocsApp) -> Conversation:
    return app.main.query_one(Conversation)


async def ask(pilot: Pilot[None], question: str) -> Turn:
    """Send a question and return its turn, which may not have begun."""
    conversation = conversation_of(pilot.app)
    before = len(conversation.turns)
    pilot.app.main.query_one(Prompt).take(question)
    await pilot.press("enter")
    await until(pilot, lambda: len(conversation.turns) > before)
    return conversation.turns[-1]


async def answered(pilot: Pilot[None], question: str) -> Turn:
    turn = await ask(pilot, question)
    await until(pilot, lambda: turn.state in OVER)
    await pilot.pause()
    return turn


def seen(turn: Turn) -> str:
    """All text of a turn that is on the screen."""
    texts = [str(widget.content) for widget in turn.query("Static").results() if widget.display]
    return "\n".join(texts)


def kept(text: str, *quotes: str, title: str = "lease.txt", question: str = "Why?") -> dict[str, Any]:
    """An answer as a stored conversation holds it."""
    citations = tuple(
        Citation(number, "a", title, "a.1", quote, (Span(number, 0, len(quote), "0" * 64),))
        for number, quote in enumerate(quotes, 1)
    )
    coverage = Coverage(1, 2, 0, 2, 0, 30, 30, 1, 1)
    return Answer(question, text, "stop", (), citations, coverage, Timing(), "a model", "en").as_dict()


async def restored(
    pilot: Pilot[None], text: str, *quotes: str, question: str = "Why?", title: str = "lease.txt"
) -> Turn:
    """A conversation that was kept, shown once the library is: an answer whose document is not there would go."""
    conversation = conversation_of(pilot.app)
    await until(pilot, lambda: pilot.app.main.query_one(LibraryPane).is_loaded)
    await at_rest(pilot.app)
    answer = kept(text, *quotes, title=title, question=question)
    await conversation.restore([Kept(TurnId(1, 1), 1, "", question, (), KeptState.ANSWERED, answer, ("a",), ())])
    await pilot.pause()
    return conversation.turns[-1]


async def test_quotes_and_answer_are_shown_with_what_was_read(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", RENT)
    lit = Messages(CitationShown)
    async with app_on(tiny_folder).run_test(size=(120, 40), message_hook=lit) as pilot:
        turn = await answered(pilot, "When is the rent due?")
        assert turn.answer is not None
        assert turn.text == turn.answer.text
        assert turn.citations == [*turn.answer.citations]
        with LibraryReader(home / "library.db") as library:
            for citation in turn.citations:
                pages = [library.page_text("a", span.page).text[span.start : span.end] for span in citation.spans]
                assert "\n".join(pages) == citation.text
                assert " ".join(citation.text.split()) in seen(turn)
        assert "Read 2 of 2 pages" in seen(turn)
        assert [each.citation for each in lit.kept] == turn.citations
        assert [block.is_lit for block in turn.blocks] == [False] * (len(turn.blocks) - 1) + [True]


@pytest.mark.slow
async def test_the_default_model_answers_and_a_second_question_reads_nothing_again(
    default_model: Path, home: Path
) -> None:
    add_document(home, "lease.txt", RENT)
    async with app_on(default_model).run_test() as pilot:
        turn = await answered(pilot, "When is the rent due?")
        assert turn.citations[0].text == "The rent is due on the third day of a month."
        again = await answered(pilot, "Are dogs allowed?")
        assert again.answer is not None
        assert again.answer.timing.tokens_cached > 0


async def test_escape_stops_the_answer_and_a_second_question_is_answered(tiny_folder: Path, home: Path) -> None:
    add_document(home, "book.txt", BOOK)
    async with app_on(tiny_folder, window=32768).run_test() as pilot:
        turn = await ask(pilot, "When is the rent due?")
        await until(pilot, lambda: "tokens" in seen(turn))
        await pilot.press("escape")
        second = await ask(pilot, "Who repairs the roof?")
        await until(pilot, lambda: turn.state in OVER)
        assert turn.answer is not None
        assert turn.answer.finish == "cancelled"
        assert "Stopped. What was found until then is kept." in seen(turn)
        await until(pilot, lambda: second.is_busy or second.state in OVER)
        await pilot.press("escape")
        await until(pilot, lambda: second.state in OVER)


async def test_questions_are_answered_in_order_one_at_a_time(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", RENT)
    ended = Messages(Turn.Ended)
    async with app_on(tiny_folder).run_test(message_hook=ended) as pilot:
        conversation = conversation_of(pilot.app)
        for question in ("one?", "two?", "three?"):
            await conversation.ask(question, ())
        while len(ended.kept) < 3:
            assert sum(turn.is_busy for turn in conversation.turns) <= 1
            await pilot.pause(0.01)
        assert [each.turn.question for each in ended.kept] == ["one?", "two?", "three?"]
        assert [turn.answer.question for turn in conversation.turns if turn.answer] == ["one?", "two?", "three?"]


async def test_waiting_questions_are_stopped_after_the_running_one(tiny_folder: Path, home: Path) -> None:
    add_document(home, "book.txt", BOOK)
    async with app_on(tiny_folder, window=32768).run_test() as pilot:
        conversation = conversation_of(pilot.app)
        for question in ("one?", "two?", "three?"):
            await conversation.ask(question, ())
        one, two, three = conversation.turns
        assert "Waiting for the answer before." in seen(three)
        assert conversation.cancel()
        assert (one.state, two.state) == (TurnState.STOPPING, TurnState.WAITING)
        assert conversation.cancel()
        await until(pilot, lambda: not conversation.is_busy)
        assert two.answer is three.answer is None
        assert "Not asked" in seen(three)
        assert not conversation.cancel()


async def test_a_failure_keeps_the_question_and_it_can_be_asked_again(tiny_folder: Path, home: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        turn = await answered(pilot, "When is the rent due?")
        assert turn.state is TurnState.FAILED
        assert "The library is empty." in seen(turn)
        add_document(home, "lease.txt", RENT)
        await pilot.press("f4", "g")
        conversation = conversation_of(pilot.app)
        await until(pilot, lambda: len(conversation.turns) == 2 and conversation.turns[-1].state is TurnState.DONE)
        assert conversation.turns[-1].question == "When is the rent due?"


async def test_a_model_that_is_not_there_is_told_with_what_to_do(home: Path) -> None:
    add_document(home, "lease.txt", RENT)
    async with app_on(home / "no-such-model").run_test() as pilot:
        turn = await answered(pilot, "When is the rent due?")
        assert turn.state is TurnState.FAILED
        assert "no-such-model" in seen(turn)


async def test_a_question_is_edited_in_the_prompt_and_the_draft_is_kept(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test() as pilot:
        await restored(pilot, "Because.", question="Why so?")
        await pilot.press(*"draft", "f4", "e")
        prompt = pilot.app.main.query_one(Prompt)
        await until(pilot, lambda: prompt.text == "Why so?")
        assert pilot.app.focused is prompt
        await pilot.press("up")
        assert prompt.text == "draft"


async def test_keys_walk_quotes_and_turns(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test(size=(100, 30)) as pilot:
        first = await restored(pilot, "A [1].", "one", "two", "three", question="First?")
        last = await restored(pilot, "B [1].", "four", question="Last?")
        await pilot.press("f4")
        assert pilot.app.focused is last.query_one(Question)
        await pilot.press("k", "k")
        assert pilot.app.focused is first.query_one(Question)
        lit = []
        for key in ("n", "n", "p", "p", "p"):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(pilot.app.focused, QuoteBlock)
            assert pilot.app.focused.is_lit
            lit.append(pilot.app.focused.marker)
        assert lit == [1, 2, 1, 3, 2]
        await pilot.press("j")
        assert pilot.app.focused is last.query_one(Question)


async def test_a_quote_that_was_chosen_stays_lit_until_another_question(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", RENT)
    async with app_on(tiny_folder).run_test(size=(120, 40)) as pilot:
        before = await restored(pilot, "A [1].", "one")
        turn = await ask(pilot, "When is the rent due?")
        await click(pilot, before.blocks[0])
        await until(pilot, lambda: turn.state in OVER)
        assert turn.blocks
        assert before.blocks[0].is_lit
        later = await answered(pilot, "When is the rent due?")
        await until(pilot, lambda: later.blocks[-1].is_lit)
        assert not before.blocks[0].is_lit


async def test_a_mark_in_the_answer_is_clicked_to_light_its_quote(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", RENT)
    async with app_on(tiny_folder).run_test(size=(120, 40)) as pilot:
        turn = await restored(pilot, "[2] is why.", "one", "two")
        await click(pilot, "AnswerText MarkdownParagraph", offset=(1, 0))
        await until(pilot, lambda: turn.blocks[1].is_lit)


async def test_answer_and_quote_are_copied_with_their_sources(tiny_folder: Path, home: Path) -> None:
    add_document(home, "lease.txt", RENT)
    copied = Messages(CopyWanted)
    async with app_on(tiny_folder).run_test(message_hook=copied) as pilot:
        turn = await restored(pilot, "Because **so** [1].", "the  reason\nwhy", "more")
        await pilot.press("f4", "c", "n", "n", "y")
        await until(pilot, lambda: len(copied.kept) == 2)
        answer, quote = copied.kept
        assert answer.text == (
            "Why?\n\nBecause **so** [1].\n\n[1] “the reason why” (lease.txt, page 1)\n[2] “more” (lease.txt, page 2)\n"
        )
        assert quote.text == "“more” (lease.txt, page 2)"
        await click(pilot, "TurnMenu", offset=(4, 0))
        await until(pilot, lambda: len(copied.kept) == 3)
        assert pilot.app.focused is turn.query_one(Question)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_hostile_text_is_shown_as_text(tiny_folder: Path, size: tuple[int, int]) -> None:
    async with app_on(tiny_folder).run_test(size=size) as pilot:
        turn = await restored(pilot, HOSTILE, HOSTILE, question=HOSTILE, title=HOSTILE)
        assert seen(turn).count("[red]x[/]") == 5 - 1  # question, quote, title, answer
        assert seen(turn).count("\\x1b[2J") == 4
        assert "![i](http://a.b/c) [l](http://a.b) &#x202e;" in seen(turn)
        drawn = "".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
        assert not {"\x1b", "\x07", "\u202e"} & set(drawn)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "word " * 20_000,
        "\n".join("a line" for _ in range(20_000)),
        "> " * 5_000 + "deep",
        "[" * 5_000 + "*" * 5_000,
        "| a | b |\n|---|---|\n" + "| [red] | [/x] |\n" * 50,
        "```no-such-language\n[red]\n```\n\n    code",
        "# [/x]\n\n- [red]\n  1. [/]\n\n---\n~~gone~~ `[/x]`",
        "表" * 5_000 + "نص" * 5_000,
    ],
    ids=["word", "words", "lines", "deep", "open", "table", "code", "mixed", "wide"],
)
async def test_shapes_that_strain_markdown_do_no_harm(tiny_folder: Path, text: str) -> None:
    async with app_on(tiny_folder).run_test(size=(100, 30)) as pilot:
        turn = await restored(pilot, text, text[:5_000])
        assert turn.state is TurnState.DONE
        await pilot.press("a")
        assert pilot.app.main.query_one(Prompt).text == "a"


async def test_a_table_that_grows_while_it_is_streamed_is_shown(tiny_folder: Path) -> None:
    async with app_on(tiny_folder).run_test(size=(100, 30)) as pilot:
        turn = await restored(pilot, "Now:\n\n")
        for piece in "| a | b |\n|---|---|\n| [red] | 2 |\n| 3 | [/x] |\n\nthe end [1]":
            await turn._write(piece)
        await until(pilot, lambda: all(word in seen(turn) for word in ("[red]", "[/x]", "the end")))
