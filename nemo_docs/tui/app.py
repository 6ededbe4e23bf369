"""The app: wiring only. What there is to do stands in `nemo_docs.actions`, what is seen in `screens` and `widgets`."""

from __future__ import annotations

import gc
import math
import os
import sys
from dataclasses import replace
from time import monotonic
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.driver import Driver

from nemo_docs import crash
from nemo_docs.actions import Pane
from nemo_docs.errors import ExitCode
from nemo_docs.library import upkeep
from nemo_docs.plain import printable
from nemo_docs.settings import Configuration
from nemo_docs.tui.bindings import bindings_of
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.habits import Habits
from nemo_docs.tui.jobs.job import any_running, cancel_all
from nemo_docs.tui.screens.main import SCREEN_ACTIONS, MainScreen

LEAVE_S = 0.2
"""Jobs that were asked to stop have this long to do so."""
_PATIENCE_S = 1.0


class NemoDocsApp(Habits):
    """The terminal app.

    Args:
        configuration: The settings and where they came from.
    """

    TITLE = "nemo-docs"
    CSS_PATH = "theme.tcss"
    CLOSE_TIMEOUT = 1.0
    BINDINGS: ClassVar[list[BindingType]] = [
        replace(binding, priority=binding.action == "quit")  # which works wherever one is
        for binding in bindings_of(Pane.APP)
        if binding.action not in SCREEN_ACTIONS
    ]

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(Desk(configuration))
        self.main = MainScreen(self.desk)
        self._upkeep = ("", math.inf)  # what the library is busy with, and since when

    def get_default_screen(self) -> MainScreen:
        """The screen that everything begins with."""
        return self.main

    def get_driver_class(self) -> type[Driver]:
        """Our own where Textual would take the one for a POSIX terminal."""
        chosen = super().get_driver_class()
        if sys.platform == "win32":
            return chosen
        from textual.drivers.linux_driver import LinuxDriver

        from nemo_docs.tui.driver import TerminalDriver

        return TerminalDriver if chosen is LinuxDriver else chosen

    def on_mount(self) -> None:
        """Let threads give way sooner than after Python's 5 ms.

        With one thread of pure Python beside it, 95 of 100 keys were drawn within 9.5 ms in place of 25, all within 16
        in place of 50.
        """
        sys.setswitchinterval(0.001)
        upkeep.listen(self._tell_upkeep)
        self.call_after_refresh(_collect_garbage)
        if sys.platform != "win32" and not self.is_headless:
            self._leave_when_told()

    def _tell_upkeep(self, task: str, done: int, of: int) -> None:
        """Say that the library is busy with itself, once for each task, if it takes long; from any thread."""
        if self._upkeep[0] != task:
            self._upkeep = (task, monotonic())
        elif monotonic() - self._upkeep[1] > _PATIENCE_S:
            self._upkeep = (task, math.inf)
            self.notify(f"{task}, {of:,} pages: adding and removing wait until that is done.", title="Library")

    def _leave_when_told(self) -> None:
        """Leave in order when the system says so: without this the terminal would be left as the app has set it."""
        import asyncio
        import signal

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, None, 128 + number)

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, and say what was not added to the end: it would be missed much later."""
        if message is None and (left := self.main.left):
            message = Text(
                printable(f"Not added to the end: {', '.join(left)}. It goes on at the next start.", lines=True)
            )
        self.main.leave()
        super().exit(result, return_code, message)

    def on_unmount(self) -> None:
        """Leave without waiting for anything."""
        cancel_all()

    def on_paste(self, event: events.Paste) -> None:
        """Take what was pasted where nothing wanted it, as when the terminal has lost the focus to the file manager."""
        self.main.take_paste(event.text)

    def _fatal_error(self) -> None:
        """Leave with a sentence: Textual's own way prints local variables, which hold text of documents."""
        if (error := sys.exc_info()[1]) is not None:
            message, hint = crash.record(error)
            self._exit_renderables.append(Text(printable(f"Error: {message}\nhint: {hint}", lines=True)))
        self._close_messages_no_wait()


def _collect_garbage() -> None:
    """Have Python look for garbage again, and never among all that the start has made: it lives as long as the app."""
    gc.freeze()
    gc.enable()


def open_app(configuration: Configuration) -> int:
    """Run the app until the user leaves, and return the exit code.

    What still runs then is not waited for: a thread that computes in torch while Python ends would abort the process.
    """
    app = NemoDocsApp(configuration)
    app.run()
    code = app.return_code or ExitCode.DONE
    if any_running(LEAVE_S):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
