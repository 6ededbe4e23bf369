"""A page's text as pypdf meets it, and which of it nobody who looks at the page can see.

Hidden are: text in render mode 3, text placed outside the page, text of about a point, and text in the colour of what
it stands on. It is how instructions are smuggled into documents, so it stays out of the page text; the raw output keeps
it. When in doubt text counts as seen: mode 3 behind an image as large as the page (the text layer of a scan is set like
that), rotated text, a line that begins on the page and runs off it. Colours can only be suspected here: `is_doubtful`
says that somebody has to look at the picture of the page (pdfium.py does).

What the file says that glyphs mean (/ActualText) is taken in place of what the glyphs say.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

from nemo_docs.library.readers.content import actual_text

_INVISIBLE = 3
_OUTLINED = frozenset((1, 2, 5, 6))
"""Render modes with a line around the letters, whose colour counts as well."""
_SHOW = frozenset((b"Tj", b"TJ", b"'", b'"'))
_MOVES = frozenset((b"Td", b"TD", b"Tm", b"T*", b"'", b'"'))
_FILLS = frozenset((b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"))
_COLOURS = frozenset((b"g", b"rg", b"k", b"sc", b"scn"))
_STATES = _FILLS | _COLOURS | {b"Tr", b"cs", b"q", b"Q", b"re", b"n", b"sh", b"BDC", b"BMC", b"EMC"}
_SMALLEST_POINTS = 1.5
_NEARLY = 0.1
"""Of a colour's range: closer colours cannot be told apart."""
_LARGE_POINTS = 6
"""A filled rectangle of at least this can stand beneath text."""
_COVERS = 0.5
"""Of the page's area: an image this large is a scan."""
_COLUMN_ROWS = 6
"""So many lines that go on at one place, after a jump, may be columns."""
_JUMP = 20
"""In units of two points."""
_DEEPEST_FORM = 8
Colour = tuple[float, float, float]
_WHITE: Colour = (1.0, 1.0, 1.0)
_BLACK: Colour = (0.0, 0.0, 0.0)


@dataclass(slots=True)
class _Piece:
    text: str
    x: float
    y: float
    invisible: bool
    unseen: bool
    colours: frozenset[Colour | None]


