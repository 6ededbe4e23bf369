"""What the library does within one act is told in the app, once, from whichever thread it is done in."""

from __future__ import annotations

import asyncio

import pytest

from nemo_docs.library import upkeep
from nemo_docs.settings import load
from nemo_docs.tui import app as the_app
from nemo_docs.tui.app import NemoDocsApp
from tests.tui.support import until


@pytest.mark.asyncio
async def test_long_upkeep_of_the_library_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_app, "_PATIENCE_S", -1.0)
    monkeypatch.setattr(upkeep, "_listeners", [])
    app = NemoDocsApp(load())
    async with app.run_test(size=(80, 24)) as pilot:
        for done in (1, 2, 3):
            await asyncio.to_thread(upkeep.tell, "Indexing all pages anew", done, 5_000)
        await until(pilot, lambda: app._notifications)
        (told,) = app._notifications
        assert told.message == "Indexing all pages anew, 5,000 pages: adding and removing wait until that is done."
