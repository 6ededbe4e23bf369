"""How the windows over the main screen look: dark, light, and in the terminal's own colours; narrow and wide.

After a wanted change: `pytest tests/tui/test_dialog_pictures.py --snapshot-update`, and look at what changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input

from nemo_docs.actions import Pane
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.screens.add_files import AddFilesScreen
from nemo_docs.tui.screens.confirm import ConfirmScreen
from nemo_docs.tui.screens.help import HelpScreen
from nemo_docs.tui.screens.settings import SettingsScreen
from nemo_docs.tui.screens.theme import ThemeScreen
from nemo_docs.tui.widgets.file_tree import FileTree
from tests.tui.support import until

LOOKS = [("nemo-dark", (80, 24)), ("nemo-light", (120, 40)), ("ansi-dark", (80, 24))]
HOSTILE = "[red]x[/] \x1b[2J \u202egnp 漢字 שלום"


def tree(folder: Path) -> Path:
    """The same names on every machine."""
    papers = folder / "papers"
    (papers / "more").mkdir(parents=True)
    for name in ("contract.pdf", "契約書.pdf", "עברית.pdf", "[red]x[] \x1b[2J.pdf"):
        (papers / name).touch()
    return papers


DIALOGS: dict[str, Callable[[Path], ModalScreen[Any]]] = {
    "confirm": lambda folder: ConfirmScreen(f"Add 80 files of {HOSTILE}?", yes="Add them", detail="\n".join("abc")),
    "help": lambda folder: HelpScreen(Pane.LIBRARY, {"select_all": ("ctrl+a",)}),
    "settings": lambda folder: SettingsScreen(),
    "theme": lambda folder: ThemeScreen(),
    "add_files": lambda folder: AddFilesScreen(tree(folder)),
}


@pytest.mark.parametrize(("theme", "size"), LOOKS, ids=[theme for theme, _ in LOOKS])
@pytest.mark.parametrize("name", DIALOGS)
def test_picture(
    name: str, theme: str, size: tuple[int, int], snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_DOCS_BUDGET", "90")
    app = Habits(Desk(load(options={"theme": theme})))
    app.animation_level = "none"

    async def open_dialog(pilot: Pilot[Any]) -> None:
        dialog = DIALOGS[name](tmp_path)
        app.push_screen(dialog)
        await until(pilot, lambda: app.screen is dialog and app.focused)
        for field in dialog.query(Input):
            field.cursor_blink = False
        if name == "add_files":
            await until(pilot, lambda: any(len(each.root.children) == 5 for each in dialog.query(FileTree)))
        await pilot.wait_for_scheduled_animations()

    assert snap_compare(app, terminal_size=size, run_before=open_dialog)
