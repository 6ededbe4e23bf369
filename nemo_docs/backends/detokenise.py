"""Text from ids, as they come."""

from __future__ import annotations

import codecs

from nemo_docs.model.tokenizers.base import Tokenizer


class Detokeniser:
    """Turns ids into text, holding back characters that are not whole yet.

    A token may be a part of a character: 1,435 of Tekken's are not valid UTF-8 alone.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        """The text that this id completes, perhaps none."""
        return self._decoder.decode(self._tokenizer.token_bytes(token))

    def finish(self) -> str:
        """What was held back; incomplete characters become U+FFFD."""
        return self._decoder.decode(b"", final=True)
