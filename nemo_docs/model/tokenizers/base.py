"""What the program asks of a tokenizer.

Text and control are apart by construction: `encode` cannot give a special id, whatever the text spells, and special ids
have no bytes. So "[INST]" or "<|im_end|>" in a document is a handful of ordinary characters, and only a template, which
is data of the program, puts special ids into a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

_SURROGATE = re.compile("[\ud800-\udfff]")


class Tokenizer(Protocol):
    """Text to ids and back."""

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that decides which ids a text gets."""

    @property
    def bos(self) -> int | None:
        """The id that opens every prompt, or None if the model expects none."""

    @property
    def eos(self) -> int | None:
        """The id with which the model ends a text, or None if it has none."""

    def encode(self, text: str) -> list[int]:
        """Ids of `as_read(text)`; never a special id."""

    def counts(self, texts: Sequence[str]) -> list[int]:
        """How many ids each text has; far quicker than encoding them one by one."""

    def as_read(self, text: str) -> str:
        """The text as the model sees it, of the same length in characters.

        Lone surrogates, and characters for which the vocabulary has no bytes, become U+FFFD; no other change.
        """

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one id, possibly a part of a character; empty for a special id."""

    def decode(self, tokens: list[int]) -> str:
        """Text of ids; special ids are left out, incomplete characters become U+FFFD."""

    def special(self, name: str) -> int:
        """Id of the special token that is written `name`, such as `[INST]`.

        Raises:
            KeyError: If there is none.
        """


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot carry, by U+FFFD."""
    return _SURROGATE.sub("�", text)
