"""How often the first quote holds the answer: XQuAD, documents of 20 paragraphs, all questions.

The answer's gold offset must lie inside the first quote, which is one sentence. Beside the product's own way stand the
words alone (BM25 of the sentence), words with their passage, and the model alone, so that the mixture can be judged.
Every question is also ranked in the next document, where it should be doubted.
The weights are swept over what the first run measured, without asking the model again.

    python -m tests.benchmarks.bench_quotes [--language en] [--every N] [--ranking-only]

Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from nemo_docs.answering import ranking
from nemo_docs.answering.ask import Options, ask
from nemo_docs.answering.events import Answer, Span
from nemo_docs.answering.gather import gather, searched
from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.ranking import Candidate, by_likelihood, by_words, doubt
from nemo_docs.answering.reading import cut, window_limit
from nemo_docs.backends.local import LocalBackend
from nemo_docs.backends.opening import open_backend
from nemo_docs.library.clean import clean
from nemo_docs.library.ingest import add
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library
from nemo_docs.settings import load

PARAGRAPHS = 20
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "xquad"


class Gold:
    """A question and the page offsets at which its answer begins."""

    def __init__(self, question: str, answer_start: int) -> None:
        self.question, self.answer_start = question, answer_start


def documents(language: str, folder: Path) -> Iterator[tuple[Path, str, list[Gold]]]:
    """Write documents of 20 paragraphs; yields each with its text and questions, offsets into the text."""
    articles = json.loads((DATA / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    for first in range(0, len(paragraphs), PARAGRAPHS):
        text, golds = "", []
        for paragraph in paragraphs[first : first + PARAGRAPHS]:
            for qa in paragraph["qas"]:
                through = clean(paragraph["context"][: qa["answers"][0]["answer_start"] + 1]).text
                golds.append(Gold(qa["question"], len(text) + len(through) - 1))
            text += clean(paragraph["context"]).text + "\n\n"
        path = folder / f"xquad-{language}-{first // PARAGRAPHS}.txt"
        path.write_text(text, encoding="utf-8")
        yield path, text, golds


class Asked:
    """One document of the data in a library of its own, and the questions about it."""

    def __init__(self, path: Path, text: str, golds: list[Gold], backend: LocalBackend) -> None:
        database = path.with_suffix(".db")
        with Library(database) as library:
            list(add(library, [path]))
        self.golds, self._backend = golds, backend
        self._reader = LibraryReader(database)
        (document,) = self._reader.documents()
        numbers = frozenset(page.number for page in self._reader.pages(document))
        self._sources = gather(self._reader, [(document, numbers)])
        self._begins: dict[int, int] = {}  # page number -> where the page begins in the text that was written
        at = 0
        for page in self._sources[0].pages:
            at = text.index(page.text[:200], at)
            self._begins[page.number] = at

    def ranked(self, question: str, prompts: Prompts) -> tuple[list[Candidate], list[Candidate], list[Candidate]]:
        """Sentences by their words alone, by words and passages, and with the model's word."""
        windows = cut(self._sources, self._backend, window_limit(self._backend, None, 1), pack=False)
        words = by_words(windows, searched(self._reader, self._sources, question), question)
        return by_words(windows, {}, question), words, by_likelihood(words, question, self._backend, prompts)

    def answer(self, question: str) -> Answer:
        """What the product says, but for all but one token of its own words."""
        passages = searched(self._reader, self._sources, question)
        last = list(ask(question, self._sources, passages, self._backend, Options(answer_tokens=1)))[-1]
        assert isinstance(last, Answer)
        return last

    def holds(self, spans: Sequence[Span], gold: Gold) -> bool:
        """Whether the answer begins inside the quote."""
        begins = self._begins
        return any(begins[s.page] + s.start <= gold.answer_start < begins[s.page] + s.end for s in spans)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", default="en")
    parser.add_argument("--every", type=int, default=1, help="take every Nth question")
    parser.add_argument("--ranking-only", action="store_true", help="rank, but let no model read a window")
    arguments = parser.parse_args()
    configuration = load(options={"in_process": True})  # nobody else computes meanwhile
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        backend = open_backend(configuration.settings, models=configuration.paths.models, state=Path(name))
        backend.ready()
        prompts = Prompts(backend.template, backend.tokenizer)
        all_asked = [Asked(*each, backend) for each in documents(arguments.language, Path(name))]
        rows: list[dict[str, Any]] = []
        for here, elsewhere in zip(all_asked, all_asked[1:] + all_asked[:1], strict=True):
            for gold in here.golds[:: arguments.every]:
                rows.append(one(gold, here, elsewhere, prompts, arguments.ranking_only))
            print(f"{len(rows)} questions, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    report(rows, backend, arguments.language, time.perf_counter() - began)


def one(gold: Gold, here: Asked, elsewhere: Asked, prompts: Prompts, ranking_only: bool) -> dict[str, Any]:
    """All ways of choosing the first quote, and whether the question is refused here and of another document."""

    def right(candidate: Candidate) -> bool:
        return here.holds(candidate.sentence.spans, gold)

    alone, words, looked_at = here.ranked(gold.question, prompts)
    foreign = elsewhere.ranked(gold.question, prompts)[2]
    row = {
        "words": right(alone[0]),
        "words_and_passage": right(words[0]),
        "mixture": right(looked_at[0]),
        "doubted": doubt(looked_at, gold.question) > 0,
        "doubted_elsewhere": doubt(foreign, gold.question) > 0,
        "candidates": [(c.words, c.gain, right(c)) for c in looked_at if c.gain is not None],
    }
    if not ranking_only:
        answer = here.answer(gold.question)
        held = [here.holds(citation.spans, gold) for citation in answer.citations]
        row["first_quote"], row["any_quote"], row["quotes"] = held[:1] == [True], any(held), len(held)
        row["tokens"] = len(prompts.plain(answer.citations[0].text)) if answer.citations else 0
        row["seconds"] = answer.timing.first_quote_s or 0.0
    return row


def report(rows: list[dict[str, Any]], backend: LocalBackend, language: str, seconds: float) -> None:
    """Print the table and the JSON line."""

    def share(key: str) -> float:
        return round(statistics.fmean(row[key] for row in rows), 4)

    looked_at = [row["candidates"] for row in rows if row["candidates"]]

    def mixed(weight: float, words: float = 1.0) -> float:
        best = [max(row, key=lambda c: words * c[0] + weight * c[1])[2] for row in looked_at]
        return round(statistics.fmean(best), 4) if best else 0.0

    found = {
        "benchmark": "quotes",
        "language": language,
        "model": backend.name,
        "questions": len(rows),
        "words": share("words"),
        "words_and_passage": share("words_and_passage"),
        "mixture": share("mixture"),
        "doubted": share("doubted"),
        "doubted_elsewhere": share("doubted_elsewhere"),
        "among_candidates": round(statistics.fmean([any(c[2] for c in row) for row in looked_at] or [0]), 4),
        "likelihood_alone": mixed(1.0, words=0.0),
        "mixtures": {str(w): mixed(w) for w in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0)},
        "weight_in_use": ranking.LIKELIHOOD_WEIGHT,
        "seconds": round(seconds),
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if "first_quote" in rows[0]:
        found |= {
            "first_quote": share("first_quote"),
            "any_quote": share("any_quote"),
            "mean_quotes": share("quotes"),
            "mean_quote_tokens": share("tokens"),
            "longest_quote_tokens": max(row["tokens"] for row in rows),
            "median_first_quote_s": round(statistics.median(row["seconds"] for row in rows), 3),
        }
    for key, value in found.items():
        print(f"{key:24}{value}", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
