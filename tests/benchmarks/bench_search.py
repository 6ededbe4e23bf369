"""Search by words: does it find the right passage, in how long, in how large a library.

    python -m tests.benchmarks.bench_search xquad FOLDER      (google-deepmind/xquad: xquad.en.json and others)
    python -m tests.benchmarks.bench_search ntrex FOLDER      (NTREX-128: en.txt and others, one sentence a line)
    python -m tests.benchmarks.bench_search scale XQUAD NTREX --passages 1000000 [--keep FILE]

`xquad`: each paragraph is a document of a library of its language; each question is asked of it, and the right answer
is the paragraph that it was written for. `ntrex`: the right sentence among all for a query of its rarer words. `scale`:
a library of sentences recombined at random (seeded), with the XQuAD paragraphs planted in it: what questions take in a
process of their own with the file in the page cache, what the budget loses against scoring every match, and what
opening it, indexing more and single commands take. All through the product's own library. Ends with a line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from nemo_docs.library import indexing
from nemo_docs.library.analysis import alternates, terms
from nemo_docs.library.clean import clean
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import PageStatus
from nemo_docs.library.search import candidates
from nemo_docs.library.store import Library
from nemo_docs.library.versions import NewPage
from tests.benchmarks.machine import commit, processor

BARS = {"en": 0.92, "de": 0.88, "es": 0.91, "zh": 0.92, "ar": 0.865, "hi": 0.905}
NTREX_BAR = 0.97
Questions = list[tuple[str, int]]


def xquad(folder: Path, language: str) -> tuple[list[str], Questions]:
    """Paragraphs, and questions with the number of the paragraph that each was written for."""
    data = json.loads((folder / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    paragraphs, questions = [], []
    for article in data:
        for paragraph in article["paragraphs"]:
            questions += [(asked["question"], len(paragraphs)) for asked in paragraph["qas"]]
            paragraphs.append(paragraph["context"])
    return paragraphs, questions


def make(path: Path, documents: Iterable[tuple[str, str]]) -> None:
    """A library with one document of one page for each (language, text)."""
    with Library(path) as library:
        for number, (language, text) in enumerate(documents):
            page = NewPage(1, "text", PageStatus.OK, language=language, raw=text, text=clean(text))
            sha256 = hashlib.sha256(f"{number} {text}".encode()).hexdigest()
            version = library.start_version(path=f"/{number}", title=f"{number}", sha256=sha256, pages=1)
            library.add_page(version, page)
            library.finish(version)


def recall(found: list[list[str]], wanted: list[str], at: int) -> float:
    """The share of questions whose answer is among the first `at` that were found."""
    return round(sum(each in hits[:at] for hits, each in zip(found, wanted, strict=True)) / len(wanted), 4)


def bench_xquad(folder: Path) -> dict[str, Any]:
    """Recall at 1 and 5, paragraph by its best passage and as a page."""
    result = {}
    for language, bar in BARS.items():
        paragraphs, questions = xquad(folder, language)
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "library.db"
            make(path, ((language, text) for text in paragraphs))
            with LibraryReader(path) as reader:
                found = [
                    [hit.title for hit in reader.search(question, limit=5, by="page")] for question, _ in questions
                ]
        wanted = [str(paragraph) for _, paragraph in questions]
        result[language] = {"recall_1": recall(found, wanted, 1), "recall_5": recall(found, wanted, 5), "bar": bar}
        print(language, result[language], file=sys.stderr, flush=True)
    return result


def bench_ntrex(folder: Path) -> dict[str, Any]:
    """Recall at 1 and 3 of a sentence for its rarer words: half of them, rarest first, in the order of the sentence."""
    result = {}
    for file in sorted(folder.glob("??.txt")):
        language = file.stem
        sentences = file.read_text(encoding="utf-8").splitlines()
        words = [re.findall("[\\w\u0900-\u097f]+", s) if language not in ("zh", "ja") else _pairs(s) for s in sentences]
        counts = Counter(word for sentence in words for word in set(sentence))
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "library.db"
            make(path, ((language, text) for text in sentences))
            found, wanted = [], []
            with LibraryReader(path) as reader:
                for number, sentence in enumerate(words):
                    rarest = sorted(dict.fromkeys(sentence), key=lambda word: counts[word])[
                        : max(len(sentence) // 2, 1)
                    ]
                    hits = reader.search(" ".join(word for word in sentence if word in rarest), limit=3)
                    found.append([hit.title for hit in hits])
                    wanted.append(str(number))
        same = {text: str(number) for number, text in reversed(list(enumerate(sentences)))}
        found = [[same[sentences[int(title)]] for title in titles] for titles in found]
        wanted = [same[sentence] for sentence in sentences]
        result[language] = {
            "recall_1": recall(found, wanted, 1),
            "recall_3": recall(found, wanted, 3),
            "bar": NTREX_BAR,
        }
        print(language, result[language], file=sys.stderr, flush=True)
    return result


def _pairs(sentence: str) -> list[str]:
    """Of a language without spaces: the runs between punctuation marks, cut at every fourth character."""
    return [run[at : at + 4] for run in re.findall(r"\w+", sentence) for at in range(0, len(run), 4)]


@dataclass
class _Half:
    """Half a passage of words drawn from sentences, and how the product indexes it."""

    text: str
    terms: str
    alternates: str


def halves(sources: dict[str, list[str]], each: int) -> dict[str, list[_Half]]:
    """For each language so many halves of passages: stretches of sentences, which leap from one to another."""
    draw = random.Random(7)
    found: dict[str, list[_Half]] = {}
    for language, sentences in sources.items():
        is_dense = language in ("zh", "ja")
        words = [_pairs(sentence) if is_dense else sentence.split() for sentence in sentences]
        found[language] = []
        for _ in range(each):
            half: list[str] = []
            while len(half) < (24 if is_dense else 42):
                sentence = draw.choice(words)
                at = draw.randrange(len(sentence)) if sentence else 0
                half += sentence[at : at + draw.randint(3, 12)]
            text = ("" if is_dense else " ").join(half)
            found[language].append(_Half(text, " ".join(terms(text, language)), " ".join(alternates(text, language))))
    return found


def passages_at_random(pool: dict[str, list[_Half]], count: int) -> Iterator[tuple[str, _Half]]:
    """(language, passage) of two halves, and rare words of its own: the vocabulary grows as in real text."""
    draw = random.Random(9)
    languages = [*pool] + ["en"] * 4
    for _ in range(count):
        language = draw.choice(languages)
        one, other = draw.choices(pool[language], k=2)
        rare = " ".join(_word(int(draw.paretovariate(0.5)) % 5_000_000 + 100, language) for _ in range(4))
        yield (
            language,
            _Half(
                f"{one.text} {rare} {other.text}",
                f"{one.terms} {rare} {other.terms}",
                f"{one.alternates} {other.alternates}".strip(),
            ),
        )


def _word(number: int, language: str) -> str:
    """A word that no source has; the same for the same number."""
    if language in ("zh", "ja"):
        return chr(0x4E00 + number % 5000) + chr(0x4E00 + number // 5000 % 5000)
    if language == "ko":
        return chr(0xAC00 + number % 9000) + chr(0xAC00 + number // 9000)
    vowels, consonants, word = "aeiou", "bdfgklmnprstv", ""
    while number or len(word) < 4:
        number, digit = divmod(number, 65)
        word += consonants[digit // 5] + vowels[digit % 5]
    return word


PAGES, PASSAGES = 200, 5
"""Pages of a document and passages of a page of the library at random."""


def fill(path: Path, xquad_folder: Path, ntrex_folder: Path, count: int) -> float:
    """Make the library at random, the XQuAD paragraphs planted in it; returns the seconds that it took."""
    sources = {file.stem: file.read_text(encoding="utf-8").splitlines() for file in sorted(ntrex_folder.glob("??.txt"))}
    planted = [(language, text) for language in BARS for text in xquad(xquad_folder, language)[0]]
    step = max(count // len(planted), 1)
    begun = perf_counter()
    pool = halves(sources, 5_000)
    with Library(path) as library:
        connection = library._connection
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        pages: dict[str, list[list[_Half]]] = {}
        for number, (language, passage) in enumerate(passages_at_random(pool, count)):
            if number % step == 0 and number // step < len(planted):
                name, text = planted[number // step]
                _write(library, f"xquad {number // step}", name, [(text, indexing.indexed_passages(text, name))])
            document = pages.setdefault(language, [[]])
            document[-1].append(passage)
            if len(document[-1]) == PASSAGES:
                document.append([])
            if len(document) > PAGES:
                _write(library, f"{language} {number}", language, [_page(halves) for halves in document[:-1]])
                pages[language] = [[]]
            if number % 50_000 == 49_999:
                connection.execute("COMMIT")
                connection.execute("BEGIN")
                print(f"{number + 1} passages, {perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        for language, document in pages.items():
            _write(library, f"{language} rest", language, [_page(halves) for halves in document if halves])
        indexing.count_common_terms(connection)
        connection.execute("COMMIT")
    return perf_counter() - begun


def _page(passages: list[_Half]) -> tuple[str, list[indexing.IndexedPassage]]:
    indexed, at = [], 0
    for passage in passages:
        indexed.append(indexing.IndexedPassage(at, at + len(passage.text), passage.terms, passage.alternates))
        at += len(passage.text) + 2
    return "\n\n".join(passage.text for passage in passages), indexed


def _write(library: Library, title: str, language: str, pages: list[tuple[str, list[indexing.IndexedPassage]]]) -> None:
    """A document in one go, within a transaction that is open."""
    execute = library._connection.execute
    document = library._new_document(title)
    sha256 = hashlib.sha256(title.encode()).hexdigest()
    version = execute(
        """INSERT INTO versions (document, sha256, path, added, status, pages, language)
           VALUES (?, ?, ?, '2026-01-01T00:00:00+00:00', 'complete', ?, ?)""",
        (document, sha256, f"/{title}", len(pages), language),
    ).lastrowid
    assert version is not None
    execute("UPDATE documents SET version = ? WHERE id = ?", (version, document))
    for number, (text, passages) in enumerate(pages, 1):
        page = execute(
            """INSERT INTO pages (version, number, status, characters, dropped, extractor, language, note)
               VALUES (?, ?, 'ok', ?, 0, 'text', ?, '')""",
            (version, number, len(text), language),
        ).lastrowid
        row = execute(
            "INSERT INTO texts (page, sha256, extractor, text, raw, map) VALUES (?, ?, 'text', ?, x'', x'')",
            (page, hashlib.sha256(text.encode()).hexdigest(), text),
        ).lastrowid
        assert row is not None
        execute("UPDATE pages SET text = ? WHERE id = ?", (row, page))
        indexing.insert(library._connection, version, row, language, passages)


def bench_scale(xquad_folder: Path, ntrex_folder: Path, count: int, path: Path) -> dict[str, Any]:
    """Times and what the budget loses."""
    result: dict[str, Any] = {"passages": count}
    if not path.exists():
        result["filled_s"] = round(fill(path, xquad_folder, ntrex_folder, count))
    result["megabytes"] = path.stat().st_size // 1_000_000
    draw = random.Random(3)
    asked = [(language, question, place) for language in BARS for question, place in xquad(xquad_folder, language)[1]]
    asked = draw.sample(asked, 300)
    places = {language: 120 * at for at, language in enumerate(BARS)}
    wanted = [f"xquad {places[language] + place}" for language, _, place in asked]
    result |= _asked(path, [question for _, question, _ in asked])
    result["exact_s"] = {letters: _exact(path, letters) for letters in ("zebracros", "unicatx", "قانونx", "合同")}
    result["loss"] = _loss(path, asked, wanted)
    result["indexing_500_s"] = _more(path, ntrex_folder)
    for name, command in {
        "list": ["list"],
        "search": ["search", "the government of Wales"],
        "show": ["show", "a"],
    }.items():
        result[f"{name}_s"] = _command(path, command)
    result["python_s"] = _python()
    return result


def _asked(path: Path, questions: list[str]) -> dict[str, Any]:
    """Questions in a process of its own: each once to warm the page cache, then timed."""
    program = f"""
