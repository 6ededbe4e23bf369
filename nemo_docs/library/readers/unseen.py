"""Elements of an HTML page that nobody sees: not displayed, transparent, of no size, off the page, white on white.

It is how instructions are smuggled into pages, so what they say stays out of the page text. When in doubt text counts
as seen: only what an element says of itself is looked at, since a style sheet's rules may be for other media or undone
by a script; and white text only where the page sets no background anywhere.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

_OFF_THE_PAGE = re.compile(r"-\d{3,}(?:\.\d+)?(?:px|em|rem|pt)?")
_NOTHING = re.compile(r"0*\.?0*(?:px|pt|em|rem|%)?")
_WHITE = frozenset(("#fff", "#ffffff", "#ffff", "#ffffffff", "rgb(255,255,255)"))


class Unseen:
    """Knows of each element of one page whether it hides what is in it."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        """Look for what gives the page a background."""
        self._is_plain = tree.css_first("link[rel~=stylesheet],[bgcolor],[background]") is None and not any(
            "background" in (node.text() or "") for node in tree.css("style")
        )
        if self._is_plain:
            self._is_plain = tree.css_first("[style*=background]") is None

    def starts_at(self, node: LexborNode) -> bool:
        """Whether an element hides what is in it."""
        attributes = node.attributes
        if node.tag == "dialog" and "open" not in attributes:
            return True
        if "hidden" in attributes and (attributes["hidden"] or "").lower() != "until-found":
            return True
        color = attributes.get("color") if node.tag == "font" else None
        style = attributes.get("style")
        return bool(style and self._is_hiding(_declarations(style))) or bool(color and self._is_white_on_white(color))

    def _is_hiding(self, style: dict[str, str]) -> bool:
        color = _color(style.get("color", ""))
        background = _color(style.get("background-color", style.get("background", "")))
        return (
            style.get("display") == "none"
            or style.get("visibility") in ("hidden", "collapse")
            or any(name in style and bool(_NOTHING.fullmatch(style[name])) for name in ("opacity", "font-size"))
            or any(_OFF_THE_PAGE.fullmatch(style.get(name, "")) for name in ("left", "top", "right", "text-indent"))
            or color == "transparent"
            or bool(color and color == background)
            or self._is_white_on_white(color)
        )

    def _is_white_on_white(self, color: str) -> bool:
        return self._is_plain and _color(color) == "white"


def _declarations(style: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in style.lower().split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs}


def _color(said: str) -> str:
    color = "".join(said.lower().split())
    return "white" if color in _WHITE else color
