"""The passages that a search found: where each stands, and its two lines with the most matches, these lit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual import events
from textual.message import Message

from nemo_docs.library.records import Hit
from nemo_docs.tui.cells import fitted, padded
from nemo_docs.tui.page_layout import Light, Line, lay_out, pieces
from nemo_docs.tui.widgets.row_list import Part, RowList

SNIPPET = 2
"""Lines of a passage that are shown."""
INDENT = 4


class HitList(RowList):
    """Passages, the best first. Its cursor is strong while the words are still being typed."""

    class Opened(Message):
        """The passage at the cursor is to be shown in its page."""

    def __init__(self) -> None:
        super().__init__(id="hits")
        self._hits: Sequence[Hit] = ()
        self._unit = "passage"
        self._languages: Mapping[str, str] = {}
        self._snippets: dict[tuple[int, int], list[list[Part]]] = {}

    def show_hits(
        self, hits: Sequence[Hit], languages: Mapping[str, str], cursor: int = 0, unit: str = "passage"
    ) -> None:
        """Show other passages.

        Args:
            hits: The best first.
            languages: Of documents, by their handles.
            cursor: The one with the cursor.
            unit: What was looked for; of a "page" or a "document" the passage is the one that fits best.
        """
        self._hits, self._languages, self._unit = hits, languages, unit
        self._snippets.clear()
        self.place_rows(cursor)

    @property
    def hit(self) -> Hit | None:
        """Where the cursor is."""
        return self._hits[self.cursor] if self._hits else None

    @property
    def is_active(self) -> bool:
        """Always: keys move it from the field above, too."""
        return True

    def heights(self) -> Sequence[int]:
        """A line that says where, and a part of the passage."""
        return [1 + SNIPPET] * len(self._hits)

    def on_click(self, event: events.Click) -> None:
        """A click opens."""
        if (at := self.row_at(event.y)) is not None:
            self.move_to(at)
            self.post_message(self.Opened())

    def parts(self, at: int, line: int, width: int) -> Sequence[Part]:
        """Where it stands, or a line of it."""
        if not line:
            return self._where(self._hits[at], width)
        if (at, width) not in self._snippets:
            self._snippets[at, width] = _snippet(self._hits[at], max(8, width - INDENT))
        lines = self._snippets[at, width]
        return [Part(" " * INDENT), *(lines[line - 1] if line <= len(lines) else ())]

    def _where(self, hit: Hit, width: int) -> Sequence[Part]:
        language = self._languages.get(hit.document, "und")
        facts = [f"page {hit.page:,}", *([language] if language != "und" else [])]
        facts += [f"{hit.document}.{hit.passage}"] * (self._unit == "passage")
        facts += ["by meaning"] * ("words" not in hit.found_by)
        told = fitted(f"  {' · '.join(facts)} ", width // 2)
        return [Part(" "), Part(padded(f" {hit.title}", width - 1 - cell_len(told)), "list--heading"), Part(told)]


def _snippet(hit: Hit, width: int) -> list[list[Part]]:
    """The lines of a passage that hold the most matches, as many as are shown."""
    text = "".join(" " if character.isspace() else character for character in hit.text)  # every offset stays
    lights = [Light(max(0, first - hit.start), last - hit.start, True) for first, last in hit.highlights]
    lines = lay_out(text, width)
    starts = range(max(1, len(lines) - SNIPPET + 1))
    best = max(starts, key=lambda at: (_matches(lines[at : at + SNIPPET], lights), -at))
    return [_drawn(text, line, lights, width) for line in lines[best : best + SNIPPET]]


def _matches(lines: Sequence[Line], lights: Sequence[Light]) -> int:
    return sum(lines[0].start <= light.start < lines[-1].end for light in lights)


def _drawn(text: str, line: Line, lights: Sequence[Light], width: int) -> list[Part]:
    parts = [Part(piece.text, "list--lit" if piece.light else "list--fact") for piece in pieces(text, line, lights)]
    if line.is_right_to_left:
        used = sum(cell_len(part.text) for part in parts)
        parts.insert(0, Part(" " * max(0, width - used)))
    return parts
