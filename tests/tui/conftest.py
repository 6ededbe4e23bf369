from __future__ import annotations

import pytest

from nemo_docs.tui.widgets import fit_meter, job_list
from tests.tui import rest

rest.install()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what waits for the sake of calm wait less: it happens all the same."""
    monkeypatch.setattr(fit_meter, "DEBOUNCE_S", 0.01)
    monkeypatch.setattr(fit_meter, "AGAIN_S", 0.05)
    monkeypatch.setattr(job_list, "FADE_S", 0.1)
