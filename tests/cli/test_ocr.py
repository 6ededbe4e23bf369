"""Scans and pictures of text, with the real Tesseract where it is installed, and without it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pypdf
import pytest
from PIL import Image, ImageDraw, ImageFont

from nemo_docs.errors import ExitCode
from nemo_docs.library.readers import READERS
from nemo_docs.library.readers.tesseract import find, installed
from tests.cli.conftest import NemoDocs
from tests.unit.library.conftest import pdf_bytes

needs_tesseract = pytest.mark.skipif(
    installed() is None or "eng" not in installed().languages,  # type: ignore[union-attr]
    reason="the program tesseract is not installed with English",
)
TEXT = "The rent is due on the first day\nof each month. The notice period\nis three months."


def picture(text: str = TEXT, *, size: int = 48) -> Image.Image:
    """Dark text on white paper, as a scanner sees it."""
    font = ImageFont.load_default(size)
    image = Image.new("L", (1240, 1754), 255)
    ImageDraw.Draw(image).multiline_text((120, 160), text, fill=20, font=font, spacing=size // 2)
    return image


def packed(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@pytest.fixture
def without_tesseract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setattr("nemo_docs.library.readers.tesseract._PLACES", {})


@needs_tesseract
def test_a_scan_whose_text_layer_is_noise_is_read_by_ocr(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    file = tmp_path / "noise.pdf"
    pdf = packed(picture(), "PDF", resolution=150)
    writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(pdf)))
    noise = pypdf.PdfReader(io.BytesIO(pdf_bytes(["~ . |"]))).pages[0]
    writer.pages[0].merge_page(noise)
    writer.write(file)
    assert nemo_docs("add", file).code == 0
    (page,) = nemo_docs("pages", "a", "--json").events
    assert page["flags"] == ["scan"]
    assert page["extractor"].startswith("tesseract")
    assert nemo_docs("search", "notice").out


@needs_tesseract
@pytest.mark.parametrize("kind", ["JPEG2000", "TIFF"], ids=["jpx", "ccitt"])
def test_scans_in_rarer_codecs_are_seen(nemo_docs: NemoDocs, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "scan.pdf"
    if kind == "TIFF":
        file.write_bytes(packed(picture().convert("1"), "PDF", resolution=150))  # Pillow packs one bit as CCITT
        assert b"CCITTFaxDecode" in file.read_bytes()
    else:
        pdf = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(packed(picture(), "PDF", resolution=150))))
        image = pdf.pages[0]["/Resources"]["/XObject"]["/image"]  # type: ignore[index]
        stream = image.get_object()
        stream._data = packed(picture(), kind)
        stream[pypdf.generic.NameObject("/Filter")] = pypdf.generic.NameObject("/JPXDecode")
        pdf.write(file)
    assert nemo_docs("add", file).code == 0
    assert "notice period is three months" in " ".join(nemo_docs("show", "a:1").out.split())


@needs_tesseract
def test_a_scan_is_read_and_the_ledger_says_by_what(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    scan, blank = picture(), Image.new("L", (1240, 1754), 255)
    file = tmp_path / "scan.pdf"
    file.write_bytes(packed(scan, "PDF", save_all=True, append_images=[blank], resolution=150))
    done = nemo_docs("add", file)
    assert (done.code, done.out) == (0, "a   scan.pdf: 2 pages, 1 without text, en\n")
    assert "1 page has no text" in done.err
    first, second = nemo_docs("pages", "a", "--json").events
    assert first["extractor"] == f"tesseract {installed().version} (eng)"  # type: ignore[union-attr]
    assert (first["flags"], second["status"]) == (["scan"], "empty")
    assert "notice period is three months" in " ".join(nemo_docs("show", "a:1").out.split())
    assert nemo_docs("search", "notice").out


@needs_tesseract
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_pictures_are_documents(nemo_docs: NemoDocs, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    file = folder / f"photo.{kind.lower()}"
    file.write_bytes(packed(picture(), kind))
    assert nemo_docs("add", folder).out.startswith(f"a   {file.name}: 1 page, en")
    assert "notice period is three months" in " ".join(nemo_docs("show", "a:1").out.split())


@needs_tesseract
def test_each_sheet_of_a_tiff_is_a_page(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    sheets = [picture(f"This is sheet number {word} of them.") for word in ("one", "two", "three")]
    file = tmp_path / "fax.tif"
    file.write_bytes(packed(sheets[0], "TIFF", save_all=True, append_images=sheets[1:]))
    nemo_docs("add", file)
    assert [nemo_docs("show", f"a:{page}").out.split()[4] for page in (1, 2, 3)] == ["one", "two", "three"]


@needs_tesseract
def test_ocr_can_be_switched_off_and_told_its_languages(
    nemo_docs: NemoDocs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "scan.pdf"
    file.write_bytes(packed(picture(), "PDF", resolution=150))
    monkeypatch.setenv("NEMO_DOCS_OCR", "off")
    assert "nemo-docs config ocr" in nemo_docs("add", file).err
    (tmp_path / "photo.png").write_bytes(packed(picture(), "PNG"))
    assert "OCR is off" in nemo_docs("add", tmp_path / "photo.png").err
    monkeypatch.setenv("NEMO_DOCS_OCR", "auto")
    monkeypatch.setenv("NEMO_DOCS_OCR_LANGUAGES", "xyz")
    assert "cannot read xyz" in nemo_docs("add", tmp_path / "photo.png").err
    monkeypatch.setenv("NEMO_DOCS_OCR_LANGUAGES", "../etc")
    assert nemo_docs("add", tmp_path / "photo.png").code == ExitCode.USAGE


@needs_tesseract
def test_the_program_goes_with_the_reader_that_started_it(tmp_path: Path) -> None:
    file = tmp_path / "long.pdf"
    file.write_bytes(packed(picture("\n".join(["many words in small letters on a page"] * 60), size=14), "PDF"))
    request = {"path": str(file).encode().hex(), "reader": READERS[".pdf"], "password": None}
    request |= {"extractor": "", "prepares": False}
    limits = {"file_bytes": 1 << 24, "memory_bytes": 4 << 30, "cpu_s": 60}
    limits |= {"prepares": False, "extractor": "", "language": "und", "numbers": []}
    reader = subprocess.Popen(
        [sys.executable, "-m", "nemo_docs.library.extract"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert reader.stdin is not None
    reader.stdin.write(json.dumps({"open": request | limits}).encode() + b"\n" + b'{"page": 1}\n')
    reader.stdin.flush()
    started: list[psutil.Process] = []
    until = time.monotonic() + 60
    while not started and time.monotonic() < until and reader.poll() is None:
        with suppress(psutil.NoSuchProcess):
            started = [each for each in psutil.Process(reader.pid).children() if "tesseract" in each.name()]
    assert started
    reader.stdin.close()
    _, left = psutil.wait_procs(started, timeout=60)
    assert not left
    reader.wait(60)


@pytest.mark.usefixtures("without_tesseract")
def test_without_the_program_it_is_said_what_to_install(nemo_docs: NemoDocs, tmp_path: Path) -> None:
    assert find() == ""
    folder = tmp_path / "scans"
    folder.mkdir()
    photo, scan, text = folder / "photo.png", folder / "scan.pdf", folder / "note.txt"
    photo.write_bytes(packed(picture(), "PNG"))
    scan.write_bytes(packed(picture(), "PDF"))
    text.write_text("Some words.")
    done = nemo_docs("add", photo)
    assert done.code == ExitCode.FAILED
    assert done.err.startswith(
        "Error: photo.png cannot be read: it is a picture, and Tesseract is not installed.\nhint: "
    )
    assert "no text layer" in (said := nemo_docs("add", scan).err)
    assert "For OCR install" in said
    done = nemo_docs("add", folder)
    assert "note.txt" in done.out
    assert "photo" not in done.err
    assert "Left alone in folders: 1 of no readable kind." in done.err
    (row,) = [event for event in nemo_docs("doctor", "--json").events if event["name"] == "ocr"]
    assert row["status"] == "ok"
    assert "For OCR install" in row["hint"]


@needs_tesseract
def test_doctor_says_which_languages_can_be_read(nemo_docs: NemoDocs) -> None:
    (row,) = [event for event in nemo_docs("doctor", "--json").events if event["name"] == "ocr"]
    assert row["detail"].startswith("tesseract ")
    assert "en" in row["detail"]
    assert "eng" in row["facts"]["languages"]


@pytest.mark.parametrize(
    "data",
    [b"\x89PNG\r\n\x1a\n" + b"\0" * 60, b"\xff\xd8\xff" + b"\1" * 60, b"II*\0" + b"\7" * 60],
    ids=["png", "jpeg", "tiff"],
)
def test_a_damaged_picture_is_one_sentence(nemo_docs: NemoDocs, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "photo.dat"
    file.write_bytes(data)
    done = nemo_docs("add", file)
    assert (done.code, done.err.splitlines()[0]) == (
        ExitCode.FAILED, "Error: photo.dat cannot be read: it is not a sound picture."
    )  # fmt: skip
