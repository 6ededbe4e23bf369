"""What is left of a text in the files of a folder: words, tokens, keys and values, in every form that we know."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

RUN = 4
"""So many tokens in a row are a trace."""
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_PIECE = 64
_MOST = 1 << 16


def traces(folder: Path, words: Sequence[str], ids: Sequence[int], rows: Sequence[bytes] = ()) -> set[tuple[str, str]]:
    """Names of files in which something is left, each with the form in which it is.

    Args:
        folder: Every file in it is read whole, free pages and all.
        words: That stand nowhere else; in ASCII. Also a word that only begins as they do counts.
        ids: Tokens that stand nowhere else.
        rows: Bytes of keys and values.
    """
    stems = [word[:8].lower() for word in words]
    runs = [ids[start : start + RUN] for start in range(len(ids) - RUN + 1)]
    forms = {
        "text": [stem.encode() for stem in stems],
        "utf-16": [stem.encode("utf-16-le") for stem in stems] + [stem.encode("utf-16-be") for stem in stems],
        "rows": [*rows],
        "tokens": [struct.pack(f"<{RUN}{size}", *run) for run in runs for size in "iqH"],
        "tokens as text": [between.join(map(str, run)).encode() for run in runs for between in (",", ", ", " ")],
    }
    found = set()
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        data = file.read_bytes()
        lower = data.lower()
        for form, needles in forms.items():
            if any(needle in (lower if form in {"text", "utf-16"} else data) for needle in needles):
                found.add((file.name, form))
        if any(stem.encode() in unpacked.lower() for unpacked in _unpacked(data) for stem in stems):
            found.add((file.name, "zlib"))
    return found


def _unpacked(data: bytes) -> Iterator[bytes]:
    """The beginning of everything that zlib has packed, as far as it is there in one piece."""
    for magic in _ZLIB:
        at = data.find(magic)
        while at >= 0:
            stream, text = zlib.decompressobj(), b""
            try:
                for piece in range(at, min(at + _MOST, len(data)), _PIECE):
                    text += stream.decompress(data[piece : piece + _PIECE])
            except zlib.error:
                pass
            if text:
                yield text
            at = data.find(magic, at + 1)
