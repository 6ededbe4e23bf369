from __future__ import annotations

import codecs
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import READERS, load_reader, reader_name
from nemo_docs.library.readers.text import TextReader, cut_pages, decode
from nemo_docs.library.samples import samples_folder
from nemo_docs.settings import LANGUAGES

MakePdf = Callable[..., bytes]


def sample(language: str) -> str:
    return (samples_folder() / f"udhr.{language}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(READERS.values())))
def test_each_reader_loads_and_refuses_garbage(name: str) -> None:
    reader = load_reader(name)
    assert reader.extractor
    with pytest.raises(Unreadable):
        reader(b"\0\1\2" * 99, password=None)


def test_the_reader_is_found_by_mark_then_suffix_then_looks() -> None:
    pdf, text = READERS[".pdf"], READERS[".txt"]
    assert reader_name("a.txt", b"junk %PDF-1.7") == pdf
    assert reader_name("a.PDF", b"") == pdf
    assert reader_name("README", "naïve".encode()) == text
    assert reader_name("README", "naïve".encode()[:3]) == text
    assert reader_name("a.out", b"\x7fELF\0\0") is None
    assert reader_name("a.bin", b"\xff\xfe\xfd" * 9) is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_decoded_with_and_without_marks(language: str, encoding: str) -> None:
    assert decode(sample(language).encode(encoding)) == sample(language)


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_both_byte_orders_are_decoded(mark: bytes) -> None:
    order = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    assert decode(mark + "Grüße".encode(order)) == "Grüße"


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("de", "cp1252"),
        ("fr", "latin-1"),
        ("es", "cp1252"),
        ("pt", "cp1252"),
        ("it", "cp1252"),
        ("zh", "gb18030"),
        ("ja", "shift_jis"),
        ("ja", "euc_jp"),
        ("ko", "cp949"),
        ("ar", "cp1256"),
    ],
)
def test_older_encodings_are_recognised(language: str, encoding: str) -> None:
    text = sample(language)
    data = text.encode(encoding, "ignore")
    assert decode(data) == data.decode(encoding)


@pytest.mark.parametrize("data", [b"", b" \n", b"\0" * 50, bytes(range(256)) * 20])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        TextReader(data)


@given(st.lists(st.sampled_from(["word ", "x" * 700, "\n", "\n\n", "。", ". ", "\n \n"]), max_size=200).map("".join))
def test_pages_joined_are_the_text_and_of_bounded_length(text: str) -> None:
    pages = cut_pages(text)
    assert "".join(pages) == text
    assert all(len(page) <= 4500 for page in pages)
    assert all(pages) or pages == [""]


def test_a_form_feed_starts_a_page() -> None:
    assert TextReader(b"one\ftwo\r\nthree").pages == 2


def test_pages_end_where_a_paragraph_ends() -> None:
    paragraph = "word " * 150 + "end.\n\n"
    pages = cut_pages(paragraph * 20)
    assert all(page.endswith("end.\n\n") for page in pages)
    assert all(2250 <= len(page) <= 3750 for page in pages[:-1])


def child_reading(file: Path, page: int) -> subprocess.Popen[bytes]:
    request = {"path": str(file).encode().hex(), "reader": READERS[".pdf"], "password": None}
    request |= {"extractor": "", "prepares": True}
    limits = {"file_bytes": 1 << 24, "memory_bytes": 4 << 30, "cpu_s": 60}
    child = subprocess.Popen(
        [sys.executable, "-m", "nemo_docs.library.extract"],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    for asked in ({"open": request | limits}, {"page": page}, {"close": True}):
        child.stdin.write(json.dumps(asked).encode() + b"\n")
    child.stdin.flush()
    return child


def test_the_child_speaks_json_lines_alone(tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(make_pdf(["One.", "Two."]))
    with child_reading(file, page=2) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        opened, page, done = (json.loads(child.stdout.readline()) for _ in range(3))
        assert child.stdin is not None
        child.stdin.close()
        rest, errors = child.stdout.read(), child.stderr.read()
    assert opened["opened"]["pages"] == 2
    ready = page["page"].pop("ready")
    assert (ready["text"], ready["status"], ready["passages"]) == ("Two.", "ok", [[0, 4, "two", ""]])
    assert page["page"].pop("extractor").startswith("pypdf")
    fields = {"text": "Two.\n", "hidden": [], "flags": [], "label": "", "order": []}
    assert page == {"page": {"number": 2, "failure": "", **fields}}
    assert done["done"]["memory_bytes"] > 0
    assert (child.returncode, rest, errors) == (0, b"", b"")


def test_the_child_ends_with_its_parent_in_the_middle_of_a_page(tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "slow.pdf"
    file.write_bytes(make_pdf(["x\n" * 600_000]))
    with child_reading(file, page=1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert b"opened" in child.stdout.readline()
        child.stdin.close()
        assert child.stdout.read() == b""


def test_a_child_without_a_parent_ends() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "nemo_docs.library.extract"],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert child.stdout == b""


def with_stream(pdf: bytes, old: bytes, new: bytes) -> bytes:
    """A PDF whose content has been replaced; pypdf repairs the lengths and places that no longer hold."""
    assert old in pdf
    return pdf.replace(old, new).replace(b"/Length ", b"/Len ")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"3 Tr (Hidden.) Tj T* 0 Tr (Seen.) Tj", "Seen."),
        (b"(Seen.) Tj T* 3 Tr (Hidden.) Tj", "Seen."),
        (b"/Three Tr (Seen.) Tj", "Seen."),
        (b"q 3 Tr (Hidden.) Tj Q T* (Seen.) Tj", "Seen."),
        (b"(Seen.) Tj 0 5000 Td (Hidden.) Tj", "Seen."),
        (b"(Seen.) Tj 5000 -14 Td (Hidden.) Tj", "Seen."),
        (b"(Seen.) Tj 0 -5000 Td (Hidden.) Tj", "Seen."),
        (b"(Seen.) Tj T* 1 Tr (Seen too.) Tj", "Seen.\nSeen too."),
    ],
)
def test_text_that_cannot_be_seen_is_marked_as_hidden(make_pdf: MakePdf, content: bytes, seen: str) -> None:
    from nemo_docs.library.clean import clean
    from nemo_docs.library.readers.pdf import PdfReader

    raw = PdfReader(with_stream(make_pdf(["Text"]), b"(Text) Tj T*", content), password=None).page(1)
    assert ("Hidden." in raw.text) == ("Hidden." in content.decode())
    assert clean(raw.text, raw.hidden).text == seen
