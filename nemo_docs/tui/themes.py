"""The app's own colours; all others are Textual's.

Calm: one hue for what can be acted upon, one warm hue for lit quotes, greys for the rest. Every text reaches the
contrast of 4.5 to 1 on every ground that it stands on (WCAG 2.2, AA); a test computes it. The `ansi` themes leave the
choice of colours to the terminal.
"""

from __future__ import annotations

from textual.theme import Theme

_VARIABLES = {
    "text-muted": "auto 75%",
    "text-disabled": "auto 68%",  # of the words in an empty field, which are meant to be read
    "link-style": "underline",
    "block-cursor-text-style": "bold",
}


def _scrollbar(bar: str, active: str, ground: str) -> dict[str, str]:
    return {
        "scrollbar": bar,
        "scrollbar-hover": active,
        "scrollbar-active": active,
        "scrollbar-background": ground,
        "scrollbar-background-hover": ground,
        "scrollbar-background-active": ground,
        "scrollbar-corner-color": ground,
    }


NEMO_DARK = Theme(
    name="nemo-dark",
    dark=True,
    primary="#7fb4d4",
    secondary="#9db7c6",
    accent="#e5b566",
    warning="#e0a458",
    error="#ef8b8b",
    success="#8fc79a",
    foreground="#dde3e8",
    background="#14191e",
    surface="#1a2127",
    panel="#222b33",
    variables={
        **_VARIABLES,
        "foreground-muted": "#a3afb8",
        "block-cursor-foreground": "#10161b",
        "block-cursor-background": "#7fb4d4",
        "block-cursor-blurred-background": "#2f4350",
        "button-color-foreground": "#10161b",
        "footer-key-foreground": "#e5b566",
        "input-selection-background": "#3f6680",
        "input-selection-foreground": "#ffffff",
        "border-blurred": "#3a4650",
        **_scrollbar("#3a4a56", "#7fb4d4", "#1a2127"),
    },
)

NEMO_LIGHT = Theme(
    name="nemo-light",
    dark=False,
    primary="#1f5f86",
    secondary="#46626f",
    accent="#7a4b00",
    warning="#7d4a00",
    error="#a32a2a",
    success="#25663a",
    foreground="#1d2429",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e5de",
    variables={
        **_VARIABLES,
        "foreground-muted": "#4c565d",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-background": "#1f5f86",
        "block-cursor-blurred-background": "#cfdde6",
        "button-color-foreground": "#ffffff",
        "footer-key-foreground": "#7a4b00",
        "input-selection-background": "#b9d4e4",
        "input-selection-foreground": "#10161b",
        "border-blurred": "#bdb8ad",
        **_scrollbar("#c3bdb1", "#1f5f86", "#f3f1ec"),
    },
)

OWN_THEMES = (NEMO_DARK, NEMO_LIGHT)
