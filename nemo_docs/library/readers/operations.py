"""The operations of a PDF's content stream, taken by one regular expression where pypdf reads byte by byte.

Parsing is half of what pypdf does for a page, and this takes a third of that time. It gives the very operations that
pypdf gives, or None: whatever is out of the ordinary (inline images, odd numbers, broken strings) is left to pypdf,
whole. So the trade-off is one more reading of the grammar of content streams, held against pypdf's in the tests.

Source: ISO 32000-1, 7.8.2 (content streams) and 7.2 (lexical conventions).
"""

from __future__ import annotations

import io
import re
from typing import Any

from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    FloatObject,
    NameObject,
    NumberObject,
    read_object,
)

Operation = tuple[Any, bytes]
"""Operands and operator."""

_MOST_TOKENS = 1_000_000
"""Half of what pypdf allows a stream; it refuses more, and not we."""
_END = rb"(?=[\s()<>\[\]{}/%]|\Z)"
_TOKEN = re.compile(
    rb"""(?:[\x00\t\n\f\r ]++|%[^\r\n]*+)*+
    (?:([+-]?(?:\d{1,15}\.\d{0,15}|\.\d{1,15}))(?![-+.\d])  # 1: a number with a point
      |([+-]?\d{1,15})(?![-+.\d])                           # 2: a whole number
      |<([0-9A-Fa-f]*+)>                                    # 3: a string in hexadecimal digits
      |\(([^()\\]*+)\)                                      # 4: a string without escapes
      |(\[)|(\])                                            # 5, 6: an array
      |([A-Za-z'"][^\s()<>\[\]{}/%]{0,60}+)"""
    + _END
    + rb"""                                                 # 7: an operator
      |(/[!-"$&-'*-.0-;=?-Z\\^-z|~]{0,200}+)"""
    + _END
    + rb"""                                                 # 8: a name without escapes
      |(\(|<<)                                              # 9: a string with escapes, a dictionary
      |(\Z)                                                 # 10
    )""",
    re.VERBOSE,
)
_FLOAT, _INTEGER, _HEX, _STRING, _OPEN, _CLOSE, _OPERATOR, _NAME, _NESTED, _AT_END = range(1, 11)
_SIMPLE = frozenset((_FLOAT, _INTEGER, _NAME))


def operations(data: bytes) -> list[Operation] | None:
    """All operations of a content stream in order; None where pypdf must say.

    Args:
        data: The stream, decoded.
    """
    try:
        return _operations(data)
    except Exception:  # pypdf meets the same trouble, and has its own way with it
        return None


def _operations(data: bytes) -> list[Operation] | None:
    found: list[Operation] = []
    operands: list[Any] = []
    current = operands
    known: dict[bytes, Any] = {}
    at, tokens = 0, 0
    while True:
        nested = -1
        for match in _TOKEN.finditer(data, at):
            if match.start() != at:
                return None
            at = match.end()
            tokens += 1
            kind = match.lastindex
            if kind == _OPERATOR:
                operator = match[_OPERATOR]
                if current is not operands or operator == b"BI" or (operator[:1] == b"R" and operator != b"RG"):
                    return None
                found.append((operands, operator))
                current = operands = []
            elif kind in _SIMPLE:
                token = match[kind]
                value = known.get(token)
                if value is None:
                    value = known[token] = _simple(kind, token)
                current.append(value)
            elif kind == _HEX:
                digits = match[_HEX].decode()
                current.append(ByteStringObject(bytes.fromhex(digits if len(digits) % 2 == 0 else f"{digits}0")))
            elif kind == _STRING:
                current.append(ByteStringObject(match[_STRING]))
            elif kind == _OPEN:
                if current is not operands:
                    return None
                current = ArrayObject()
                operands.append(current)
            elif kind == _CLOSE:
                if current is operands:
                    return None
                current = operands
            elif kind == _NESTED:
                nested = match.start(_NESTED)
                break
            else:
                return found if current is operands and tokens <= _MOST_TOKENS else None
        if nested < 0 or tokens > _MOST_TOKENS:
            return None
        stream = io.BytesIO(data)
        stream.seek(nested)
        current.append(read_object(stream, None, "bytes"))
        at = stream.tell()


def _simple(kind: int, token: bytes) -> FloatObject | NumberObject | NameObject:
    if kind == _NAME:
        return NameObject(token.decode())
    return FloatObject(token) if kind == _FLOAT else NumberObject(token)
