"""Tekken, NeMo's tokenizer, by Mistral's own mistral-common.

NeMo's `tekken.json` is also bundled with mistral-common under its date, byte for byte, so prompts can be counted before
the model is fetched. Special ids are taken from the ids 0 to 9, which no release of mistral-common has renumbered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.tokenizers.base import without_surrogates
from nemo_docs.model.weights.base import REFETCH, require_file

if TYPE_CHECKING:
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

TEKKEN = "tekken.json"
NEMO_BUNDLED = "tekken_240718.json"


class TekkenTokenizer:
    """Byte-pair encoding over Tekken's vocabulary: id = rank + 1000, ids below 1000 are special.

    Attributes:
        vocab_size: Number of ids, special ones included.
        fingerprint: SHA-256 (hex) of the file.
        version: Tekken's version; NeMo's is "v3".
    """

    def __init__(self, path: Path) -> None:
        """Load a `tekken.json`; about a second.

        Raises:
            WeightsCorrupt: If the file is missing, empty or not Tekken.
        """
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        require_file(path)
        try:
            self._tekken: Tekkenizer = Tekkenizer.from_file(path)
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise WeightsCorrupt(f"{path}: not a Tekken vocabulary ({error!r}).", hint=REFETCH) from None
        self.vocab_size: int = self._tekken.n_words
        self.fingerprint: str = hashlib.sha256(path.read_bytes()).hexdigest()
        self.version: str = self._tekken.version.value

    @property
    def bos(self) -> int:
        """`<s>`."""
        return self.special("<s>")

    @property
    def eos(self) -> int:
        """`</s>`."""
        return self.special("</s>")

    @cached_property
    def _specials(self) -> dict[str, int]:
        pieces = (self._tekken.id_to_piece(token) for token in range(self._tekken.num_special_tokens))
        return {piece: token for token, piece in enumerate(pieces)}

    def encode(self, text: str) -> list[int]:
        """Ids of `as_read(text)`, each at least 1000."""
        return self._tekken.encode(self.as_read(text), bos=False, eos=False)

    def counts(self, texts: Sequence[str]) -> list[int]:
        """How many ids each text has."""
        return [len(self.encode(text)) for text in texts]

    def as_read(self, text: str) -> str:
        """The text with lone surrogates replaced; Tekken has every byte."""
        return without_surrogates(text)

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one id; empty for a special id."""
        return self._tekken.id_to_byte_piece(token)

    def decode(self, tokens: list[int]) -> str:
        """Text of ids, without the special ones."""
        return b"".join(map(self.token_bytes, tokens)).decode("utf-8", errors="replace")

    def special(self, name: str) -> int:
        """Id of a special token, such as `[INST]`.

        Raises:
            KeyError: If there is none of that name.
        """
        return self._specials[name]


def bundled_nemo() -> Path:
    """NeMo's vocabulary inside mistral-common: the same bytes as the model's own `tekken.json`."""
    import mistral_common

    return Path(mistral_common.__file__).parent / "data" / NEMO_BUNDLED
