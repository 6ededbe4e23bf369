"""Files made to exhaust whoever reads them: each is stopped within its limits and named, and the library goes on."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_docs.errors import ReaderError
from nemo_docs.library.events import FileDone, FileFailed, FileSkipped
from nemo_docs.library.extraction import Limits
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus, VersionStatus
from nemo_docs.library.store import Library
from tests.unit.library.test_ingest import damaged

MakePdf = Callable[..., bytes]
LIMITS = Limits(memory_bytes=2 << 30, open_s=20, page_s=10, file_s=60)


def stream_of(pdf: bytes, content: bytes, filters: bytes) -> bytes:
    """A PDF with another content stream on its first page."""
    start = pdf.index(b"<< /Length")
    end = pdf.index(b"endstream", start) + len(b"endstream")
    head = b"<< /Filter %s /Length %d >>\nstream\n" % (filters, len(content))
    return pdf[:start] + head + content + b"\nendstream" + pdf[end:]


def swelling(make_pdf: MakePdf) -> bytes:
    return stream_of(make_pdf(["Text", "After."]), zlib.compress(b"(x) Tj " * 30_000_000, 9), b"/FlateDecode")


def swelling_twice(make_pdf: MakePdf) -> bytes:
    packed = zlib.compress(zlib.compress(b"\0" * 400_000_000, 9), 9)
    return stream_of(make_pdf(["Text", "After."]), packed, b"[/FlateDecode /FlateDecode]")


def many_operators(make_pdf: MakePdf) -> bytes:
    return stream_of(make_pdf(["Text", "After."]), zlib.compress(b"q Q " * 7_000_000, 9), b"/FlateDecode")


def nested_arrays(make_pdf: MakePdf) -> bytes:
    return stream_of(make_pdf(["Text", "After."]), zlib.compress(b"[" * 2_000_000, 9), b"/FlateDecode")


def form_in_itself(make_pdf: MakePdf) -> bytes:
    pdf = make_pdf(["Text", "After."]).replace(b"(Text) Tj T* ", b"ET /Me Do /Me Do BT ")
    form = b"9 0 obj\n<< /Subtype /Form /Resources << /XObject << /Me 9 0 R >> >> /Length 18 >>\nstream\n"
    form += b"/Me Do /Me Do /Me Do\nendstream\nendobj\n"
    pdf = pdf.replace(b"/Resources << ", b"/Resources << /XObject << /Me 9 0 R >> ")
    return pdf.replace(b"xref\n", form + b"xref\n", 1)


BOMBS = [swelling, swelling_twice, many_operators, nested_arrays, form_in_itself]


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_its_page_and_is_named(
    library: Library, tmp_path: Path, make_pdf: MakePdf, bomb: Callable[[MakePdf], bytes]
) -> None:
    file = tmp_path / "bomb.pdf"
    file.write_bytes(bomb(make_pdf))
    done = list(add(library, [file], limits=LIMITS))[-2]
    assert isinstance(done, FileDone)
    with LibraryReader(library.path) as reader:
        first, second = reader.pages("a")
        assert first.status is not PageStatus.OK
        assert first.note
        assert reader.page_text("a", 2).text == "After."
        assert second.status is PageStatus.OK


@pytest.mark.slow
def test_pages_that_are_only_claimed_are_not_waited_for(library: Library, tmp_path: Path, make_pdf: MakePdf) -> None:
    file = tmp_path / "claim.pdf"
    file.write_bytes(make_pdf(["One."]).replace(b"/Count 1 ", b"/Count 100000 "))
    outcome = list(add(library, [file], limits=LIMITS))[-2]
    assert isinstance(outcome, FileDone | FileFailed)
    with LibraryReader(library.path) as reader:
        for document in reader.documents():
            assert [page.number for page in reader.pages(document)] == list(range(1, document.pages_read + 1))


@pytest.mark.slow
def test_no_page_of_a_damaged_file_is_missing_from_the_ledger(
    library: Library, tmp_path: Path, make_pdf: MakePdf, data_dir: Path
) -> None:
    """Every file at hand, and mutations of them: read, or refused in one sentence; every page has its row."""
    chance = random.Random(5)
    files = sorted(data_dir.joinpath("pdf").glob("*.pdf"))
    originals = [file.read_bytes() for file in files if file.stat().st_size < 100_000]
    originals += [make_pdf([f"Page {i}" for i in range(5)]), make_pdf(["Sealed."], password="x")]
    for number in range(int(os.environ.get("NEMO_DOCS_MUTATIONS", "10"))):
        files.append(tmp_path / f"damaged-{number}.pdf")
        files[-1].write_bytes(damaged(chance.choice(originals), chance))
    for file in files:
        outcome = list(add(library, [file], limits=LIMITS))[-2]
        assert isinstance(outcome, FileDone | FileFailed | FileSkipped)
        if isinstance(outcome, FileFailed):
            assert isinstance(outcome.error, ReaderError)
            assert outcome.error.hint
        if isinstance(outcome, FileDone):
            with LibraryReader(library.path) as reader:
                document = reader.resolve(outcome.handle)
                assert document.status is VersionStatus.COMPLETE
                pages = reader.pages(document)
                assert [page.number for page in pages] == list(range(1, outcome.pages + 1))
                assert all(page.text_sha256 or page.flags for page in pages)
