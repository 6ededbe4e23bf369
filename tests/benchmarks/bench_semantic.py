"""Search by meaning: does it find the right passage, in the question's language and in others, and in how long.

    python -m tests.benchmarks.bench_semantic quality XQUAD --keep FOLDER     (google-deepmind/xquad: xquad.en.json ...)
    python -m tests.benchmarks.bench_semantic speed XQUAD NTREX --passages 100000

`quality`: each paragraph is a document of a library of its language; each question is asked of the library of its
language, of those of the others, and of one that holds all six languages at once. Through the product: its ingest, its
indexing by meaning, its search, with words alone, meaning alone, and both. What is computed once is kept in --keep.
`speed`: a library of sentences recombined at random, each with a vector of its own language's mean and noise; how long
a search takes in a process of its own with the question's vector at hand, and how long a command takes. The vectors are
not the sentences' own: reading and comparing takes as long. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, quantiles
from time import perf_counter
from typing import Any

import numpy as np

from nemo_docs.answering.ranking import WINDOWS
from nemo_docs.library.connection import connect_to_write, transaction
from nemo_docs.library.meaning import model, storing
from nemo_docs.library.meaning.embedder import Embedder
from nemo_docs.library.meaning.indexing import MeaningDone, index
from nemo_docs.library.meaning.storing import Pending
from nemo_docs.library.meaning.vectors import language_means, quantised
from nemo_docs.library.reader import LibraryReader
from nemo_docs.settings import LANGUAGES
from tests.benchmarks import bench_search
from tests.benchmarks.bench_search import make, recall, xquad
from tests.benchmarks.machine import commit, processor

SPOKEN = ("en", "de", "es", "zh", "ar", "hi")
BARS = {"en": 0.96, "de": 0.935, "es": 0.945, "zh": 0.945, "ar": 0.91, "hi": 0.925}
BARS_BETWEEN = {"en>zh": 0.70, "en>ar": 0.73, "en>hi": 0.84, "ar>en": 0.63}
ALL = "all"


def libraries(folder: Path, data: Path) -> dict[str, float]:
    """Make the libraries that are not there yet; passages a second of each that was indexed now."""
    speed = {}
    texts = {language: xquad(data, language)[0] for language in SPOKEN}
    for name in (*SPOKEN, ALL):
        path = folder / f"{name}.db"
        if not path.exists():
            chosen = SPOKEN if name == ALL else (name,)
            make(path, [(language, text) for language in chosen for text in texts[language]])
        for event in index(path, state=folder):
            if isinstance(event, MeaningDone) and event.passages:
                speed[name] = round(event.passages / event.seconds, 1)
        print(name, "is indexed", file=sys.stderr, flush=True)
    return speed


def questions(folder: Path, data: Path) -> dict[str, list[tuple[str, int, bytes]]]:
    """By language: each question, the number of its paragraph, its vector."""
    kept = folder / "questions.npy"
    asked = {language: xquad(data, language)[1] for language in SPOKEN}
    if not kept.exists():
        with Embedder() as embedder:
            found = [embedder.query(text) for language in SPOKEN for text, _ in asked[language]]
        np.save(kept, np.frombuffer(b"".join(found), "<f4").reshape(-1, model.WIDTH))
    vectors = iter(np.load(kept))
    return {
        language: [(text, number, next(vectors).tobytes()) for text, number in asked[language]] for language in SPOKEN
    }


def searched(
    path: Path, asked: list[tuple[str, int, bytes]], way: str, limit: int = 5
) -> tuple[list[list[str]], float]:
    """Titles of the paragraphs found for each question, and seconds a question."""
    began = perf_counter()
    with LibraryReader(path) as reader:
        found = [
            [
                hit.title
                for hit in reader.search(
                    text, limit=limit, by="page", question=None if way == "words" else vector, words=way != "meaning"
                )
            ]
            for text, _, vector in asked
        ]
    return found, (perf_counter() - began) / len(asked)


def bench_quality(data: Path, folder: Path, every: int) -> dict[str, Any]:
    """Recall within each language, between languages, and in a library of all."""
    folder.mkdir(exist_ok=True)
    speed = libraries(folder, data)
    asked = {language: some[::every] for language, some in questions(folder, data).items()}
    wanted = {language: [str(number) for _, number, _ in some] for language, some in asked.items()}
    within: dict[str, Any] = {}
    for language in SPOKEN:
        within[language] = {"bar": BARS[language]}
        for way in ("words", "meaning", "auto"):
            found, _ = searched(folder / f"{language}.db", asked[language], way)
            within[language][way] = [recall(found, wanted[language], at) for at in (1, 5)]
        print(language, within[language], file=sys.stderr, flush=True)
    between: dict[str, Any] = {}
    for pair in [f"{a}>{b}" for a in SPOKEN for b in SPOKEN if a != b and (a == "en" or b == "en" or "hi" in (a, b))]:
        a, b = pair.split(">")
        found, _ = searched(folder / f"{b}.db", asked[a], "auto")
        between[pair] = {"auto": [recall(found, wanted[a], at) for at in (1, 5)]}
        if pair in BARS_BETWEEN:
            found, _ = searched(folder / f"{b}.db", asked[a], "meaning")
            between[pair] |= {
                "bar": BARS_BETWEEN[pair],
                "meaning": [recall(found, wanted[a], at) for at in (1, 5)],
                "words": recall(searched(folder / f"{b}.db", asked[a], "words")[0], wanted[a], 1),
            }
            between[pair]["windows"] = windows(folder / f"{b}.db", asked[a])
        print(pair, between[pair], file=sys.stderr, flush=True)
    return {
        "within": within,
        "between": between,
        "mixed": mixed(folder / f"{ALL}.db", asked),
        "passages_per_s": speed,
    }


def windows(path: Path, asked: list[tuple[str, int, bytes]], every: int = 6) -> dict[str, list[float]]:
    """Where the reading plan finds the right of 120 documents, by its best passage: first, and among 24 windows."""
    result = {}
    for way in ("words", "auto"):
        found = []
        with LibraryReader(path) as reader:
            documents = reader.documents()
            titles = {document.handle: document.title for document in documents}
            for text, _, vector in asked[::every]:
                scores = reader.passage_scores(text, documents, question=vector if way == "auto" else None)
                best = {handle: max(each.score for each in some) for handle, some in scores.items() if some}
                found.append([titles[handle] for handle in sorted(best, key=lambda handle: -best[handle])])
        wanted = [str(number) for _, number, _ in asked[::every]]
        result[way] = [recall(found, wanted, at) for at in (1, WINDOWS)]
    return result


def mixed(path: Path, asked: dict[str, list[tuple[str, int, bytes]]]) -> dict[str, Any]:
    """In one library of all languages: the right paragraph, in whichever language, and in the question's own.

    `others_10` is how many of the five other languages have the right paragraph among the first ten, on average.
    """
    paragraphs = 120
    result: dict[str, Any] = {}
    for at, language in enumerate(SPOKEN):
        found, _ = searched(path, asked[language], "auto", limit=10)
        places = [[divmod(int(title), paragraphs) for title in titles] for titles in found]
        right = [
            [(spoken == at, number == wanted) for spoken, number in hits]
            for hits, (_, wanted, _) in zip(places, asked[language], strict=True)
        ]
        result[language] = {
            "any_1": round(mean(any(number for _, number in hits[:1]) for hits in right), 4),
            "own_1": round(mean((True, True) in hits[:1] for hits in right), 4),
            "own_5": round(mean((True, True) in hits[:5] for hits in right), 4),
            "others_10": round(mean(sum(hit == (False, True) for hit in hits) for hits in right), 2),
        }
        print(ALL, language, result[language], file=sys.stderr, flush=True)
    return result


def bench_speed(data: Path, news: Path, passages: int) -> dict[str, Any]:
    """A search with the question's vector at hand, and the whole command."""
    asked = [text for text, _ in xquad(data, "en")[1][::8]]
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "library.db"
        bench_search.fill(path, data, news, passages)
        stored = fill(path)
        with Embedder() as embedder:
            vectors = [embedder.query(text) for text in asked]
        took: dict[str, list[float]] = {"words": [], "auto": []}
        with LibraryReader(path) as reader:
            for way, times in took.items():
                for text, vector in zip(asked, vectors, strict=True):
                    began = perf_counter()
                    reader.search(text, limit=10, question=None if way == "words" else vector)
                    times.append(1000 * (perf_counter() - began))
            kept = reader._rows("SELECT sum(length(vectors) + length(passages)) AS bytes FROM passage_vectors")
        command = [sys.executable, "-m", "nemo_docs", "search", asked[0], "--json", "--match"]
        return {
            "passages": stored,
            "bytes": {"library": path.stat().st_size, "vectors": kept[0]["bytes"]},
            "median_ms": {way: round(median(times), 1) for way, times in took.items()},
            "p95_ms": {way: round(quantiles(times, n=20)[-1], 1) for way, times in took.items()},
            "command_ms": {way: command_ms([*command, way], home) for way in ("words", "auto")},
        }


