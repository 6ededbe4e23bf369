"""Numbers of paragraphs in a DOCX: "3.2", "(a)", "Article IV", a bullet.

Word stores no number with a paragraph, only which list and level it belongs to; the numbers come of counting (ECMA-376
part 1, section 17.9). Lists of one definition count on together, unless one of them says that it starts anew.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import attribute, child, children
from nemo_docs.library.readers.docx_styles import is_on
from nemo_docs.library.readers.numbers import bullet, spelled

_LEVELS = 9
_PLACE = re.compile("%([1-9])")
_STYLES = {
    "lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I", "decimalZero": "01",
    "chineseCounting": "一", "chineseCountingThousand": "一", "japaneseCounting": "一", "koreanCounting": "一",
    "taiwaneseCounting": "一", "taiwaneseCountingThousand": "一", "ideographDigital": "一",
}  # fmt: skip
"""Those that are not written in digits, as `spelled` calls them."""


class Label(NamedTuple):
    """What stands before a paragraph of a list.

    Attributes:
        level: How deep it is in the list, from 0.
        label: "3.2", "(a)", a bullet; may be empty.
    """

    level: int
    label: str


class Numbering:
    """Counts the paragraphs of one document."""

    def __init__(self, root: Element | None) -> None:
        """Take the numbering part, where there is one."""
        definitions = {attribute(each, "abstractNumId"): each for each in children(root, "abstractNum")}
        by_style = {attribute(child(each, "styleLink"), "val"): each for each in definitions.values()}
        self._lists: dict[str, tuple[str, dict[int, Element], dict[int, int]]] = {}
        for each in children(root, "num"):
            definition = definitions.get(attribute(child(each, "abstractNumId"), "val"))
            if definition is None:
                continue
            if linked := attribute(child(definition, "numStyleLink"), "val"):
                definition = by_style.get(linked, definition)
            levels = {_level(level): level for level in children(definition, "lvl")}
            starts: dict[int, int] = {}
            for override in children(each, "lvlOverride"):
                level = _level(override)
                if (start := attribute(child(override, "startOverride"), "val")).isdecimal():
                    starts[level] = int(start)
                if (own := child(override, "lvl")) is not None:
                    levels[level] = own
            self._lists[attribute(each, "numId")] = (attribute(definition, "abstractNumId"), levels, starts)
        self._counters: dict[str, list[int | None]] = {}
        self._begun: set[tuple[str, int]] = set()

    def next(self, number_id: str, level: int) -> Label | None:
        """The number or bullet of the next paragraph of a list; None where there is no such list.

        Args:
            number_id: The list.
            level: From 0.
        """
        if number_id not in self._lists or not 0 <= level < _LEVELS:
            return None
        definition, levels, starts = self._lists[number_id]
        counters = self._counters.setdefault(definition, [None] * _LEVELS)
        before = counters[level]
        if level in starts and (number_id, level) not in self._begun:
            before = starts[level] - 1
        self._begun.add((number_id, level))
        counters[level] = _start(levels.get(level)) if before is None else before + 1
        for deeper in range(level + 1, _LEVELS):
            if attribute(child(levels.get(deeper), "lvlRestart"), "val") != "0":
                counters[deeper] = None
        return Label(level, _label(levels, level, counters))


def _label(levels: dict[int, Element], level: int, counters: list[int | None]) -> str:
    own = levels.get(level)
    pattern = attribute(child(own, "lvlText"), "val")
    if _format(own) == "bullet":
        return bullet(pattern, level)
    is_legal = is_on(child(own, "isLgl"))

    def number(place: re.Match[str]) -> str:
        at = int(place[1]) - 1
        count = counters[at]
        said = _format(levels.get(at))
        return (
            ""
            if said == "none"
            else spelled(
                _start(levels.get(at)) if count is None else count, "1" if is_legal else _STYLES.get(said, "1")
            )
        )

    return _PLACE.sub(number, pattern).strip()


def _level(element: Element) -> int:
    level = attribute(element, "ilvl")
    return int(level) if level.isdecimal() and len(level) == 1 else 0


def _format(level: Element | None) -> str:
    return attribute(child(level, "numFmt"), "val")


def _start(level: Element | None) -> int:
    start = attribute(child(level, "start"), "val")
    return int(start) if start.isdecimal() and len(start) < 10 else 1
