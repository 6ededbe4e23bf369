"""Files and folders to choose from. Imported only when it is wanted: Textual's tree is not needed to paint the app."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text, TextType
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import DirectoryTree
from textual.widgets._directory_tree import DirEntry
from textual.widgets.tree import TreeNode

from nemo_docs.plain import printable
from nemo_docs.tui.screens.dialog import dialog_bindings

MOST_ENTRIES = 1_000
"""Of one folder; more would make the interface wait."""


class FileTree(DirectoryTree):
    """A folder's tree in which any number of files and folders can be chosen.

    Args:
        folder: Where it begins.
    """

    ICON_NODE, ICON_NODE_EXPANDED, ICON_FILE = "+ ", "- ", "  "
    BINDINGS: ClassVar[list[BindingType]] = [*dialog_bindings("choose_path")]

    class ChoiceChanged(Message):
        """Other files are chosen."""

    class CutShort(Message):
        """A folder holds more than is shown."""

        def __init__(self, folder: Path) -> None:
            super().__init__()
            self.folder = folder

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._chosen: dict[str, None] = {}

    @property
    def chosen(self) -> list[str]:
        """Paths, in the order in which they were chosen."""
        return list(self._chosen)

    def action_choose_path(self) -> None:
        """Choose what the cursor is on, or no longer."""
        if self.cursor_node and self.cursor_node.data:
            self._toggle(self.cursor_node.data.path)

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        """A click on a file chooses it; one on a folder opens it."""
        event.stop()
        self._toggle(event.path)

    def filter_paths(self, paths: Iterable[Path]) -> Iterator[Path]:
        """What is not hidden, up to a bound; called in a thread."""
        seen = (path for path in paths if not path.name.startswith("."))
        yield from islice(seen, MOST_ENTRIES)
        if (more := next(seen, None)) is not None:
            self.post_message(self.CutShort(more.parent))

    def process_label(self, label: TextType) -> Text:
        """File names are hostile."""
        return Text(printable(label if isinstance(label, str) else label.plain))

    def render_label(self, node: TreeNode[DirEntry], base_style: Style, style: Style) -> Text:
        """Say in letters what is chosen."""
        label = super().render_label(node, base_style, style)
        is_chosen = node.data is not None and os.path.abspath(node.data.path) in self._chosen
        return Text.assemble(("[x] " if is_chosen else "[ ] ", style), label)

    def _toggle(self, path: Path) -> None:
        name = os.path.abspath(path)
        if name in self._chosen:
            del self._chosen[name]
        else:
            self._chosen[name] = None
        self._clear_line_cache()
        self.refresh()
        self.post_message(self.ChoiceChanged())