def fill(path: Path) -> int:
    """Give every passage a vector at random; returns how many there are."""
    draw = np.random.default_rng(1)
    means = dict(zip(LANGUAGES, language_means(), strict=True))
    connection, total, after = connect_to_write(path), 0, 0

    def rows(sql: str, values: Any = ()) -> Any:
        return connection.execute(sql, values).fetchall()

    while pages := storing.pending(rows, after, 256):
        with transaction(connection, path) as execute:
            for page in pages:
                storing.keep(execute, page, at_random(page, draw, means))
                total, after = total + len(page.passages), page.text
    connection.close()
    return total


def at_random(page: Pending, draw: np.random.Generator, means: dict[str, Any]) -> bytes:
    """Unit vectors about the mean of the page's language, as they are kept."""
    found = means[page.language] + draw.standard_normal((len(page.passages), model.WIDTH)).astype(np.float32) * 0.025
    return quantised(found / np.linalg.norm(found, axis=1, keepdims=True)).tobytes()


def command_ms(command: list[str], home: str) -> float:
    """The quickest of five runs."""
    times = []
    for _ in range(5):
        began = perf_counter()
        subprocess.run(command, env={**os.environ, "NEMO_DOCS_HOME": home}, capture_output=True, check=False)
        times.append(1000 * (perf_counter() - began))
    return round(min(times), 1)


def main() -> None:
    """Run one of the two and print the line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    quality = kinds.add_parser("quality")
    quality.add_argument("data", type=Path)
    quality.add_argument("--keep", type=Path, required=True)
    quality.add_argument("--every", type=int, default=1, help="Only every so-manieth question.")
    speed = kinds.add_parser("speed")
    speed.add_argument("data", type=Path)
    speed.add_argument("news", type=Path)
    speed.add_argument("--passages", type=int, default=100_000)
    options = parser.parse_args()
    if options.kind == "quality":
        result = bench_quality(options.data, options.keep, options.every)
    else:
        result = bench_speed(options.data, options.news, options.passages)
    print(json.dumps({"benchmark": f"semantic {options.kind}", **result, "threads": os.environ.get("OMP_NUM_THREADS"),
                      "commit": commit(), "processor": processor()}))  # fmt: skip


if __name__ == "__main__":
    main()
