"""What a setting may hold: one class for each kind of value, which checks it and names itself in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nemo_docs.keys import is_typed, spelled


class Kind(Protocol):
    """What a field may hold. `str(kind)` names it in a sentence."""

    def __call__(self, value: object) -> Any:
        """Return the value in its own type; `value` is from TOML or is text.

        Raises:
            ValueError: The value is not of this kind, or out of bounds.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def __call__(self, value: object) -> str:
        """Return the word."""
        if not isinstance(value, str) or value not in self.words:
            raise ValueError
        return value

    def __str__(self) -> str:
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both included."""

    low: float
    high: float
    whole: bool = False

    def __call__(self, value: object) -> float:
        """Return the number, an int when only whole numbers are allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        if self.whole and isinstance(value, float):
            raise ValueError
        number = int(value) if self.whole else float(value)
        if not self.low <= number <= self.high:
            raise ValueError
        return number

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Word:
    """Text that is not empty and stays on one line, or a choice of `pattern`."""

    describe: str
    pattern: str = r"[^\x00-\x1f\x7f]+"

    def __call__(self, value: object) -> str:
        """Return the text."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise ValueError
        return value

    def __str__(self) -> str:
        return self.describe


@dataclass(frozen=True, slots=True)
class Switch:
    """Yes or no."""

    def __call__(self, value: object) -> bool:
        """Return the truth value; text may say it in the usual words."""
        if isinstance(value, bool):
            return value
        if not isinstance(value, str) or value.lower() not in {"true", "false", "yes", "no", "on", "off", "1", "0"}:
            raise ValueError
        return value.lower() in {"true", "yes", "on", "1"}

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True, slots=True)
class KeyList:
    """Keys of one action, as text parted by commas."""

    is_typed_there: bool
    """Whether text is written where they work, so that a bare letter cannot be one of them."""

    def __call__(self, value: object) -> tuple[str, ...]:
        """Return the keys in their one spelling."""
        if not isinstance(value, str):
            raise ValueError
        keys = tuple(dict.fromkeys(spelled(key.strip()) for key in value.split(",")))
        if self.is_typed_there and any(is_typed(key) for key in keys):
            raise ValueError
        return keys

    def __str__(self) -> str:
        return (
            "keys such as ctrl+d or f7, parted by commas; a bare letter is text there"
            if self.is_typed_there
            else "keys such as ctrl+d, f7, K or slash, parted by commas"
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """A whole number with an optional unit (`128k`, `4GB`), or where it may be the word `auto`, held as None."""

    low: int
    high: int
    units: Mapping[str, int]
    example: str
    has_auto: bool = True

    def __call__(self, value: object) -> int | None:
        """Return the number of base units, or None for `auto`."""
        if value == "auto" and self.has_auto:
            return None
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        match = re.fullmatch(r"\s*([0-9]+)\s*([A-Za-z]*)\s*", str(value))
        if not match or match[2].lower() not in {"", *self.units}:
            raise ValueError
        amount = int(match[1]) * self.units.get(match[2].lower(), 1)
        if not self.low <= amount <= self.high:
            raise ValueError
        return amount

    def __str__(self) -> str:
        return f"{'auto, or ' * self.has_auto}an amount from {self.low:,} to {self.high:,} such as {self.example}"
