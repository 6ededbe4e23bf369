"""Text survives, and no text whatever becomes a special id."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import WeightsCorrupt
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.tokenizers.base import Tokenizer
from nemo_docs.model.tokenizers.bytelevel import ByteLevelTokenizer
from nemo_docs.model.tokenizers.from_gguf import gguf_tokenizer
from nemo_docs.model.tokenizers.tekken import TekkenTokenizer
from nemo_docs.model.weights.gguf import GgufWeights
from tests.properties import examples

from .layouts import Tensors, write_gguf

CONTROL = [
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<unk>",
    "<pad>",
    "[TOOL_CALLS]",
    "<SPECIAL_20>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_start|>system\n",
    "<repo_name>",
]
TEXTS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(CONTROL),
        st.sampled_from(
            ["\n\n", "  ", "\t", "\r\n", "\x04", "\U00050000", "ﷺ", "नमस्ते", "日本語", "한국어", "👩‍👩‍👧‍👦"]
        ),
    ),
    max_size=12,
).map("".join)
# fixtures here are read only, so sharing them between examples is safe


def check_laws(tokenizer: Tokenizer, text: str, first_text_id: int) -> None:
    ids = tokenizer.encode(text)
    read = tokenizer.as_read(text)
    assert all(first_text_id <= token < tokenizer.vocab_size for token in ids)
    assert tokenizer.decode(ids) == read
    assert b"".join(tokenizer.token_bytes(token) for token in ids) == read.encode()
    assert len(read) == len(text)
    assert all(a == b or b == "�" for a, b in zip(text, read, strict=True))


@given(text=TEXTS)
@examples(150)
def test_tekken_keeps_every_text(tekken: TekkenTokenizer, text: str) -> None:
    check_laws(tekken, text, 1000)
    assert tekken.as_read(text) == text


@given(text=TEXTS)
@examples(150)
def test_byte_level_keeps_every_text_that_it_can_spell(small_tokenizer: ByteLevelTokenizer, text: str) -> None:
    check_laws(small_tokenizer, text, 2)
    assert small_tokenizer.as_read(text) == text.replace("\x04", "�")


@given(text=TEXTS)
@examples(150)
def test_smollm2_keeps_every_text_that_it_can_spell(smollm2: ModelFiles, text: str) -> None:
    check_laws(smollm2.tokenizer, text, 17)
    lost = {c for c in text if smollm2.tokenizer.as_read(c) != c}
    assert all(c in "\x04\x06\x13\x14\x16\x1d" or 0x40000 <= ord(c) < 0xC0000 for c in lost)


@pytest.mark.parametrize("text", CONTROL)
def test_spelled_out_control_token_is_several_ordinary_ids(
    text: str, tekken: TekkenTokenizer, small_tokenizer: ByteLevelTokenizer
) -> None:
    for tokenizer, first in ((tekken, 1000), (small_tokenizer, 2)):
        ids = tokenizer.encode(text)
        assert len(ids) > 1
        assert min(ids) >= first


def test_lone_surrogates_are_read_as_replacement_characters(
    tekken: TekkenTokenizer, small_tokenizer: ByteLevelTokenizer
) -> None:
    for tokenizer in (tekken, small_tokenizer):
        assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a�b"


def test_special_ids_have_names_and_no_bytes(tekken: TekkenTokenizer, small_tokenizer: ByteLevelTokenizer) -> None:
    assert [tekken.special(name) for name in ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")] == [0, 1, 2, 3, 4]
    assert all(tekken.token_bytes(token) == b"" for token in range(1000))
    assert [small_tokenizer.special(name) for name in ("<s>", "</s>")] == [0, 1]
    assert small_tokenizer.token_bytes(0) == small_tokenizer.token_bytes(1) == b""
    with pytest.raises(KeyError):
        small_tokenizer.special("[INST]")
    with pytest.raises(KeyError):
        small_tokenizer.special("he")


def test_smollm2_special_ids_are_the_first_seventeen(smollm2: ModelFiles) -> None:
    tokenizer = smollm2.tokenizer
    assert [tokenizer.special(name) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")] == [0, 1, 2]
    assert [token for token in range(tokenizer.vocab_size) if not tokenizer.token_bytes(token)] == list(range(17))


def test_merges_are_applied(small_tokenizer: ByteLevelTokenizer) -> None:
    assert [small_tokenizer.token_bytes(token) for token in small_tokenizer.encode("in the </s>")] == [
        b"in",
        b" the",
        b" ",
        b"</",
        b"s",
        b">",
    ]


def test_fingerprint_tells_vocabularies_apart(small_vocabulary: dict[str, Any]) -> None:
    where = Path("tokenizer.json")
    one = ByteLevelTokenizer(small_vocabulary, where=where)
    fewer = json.loads(json.dumps(small_vocabulary))
    fewer["model"]["merges"].pop()
    assert one.fingerprint == ByteLevelTokenizer(json.loads(json.dumps(small_vocabulary)), where=where).fingerprint
    assert one.fingerprint != ByteLevelTokenizer(fewer, where=where).fingerprint


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("normalizer", {"type": "NFC"}, "rewrites text"),
        ("pre_tokenizer", {"type": "Metaspace", "replacement": "▁"}, "not a byte-level"),
        ("pre_tokenizer", None, "not a byte-level"),
        ("pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": True}, "not a byte-level"),
        ("model", {"type": "Unigram", "vocab": []}, "byte-pair"),
        ("model", {"type": "BPE", "vocab": {"a": 2}, "merges": [["a", "b"]]}, "cannot be loaded"),
        ("model", {"type": "BPE", "vocab": {"a b": 2}, "merges": []}, "not over bytes"),
    ],
)
def test_tokenizer_that_would_change_text_is_refused(
    part: str, value: object, says: str, small_vocabulary: dict[str, Any]
) -> None:
    with pytest.raises(WeightsCorrupt, match=says):
        ByteLevelTokenizer({**small_vocabulary, part: value}, where=Path("tokenizer.json"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("added_tokens", [{"id": 0}]),
        ("added_tokens", {"id": 0}),
        ("added_tokens", [{"id": 10**12, "content": "<far>", "special": True}]),
        ("added_tokens", [{"id": -1, "content": "<before>", "special": True}]),
        ("pre_tokenizer", "ByteLevel"),
        ("post_processor", [1]),
        ("model", {"type": "BPE", "vocab": {"a": "0"}, "merges": []}),
    ],
)
def test_tokenizer_that_is_built_otherwise_is_refused(
    key: str, value: object, tmp_path: Path, small_vocabulary: dict[str, Any]
) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({**small_vocabulary, key: value}))
    with pytest.raises(WeightsCorrupt, match=r"tokenizer\.json"):
        ByteLevelTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[", '{"config": {"version": "v3"}, "vocab": []}'])
def test_damaged_tekken_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_text(content)
    with pytest.raises(WeightsCorrupt, match=r"tekken\.json"):
        TekkenTokenizer(path)


def test_folder_names_the_opening_and_closing_ids(tmp_path: Path, small_vocabulary: dict[str, Any]) -> None:
    post = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**small_vocabulary, "post_processor": post}))
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = ByteLevelTokenizer.from_folder(tmp_path)
    assert (tokenizer.bos, tokenizer.eos) == (0, 1)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "add_bos_token": False}))
    assert ByteLevelTokenizer.from_folder(tmp_path).bos is None


@pytest.mark.slow
def test_smollm2_converted_and_gguf_tokenizers_are_the_same(smollm2: ModelFiles, smollm2_gguf: Path) -> None:
    tokenizer = ModelFiles(smollm2_gguf).tokenizer
    assert tokenizer.fingerprint == smollm2.tokenizer.fingerprint
    assert (tokenizer.bos, tokenizer.eos) == (smollm2.tokenizer.bos, smollm2.tokenizer.eos)


@pytest.mark.slow
def test_smollm2_gives_llama_cpp_ids(smollm2: ModelFiles, smollm2_gguf: Path, data_dir: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    model = llama_cpp.Llama(str(smollm2_gguf), vocab_only=True, verbose=False)
    for language in ("en", "de", "ar", "hi", "ja", "ko", "zh"):
        for line in (data_dir / "ntrex" / f"{language}.txt").read_text(encoding="utf-8").splitlines()[:40]:
            expected = model.tokenize(line.encode(), add_bos=False, special=False)
            assert smollm2.tokenizer.encode(line) == expected, line


def gguf_with_tekken(path: Path, tekken: TekkenTokenizer, config: Any, tensors: Tensors) -> Path:
    """NeMo's vocabulary as llama.cpp's converter writes it: printable bytes, and merges found from the ranks."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    stand_in = bytes_to_unicode()
    ranks = {tekken.token_bytes(token): token - 1000 for token in range(1000, tekken.vocab_size)}
    pieces = {piece: "".join(stand_in[byte] for byte in piece) for piece in ranks}
    merges = []
    for piece, rank in ranks.items():
        parts = [bytes([byte]) for byte in piece]
        while len(parts) > 2:  # what byte-pair encoding makes of a token with only the lower ranks at hand
            pairs = [ranks.get(a + b, rank) for a, b in pairwise(parts)]
            at = min(range(len(pairs)), key=pairs.__getitem__)
            if pairs[at] >= rank:
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            merges.append(f"{pieces[parts[0]]} {pieces[parts[1]]}")
    names = {tekken.special(name): name for name in ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")}

    def vocabulary(writer: Any) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("tekken")
        writer.add_token_list([names.get(i, f"<SPECIAL_{i}>") for i in range(1000)] + list(pieces.values()))
        writer.add_token_types([3] * 1000 + [1] * len(pieces))
        writer.add_token_merges(merges)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(True)

    return write_gguf(path, config, tensors, also=vocabulary)


@pytest.mark.slow
def test_nemo_as_gguf_gives_mistrals_ids(tmp_path: Path, tekken: TekkenTokenizer, data_dir: Path) -> None:
    import torch

    from nemo_docs.model.config import ModelConfig
    from nemo_docs.model.weights.base import expected_shapes

    config = ModelConfig(
        dim=8, n_layers=1, head_dim=4, hidden_dim=8, n_heads=2, n_kv_heads=1, norm_eps=1e-5, vocab_size=131072,
        rope_theta=1e6, tied=True,
    )  # fmt: skip
    tensors = {name: torch.zeros(shape) for name, shape in expected_shapes(config).items()}
    tokenizer = gguf_tokenizer(GgufWeights(gguf_with_tekken(tmp_path / "nemo.gguf", tekken, config, tensors)))
    assert (tokenizer.bos, tokenizer.eos, tokenizer.special("[INST]")) == (1, 2, 3)
    for file in sorted((data_dir / "ntrex").glob("??.txt")):
        text = file.read_text(encoding="utf-8")[:40_000]
        assert tokenizer.encode(text) == tekken.encode(text), file.name
    for text in (*CONTROL, "  def f(x):\n\treturn x/2 // 3\r\n", "HTTPServer iOS l'été", "1234567890"):
        assert tokenizer.encode(text) == tekken.encode(text), text
