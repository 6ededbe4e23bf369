"""All formats together: found by what they hold, read within limits, never worse than refused when damaged."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from nemo_docs.errors import ReaderError
from nemo_docs.library.events import FileDone, FileFailed, FileSkipped
from nemo_docs.library.extraction import Limits
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.readers import READERS, reader_name
from nemo_docs.library.store import Library
from tests.unit.library.documents import book, odf, paragraph, run, slides, table, word, workbook, zipped

FOOTNOTE = f'<w:footnote w:id="2">{paragraph("Die Anlage.")}</w:footnote>'
WORD_FILE = word(
    paragraph("Vertrag", properties='<w:outlineLvl w:val="0"/>')
    + paragraph(run("Die Miete"), '<w:r><w:footnoteReference w:id="2"/></w:r>', run(" ist fällig."))
    + table(("Strom", "40"), ("Wasser", "20"))
    + paragraph("<w:r><w:lastRenderedPageBreak/></w:r>", run("Zweite Seite.")),
    footnotes=FOOTNOTE,
)
HTML_FILE = (
    "<!DOCTYPE html><meta charset=utf-8><h1>Titel</h1><p>Ein Absatz.<ul><li>Punkt</ul>"
    "<table><tr><td>a<td>b</table><p hidden>Geheim</p><ruby>漢<rt>かん</ruby>" * 5
).encode()
RTF_FILE = rb"{\rtf1{\fonttbl{\f0\fcharset204 A;}}\pard\f0 \'cf{\footnote N}\par\trowd a\cell b\cell\row\page \u8364?}"
SLIDES_FILE = slides("<p:sp><p:txBody><a:p><a:r><a:t>Folie</a:t></a:r></a:p></p:txBody></p:sp>" * 3)
TEXT_FILE = odf(
    "text", "<text:h>Kopf</text:h><text:list><text:list-item><text:p>eins</text:p></text:list-item></text:list>"
)
WORKBOOK = workbook({"A": [["a", 1], ["b", 2]]})
BOOK_FILE = book({"a.xhtml": "<html><body><h1>Eins</h1><p>Satz.</p></body></html>"}, contents={"a.xhtml": "Eins"})


@pytest.mark.parametrize(
    ("name", "head", "suffix"),
    [
        ("a.pdf", WORD_FILE, ".docx"),
        ("a.docx", BOOK_FILE, ".epub"),
        ("a.txt", HTML_FILE, ".html"),
        ("a.docx", b"  <HTML><p>x", ".html"),
        ("a", b"\xef\xbb\xbf<!doctype html>", ".html"),
        ("a.txt", b"{\\rtf1 x}", ".rtf"),
        ("a.pdf", b"Kein PDF, nur Text.", ".txt"),
        ("a.docx", b"A letter.", ".txt"),
        ("a.pdf", b"\0\1\2 damaged", ".pdf"),
        ("a.md", b"<html>a page about pages", ".md"),
        ("a.html", b"<p>what %PDF-1.7 means", ".html"),
        ("a.docx", b"%PDF-1.7", ".pdf"),
        ("a.epub", b"PK\3\4" + b"\0" * 40, ".epub"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".docx"),
        ("a.txt", b"\x89PNG\r\n\x1a\n", ".png"),
        ("a", b"RIFF\0\0\0\0WEBP", ".webp"),
        ("a.xyz", b"PK\3\4" + b"\0" * 40, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_what_it_holds_whatever_its_name(name: str, head: bytes, suffix: str | None) -> None:
    assert reader_name(name, head[:1024]) == (READERS[suffix] if suffix else None)


def test_all_formats_come_through_the_library(library: Library, library_path: Path, tmp_path: Path) -> None:
    files = {"a.docx": WORD_FILE, "b.epub": BOOK_FILE, "c.html": HTML_FILE, "d.md": b"# Kopf\n\nText *so*.\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = [event for event in add(library, [tmp_path / name for name in files]) if isinstance(event, FileDone)]
    assert {event.handle: event.pages for event in done} == {"a": 2, "b": 1, "c": 1, "d": 1}
    with LibraryReader(library_path) as reader:
        assert reader.page_texts("a")[0].text.endswith("Strom | 40\nWasser | 20\n\n[1] Die Anlage.")
        assert [page.label for page in reader.pages("a")] == ["Vertrag", "Vertrag"]
        assert [page.label for page in reader.pages("d")] == ["Kopf"]
        assert reader.page_texts("d")[0].text == "# Kopf\n\nText *so*."
        assert "hidden text left out" in reader.pages("c")[0].note


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (word(" " * (40 << 20)), "unpacks from"),
        (zipped({"[Content_Types].xml": "", "xl/workbook.xml": "<x/>"}), "it is not a sound workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "it is a damaged file of Office's older format"),
    ],
    ids=["bomb", "workbook", "old"],
)
def test_what_cannot_be_read_is_one_sentence_with_what_to_do(
    library: Library, tmp_path: Path, data: bytes, said: str
) -> None:
    file = tmp_path / "offer.docx"
    file.write_bytes(data)
    (failed,) = [event for event in add(library, [file]) if isinstance(event, FileFailed)]
    assert failed.error.message.startswith("offer.docx cannot be read: ")
    assert said in failed.error.message
    assert failed.error.hint


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One of: cut short; a stretch lost, doubled, or overwritten; bits flipped."""
    place, size = chance.randrange(len(data)), chance.randrange(1, 60)
    match chance.randrange(5):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + data[place + size :]
        case 2:
            return data[: place + size] + data[place:]
        case 3:
            return data[:place] + chance.randbytes(size) + data[place + size :]
        case _:
            flipped = bytearray(data)
            for _ in range(size):
                flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            return bytes(flipped)


