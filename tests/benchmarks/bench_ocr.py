"""OCR against true text: news lines in eleven languages, set by typst, read as pictures through Tesseract.

Recall counts words of the true text that the reading has, too (each as often as it stands there); in Chinese and
Japanese, which have no spaces, pairs of letters and digits. Languages are found by the product, as at ingest, so each
figure is of the product and not of Tesseract told the language. The scans of the sample PDFs are read as well, to be
looked at.

    python -m tests.benchmarks.bench_ocr [--lines 60] [--fonts FOLDER] [--languages en,de]

Needs the program `tesseract` with the languages, the package typst (extra `bench`), and fonts for the scripts. Ends
with one line of JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pypdf
import typst

from nemo_docs.library.clean import clean
from nemo_docs.library.readers.ocr import OcrPages
from nemo_docs.library.readers.tesseract import how_to_install, installed
from nemo_docs.settings import LANGUAGES
from tests.benchmarks import machine

DATA = Path(os.environ.get("NEMO_DOCS_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
_PUNCTUATION = ".,;:!?()[]\"'“”„‘’«»،؛؟।-–—…"
FONTS = ("Noto Serif", "Noto Serif CJK SC", "Noto Naskh Arabic", "Noto Serif Devanagari", "Noto Sans Devanagari")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--fonts", type=Path, help="a folder of fonts beside those of the system")
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    options = parser.parse_args(arguments)
    found = installed()
    if found is None:
        raise SystemExit(how_to_install(*LANGUAGES))
    results = {}
    for language in options.languages.split(","):
        lines = (DATA / "ntrex" / f"{language}.txt").read_text(encoding="utf-8").splitlines()[: options.lines]
        results[language] = measure(language, lines, options.fonts)
        print(f"{language}  {results[language]}", flush=True)
    for path in sorted((DATA / "pdf").glob("*.pdf")):
        scans(path)
    facts = {"tesseract": found.version, "lines": options.lines, "recall": results}
    print(json.dumps({"bench": "ocr", **facts, "commit": machine.commit(), "machine": machine.processor()}))


def measure(language: str, lines: Sequence[str], fonts: Path | None) -> dict[str, float | int | list[str]]:
    """Set lines, read them, count."""
    data = typeset(language, lines, fonts)
    pages = OcrPages(data, password=None)
    start = time.perf_counter()
    read = [pages.page(number + 1) for number in range(len(pypdf.PdfReader(io.BytesIO(data)).pages))]
    seconds = time.perf_counter() - start
    said = Counter(units(clean("\n".join(page.text for page in read)).text, language))
    true = Counter(units("\n".join(lines), language))
    return {
        "recall": round((true & said).total() / true.total(), 4),
        "precision": round((true & said).total() / max(said.total(), 1), 4),
        "pages": len(read),
        "seconds_a_page": round(seconds / len(read), 2),
        "extractors": sorted({page.extractor for page in read}),
    }


def typeset(language: str, lines: Sequence[str], fonts: Path | None) -> bytes:
    """A PDF of lines as paragraphs, 11 points."""
    families = ", ".join(f'"{name}"' for name in FONTS)
    body = "\n".join(f"#par({json.dumps(line, ensure_ascii=False)})" for line in lines)
    source = f'#set page("a4", margin: 2cm)\n#set text(11pt, lang: "{language}", font: ({families}))\n{body}'
    return typst.compile(source.encode(), font_paths=[str(fonts)] if fonts else [])


def units(text: str, language: str) -> list[str]:
    """What is counted: words, or pairs of characters."""
    if language in ("zh", "ja"):
        dense = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text)))
        return [dense[at : at + 2] for at in range(len(dense) - 1)]
    return [word for word in (each.strip(_PUNCTUATION) for each in text.split()) if word]


def scans(path: Path) -> None:
    """Read the pages of a sample that have no text layer."""
    try:
        pages = OcrPages(path.read_bytes(), password=None)
        blank = [at + 1 for at, page in enumerate(pypdf.PdfReader(path).pages) if not page.extract_text().strip()]
    except Exception:  # samples that no reader opens say nothing about OCR
        return
    for number in blank:
        print(f"{path.name} page {number}: {' '.join(pages.page(number).text.split())[:300]!r}", flush=True)


if __name__ == "__main__":
    main()
