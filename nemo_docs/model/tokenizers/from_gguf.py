"""A GGUF's own vocabulary and merges as the object of a `tokenizer.json`.

GGUF names the splitting rule instead of spelling it (`tokenizer.ggml.pre`), so the rules are written down here, one row
each. A name that is not in the table is refused: a wrong rule gives ids that look right and a model that reads badly.
"""

from __future__ import annotations

from typing import Any

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.tokenizers.bytelevel import ByteLevelTokenizer
from nemo_docs.model.weights.gguf import GgufWeights

_GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
_BYTES = {**_GPT2, "use_regex": False}

TEKKEN_PATTERN = (  # tekken.json, config.pattern
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [_GPT2],
    "smollm": [{"type": "Digits", "individual_digits": True}, _GPT2],
    "tekken": [
        {"type": "Split", "pattern": {"Regex": TEKKEN_PATTERN}, "behavior": "Isolated", "invert": False},
        _BYTES,
    ],
}
"""`tokenizer.ggml.pre` -> how text is split before merging. Source: llama.cpp, llama-vocab.cpp."""

_NORMAL, _USER_DEFINED = 1, 4  # gguf.TokenType


def tokenizer_spec(source: GgufWeights) -> dict[str, Any]:
    """The vocabulary of `source` in the form of a `tokenizer.json`.

    Raises:
        WeightsCorrupt: If the vocabulary is of another kind, or its splitting rule is not known.
    """
    kind = source.metadata.get("tokenizer.ggml.model")
    rule = source.metadata.get("tokenizer.ggml.pre")
    if kind != "gpt2" or rule not in PRE_TOKENIZERS:
        raise WeightsCorrupt(
            f"{source.path}: the tokenizer is {kind!r} with the splitting rule {rule!r}, which is not known.",
            hint=f"Known are gpt2 with {', '.join(PRE_TOKENIZERS)}. The model's native layout has its own tokenizer.",
        )
    tokens, types = source.array("tokenizer.ggml.tokens"), source.array("tokenizer.ggml.token_type")
    if not len(tokens) == len(types) == len(set(tokens)) == source.config.vocab_size:
        raise WeightsCorrupt(
            f"{source.path}: {len(tokens)} tokens and {len(types)} types for {source.config.vocab_size} embeddings.",
            hint="Fetch the file again; it is read as it is, never repaired.",
        )
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": token, "special": kind != _USER_DEFINED, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False}
            for i, (token, kind) in enumerate(zip(tokens, types, strict=True))
            if kind != _NORMAL
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[rule]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {
            "type": "BPE",
            "ignore_merges": rule == "tekken",
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in source.array("tokenizer.ggml.merges")],
        },
    }  # fmt: skip


def gguf_tokenizer(source: GgufWeights) -> ByteLevelTokenizer:
    """The tokenizer of a GGUF file.

    Raises:
        WeightsCorrupt: If the vocabulary is of another kind, or its splitting rule is not known.
    """
    begins = source.metadata.get("tokenizer.ggml.add_bos_token", False)
    return ByteLevelTokenizer(
        tokenizer_spec(source),
        where=source.path,
        bos=source.metadata.get("tokenizer.ggml.bos_token_id") if begins else None,
        eos=source.metadata.get("tokenizer.ggml.eos_token_id"),
    )
