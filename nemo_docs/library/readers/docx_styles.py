"""Styles of a DOCX: what a paragraph or run has from its style, and the style from the one that it is based on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import attribute, child, children

_HEADING = re.compile(r"(?:heading [1-9]|title|subtitle)", re.IGNORECASE)
_LONGEST_CHAIN = 30
_OFF = ("0", "false", "off", "none")


class Styles:
    """The styles of one document."""

    def __init__(self, root: Element | None) -> None:
        """Take the styles part, where there is one."""
        self._styles = {attribute(style, "styleId"): style for style in children(root, "style")}

    def of_paragraph(self, properties: Element | None, *path: str) -> Element | None:
        """What a paragraph's properties, else its style, say under a path of names."""
        found = child(properties, *path)
        style = attribute(child(properties, "pStyle"), "val")
        return found if found is not None else self._inherited(style, "pPr", *path)

    def is_heading(self, properties: Element | None) -> bool:
        """Whether a paragraph is a heading, by its outline level or its style's name."""
        level = attribute(self.of_paragraph(properties, "outlineLvl"), "val")
        style = attribute(child(properties, "pStyle"), "val")
        names = (attribute(child(each, "name"), "val") for each in self._chain(style))
        return level in tuple("012345678") or any(_HEADING.fullmatch(name) for name in names)

    def is_unseen(self, run: Element | None, paragraph: Element | None) -> bool:
        """Whether a run's text is set as hidden, by itself, its style or its paragraph's."""
        said = child(run, "vanish")
        if said is None:
            said = self._inherited(attribute(child(run, "rStyle"), "val"), "rPr", "vanish")
        if said is None:
            said = self._inherited(attribute(child(paragraph, "pStyle"), "val"), "rPr", "vanish")
        return is_on(said) or attribute(child(run, "sz"), "val") in ("0", "1", "2")

    def _inherited(self, style: str, *path: str) -> Element | None:
        for each in self._chain(style):
            if (found := child(each, *path)) is not None:
                return found
        return None

    def _chain(self, style: str) -> Iterator[Element]:
        for _ in range(_LONGEST_CHAIN):
            found = self._styles.get(style)
            if found is None:
                return
            yield found
            style = attribute(child(found, "basedOn"), "val")


def is_on(switch: Element | None) -> bool:
    """Whether a switch of Word's is there and not set to off."""
    return switch is not None and attribute(switch, "val") not in _OFF
