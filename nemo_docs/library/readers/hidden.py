"""Text in a PDF that no reader of the page can see: set in render mode 3, or placed outside the page.

It is how instructions are smuggled into documents, so it stays out of the page text; the raw output keeps it. When in
doubt text counts as seen: mode 3 on a page with an image (the text layer of a scan is set like that), colours (white on
white needs to know what lies beneath), rotated text, and a line that begins on the page and runs off it.
"""

from __future__ import annotations

from typing import Any

_INVISIBLE = 3
_SHOW = (b"Tj", b"TJ", b"'", b'"')
_DEEPEST_FORM = 4


class HiddenText:
    """Collects the text of one page as pypdf finds it, and which stretches of it cannot be seen.

    Attributes:
        text: All text, as `extract_text` returns it.
        spans: Hidden stretches of it, (start, end), end exclusive.
    """

    def __init__(self, page: Any) -> None:
        """Start a page.

        Args:
            page: A pypdf PageObject.
        """
        self.text = ""
        self.spans: list[tuple[int, int]] = []
        self._box = _box(page)
        self._keeps_invisible = _has_image(page.get("/Resources"), 0)
        self._mode: float = 0
        self._saved: list[float] = []
        self._shown: set[float] = set()

    def after_operator(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:
        """For `visitor_operand_after`: follow the render mode."""
        if operator == b"Tr" and operands and isinstance(operands[0], int | float):
            self._mode = operands[0]
        elif operator == b"q":
            self._saved.append(self._mode)
        elif operator == b"Q" and self._saved:
            self._mode = self._saved.pop()
        elif operator in _SHOW:
            self._shown.add(self._mode)

    def take(self, text: str, cm: list[float], tm: list[float], font: Any, font_size: float) -> None:
        """For `visitor_text`: take the next stretch."""
        is_invisible = self._shown == {_INVISIBLE} and not self._keeps_invisible
        if text.strip() and (is_invisible or self._is_outside(cm, tm, font_size)):
            self.spans.append((len(self.text), len(self.text) + len(text)))
        self.text += text
        self._shown.clear()

    def _is_outside(self, cm: list[float], tm: list[float], font_size: float) -> bool:
        """Whether upright text starts to the right of the page, above it, or a line's height below it."""
        if self._box is None or any((cm[1], cm[2], tm[1], tm[2])) or tm[0] * cm[0] <= 0:
            return False
        _, bottom, right, top = self._box
        x, y = tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5]
        height = abs(font_size * tm[3] * cm[3])
        return x > right or y > top + height or y + height < bottom


def _box(page: Any) -> tuple[float, float, float, float] | None:
    """The page's left, bottom, right and top; None where the file does not say so sensibly."""
    try:
        a, b, c, d = map(float, page.mediabox)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    left, right, bottom, top = min(a, c), max(a, c), min(b, d), max(b, d)
    return (left, bottom, right, top) if left < right and bottom < top else None


def _has_image(resources: Any, depth: int) -> bool:
    """Whether a page or a form on it can show an image."""
    resources = resources.get_object() if resources is not None else {}
    objects = resources.get("/XObject") if hasattr(resources, "get") else None
    if objects is None or depth > _DEEPEST_FORM:
        return False
    for item in objects.get_object().values():
        item = item.get_object()
        if item is None:
            continue
        if item.get("/Subtype") == "/Image" or _has_image(item.get("/Resources"), depth + 1):
            return True
    return False