import json, sys
from pathlib import Path
from time import perf_counter, process_time
begun = perf_counter()
from nemo_docs.library.reader import LibraryReader
reader = LibraryReader(Path({str(path)!r}))
opened = perf_counter() - begun
questions = json.load(sys.stdin)
for question in questions[:100]:
    reader.search(question, limit=10)
times = []
busy = []
for question in questions[100:]:
    begun, worked = perf_counter(), process_time()
    reader.search(question, limit=10)
    times.append(perf_counter() - begun)
    busy.append(process_time() - worked)
print(json.dumps([opened, times, sorted(busy)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(questions), capture_output=True, text=True, check=True
    )
    opened, times, busy = json.loads(done.stdout)
    times.sort()
    return {
        "opened_ms": round(1000 * opened, 1),
        "median_ms": round(1000 * median(times), 1),
        "p95_ms": round(1000 * times[int(0.95 * len(times))], 1),
        "longest_ms": round(1000 * times[-1], 1),
        "processor_median_ms": round(1000 * median(busy), 1),
        "processor_p95_ms": round(1000 * busy[int(0.95 * len(busy))], 1),
    }


def _exact(path: Path, letters: str) -> float:
    """Processor seconds of a search for letters that stand nowhere, or for two characters; the best of three."""
    times = []
    with LibraryReader(path) as reader:
        for _ in range(3):
            begun = process_time()
            reader.search(letters, exact=True)
            times.append(process_time() - begun)
    return round(min(times), 3)


def _loss(path: Path, asked: list[tuple[str, str, int]], wanted: list[str]) -> dict[str, Any]:
    """Recall at 10 within the language, of the budget and of scoring all that holds any word."""
    ways = {}
    for name, budget in {"budget": candidates.BUDGET, "everything": 1 << 40}.items():
        candidates.BUDGET, kept = budget, candidates.BUDGET
        found = []
        with LibraryReader(path) as reader:
            some = asked if name == "budget" else asked[:60]
            for language, question, _ in some:
                found.append([hit.title for hit in reader.search(question, limit=10, languages=[language], by="page")])
        candidates.BUDGET = kept
        ways[name] = [title in titles for titles, title in zip(found, wanted, strict=False)]
    return {
        "recall_10": round(sum(ways["budget"]) / len(ways["budget"]), 4),
        "recall_10_of_60": round(sum(ways["budget"][:60]) / 60, 4),
        "recall_10_of_60_exhaustive": round(sum(ways["everything"]) / 60, 4),
    }


def _more(path: Path, ntrex_folder: Path) -> float:
    """Seconds that 500 passages more take, analysed and written page by page; taken back afterwards."""
    sentences = (ntrex_folder / "en.txt").read_text(encoding="utf-8").splitlines()
    draw = random.Random(11)
    pages = ["\n\n".join(" ".join(draw.sample(sentences, 4)) for _ in range(5)) for _ in range(100)]
    with Library(path) as library:
        version = library.start_version(path="/more", title="more", sha256="more", pages=100)
        new = [
            NewPage(n, "text", PageStatus.OK, language="en", raw=page, text=clean(page))
            for n, page in enumerate(pages, 1)
        ]
        begun = perf_counter()
        for page in new:
            library.add_page(version, page)
        library.finish(version)
        taken = perf_counter() - begun
        (count,) = library._connection.execute(
            "SELECT count(*) FROM passages WHERE version = ?", (version.id,)
        ).fetchone()
        print(f"indexed {count} passages in {taken:.3f} s", file=sys.stderr)
        with library._transaction() as execute:
            execute("DELETE FROM passages WHERE version = ?", (version.id,))
            execute("UPDATE pages SET text = NULL WHERE version = ?", (version.id,))
            execute("DELETE FROM texts WHERE page IN (SELECT id FROM pages WHERE version = ?)", (version.id,))
            execute("DELETE FROM pages WHERE version = ?", (version.id,))
            execute("PRAGMA defer_foreign_keys = ON")
            execute("UPDATE documents SET version = NULL WHERE version = ?", (version.id,))
            execute("DELETE FROM versions WHERE id = ?", (version.id,))
            execute("DELETE FROM documents WHERE handle = ?", (version.handle,))
    return round(taken * 500 / count, 3)


def _command(path: Path, command: list[str]) -> float:
    """Seconds of a command of its own, the best of five."""
    home = path.parent
    environment = {**os.environ, "NEMO_DOCS_HOME": str(home)}
    return _best([sys.executable, "-m", "nemo_docs", *command], environment)


def _python() -> float:
    return _best([sys.executable, "-c", "pass"], dict(os.environ))


def _best(command: list[str], environment: dict[str, str]) -> float:
    times = []
    for _ in range(5):
        begun = perf_counter()
        subprocess.run(command, env=environment, capture_output=True, check=True)
        times.append(perf_counter() - begun)
    return round(min(times), 3)


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["xquad", "ntrex", "scale"])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--keep", type=Path, help="the library at random is kept in this file, and used if it is there")
    options = parser.parse_args()
    if options.what == "xquad":
        result = bench_xquad(*options.folders)
    elif options.what == "ntrex":
        result = bench_ntrex(*options.folders)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            path = options.keep or Path(temporary) / "library.db"
            result = bench_scale(*options.folders, options.passages, path)
    print(
        json.dumps(
            {
                "bench": options.what,
                **result,
                "sqlite": sqlite3.sqlite_version,
                "commit": commit(),
                "processor": processor(),
            }
        )
    )


if __name__ == "__main__":
    main()
