"""The tokens of an RTF file, and the encodings of what it writes in bytes (RTF Specification 1.9.1)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,10})?[ ]?"  # 1, 2: a word and its number
    rb"|\\'([0-9A-Fa-f]{2})"  # 3: a byte in hexadecimal digits
    rb"|\\([^A-Za-z])"  # 4: a sign
    rb"|([{}])"  # 5: a group's start or end
    rb"|[\r\n\0]+"
    rb"|([^\\{}\r\n\0]+)",  # 6: bytes of text
    re.DOTALL,
)
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip


class Token(NamedTuple):
    """One token; all but one of its fields are empty.

    Attributes:
        word: A control word or sign, or one of "{" and "}" for a group, told by `is_brace`.
        number: What stands behind a word; None where nothing does.
        data: Text, in bytes.
        is_brace: Whether a group starts or ends.
    """

    word: str = ""
    number: int | None = None
    data: bytes = b""
    is_brace: bool = False


def tokens(data: bytes) -> Iterator[Token]:
    """The tokens of a file in order; bytes of pictures (`bin`) are passed over.

    Args:
        data: The file.
    """
    at = 0
    while at < len(data):
        for match in _TOKEN.finditer(data, at):
            at = match.end()
            kind = match.lastindex
            if kind is None:
                continue
            if kind <= 2:
                word, number = match[1].decode(), int(match[2]) if match[2] else None
                if word == "bin":
                    at += max(0, number or 0)
                    break
                yield Token(word, number)
            elif kind == 3:
                yield Token(data=bytes((int(match[3], 16),)))
            elif kind == 4:
                yield Token(match[4].decode("latin-1"))
            elif kind == 5:
                yield Token(match[5].decode(), is_brace=True)
            else:
                yield Token(data=match[6])
        else:
            at += 1  # a lone backslash at the end


def codec_of(charset: int) -> str | None:
    """The encoding of a font's character set; None where the document's own holds."""
    return _CHARSETS.get(charset)


def codec_of_page(page: int) -> str | None:
    """The encoding of a code page; None where Python has none."""
    try:
        return codecs.lookup("utf-8" if page == 65001 else "mac_roman" if page == 10000 else f"cp{page}").name
    except LookupError:
        return None
