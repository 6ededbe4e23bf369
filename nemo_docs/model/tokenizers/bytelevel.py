"""Byte-level BPE (SmolLM2, and NeMo as GGUF or Hugging Face has it), by the `tokenizers` package.

One form is loaded: the object of a `tokenizer.json`. A GGUF's vocabulary is put into that form first. The package is
then given the vocabulary *without* its special tokens, so it cannot find them in a text; their names and ids are kept
here for the template alone. Whatever would change the text (a normaliser, a prefix space) is refused, because offsets
into the text must survive.

Some vocabularies lack a byte or two (SmolLM2 has none for U+0004 or for the lead byte of U+40000), and the package
drops such characters without a word. They are replaced by U+FFFD first, one for one, so that character counts hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.tokenizers.base import without_surrogates
from nemo_docs.model.weights.base import REFETCH
from nemo_docs.model.weights.fields import read_json

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

_BATCH = 256
"""Texts that are counted in one call."""
_MOST_IDS = 1 << 22
"""More than sixteen times the largest vocabulary known; a table is made for all of them."""
_NEVER_IN_UTF8 = frozenset({0xC0, 0xC1, *range(0xF5, 0x100)})


def _alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in -> byte: printable Latin-1 stands for itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(rest)}


_BYTE_OF = _alphabet()


class ByteLevelTokenizer:
    """Byte-pair encoding over bytes, from a `tokenizer.json` object.

    Attributes:
        vocab_size: Number of ids, special ones included.
        fingerprint: SHA-256 (hex) of the vocabulary, the merges and the splitting rules.
        bos: The id that opens every prompt, or None.
        eos: The id that ends a text, or None.
    """

    def __init__(self, spec: dict[str, Any], *, where: Path, bos: int | None = None, eos: int | None = None) -> None:
        """Load from the object of a `tokenizer.json`.

        Args:
            spec: The object.
            where: The file to name in errors.
            bos: The id that opens every prompt, if the model expects one.
            eos: The id that ends a text, if there is one.

        Raises:
            WeightsCorrupt: If it is not byte-level BPE, or would change the text.
        """
        from tokenizers import Tokenizer

        self.bos, self.eos = bos, eos
        plain, added = _without_added_tokens(spec, where)
        canonical = json.dumps([plain, added], ensure_ascii=True, sort_keys=True)
        self.fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
        try:
            self._bpe = Tokenizer.from_str(json.dumps(plain))
        except Exception as error:  # the package raises the bare class, with the reason as its text
            raise WeightsCorrupt(f"{where}: the vocabulary cannot be loaded ({error}).", hint=REFETCH) from None
        self._specials: dict[str, int] = {row["content"]: row["id"] for row in added if row.get("special", True)}
        try:
            self._bytes = _token_bytes(plain["model"]["vocab"], added)
        except KeyError as error:
            raise WeightsCorrupt(f"{where}: the vocabulary is not over bytes ({error}).", hint=REFETCH) from None
        except ValueError as error:
            raise WeightsCorrupt(f"{where}: {error}.", hint=REFETCH) from None
        self.vocab_size = len(self._bytes)
        single = {piece[0] for piece in self._bytes if len(piece) == 1}
        self._missing = bytes(set(range(256)) - single - _NEVER_IN_UTF8)

    @classmethod
    def from_folder(cls, folder: Path) -> ByteLevelTokenizer:
        """Load `tokenizer.json`, with the opening and closing ids that `tokenizer_config.json` names.

        Raises:
            WeightsCorrupt: As the constructor does, or if a file is missing or no JSON.
        """
        where = folder / TOKENIZER
        spec = read_json(where)
        config = read_json(folder / TOKENIZER_CONFIG) if (folder / TOKENIZER_CONFIG).is_file() else {}
        try:
            ids = {token["content"]: token["id"] for token in spec.get("added_tokens") or []}
            bos, eos = (ids.get(_text(config.get(key))) for key in ("bos_token", "eos_token"))
            begins = config.get("add_bos_token", _opening_token(spec) is not None)
            return cls(spec, where=where, bos=bos if begins else None, eos=eos)
        except (AttributeError, IndexError, KeyError, TypeError) as error:  # a list where an object is due, and so on
            raise WeightsCorrupt(f"{where}: not built as a tokenizer is ({error!r}).", hint=REFETCH) from None

    def encode(self, text: str) -> list[int]:
        """Ids of `as_read(text)`; never a special one."""
        ids: list[int] = self._bpe.encode(self.as_read(text), add_special_tokens=False).ids
        return ids

    def counts(self, texts: Sequence[str]) -> list[int]:
        """How many ids each text has.

        In batches: the package keeps some hundred bytes a token until a call ends, and no signal is seen before.
        """
        found: list[int] = []
        for start in range(0, len(texts), _BATCH):
            batch = [self.as_read(text) for text in texts[start : start + _BATCH]]
            found += [len(each.ids) for each in self._bpe.encode_batch_fast(batch, add_special_tokens=False)]
        return found

    def as_read(self, text: str) -> str:
        """The text with every character that the vocabulary cannot spell replaced by U+FFFD."""
        text = without_surrogates(text)
        data = text.encode()
        if len(data.translate(None, self._missing)) == len(data):
            return text
        return "".join(c if len(c.encode().translate(None, self._missing)) == len(c.encode()) else "�" for c in text)

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one id; empty for a special id."""
        return self._bytes[token]

    def decode(self, tokens: list[int]) -> str:
        """Text of ids, without the special ones."""
        return b"".join(self._bytes[token] for token in tokens).decode("utf-8", errors="replace")

    def special(self, name: str) -> int:
        """Id of a special token, such as `<|im_start|>`.

        Raises:
            KeyError: If there is none of that name.
        """
        return self._specials[name]


