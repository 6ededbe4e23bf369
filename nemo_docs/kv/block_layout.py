"""What lies where in a block's file, and whether it is what it claims to be. Knows bytes, not tensors.

A file is in the safetensors format, so that any tool can read it: eight bytes of length, a JSON header, tensors. The
header is canonical: it follows from what it says. So it is checked by making it again and comparing every byte, and no
offset, shape or type in a file is ever used that we would not have written ourselves. The last tensor is a checksum of
all bytes before it, header and padding included.

Files are taken for hostile: whatever they hold, the worst is `Damaged`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from nemo_docs.kv.chain import BLOCK_TOKENS, link
from nemo_docs.kv.places import open_block

VERSION = 1
"""Of the format; files of another are not read."""
MAX_HEADER_BYTES = 1 << 20
"""Longer headers are not read: room for some ten thousand labels."""
MAX_FILE_BYTES = 1 << 29
"""Larger files are no blocks: 256 tokens of a model of 80 layers take 168 MB in fp32."""
CHECKSUM_BYTES = 16
"""xxh3, 128 bits."""
ALIGNMENT = 64
"""Tensors begin at a multiple of this many bytes."""
_MAX_NUMBER = 1 << 40
_FIRST_READ = 4096
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1, "I32": 4, "U8": 1}
_json_of = json.JSONEncoder(separators=(",", ":")).encode
_FORMS = {"full": ("F32", "F16", "BF16"), "int8": ("I8",)}


class Damaged(ValueError):
    """Bytes are not a block; the message says why, as the end of a sentence that begins with the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a block says of itself."""

    seed: str
    """How its rows were computed (`Identity.seed`), 64 hexadecimal digits."""
    key: str
    """Its own name."""
    parent: str
    """The name of the block before it; of a first block the seed."""
    start: int
    """Where its first token stands."""
    tokens: int
    """How many it holds, T."""
    ends_chunk: bool
    """Whether a chunk of the prefill ends with it."""
    labels: tuple[tuple[str, int], ...]
    """Every text that its numbers depend on, its own last: a label and how many tokens that whole text has."""
    dtype: str
    """Of keys and values as they are stored: F32, F16, BF16 or I8."""
    form: str
    """`full`, or `int8`: codes with scales."""
    shape: tuple[int, int, int, int]
    """Of keys, and of values: [L, K, T, D]."""
    version: int = VERSION
    """Of the format."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A block that is looked for, and how its file would begin.

    To compare costs a tenth of what it costs to parse, which counts where many threads bring blocks at once: they all
    wait for the one that holds Python's lock.
    """

    header: Header
    """What it would say of itself."""
    beginning: bytes
    """`encode` of it."""

    def is_in(self, data: memoryview, digest: bytes) -> bool:
        """Whether a file is of this block: all but its tensors is as expected, and they have its checksum."""
        beginning = self.beginning
        return (
            data[: len(beginning)] == beginning
            and len(data) == len(beginning) + extents(self.header)["checksum"].end
            and data[-CHECKSUM_BYTES:] == digest
        )


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a tensor lies."""

    dtype: str
    """As safetensors calls it."""
    shape: tuple[int, ...]
    """Its dimensions."""
    start: int
    """Its first byte, counted from the first behind the header."""
    end: int
    """Behind its last."""


def extents(header: Header) -> dict[str, Extent]:
    """All tensors of a block as they follow each other: ids [T], scales [L, K, T], k and v [L, K, T, D], checksum.

    Larger numbers come first, so that each tensor begins at a multiple of its numbers' size.
    """
    return _extents(header.form, header.dtype, header.shape)


