"""Styles of an OpenDocument file: what they say of page breaks, of what is hidden, and of how lists count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import attribute, child, local
from nemo_docs.library.readers.numbers import bullet, spelled

_LONGEST_CHAIN = 30
_LEVELS = 10
_WHITE = "#ffffff"
_NO_GROUND = ("", "transparent", _WHITE)
_TABLES = ("automatic-styles", "styles", "master-styles")
_CHINESE = "一"


class Styles:
    """The styles of one document.

    Args:
        roots: Its parts, the content first.

    Attributes:
        has_ground: Whether its pages have a colour of their own.
    """

    def __init__(self, roots: Iterable[Element]) -> None:
        self.has_ground = False
        self._styles: dict[tuple[str, str], Element] = {}
        self._lists: dict[str, dict[int, Element]] = {}
        self._outline: dict[int, Element] = {}
        for each in (each for root in roots for table in root if local(table) in _TABLES for each in table):
            match local(each):
                case "style":
                    self._styles.setdefault((attribute(each, "family"), attribute(each, "name")), each)
                case "list-style":
                    self._lists.setdefault(attribute(each, "name"), _levels(each))
                case "outline-style":
                    self._outline = _levels(each)
                case "page-layout":
                    ground = attribute(child(each, "page-layout-properties"), "background-color").lower()
                    self.has_ground |= ground not in _NO_GROUND

    def breaks_page(self, paragraph: str) -> bool:
        """Whether a paragraph of this style starts a new page."""
        own = self._styles.get(("paragraph", paragraph))
        if attribute(own, "master-page-name"):
            return True
        return self._said("paragraph", paragraph, "paragraph-properties", "break-before") == "page"

    def is_unseen(self, family: str, name: str, *, has_ground: bool) -> bool:
        """Whether text of this style is set as hidden, or white where nothing but white is beneath it."""
        if self._said(family, name, "text-properties", "display") == "none":
            return True
        is_white = self._said(family, name, "text-properties", "color").lower() == _WHITE
        grounds = (self._said(family, name, f"{kind}-properties", "background-color") for kind in ("text", "paragraph"))
        return is_white and not has_ground and all(ground in _NO_GROUND for ground in grounds)

    def is_raised(self, name: str) -> bool:
        """Whether text of this style stands above the line."""
        said = self._said("text", name, "text-properties", "text-position")
        return said.startswith("super") or (said[:1].isdecimal() and not said.startswith("0%"))

    def list_of(self, paragraph: str) -> str | None:
        """The list style that a paragraph style names; empty where it says that there is none, None if it is silent."""
        for each in self._chain("paragraph", paragraph):
            named = [value for key, value in each.attrib.items() if key.rpartition("}")[2] == "list-style-name"]
            if named:
                return named[0]
        return None

    def label(self, style: str, level: int, counts: list[int]) -> str:
        """The number or bullet of a list's item; may be empty.

        Args:
            style: Of the list; where there is none of that name, bullets are plain.
            level: From 0.
            counts: How far each level has come.
        """
        levels = self._lists.get(style)
        return bullet("", level) if levels is None else _label(levels, level, counts)

    def heading_label(self, level: int, counts: list[int]) -> str:
        """The number of a heading; empty where headings are not counted."""
        return _label(self._outline, level, counts)

    def first(self, style: str, level: int) -> int:
        """The number that a level of a list starts with."""
        said = attribute(self._lists.get(style, {}).get(level), "start-value")
        return int(said) if said.isdecimal() and len(said) < 10 else 1

    def _said(self, family: str, name: str, properties: str, what: str) -> str:
        for each in self._chain(family, name):
            if said := attribute(child(each, properties), what):
                return said
        return ""

    def _chain(self, family: str, name: str) -> Iterator[Element]:
        for _ in range(_LONGEST_CHAIN):
            found = self._styles.get((family, name))
            if found is None:
                return
            yield found
            name = attribute(found, "parent-style-name")


def _levels(style: Element) -> dict[int, Element]:
    levels = {}
    for each in style:
        said = attribute(each, "level")
        if said.isdecimal() and 0 < int(said[:4]) <= _LEVELS:
            levels[int(said) - 1] = each
    return levels


def _label(levels: dict[int, Element], level: int, counts: list[int]) -> str:
    own = levels.get(level)
    if own is None:
        return ""
    if local(own) == "list-level-style-bullet":
        return bullet(attribute(own, "bullet-char"), level)
    if not attribute(own, "num-format"):
        return ""
    said = attribute(own, "display-levels")
    shown = min(int(said), level + 1) if said.isdecimal() and len(said) < 3 else 1
    numbers = []
    for at in range(level + 1 - shown, level + 1):
        form = attribute(levels.get(at), "num-format")
        if form:
            numbers.append(spelled(counts[at], _CHINESE if form.startswith(_CHINESE) else form))
    return f"{attribute(own, 'num-prefix')}{'.'.join(numbers)}{attribute(own, 'num-suffix')}".strip()
