"""One file open in several children: pages are dealt out one by one, and taken in the order in which they are wanted.

A long PDF is minutes of work for one core, and opening it again a fraction of a second. So one child begins, and others
join as soon as some are free and what is left is worth their start; a page goes to the child that has the fewest to do.
None runs ahead further than a few pages, so what has been read and waits for a slow page before it stays small.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_docs.errors import Encrypted, Unreadable
from nemo_docs.library.child import Child, Children

_AHEAD = 8
"""Pages that a child has been asked for and that have not been taken: as many lines may wait in `child.Messages`."""
_SAVING_S = 1.0
"""Another child joins if that saves so much: to start one takes half a second, to open the file again some more."""
_FIRST_PAGES = 4
"""So many must have come before anything is said of how long the others will take."""
_DONE_S = 5.0


@dataclass(eq=False)
class _Hand:
    """A child, and the pages that it has still to give, in order."""

    child: Child
    asked: deque[int] = field(default_factory=deque)
    is_sound: bool = False
    """Whether it may read another file: it came to the end of its last one, and stayed small; or refused it."""

    def ask(self, number: int) -> None:
        self.asked.append(number)
        self.child.ask({"page": number})


class Hands:
    """The children that read a file. Close it to give them back, or to end those that are in the middle of it.

    Args:
        children: Where they come from.
        opening: What opens the file; see `extract`.
        most: How many of them at most.
        kept_bytes: One that took more memory reads no other file.
    """

    def __init__(self, children: Children, opening: Mapping[str, Any], most: int, kept_bytes: float) -> None:
        self._children, self._opening, self._most, self._kept_bytes = children, dict(opening), most, kept_bytes
        self._hands: list[_Hand] = []
        self._coming: _Hand | None = None
        """It is opening the file."""
        self._lost: _Hand | None = None
        self._left: deque[int] = deque()
        """Pages that nobody has been asked for."""
        self._dealt: deque[_Hand] = deque()
        """Who gives the next page, and the one after it, and so on."""
        self._opened: dict[str, Any] | None = None
        self._began, self._taken = 0.0, 0

    def open(self, timeout_s: float) -> dict[str, Any] | None:
        """Have the first child open the file: what it says of it, as `Child.get`."""
        hand = self._start(self._children.take(), self._opening)
        self._hands.append(hand)
        self._opened = hand.child.get(timeout_s)
        refused = (self._opened or {}).get("failed", {}).get("kind")
        hand.is_sound = refused in (Encrypted.__name__, Unreadable.__name__)
        return self._opened

    def deal(self, numbers: Iterable[int]) -> None:
        """Have these pages read, in this order."""
        self._left.extend(numbers)
        self._began = time.monotonic()
        self._deal()

    def next_page(self, timeout_s: float) -> dict[str, Any] | None:
        """What is said of the next page, as `Child.get`. If nothing is, its child is given up; see `is_short`."""
        self._grow()
        hand = self._dealt.popleft()
        message = hand.child.get(timeout_s)
        hand.asked.popleft()
        self._taken += 1
        self._deal()
        if not message:
            self._children.drop(hand.child)
            if hand.asked:
                self._lost = hand
            else:
                self._hands.remove(hand)
        return message

    @property
    def is_short(self) -> bool:
        """Whether a child that was given up had more pages to give: `replace` it."""
        return self._lost is not None

    def replace(self, timeout_s: float) -> dict[str, Any] | None:
        """Have another child go on for one that was given up: what it says of the file, as `Child.get`."""
        hand, self._lost = self._lost, None
        assert hand is not None
        hand.child = self._start(self._children.take(), self._opening).child
        said = hand.child.get(timeout_s)
        for number in hand.asked:
            hand.child.ask({"page": number})
        return said

    def finish(self) -> None:
        """All pages have come: see which children may read another file."""
        for hand in self._hands:
            hand.child.ask({"close": True})
        for hand in self._hands:
            done = (hand.child.get(_DONE_S) or {}).get("done")
            hand.is_sound = done is not None and bool(done["memory_bytes"] < self._kept_bytes)

    def close(self) -> None:
        """Let go of all of them."""
        for hand in [*self._hands, *([self._coming] if self._coming else [])]:
            (self._children.give_back if hand.is_sound else self._children.drop)(hand.child)
        self._hands, self._coming = [], None

    @staticmethod
    def _start(used: Child, opening: Mapping[str, Any]) -> _Hand:
        used.ask({"open": opening})
        return _Hand(used)

    def _deal(self) -> None:
        while self._left:
            hand = min(self._hands, key=lambda each: len(each.asked))
            if len(hand.asked) >= _AHEAD:
                return
            hand.ask(self._left.popleft())
            self._dealt.append(hand)

    def _grow(self) -> None:
        """Have one more child join, as soon as it has opened the file: until then the others go on."""
        if self._coming is None:
            if len(self._hands) < self._most and self._is_worth_it() and (free := self._children.take_if_free()):
                self._coming = self._start(free, {**self._opening, "prepares": True})
            return
        said = self._coming.child.get(0.0)
        if said is None:
            return
        if said == self._opened:
            self._hands.append(self._coming)
            self._deal()
        else:  # it died of it, or the file has changed meanwhile: whoever has it open goes on
            self._children.drop(self._coming.child)
            self._most = len(self._hands)
        self._coming = None

    def _is_worth_it(self) -> bool:
        if self._taken < _FIRST_PAGES:
            return False
        left_s = len(self._left) * (time.monotonic() - self._began) / self._taken
        return left_s / (len(self._hands) + 1) > _SAVING_S