@lru_cache(maxsize=1024)
def _extents(form: str, dtype: str, shape: tuple[int, ...]) -> dict[str, Extent]:
    """There are as many as there are lengths of blocks, and each is asked for a thousand times."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {"ids": ("I32", (shape[2],))}
    if form == "int8":
        tensors |= dict.fromkeys(("k_scales", "v_scales"), ("BF16", shape[:3]))
    tensors |= dict.fromkeys(("k", "v"), (dtype, shape))
    tensors["checksum"] = ("U8", (CHECKSUM_BYTES,))
    placed, at = {}, 0
    for name, (dtype, shape) in tensors.items():
        end = at + prod(shape) * _ITEM_BYTES[dtype]
        placed[name] = Extent(dtype, shape, at, end)
        at = end
    return placed


def encode(header: Header) -> bytes:
    """The bytes that a file with this header begins with, up to its first tensor."""
    metadata = {field.name: _as_text(getattr(header, field.name)) for field in fields(header)}
    tensors = {
        name: {"dtype": each.dtype, "shape": each.shape, "data_offsets": (each.start, each.end)}
        for name, each in extents(header).items()
    }
    text = _json_of({"__metadata__": metadata, **tensors}).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def file_bytes(header: Header) -> int:
    """Length of a whole file with this header."""
    return len(encode(header)) + extents(header)["checksum"].end


def inspect(data: memoryview, digest: bytes | None = None) -> Header:
    """Check every byte of a block.

    Args:
        data: The whole file, and nothing more.
        digest: What `RunningChecksum` made of it while it was read; None to go through it now.

    Returns:
        Its header: now known to be true of the bytes behind it, and its key to follow from its parent and its ids.

    Raises:
        Damaged: Anything is not as it would have been written.
    """
    header = _header(data[:8], lambda length: data[8 : 8 + length], len(data))
    begin = len(data) - extents(header)["checksum"].end
    if (checksum(data[:-CHECKSUM_BYTES]) if digest is None else digest) != data[-CHECKSUM_BYTES:]:
        raise Damaged("has another checksum than its bytes")
    ids = extents(header)["ids"]
    key = link(bytes.fromhex(header.parent), data[begin + ids.start : begin + ids.end], ends_chunk=header.ends_chunk)
    if key.hex() != header.key:
        raise Damaged("holds other tokens than its name says")
    return header


def read_header(path: Path) -> Header | None:
    """What a file says of itself, read without its tensors; None if it is no block. Its checksum is not looked at."""
    try:
        with open_block(path) as file:
            first = memoryview(file.read(_FIRST_READ))

            def text(length: int) -> memoryview:
                missing = 8 + length - len(first)
                return memoryview(bytes(first[8:]) + file.read(missing)) if missing > 0 else first[8 : 8 + length]

            return _header(first[:8], text, file.size)
    except (OSError, Damaged):
        return None


def checksum(data: memoryview) -> bytes:
    """Of a block's bytes: 16 bytes. 37 GB/s measured; other threads run meanwhile."""
    state = _state()
    state.update(data)  # unlike the one-shot form it lets other threads run in every version
    return bytes(state.digest())


class RunningChecksum:
    """The checksum of a file while it is read, each piece when it is still in the processor's cache.

    Args:
        buffer: What it is read into.
    """

    def __init__(self, buffer: memoryview) -> None:
        self._state, self._buffer, self._done = _state(), buffer, 0

    def seen(self, read: int) -> None:
        """So many bytes are there now. The last ones are held back: they are the file's own word."""
        end = read - CHECKSUM_BYTES
        if end > self._done:
            self._state.update(self._buffer[self._done : end])
            self._done = end

    def digest(self) -> bytes:
        """Of all but the last bytes seen."""
        return bytes(self._state.digest())


def _state() -> Any:
    import xxhash

    return xxhash.xxh3_128()


def _header(length_bytes: memoryview, text: Callable[[int], memoryview], file_length: int) -> Header:
    """Parse a header and compare it with the one that we would write for what it says."""
    if file_length > MAX_FILE_BYTES:
        raise Damaged(f"has {file_length} bytes, more than a block can have")
    length = int.from_bytes(length_bytes, "little")
    if len(length_bytes) < 8 or length > min(MAX_HEADER_BYTES, file_length - 8):
        raise Damaged("has no header, or is cut short")
    raw = bytes(text(length))
    try:
        header = _decode(json.loads(raw)["__metadata__"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged("has a header that makes no sense") from error
    beginning = encode(header)
    if beginning != bytes(length_bytes) + raw:
        raise Damaged("has a header that contradicts itself")
    promised = len(beginning) + extents(header)["checksum"].end
    if promised != file_length:
        raise Damaged(f"has {file_length} bytes where its header promises {promised}")
    return header


def _decode(metadata: dict[str, str]) -> Header:
    """Read the metadata. Types and bounds are checked here, spelling by making the header again."""
    labels, shape = _json(metadata["labels"], list), _json(metadata["shape"], list)
    header = Header(
        seed=_digest(metadata["seed"]),
        key=_digest(metadata["key"]),
        parent=_digest(metadata["parent"]),
        start=_number(metadata["start"]),
        tokens=_number(metadata["tokens"]),
        ends_chunk=_json(metadata["ends_chunk"], bool),
        labels=tuple((_text(label), _natural(tokens)) for label, tokens in labels),
        dtype=_text(metadata["dtype"]),
        form=_text(metadata["form"]),
        shape=tuple(map(_natural, shape)),  # type: ignore[arg-type]  # its length is checked below
        version=_number(metadata["version"]),
    )
    sound = (
        header.version == VERSION
        and header.dtype in _FORMS.get(header.form, ())
        and len(header.shape) == 4
        and min(header.shape) > 0
        and header.shape[2] == header.tokens <= BLOCK_TOKENS
        and (header.start == 0) == (header.parent == header.seed)
    )
    if not sound:
        raise ValueError(metadata)
    return header


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else _json_of(value)


def _json(text: str, kind: type) -> Any:
    value = json.loads(_text(text))
    if type(value) is not kind:
        raise TypeError(text)
    return value


def _number(text: str) -> int:
    return _natural(json.loads(_text(text)))


def _natural(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MAX_NUMBER:
        raise TypeError(value)
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(value)
    return value


def _digest(value: object) -> str:
    if not re.fullmatch("[0-9a-f]{64}", _text(value), re.ASCII):
        raise ValueError(value)
    return _text(value)