class PageWalk:
    """Collects the text of one page as pypdf finds it.

    Args:
        page: A pypdf PageObject.
    """

    def __init__(self, page: Any) -> None:
        self._box = _box(page)
        self._pieces: list[_Piece] = []
        self._mode: float = 0
        self._colour: Colour | None = _BLACK
        self._saved: list[tuple[float, Colour | None]] = []
        self._shown: set[tuple[bool, Colour | None]] = set()
        self._rectangle = 0.0
        self._grounds: set[Colour | None] = {_WHITE}
        self._forms = [(_dictionary(page.get("/Resources")), (1.0, 0.0, 0.0, 1.0))]
        self._images = 0.0
        self._actual: str | None = None
        self._marked: list[bool] = []
        self._moved = True
        self._starts: list[tuple[int, int]] = []
        self.is_mended = False
        """Whether /ActualText or a glyph told twice has made the text another one than pypdf's."""

    # what pypdf calls

    def before(self, operator: bytes, operands: Any, cm: list[float], tm: list[float]) -> None:
        """For `visitor_operand_before`."""
        if operator in _STATES:
            self._follow(operator, operands, cm)
            return
        if operator in _MOVES:
            self._moved = True
        if operator in _SHOW:
            self._shown.add((self._mode == _INVISIBLE, None if self._mode in _OUTLINED else self._colour))
            if self._moved and len(self._forms) == 1:
                x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
                self._starts.append((round(x / 2), round(y / 2)))
            self._moved = False
        elif operator == b"INLINE IMAGE":
            self._images += self._area(cm)
        elif operator == b"Do" and operands:
            self._draw(operands[0], cm)

    def after(self, operator: bytes, operands: Any, cm: list[float], tm: list[float]) -> None:
        """For `visitor_operand_after`: a form, or an image, is drawn."""
        if operator == b"Do" and len(self._forms) > 1:
            self._forms.pop()

    def _follow(self, operator: bytes, operands: Any, cm: list[float]) -> None:
        """What holds for the text that follows; `content.py` has made pypdf hand over what came before."""
        if operator == b"Tr" and operands and isinstance(operands[0], int | float):
            self._mode = operands[0]
        elif operator in _COLOURS:
            self._colour = _colour(operands)
        elif operator == b"cs":
            self._colour = None
        elif operator == b"q":
            self._saved.append((self._mode, self._colour))
        elif operator == b"Q" and self._saved:
            self._mode, self._colour = self._saved.pop()
        elif operator == b"re" and len(operands) == 4:
            sides = (abs(float(operands[2]) * _scale(cm)), abs(float(operands[3]) * _scale(cm)))
            self._rectangle = max(self._rectangle, min(sides))
        elif operator in _FILLS:
            if self._rectangle >= _LARGE_POINTS:
                self._grounds.add(self._colour)
            self._rectangle = 0.0
        elif operator == b"n":
            self._rectangle = 0.0
        elif operator == b"sh":
            self._grounds.add(None)
        elif operator in (b"BDC", b"BMC"):
            said = actual_text(operands, self._forms[-1][0]) if operator == b"BDC" and self._actual is None else None
            self._marked.append(said is not None)
            self._actual = said if said is not None else self._actual
        elif operator == b"EMC" and self._marked and self._marked.pop():
            self._actual = None

    def take(self, text: str, cm: list[float], tm: list[float], font: Any, font_size: float) -> None:
        """For `visitor_text`: take the next piece."""
        if not text:
            return
        if self._actual is not None and text.strip():
            space = text[: len(text) - len(text.lstrip())]
            self.is_mended = True
            text, self._actual = space + self._actual, ""
        x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        if text.strip("\n"):
            self._forget_echo(x, y)
        self._pieces.append(
            _Piece(
                text,
                x,
                y,
                invisible=bool(self._shown) and all(invisible for invisible, _ in self._shown),
                unseen=self._is_outside(cm, tm, font_size) or 0 < _size(cm, tm, font_size) < _SMALLEST_POINTS,
                colours=frozenset(colour for _, colour in self._shown),
            )
        )
        self._shown.clear()

    # what was found

    @property
    def text(self) -> str:
        """All of it, hidden text too."""
        return "".join(piece.text for piece in self._pieces)

    @property
    def has_picture(self) -> bool:
        """Whether an image is drawn."""
        return self._images > 0

    @property
    def is_covered(self) -> bool:
        """Whether images cover most of the page."""
        return self._covers()

    @property
    def is_scan(self) -> bool:
        """Whether an image covers the page and there is text behind it that a scanner's program made."""
        return self._covers() and any(piece.invisible and piece.text.strip() for piece in self._pieces)

    @property
    def is_doubtful(self) -> bool:
        """Whether some text may have the colour of what it stands on."""
        return any(self._may_be_camouflaged(piece) for piece in self._pieces)

    @property
    def may_have_columns(self) -> bool:
        """Whether many lines go on, after a jump, at the same place: columns read across, or a table."""
        rows: dict[int, list[int]] = {}
        for x, y in self._starts:
            rows.setdefault(y, []).append(x)
        several = [{x for x in row if x - min(row) > _JUMP} for row in rows.values()]
        jumps = Counter(x for row in several for x in row)
        most = max((jumps[x] + jumps[x + 1] for x in jumps), default=0)
        return most >= max(_COLUMN_ROWS, sum(map(bool, several)) / 2)

    def hidden(self) -> tuple[tuple[int, int], ...]:
        """Stretches of the text, (start, end), that cannot be seen; of camouflaged text only where it is certain."""
        covered, spans, at = self._covers(), [], 0
        plain = self._grounds == {_WHITE} and not self._images
        for piece in self._pieces:
            camouflaged = plain and self._may_be_camouflaged(piece)
            if piece.text.strip() and (piece.unseen or camouflaged or (piece.invisible and not covered)):
                spans.append((at, at + len(piece.text)))
            at += len(piece.text)
        return tuple(spans)

    # how it is found

    def _may_be_camouflaged(self, piece: _Piece) -> bool:
        return bool(piece.colours and piece.text.strip()) and all(
            colour is not None and any(ground is not None and _is_near(colour, ground) for ground in self._grounds)
            for colour in piece.colours
        )

    def _covers(self) -> bool:
        if self._box is None:
            return self._images > 0
        left, bottom, right, top = self._box
        return self._images >= _COVERS * (right - left) * (top - bottom)

    def _area(self, cm: Any) -> float:
        a, b, c, d = self._forms[-1][1]
        return float(abs((cm[0] * cm[3] - cm[1] * cm[2]) * (a * d - b * c)))

    def _draw(self, name: Any, cm: list[float]) -> None:
        resources, (a, b, c, d) = self._forms[-1]
        item = _dictionary(_dictionary(resources.get("/XObject")).get(name))
        if item.get("/Subtype") == "/Image":
            self._images += self._area(cm)
            # `after` takes away what this puts there: of images and of forms alike
            self._forms.append(self._forms[-1])
        else:
            outer = (
                cm[0] * a + cm[1] * c, cm[0] * b + cm[1] * d, cm[2] * a + cm[3] * c, cm[2] * b + cm[3] * d
            )  # fmt: skip
            is_deep = len(self._forms) > _DEEPEST_FORM
            self._forms.append((resources if is_deep else _dictionary(item.get("/Resources")) or resources, outer))

    def _forget_echo(self, x: float, y: float) -> None:
        """Drop a sign without a width that says once more what the letter before it has said.

        Producers that give the whole text of a cluster to each of its glyphs make such; the next piece starts where the
        sign does.
        """
        pieces = [piece for piece in self._pieces[-3:] if piece.text.strip()][-2:]
        if len(pieces) == 2 and (echo := pieces[1]).text.strip() == pieces[0].text.strip()[-len(echo.text.strip()) :]:
            is_cluster = any(unicodedata.category(c).startswith("M") for c in echo.text)
            if is_cluster and abs(echo.x - x) < _NEARLY and abs(echo.y - y) < _LARGE_POINTS:
                self.is_mended = True
                echo.text = ""

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


def _dictionary(found: Any) -> Any:
    found = found.get_object() if found is not None else {}
    return found if isinstance(found, dict) else {}


def _scale(m: list[float]) -> float:
    return float(abs(m[0] * m[3] - m[1] * m[2]) ** 0.5)


def _size(cm: list[float], tm: list[float], font_size: float) -> float:
    return abs(font_size) * _scale(cm) * _scale(tm)


def _colour(operands: Any) -> Colour | None:
    """Red, green and blue; None for what is no plain colour."""
    if not all(isinstance(value, int | float) for value in operands):
        return None
    values = [float(value) for value in operands]
    match values:
        case [grey]:
            return (grey, grey, grey)
        case [red, green, blue]:
            return (red, green, blue)
        case [cyan, magenta, yellow, black]:
            return ((1 - cyan) * (1 - black), (1 - magenta) * (1 - black), (1 - yellow) * (1 - black))
        case _:
            return None


def _is_near(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) <= _NEARLY for a, b in zip(one, other, strict=True))
