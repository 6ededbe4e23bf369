"""The fast reading of content streams gives what pypdf gives, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf.errors import PyPdfError
from pypdf.generic import ContentStream, DecodedStreamObject

from nemo_docs.library.readers.operations import operations


def by_pypdf(data: bytes) -> Any:
    stream = DecodedStreamObject()
    stream.set_data(data)
    return ContentStream(stream, None, "bytes").operations


def typed(found: Any) -> Any:
    """Values with their types, those in arrays too: a name is no string, and 1 is no 1.0."""
    if isinstance(found, list | tuple):
        return type(found), [typed(each) for each in found]
    if isinstance(found, dict):
        return type(found), [(typed(key), typed(value)) for key, value in found.items()]
    return type(found), found


@pytest.mark.parametrize(
    "stream",
    [
        b"BT /F1 11 Tf 14 TL 50 780 Td (Hello) Tj T* (World) ' ET",
        b"[(A) -120 <4142> .5 (B)]TJ",
        b"1 0 0 1 72.5 -.25 cm % a comment )(\n/Im0 Do",
        b"(with \\) and \\053 and (nested) ones)Tj 0 0 1rg",
        b"/Span <</MCID 3 /Lang (de)>> BDC EMC <414> Tj",
        b"q 0.5 g 10 20 30.0 40 re f* Q T*",
        b"",
        b" \n",
        b"/Name#20with 1 gs",
    ],
)
def test_it_gives_the_operations_of_pypdf(stream: bytes) -> None:
    found = operations(stream)
    assert found is None or typed(found) == typed(by_pypdf(stream))
    assert found is not None or b"#" in stream


@pytest.mark.parametrize(
    "stream",
    [
        b"BI /W 1 /H 1 ID x EI",
        b"[1 2",
        b"1 2 ]",
        b"(open",
        b"0.5-3 w",
        b"[[1] 2] 0 d",
        b"1 0 R 5 w",
        b"<4G> Tj",
        b"\x0b q",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_pypdf(stream: bytes) -> None:
    assert operations(stream) is None


_TOKENS = rb"""1 -2.5 .5 +3 0. (a) (a\)b) <4a4B> <4> /N /A.b [ ] Tj TJ q re ' " << >> R BI true null ( ) < { --1"""
_PIECES = st.sampled_from([*_TOKENS.split(), b"%c\n", b"\x00"])


@given(st.lists(st.tuples(_PIECES, st.sampled_from([b" ", b"\n", b"", b"\t"])), max_size=12))
def test_whatever_it_gives_pypdf_gives_too(pieces: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(piece + gap for piece, gap in pieces)
    found = operations(stream)
    if found is None:
        return
    try:
        expected = by_pypdf(stream)
    except (PyPdfError, AssertionError):
        raise AssertionError(f"pypdf refuses {stream!r}") from None
    assert typed(found) == typed(expected)


def test_the_pages_of_real_files_are_taken_as_pypdf_takes_them(data_dir: Path) -> None:
    taken = pages = 0
    for file in sorted((data_dir / "pdf").glob("0[012]*.pdf")):
        reader = pypdf.PdfReader(file)
        if reader.is_encrypted:
            continue
        for page in reader.pages[:5]:
            pages += 1
            contents = page.get("/Contents")
            if contents is not None:
                stream = ContentStream(contents.get_object(), reader, "bytes")
                found = operations(stream.get_data())
                taken += found is not None
                assert found is None or typed(found) == typed(stream.operations)
    assert taken > 0.9 * pages
