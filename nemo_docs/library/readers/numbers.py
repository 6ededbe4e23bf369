"""Numbers and bullets as they are printed: 3, c, III in lists, 10⁶ in text. Shared by all formats that count."""

from __future__ import annotations

import re

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LONGEST_ROMAN = 4999
_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_CAN_BE_RAISED = re.compile(r"[0-9+\-−=()n]{1,12}")
_CHINESE_DIGITS = "〇一二三四五六七八九"
_PRINTED_BULLETS = frozenset("-–—*•◦▪■□●○►➢✓→")


def spelled(number: int, style: str) -> str:
    """A number in a style; one that the style cannot write is written in digits.

    Args:
        number: Of the item.
        style: "1" for digits, "a", "A" for letters, "i", "I" for Roman numerals, "01" for two digits, "一" for Chinese.
    """
    if style == "01":
        return f"{number:02}"
    if style in ("a", "A") and number > 0:
        return _letters(number) if style == "a" else _letters(number).upper()
    if style in ("i", "I") and 0 < number <= _LONGEST_ROMAN:
        return _roman(number) if style == "i" else _roman(number).upper()
    if style == "一" and 0 <= number < 100:
        return _chinese(number)
    return str(number)


def bullet(said: str, level: int) -> str:
    """A list's bullet; in place of a sign that only the list's own font has, one by its level, from 0."""
    return said if said in _PRINTED_BULLETS else ("•", "◦", "▪")[level % 3]


def raised(said: str) -> str:
    """Raised digits as such, since 10⁶ is not 106; anything else as it is."""
    return said.translate(_RAISED) if _CAN_BE_RAISED.fullmatch(said) else said


def _letters(number: int) -> str:
    letters = ""
    while number > 0:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def _roman(number: int) -> str:
    said = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        said += letters * count
    return said


def _chinese(number: int) -> str:
    tens, ones = divmod(number, 10)
    if tens == 0:
        return _CHINESE_DIGITS[ones]
    return ("" if tens == 1 else _CHINESE_DIGITS[tens]) + "十" + (_CHINESE_DIGITS[ones] if ones else "")
