"""Extraction against true text: real manuals, a book of formulas, and Arabic and Hindi from three producers.

    python -m tests.benchmarks.bench_extraction GUIDE FONTS [--data FOLDER] [--languages en ko ...]

GUIDE is the folder into which Debian's package installation-guide-amd64 was unpacked (`apt-get download`, `dpkg -x`);
FONTS one with fonts-hosny-amiri, fonts-lohit-deva and fonts-wqy-microhei. Word recall: the share of the true text's
words, cut at white space and stripped of punctuation (in Chinese and Japanese: of its bigrams), that the page text has.
Book: similarity of characters (indel) after the same repair of ligatures and hyphens on both sides. Producers: words of
the true text in the right order, or every page flagged. Pages a second of this reader against bare pypdf, in one
process and the same run. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import unicodedata
from collections import Counter
from pathlib import Path
from time import process_time
from typing import Any

import pypdf
from rapidfuzz.distance import Indel, LCSseq

from nemo_docs.library.clean import clean
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.pdf import PdfReader
from nemo_docs.library.records import PageFlag
from tests.benchmarks.machine import commit, processor
from tests.benchmarks.pdf_producers import PRODUCERS

_ROOT = Path(__file__).resolve().parents[2]
GUIDES = ("en", "de", "es", "fr", "it", "pt", "ja", "ko", "zh_CN")
BOOK = "009-GeoTopo-komprimiert"
PARAGRAPHS = 60
Row = dict[str, Any]


def read(data: bytes) -> tuple[list[RawText], float]:
    """All pages, and the seconds of processor time that they took."""
    began = process_time()
    reader = PdfReader(data, password=None)
    pages = [reader.page(number) for number in range(1, reader.pages + 1)]
    return pages, process_time() - began


def bare(data: bytes) -> float:
    """Seconds that pypdf takes for the same pages, by itself."""
    began = process_time()
    for page in pypdf.PdfReader(io.BytesIO(data)).pages:
        page.extract_text()
    return process_time() - began


def page_text(pages: list[RawText]) -> str:
    """The page texts, one after the other."""
    return "\n".join(clean(page.text, page.hidden, page.order).text for page in pages)


def words(text: str) -> list[str]:
    """What stands between white space, without punctuation at its ends; a true text writes its apostrophes plainly."""
    found = []
    for word in unicodedata.normalize("NFKC", text).replace("\u2019", "'").split():
        inner = [n for n, c in enumerate(word) if c.isalnum() or unicodedata.category(c)[0] == "M"]
        found += [word[inner[0] : inner[-1] + 1]] if inner else []
    return found


def letters(text: str) -> str:
    """Letters and digits alone."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())


def bigrams(text: str) -> list[str]:
    """Two letters that stand together, wherever a line ends: what search takes for words of Chinese and Japanese."""
    row = letters(text)
    return [row[n : n + 2] for n in range(len(row) - 1)]


def unpacked(path: Path) -> bytes:
    """A file, or the same packed by gzip."""
    return path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())


def of_guide(folder: Path, language: str) -> Row:
    """Word recall of one manual."""
    where = next(folder.rglob(f"install.{language}.pdf*")).parent
    truth = clean(unpacked(where / f"install.{language}.txt").decode()).text
    data = unpacked(where / f"install.{language}.pdf")
    pages, seconds = read(data)
    text = page_text(pages)
    cut = bigrams if language in ("ja", "zh_CN") else words
    wanted, have = Counter(cut(truth)), set(cut(text))
    row = {
        "pages": len(pages),
        "word_recall": round(sum(n for word, n in wanted.items() if word in have) / sum(wanted.values()), 4),
        "pages_a_second": round(len(pages) / seconds, 1),
        "bare_pypdf": round(len(pages) / bare(data), 1),
        "flags": dict(Counter(flag for page in pages for flag in page.flags)),
    }
    if language == "ko":
        true = letters(truth)
        row["letters_in_order"] = round(LCSseq.similarity(true, letters(text)) / len(true), 4)
    return row


def of_book(data: Path) -> Row:
    """Similarity to the true text of the book."""
    truth = clean((data / "pdf" / f"{BOOK}.truth.txt").read_text(encoding="utf-8").replace("\f", "\n")).text
    file = (data / "pdf" / f"{BOOK}.pdf").read_bytes()
    pages, seconds = read(file)
    plain = "\n".join(clean(page.extract_text()).text for page in pypdf.PdfReader(io.BytesIO(file)).pages)
    return {
        "ratio": round(Indel.normalized_similarity(truth, page_text(pages)), 4),
        "bare_pypdf_ratio": round(Indel.normalized_similarity(truth, plain), 4),
        "pages_a_second": round(len(pages) / seconds, 1),
        "bare_pypdf": round(len(pages) / bare(file), 1),
    }


def of_producer(producer: str, language: str, data: Path, fonts: Path) -> Row:
    """Words in the right order."""
    lines = (data / "ntrex" / f"{language}.txt").read_text(encoding="utf-8").splitlines()[:PARAGRAPHS]
    pages, _ = read(PRODUCERS[producer](lines, language, fonts))
    truth, text = words("\n".join(lines)), words(page_text(pages))
    return {
        "in_order": round(LCSseq.similarity(truth, text) / len(truth), 4),
        "pages": len(pages),
        "garbled": sum(PageFlag.GARBLED in page.flags for page in pages),
        "extractors": sorted({page.extractor.split()[0] for page in pages}),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guide", type=Path)
    parser.add_argument("fonts", type=Path)
    shared = os.environ.get("NEMO_DOCS_TEST_DATA", _ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(shared))
    parser.add_argument("--languages", nargs="*", choices=GUIDES, default=GUIDES)
    given = parser.parse_args()
    report: Row = {"benchmark": "extraction", "producers": {}, "guide": {}}
    for language in ("ar", "hi"):
        for producer in PRODUCERS:
            row = of_producer(producer, language, given.data, given.fonts)
            report["producers"][f"{producer} {language}"] = row
            print(f"{producer} {language}: {row}", flush=True)
    report["book"] = of_book(given.data)
    print(f"book: {report['book']}", flush=True)
    for language in given.languages:
        report["guide"][language] = of_guide(given.guide, language)
        print(f"guide {language}: {report['guide'][language]}", flush=True)
    print(json.dumps(report | {"machine": processor(), "commit": commit()}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