def test_damaged_members_are_read_or_refused_never_worse() -> None:
    """Within the archive, where the checksums of a damaged file do not end it early; here in one process, for speed."""
    import io
    import zipfile

    from nemo_docs.library.readers import load_reader

    chance = random.Random(6)
    files = {".docx": WORD_FILE, ".epub": BOOK_FILE, ".html": HTML_FILE, ".rtf": RTF_FILE}
    files |= {".pptx": SLIDES_FILE, ".odt": TEXT_FILE, ".xlsx": WORKBOOK}
    for suffix, data in files.items():
        reader = load_reader(READERS[suffix])
        outcomes = set()
        for _ in range(40):
            if suffix in (".html", ".rtf"):
                broken = damaged(data, chance)
            else:
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    members = {name: archive.read(name) for name in archive.namelist()}
                name = chance.choice([name for name in members if name.endswith((".xml", ".rels", ".opf", ".xhtml"))])
                broken = zipped(members | {name: damaged(members[name], chance)})
            try:
                opened = reader(broken, password=None)
                for number in range(1, opened.pages + 1):
                    opened.page(number)
                outcomes.add("read")
            except ReaderError:
                outcomes.add("refused")
        assert "read" in outcomes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "original"),
    [
        (".docx", WORD_FILE),
        (".epub", BOOK_FILE),
        (".html", HTML_FILE),
        (".rtf", RTF_FILE),
        (".pptx", SLIDES_FILE),
        (".odt", TEXT_FILE),
        (".xlsx", WORKBOOK),
    ],
    ids=["docx", "epub", "html", "rtf", "pptx", "odt", "xlsx"],
)
def test_damaged_files_end_in_one_outcome(library: Library, tmp_path: Path, suffix: str, original: bytes) -> None:
    chance = random.Random(5)
    for number in range(int(os.environ.get("NEMO_DOCS_MUTATIONS", "10"))):
        file = tmp_path / f"damaged-{number}{suffix}"
        file.write_bytes(damaged(original, chance))
        outcome = list(add(library, [file], limits=Limits(open_s=20, page_s=10, file_s=60)))[-2]
        assert isinstance(outcome, FileDone | FileFailed | FileSkipped)
        if isinstance(outcome, FileFailed):
            assert isinstance(outcome.error, ReaderError)
            assert outcome.error.hint
