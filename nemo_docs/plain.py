"""Text from documents, models, file names and the network, made safe to print.

Such text is hostile until proven otherwise: it can move the cursor, rename the window, paste commands or turn the line
around. Everything that a terminal acts upon is shown as a visible escape instead of being dropped, so a reader can see
that it was there. Marks that ordinary Arabic, Hindi or Persian needs (LRM, RLM, ALM, ZWJ, ZWNJ) pass through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ACTS_ON_A_TERMINAL = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0 with ESC, DEL, C1 with the one-byte CSI
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u206f"  # bidirectional embeddings, overrides, isolates and their deprecated kin
    "\ud800-\udfff"  # lone surrogates: undecodable bytes of file names
    "\ufff9-\ufffb"  # interlinear annotation
    "]"
)
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return `text` with everything that a terminal would act upon shown as an escape such as `\x1b`.

    Args:
        text: Text from anywhere.
        lines: Whether newlines and tabs are kept; else they too are shown as escapes, so that one value stays one line.
    """
    kept = "\n\t" if lines else ""

    def show(match: re.Match[str]) -> str:
        character = match[0]
        return character if character in kept else _SHORT.get(character) or _escape(character)

    return _ACTS_ON_A_TERMINAL.sub(show, text)


def json_line(value: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    r"""Return one line of JSON whose strings read back exactly and hold nothing that a terminal acts upon.

    Args:
        value: Plain data.
        ascii_only: Whether everything outside ASCII is written as `\uXXXX`, for streams that cannot carry UTF-8.
    """
    line = json.dumps(value, ensure_ascii=ascii_only)
    return _ACTS_ON_A_TERMINAL.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def size(amount_bytes: float) -> str:
    """Bytes for people, in decimal units: `541.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if amount_bytes < 1000:
            return f"{amount_bytes:,.0f} bytes" if unit == "bytes" else f"{amount_bytes:,.1f} {unit}"
        amount_bytes /= 1000
    return f"{amount_bytes:,.1f} GB"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def duration(seconds: float) -> str:
    """`40 s`, `2 min`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    if minutes and not rest:
        return f"{minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(number: int, noun: str) -> str:
    """`1 page`, `1,024 pages`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
