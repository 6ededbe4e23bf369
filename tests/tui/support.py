"""What the tests of the app share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

LIMIT_S = 60.0


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Let the app run until a condition holds.

    Raises:
        AssertionError: It did not within a generous limit.
    """
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        await pilot.pause(0.01)
