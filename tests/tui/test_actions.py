"""Every action of the table: its own key, pressed in the running app on a real library, does what it says.

Each has a test below, registered under its name; a new action without one fails. The keys come from the table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static
from textual.widgets._footer import FooterKey

from nemo_docs.actions import ACTIONS, Pane, actions_of
from nemo_docs.keys import keys_of, spelled
from nemo_docs.library.conversations import Conversations
from nemo_docs.library.reading_queue import QueuedDocument, QueueState, ReadingQueue
from nemo_docs.library.records import PageFlag
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from nemo_docs.tui.messages import CitationShown, CopyWanted, DocumentOpened
from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.screens.confirm import ConfirmScreen
from nemo_docs.tui.screens.failures import FailuresScreen
from nemo_docs.tui.screens.help import HelpScreen
from nemo_docs.tui.screens.ledger import LedgerScreen
from nemo_docs.tui.screens.line import LineScreen
from nemo_docs.tui.screens.redo import RedoScreen
from nemo_docs.tui.screens.search import SearchScreen
from nemo_docs.tui.screens.settings import SettingsScreen
from nemo_docs.tui.screens.theme import ThemeScreen
from nemo_docs.tui.screens.whole import WholeScreen
from nemo_docs.tui.widgets.chip_bar import ChipBar
from nemo_docs.tui.widgets.control import Control
from nemo_docs.tui.widgets.conversation import Conversation
from nemo_docs.tui.widgets.file_tree import FileTree
from nemo_docs.tui.widgets.hit_list import HitList
from nemo_docs.tui.widgets.job_list import JobList
from nemo_docs.tui.widgets.job_row import JobRow, Stage
from nemo_docs.tui.widgets.library_pane import LibraryPane
from nemo_docs.tui.widgets.page_list import PageList
from nemo_docs.tui.widgets.path_field import PathField
from nemo_docs.tui.widgets.prompt import Prompt
from nemo_docs.tui.widgets.quote_block import QuoteBlock
from nemo_docs.tui.widgets.reading_row import ReadingRow
from nemo_docs.tui.widgets.source_pane import SourcePane
from nemo_docs.tui.widgets.turn import Question
from tests.tui.stage import EARLIER, QUESTION, app_without_model, set_stage
from tests.tui.support import Messages, until
from tests.unit.library.conftest import pdf_bytes

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("hurry")]

BY_ID = {action.id: action for action in ACTIONS}


@dataclass
class Run:
    """A running app on a library with a conversation."""

    pilot: Pilot[Any]
    app: NemoDocsApp
    folder: Path
    posted: Messages
    remapped: Mapping[str, tuple[str, ...]]

    async def press(self, *ids: str) -> None:
        """Press the first key of each of these actions."""
        for each in ids:
            await self.pilot.press(keys_of(BY_ID[each], self.remapped)[0])

    async def until(self, condition: Callable[[], object]) -> None:
        await until(self.pilot, condition)

    async def until_screen(self, kind: type[Screen[Any]]) -> Any:
        await self.until(lambda: isinstance(self.app.screen, kind) and self.app.focused)
        return self.app.screen

    def find(self, kind: type[Any]) -> Any:
        """A widget of the main screen."""
        return self.app.main.query_one(kind)

    def said(self, name: str) -> str:
        return str(self.app.main.query_one(f"#{name}", Static).content)

    async def open(self, page: int = 1) -> None:
        """Show a page of the lease, with the keys in the source pane."""
        self.app.main.post_message(DocumentOpened("a", page))
        await self.until(lambda: self.said("source-where").startswith(f"page {page} "))
        await self.until(lambda: self.find(SourcePane).is_settled)
        self.find(SourcePane).focus()
        await self.pilot.pause()

    async def run(self, name: str, content: str | bytes) -> JobRow:
        """Begin to add a file, with the focus on its row."""
        file = self.folder / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        jobs = self.find(JobList)
        jobs.add([str(file)])
        await self.until(lambda: jobs.rows and jobs.rows[-1].stage is not Stage.COUNTING)
        row: JobRow = jobs.rows[-1]
        return row


Check = Callable[[Run], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def proves(name: str) -> Callable[[Check], Check]:
    """Register the test of an action."""

    def keep(check: Check) -> Check:
        assert name not in CHECKS
        CHECKS[name] = check
        return check

    return keep


@asynccontextmanager
async def on_stage(folder: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Run]:
    set_stage(folder, conversation=True)
    posted = Messages(CopyWanted, CitationShown)
    app = app_without_model()
    app.animation_level = "none"
    async with app.run_test(size=size, message_hook=posted) as pilot:
        stage = Run(pilot, app, folder, posted, app.remapped)
        await stage.until(lambda: stage.find(Conversation).turns and stage.find(LibraryPane).is_loaded)
        await pilot.pause()
        yield stage


async def test_every_action_has_a_test() -> None:
    assert CHECKS.keys() == BY_ID.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_ID)
async def test_action(name: str, tmp_path: Path) -> None:
    async with on_stage(tmp_path) as stage:
        await CHECKS[name](stage)


# everywhere


@proves("help")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "help")
    screen = await stage.until_screen(HelpScreen)
    assert "In the library" in [str(each.content) for each in screen.query(".heading").results(Static)]


@proves("palette")
async def _(stage: Run) -> None:
    await stage.press("palette")
    await stage.until_screen(CommandPalette)


@proves("add_files")
async def _(stage: Run) -> None:
    await stage.press("add_files")
    await stage.until_screen(AddFilesScreen)


@proves("settings")
async def _(stage: Run) -> None:
    await stage.press("settings")
    await stage.until_screen(SettingsScreen)


@proves("theme")
async def _(stage: Run) -> None:
    before = stage.app.theme
    await stage.press("theme")
    await stage.until_screen(ThemeScreen)
    await stage.pilot.press("down", "enter")
    await stage.until(lambda: load().settings.theme == stage.app.theme != before)


@proves("cancel")
async def _(stage: Run) -> None:
    row = await stage.run("book.txt", "A page of a long book that goes on.\f" * 3_000)
    await stage.until(lambda: row.stage is Stage.RUNNING)
    await stage.press("cancel")
    await stage.until(lambda: row.stage is Stage.STOPPED)
    await stage.press("focus_library", "cancel")
    await stage.until(lambda: isinstance(stage.app.focused, Prompt))


@proves("focus_library")
async def _(stage: Run) -> None:
    await stage.press("focus_library")
    assert stage.find(LibraryPane).has_focus_within


@proves("focus_conversation")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation")
    assert stage.app.focused is stage.find(Conversation).turns[-1].query_one(Question)


@proves("focus_source")
async def _(stage: Run) -> None:
    await stage.open()
    await stage.press("focus_prompt", "focus_source")
    assert stage.find(SourcePane).has_focus_within


@proves("focus_prompt")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "focus_prompt")
    assert isinstance(stage.app.focused, Prompt)


@proves("search_library")
async def _(stage: Run) -> None:
    assert isinstance(stage.app.focused, Prompt)  # whose own key it is, too
    await stage.press("search_library")
    await stage.until_screen(SearchScreen)


@proves("new_conversation")
async def _(stage: Run) -> None:
    conversation, kept = stage.find(Conversation), Conversations(load().paths.library)
    before = kept.latest()
    await stage.press("new_conversation")
    await stage.until(lambda: not conversation.turns)
    await stage.pilot.press(*"Why", "enter")
    await stage.until(lambda: kept.latest() != before)
    assert before is not None
    assert len(kept.turns(before)) == 2


@proves("quit")
async def _(stage: Run) -> None:
    await stage.press("quit")
    await stage.until(lambda: not stage.app.is_running)


# the library


@proves("toggle_selected")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "toggle_selected")
    await stage.until(lambda: stage.find(LibraryPane).selected == ("a",))
    await stage.press("toggle_selected")
    await stage.until(lambda: stage.find(LibraryPane).selected == ())


@proves("select_all")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "toggle_selected", "select_all")
    await stage.until(lambda: stage.find(LibraryPane).selected == ())
    assert stage.said("library-scope") == "Asking the whole library"


@proves("open_document")
async def _(stage: Run) -> None:
    await stage.press("focus_library")
    await stage.pilot.press("down")
    await stage.press("open_document")
    await stage.until(lambda: stage.said("source-title").startswith("Mietvertrag"))


@proves("open_ledger")
async def _(stage: Run) -> None:
    screen = await _ledger(stage)
    assert [page.number for page in screen.pages] == [1, 2, 3]


@proves("open_gaps")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "open_gaps")
    screen = await stage.until_screen(LedgerScreen)
    await stage.until(lambda: screen.pages)


@proves("read_document")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "read_document")
    rows = stage.find(JobList)
    await stage.until(lambda: [row.work.title for row in rows.rows] == ["Reading lease.txt"])
    await stage.until(lambda: rows.rows[0].stage is Stage.FAILED)  # for want of a model


@proves("read_later")
async def _(stage: Run) -> None:
    ReadingQueue(load().paths.library).add(["b"])
    await stage.press("focus_library", "read_later")
    await stage.until(lambda: [each.handle for each in ReadingQueue(load().paths.library).items()] == ["b", "a"])


@proves("tag_document")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "tag_document")
    await stage.until_screen(LineScreen)
    await stage.pilot.press(*"New", "enter")
    await stage.until(lambda: stage.find(LibraryPane).documents[0].collections == ("New",))


@proves("filter_library")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "filter_library")
    await stage.pilot.press(*"lease")
    await stage.until(lambda: stage.said("library-title") == "Library · 1 of 5")


@proves("remove_document")
async def _(stage: Run) -> None:
    await stage.press("focus_library", "remove_document")
    await stage.until_screen(ConfirmScreen)
    await stage.press("accept")
    await stage.until(lambda: len(stage.find(LibraryPane).documents) == 4)
    assert (stage.folder / "lease.txt").exists()
    await stage.until(lambda: not any(turn.answer for turn in stage.find(Conversation).turns))


# what is being added or read


@proves("stop_job")
async def _(stage: Run) -> None:
    row = await stage.run("book.txt", "A page of a long book that goes on.\f" * 3_000)
    await stage.until(lambda: row.stage is Stage.RUNNING)
    row.focus()
    await stage.press("stop_job")
    assert row.stage is Stage.STOPPED
    await stage.until(lambda: not stage.find(JobList).rows)


@proves("pause_job")
async def _(stage: Run) -> None:
    queue, rows = ReadingQueue(load().paths.library), stage.find(JobList)
    queue.add(["a"])
    queue.pause()
    await stage.until(lambda: rows.rows and rows.rows[0].stage is Stage.PAUSED)
    rows.rows[0].focus()
    await stage.press("pause_job")
    await stage.until(lambda: rows.rows[0].stage is Stage.FAILED)  # for want of a model


@proves("give_password")
async def _(stage: Run) -> None:
    row = await stage.run("sealed.pdf", pdf_bytes(["The secret clause is here."], password="key"))
    await stage.until(lambda: row.stage is Stage.FAILED)
    row.focus()
    await stage.press("give_password")
    await stage.until_screen(LineScreen)
    await stage.pilot.press(*"key", "enter")
    await stage.until(lambda: len(stage.find(LibraryPane).documents) == 6)


# the conversation


@proves("next_citation")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "next_citation", "next_citation")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3 · quote [2]")
    assert isinstance(stage.app.focused, QuoteBlock)


@proves("previous_citation")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "previous_citation", "previous_citation")
    await stage.until(lambda: stage.said("source-where") == "page 1 of 3 · quote [1]")


@proves("previous_turn")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "previous_turn")
    assert stage.app.focused is stage.find(Conversation).turns[0].query_one(Question)


@proves("next_turn")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "previous_turn", "next_turn")
    assert stage.app.focused is stage.find(Conversation).turns[1].query_one(Question)


@proves("copy_answer")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "copy_answer")
    copied = await _copied(stage)
    assert copied.startswith(f"{QUESTION}\n\nThe rent is due")
    assert (
        "[2] “Dogs are allowed in the garden and in the yard, if they are kept on a lead.” (lease.txt, page 2)"
        in copied
    )


@proves("copy_citation")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "next_citation", "copy_citation")
    assert await _copied(stage) == "“It is due on the third day of each month.” (lease.txt, page 1)"


@proves("edit_question")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "edit_question")
    await stage.until(lambda: stage.find(Prompt).text == QUESTION)
    assert isinstance(stage.app.focused, Prompt)


@proves("ask_again")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "previous_turn", "ask_again")
    await stage.until(lambda: [turn.question for turn in stage.find(Conversation).turns][2:] == [EARLIER])


@proves("forget")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "forget")
    await stage.until_screen(ConfirmScreen)
    await stage.press("accept")
    await stage.until(lambda: not stage.find(Conversation).turns)
    assert Conversations(load().paths.library).latest() is None


# the source


@proves("next_page")
async def _(stage: Run) -> None:
    await stage.open(1)
    await stage.press("next_page")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3")


@proves("previous_page")
async def _(stage: Run) -> None:
    await stage.open(3)
    await stage.press("previous_page")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3")


@proves("search_source")
async def _(stage: Run) -> None:
    await stage.open()
    await stage.press("search_source")
    await stage.pilot.press(*"tenant", "enter")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3 · 1 of 3: “tenant”")


@proves("next_span")
async def _(stage: Run) -> None:
    await CHECKS["search_source"](stage)
    await stage.press("next_span")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3 · 2 of 3: “tenant”")


@proves("previous_span")
async def _(stage: Run) -> None:
    await CHECKS["search_source"](stage)
    await stage.press("previous_span")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3 · 3 of 3: “tenant”")


@proves("open_file")
async def _(stage: Run) -> None:
    await stage.open()
    await stage.press("open_file")  # no window is opened on the machine of a test
    await stage.until(lambda: any("over SSH" in each.message for each in stage.app._notifications))


@proves("copy_span")
async def _(stage: Run) -> None:
    await CHECKS["search_source"](stage)
    await stage.press("copy_span")
    assert await _copied(stage) == "“tenant”\nlease.txt, page 2"


# the prompt


@proves("send")
async def _(stage: Run) -> None:
    await stage.pilot.press(*"Why")
    await stage.press("send")
    await stage.until(lambda: [turn.question for turn in stage.find(Conversation).turns][2:] == ["Why"])
    assert stage.find(Prompt).text == ""


@proves("new_line")
async def _(stage: Run) -> None:
    await stage.pilot.press("a")
    await stage.press("new_line")
    await stage.pilot.press("b")
    await stage.until(lambda: stage.find(Prompt).text == "a\nb")


@proves("earlier_question")
async def _(stage: Run) -> None:
    await CHECKS["send"](stage)
    await stage.press("earlier_question")
    await stage.until(lambda: stage.find(Prompt).text == "Why")


@proves("later_question")
async def _(stage: Run) -> None:
    await CHECKS["send"](stage)
    await stage.pilot.press(*"So")
    await stage.press("earlier_question", "later_question")
    await stage.until(lambda: stage.find(Prompt).text == "So")


# the ledger


async def _ledger(stage: Run) -> LedgerScreen:
    await stage.press("focus_library", "open_ledger")
    screen: LedgerScreen = await stage.until_screen(LedgerScreen)
    await stage.until(lambda: screen.pages and isinstance(screen.focused, PageList))
    return screen


@proves("open_page")
async def _(stage: Run) -> None:
    await _ledger(stage)
    await stage.pilot.press("down")
    await stage.press("open_page")
    await stage.until(lambda: stage.said("source-where") == "page 2 of 3")


def _title(screen: LedgerScreen) -> str:
    return str(screen.query_one("#ledger-title", Static).content)


@proves("choose_page")
async def _(stage: Run) -> None:
    screen = await _ledger(stage)
    await stage.press("choose_page")
    assert _title(screen) == "lease.txt · 3 pages · 1 chosen"


@proves("choose_pages")
async def _(stage: Run) -> None:
    screen = await _ledger(stage)
    await stage.press("choose_pages")
    assert _title(screen) == "lease.txt · 3 pages · 3 chosen"
    await stage.press("choose_pages")
    assert _title(screen) == "lease.txt · 3 pages"


@proves("redo_pages")
async def _(stage: Run) -> None:
    await _ledger(stage)
    await stage.press("redo_pages")
    await stage.until_screen(RedoScreen)


@proves("next_flag")
async def _(stage: Run) -> None:
    screen = await _ledger(stage)
    screen._pages = [*screen.pages[:2], replace(screen.pages[2], flags=(PageFlag.TABLE,))]
    await stage.press("next_flag")
    page = screen.query_one(PageList).page
    assert page is not None
    assert page.number == 3


@proves("previous_flag")
async def _(stage: Run) -> None:
    await CHECKS["next_flag"](stage)
    await stage.press("previous_flag")
    assert stage.app.screen.query_one(PageList).virtual_size.height == 3


@proves("find_page")
async def _(stage: Run) -> None:
    screen = await _ledger(stage)
    await stage.press("find_page")
    await stage.pilot.press("3", "enter")
    page = screen.query_one(PageList).page
    assert page is not None
    assert page.number == 3


# the search


async def _search(stage: Run) -> HitList:
    await stage.press("search_library")
    screen: SearchScreen = await stage.until_screen(SearchScreen)
    await stage.pilot.press(*"tenant agreed")
    await stage.until(lambda: screen.is_settled and screen.query_one(HitList).hit)
    return screen.query_one(HitList)


@proves("open_hit")
async def _(stage: Run) -> None:
    await _search(stage)
    await stage.press("open_hit")
    await stage.until(lambda: stage.said("source-where").endswith("1 of 1: “tenant agreed”"))


@proves("next_hit")
async def _(stage: Run) -> None:
    hits = await _search(stage)
    await stage.press("next_hit")
    assert hits.cursor == 1


@proves("previous_hit")
async def _(stage: Run) -> None:
    hits = await _search(stage)
    await stage.press("next_hit", "previous_hit")
    assert hits.cursor == 0


@proves("search_scope")
async def _(stage: Run) -> None:
    await stage.press("focus_library")
    await stage.pilot.press("end")
    await stage.press("toggle_selected", "search_library")
    await stage.until_screen(SearchScreen)
    await stage.press("search_scope")
    scope = stage.app.screen.query_one("#search-scope", Control)
    assert str(scope.content) == "in all documents"


def _chosen(stage: Run) -> tuple[str, ...]:
    return tuple(stage.app.screen.query_one(ChipBar)._chosen)


@proves("search_match")
async def _(stage: Run) -> None:
    await _search(stage)
    await stage.until(lambda: _chosen(stage) == ("auto", "passage"))
    await stage.press("search_match")
    await stage.until(lambda: _chosen(stage) == ("exact", "passage"))


@proves("search_unit")
async def _(stage: Run) -> None:
    await _search(stage)
    await stage.press("search_unit")
    await stage.until(lambda: _chosen(stage) == ("auto", "page"))


# what could not be added


async def _failures(stage: Run) -> FailuresScreen:
    """Two files that could not be added, and the screen that tells of them."""
    for name in ("a.pdf", "b.pdf"):
        (stage.folder / name).write_bytes(pdf_bytes([f"The secret of {name}."], password="key"))
    jobs = stage.find(JobList)
    jobs.add([f"{stage.folder}/a.pdf", f"{stage.folder}/b.pdf"])
    await stage.until(lambda: jobs.rows and jobs.rows[-1].stage is Stage.FAILED)
    jobs.rows[-1].focus()
    await stage.until(lambda: stage.app.focused is jobs.rows[-1])
    await stage.press("show_failures")
    screen: FailuresScreen = await stage.until_screen(FailuresScreen)
    await stage.until(lambda: _failures_said(stage) == "Not added: 2 files")
    return screen


def _failures_said(stage: Run) -> str:
    return str(stage.app.screen.query_one("#failures-title", Static).content)


@proves("show_failures")
async def _(stage: Run) -> None:
    await _failures(stage)


@proves("choose_file")
async def _(stage: Run) -> None:
    await _failures(stage)
    await stage.press("choose_file")
    await stage.until(lambda: _failures_said(stage) == "Not added: 2 files · 1 chosen")


@proves("choose_files")
async def _(stage: Run) -> None:
    await _failures(stage)
    await stage.press("choose_files")
    await stage.until(lambda: _failures_said(stage) == "Not added: 2 files · 2 chosen")


@proves("retry_files")
async def _(stage: Run) -> None:
    await _failures(stage)
    (stage.folder / "a.pdf").write_bytes(pdf_bytes(["It is no secret."]))
    await stage.press("retry_files")
    await stage.until(lambda: _failures_said(stage) == "Not added: 1 file")
    await stage.until(lambda: "a.pdf" in {each.title for each in stage.find(LibraryPane).documents})


@proves("dismiss_files")
async def _(stage: Run) -> None:
    await _failures(stage)
    await stage.press("choose_files", "dismiss_files")
    await stage.until(lambda: stage.app.screen is stage.app.main and not stage.find(JobList).rows)


@proves("unlock_file")
async def _(stage: Run) -> None:
    await _failures(stage)
    await stage.press("choose_files", "unlock_file")
    await stage.until_screen(LineScreen)
    await stage.pilot.press(*"key", "enter")
    await stage.until(lambda: {"a.pdf", "b.pdf"} <= {each.title for each in stage.find(LibraryPane).documents})


# windows


@proves("close")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "forget")
    await stage.until_screen(ConfirmScreen)
    await stage.press("close")
    await stage.until(lambda: stage.app.screen is stage.app.main)
    assert len(stage.find(Conversation).turns) == 2


@proves("accept")
async def _(stage: Run) -> None:
    await CHECKS["forget"](stage)


@proves("refuse")
async def _(stage: Run) -> None:
    await stage.press("focus_conversation", "forget")
    await stage.until_screen(ConfirmScreen)
    await stage.press("refuse")
    await stage.until(lambda: stage.app.screen is stage.app.main)
    assert len(stage.find(Conversation).turns) == 2


@proves("complete_path")
async def _(stage: Run) -> None:
    await stage.press("add_files")
    field = (await stage.until_screen(AddFilesScreen)).query_one(PathField)
    field.value = f"{stage.folder}/lea"
    field.cursor_position = len(field.value)
    await stage.until(lambda: field._suggestion)
    await stage.press("complete_path")
    assert field.value == f"{stage.folder}/lease.txt"


@proves("choose_path")
async def _(stage: Run) -> None:
    screen = AddFilesScreen(stage.folder)
    stage.app.push_screen(screen)
    await stage.until(lambda: any(len(tree.root.children) >= 5 for tree in screen.query(FileTree)))
    tree = screen.query_one(FileTree)
    tree.focus()
    await stage.pilot.press("end")
    await stage.press("choose_path")
    assert len(tree.chosen) == 1
    assert Path(tree.chosen[0]).parent == stage.folder


async def _copied(stage: Run) -> str:
    """What was copied; the terminal has it."""
    await stage.until(lambda: any(isinstance(each, CopyWanted) for each in stage.posted.kept))
    await stage.until(lambda: stage.app._notifications)
    (wanted,) = (each for each in stage.posted.kept if isinstance(each, CopyWanted))
    assert stage.app.clipboard == wanted.text
    return str(wanted.text)


@pytest.fixture(autouse=True)
def over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tmux and without a display: a copy goes to the terminal alone, and no viewer is opened."""
    monkeypatch.setenv("SSH_CONNECTION", "a test")
    for name in ("TMUX", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


# the table as a whole

ELSEWHERE = {Pane.DIALOG, Pane.FAILURES, Pane.LEDGER, Pane.SEARCH}
"""Panes that stand over the main screen, or in its place."""


async def focus(stage: Run, pane: Pane) -> None:
    """Give the keys to a pane."""
    if pane is Pane.JOBS:
        row = ReadingRow([QueuedDocument("a", "lease.txt", 0, QueueState.WAITING, "", True)])
        stage.find(JobList)._show(row)
        row.focus()
    elif pane is not Pane.APP:
        await stage.press(f"focus_{pane}")
    await stage.pilot.pause()


async def test_all_but_windows_is_in_the_palette(tmp_path: Path) -> None:
    async with on_stage(tmp_path) as stage:
        await focus(stage, Pane.JOBS)
        await stage.until(lambda: stage.app.focused_pane() is Pane.JOBS)
        offered = {action.id for action, _ in stage.app.main.offers()}
        assert offered == {each.id for each in ACTIONS if each.pane not in ELSEWHERE and each.id != "palette"}


async def test_a_screen_in_place_of_the_main_one_has_its_own_palette_footer_and_help(tmp_path: Path) -> None:
    async with on_stage(tmp_path, (160, 40)) as stage:
        for pane, opening in ((Pane.FAILURES, _failures), (Pane.LEDGER, _ledger), (Pane.SEARCH, _search)):
            await opening(stage)
            screen = stage.app.screen
            assert isinstance(screen, WholeScreen)
            offered = {action.id for action, _ in screen.offers()}
            wanted = {each.id for each in actions_of(pane) if each.id != "search_scope"}  # nothing is selected
            assert offered == wanted | {"help", "add_files", "settings", "theme", "quit"}
            shown = {each.label for each in actions_of(pane) if each.in_footer and each.id in offered} | {"Close"}
            await stage.until(
                lambda shown=shown: shown <= {key.description for key in stage.app.screen.query(FooterKey)}
            )
            assert stage.app.focused_pane() is pane
            await stage.press("palette")
            await stage.until_screen(CommandPalette)
            await stage.press("close")
            await stage.until(lambda screen=screen: stage.app.screen is screen)
            await stage.press("close")
            await stage.until(lambda: stage.app.screen is stage.app.main)


async def test_the_palette_carries_out_what_belongs_to_another_pane(tmp_path: Path) -> None:
    async with on_stage(tmp_path) as stage:
        await stage.press("palette")
        await stage.until_screen(CommandPalette)
        await stage.pilot.press(*"next quote")
        offered = stage.app.screen.query_one(CommandList)
        await stage.until(lambda: [str(each.prompt)[:10] for each in offered.options][:1] == ["Next quote"])
        await stage.pilot.press("enter")
        await stage.until(lambda: stage.said("source-where") == "page 1 of 3 · quote [1]")


@pytest.mark.parametrize("pane", [Pane.LIBRARY, Pane.CONVERSATION, Pane.SOURCE, Pane.JOBS, Pane.PROMPT])
async def test_the_footer_tells_the_keys_of_the_pane_with_the_focus(pane: Pane, tmp_path: Path) -> None:
    async with on_stage(tmp_path, (160, 40)) as stage:
        await focus(stage, pane)
        wanted = {each.label for each in (*actions_of(pane), *actions_of(Pane.APP)) if each.in_footer}
        footer = stage.app.main.query(FooterKey).results
        await stage.until(lambda: {key.description for key in footer(FooterKey)} == wanted)
        assert all(stage.app.screen.region.contains_region(key.region) for key in footer(FooterKey))


async def test_a_narrow_footer_shows_keys_whole_or_not_at_all(tmp_path: Path) -> None:
    async with on_stage(tmp_path, (60, 20)) as stage:
        await stage.press("focus_conversation")

        def keys() -> list[FooterKey]:
            return [*stage.app.main.query(FooterKey)]

        def are_whole() -> bool:
            return all(stage.app.screen.region.contains_region(key.region) for key in keys())

        await stage.until(lambda: keys() and keys()[0].description == "Next quote" and are_whole())
        few = len(keys())
        await stage.pilot.resize_terminal(120, 20)
        await stage.until(lambda: len(keys()) > few and are_whole())


async def test_remapped_keys_take_the_place_of_all_others(home: Path, tmp_path: Path) -> None:
    spare = [f"{modifier}+f{n}" for modifier in ("ctrl", "shift", "alt") for n in range(1, 25)]
    keys = {action.id: key for action, key in zip(ACTIONS, spare[: len(ACTIONS)], strict=True)}
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text("[keys]\n" + "".join(f'{name} = "{key}"\n' for name, key in keys.items()))
    async with on_stage(tmp_path) as stage:
        for pane in (Pane.LIBRARY, Pane.CONVERSATION, Pane.SOURCE, Pane.JOBS, Pane.PROMPT):
            await focus(stage, pane)
            await stage.until(lambda pane=pane: stage.app.focused_pane() is pane)
            active = {key: each.binding for key, each in stage.app.screen.active_bindings.items()}
            for action in (*actions_of(pane), *actions_of(Pane.APP)):
                assert active[spelled(keys[action.id])].action == action.id
                assert not any(active[key].id == action.id for key in action.keys if key in active)
        await CHECKS["new_line"](stage)