def _without_added_tokens(spec: dict[str, Any], where: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The parts that turn text into ids, and apart from them the tokens that are never looked for in a text."""
    model = spec.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise WeightsCorrupt(f"{where}: not a byte-pair vocabulary.", hint="Only byte-level BPE can be read.")
    if spec.get("normalizer") is not None:
        raise WeightsCorrupt(f"{where}: the tokenizer rewrites text.", hint="Only byte-level BPE can be read.")
    steps = spec.get("pre_tokenizer") or {}
    rules = steps.get("pretokenizers", [steps])
    byte_level = [rule for rule in rules if rule.get("type") == "ByteLevel"]
    if len(byte_level) != 1 or byte_level[0].get("add_prefix_space"):
        raise WeightsCorrupt(f"{where}: not a byte-level tokenizer.", hint="Only byte-level BPE can be read.")
    added = [dict(token) for token in spec.get("added_tokens") or []]
    hidden = {token["id"] for token in added}
    bare = {**model, "vocab": {piece: token for piece, token in model["vocab"].items() if token not in hidden}}
    plain: dict[str, Any] = {"version": "1.0", "added_tokens": [], "pre_tokenizer": steps, "model": bare}
    return plain, added


def _token_bytes(vocab: dict[str, int], added: list[dict[str, Any]]) -> list[bytes]:
    ids = [*vocab.values(), *(row["id"] for row in added)]
    if not 0 <= min(ids) <= max(ids) < _MOST_IDS:
        raise ValueError(f"ids run from {min(ids)} to {max(ids)}")
    table = [b""] * (max(ids) + 1)
    for piece, token in vocab.items():
        table[token] = bytes(_BYTE_OF[character] for character in piece)
    for row in added:
        if not row.get("special", True):
            table[row["id"]] = row["content"].encode()
    return table


def _text(token: object) -> str:
    """A token as `tokenizer_config.json` writes it: a string, or an object that holds one."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)


def _opening_token(spec: dict[str, Any]) -> str | None:
    """The special token that the post-processor puts before every text, if any."""
    post = spec.get("post_processor") or {}
    for step in post.get("processors", [post]):
        single = step.get("single") or [{}]
        if step.get("type") == "TemplateProcessing" and "SpecialToken" in single[0]:
            return str(single[0]["SpecialToken"]["id"])
    return None
