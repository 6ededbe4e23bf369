"""Which sentences may answer a question: words first, then the model.

Words: BM25 over sentences, with a share of the score of the passage around each, since a sentence often names its
subject only by a pronoun. Model: how likely it finds the *question* behind each of the best sentences (query
likelihood, arXiv:2204.07496). Asked the other way round, for the quote behind the question, a small model is nearly
blind. Measured on XQuAD with the embedded default, the first quote holds the answer in 0.73 by words alone, and the
sum of both is better than either: the figures are in the README and come from tests/benchmarks/bench_quotes.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.source import Sentence, Source
from nemo_docs.backends.base import Backend, Cancelled, never
from nemo_docs.engine.protocol import ScoreRequest
from nemo_docs.library.analysis import terms
from nemo_docs.library.records import PassageScore

K1, B = 1.2, 0.75
"""BM25's usual saturation and length normalisation."""
PASSAGE_SHARE = 0.4
"""What a sentence gets of the score of its passage."""
LIKELIHOOD_WEIGHT = 0.7
"""What one nat of the question's log-likelihood counts beside one unit of BM25."""
STOP_WORD_SHARE = 0.3
"""What a stop word counts of its weight: "what is" is rare in a contract, and says nothing."""
SHORTEST_SHARE = 0.6
"""Sentences shorter than this share of the average are normalised as if they were that long."""
FEWEST_LETTERS = 20
"""A heading, a caption or a page number is no evidence; a Chinese or Japanese character counts as three letters."""
CANDIDATES = 12
"""How many of the best sentences the model looks at: 0.96 of the answers are among the first ten."""
CANDIDATE_TOKENS = 80
"""How much of a candidate it looks at."""
QUESTION_TOKENS = 192
"""How much of the question it is asked about: all candidates go through it together, and must fit its window."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence and how well it may answer."""

    source: int
    """Index of its source."""
    sentence: Sentence
    """The sentence."""
    words: float
    """By words: BM25 of the sentence and its passage."""
    likelihood: float | None = None
    """Log-likelihood of the question behind it, in nats; None where the model was not asked."""

    @property
    def weight(self) -> float:
        """Both together; comparable among candidates that were looked at the same way."""
        return self.words + LIKELIHOOD_WEIGHT * (self.likelihood or 0.0)


def by_words(sources: Sequence[Source], passages: Sequence[Sequence[PassageScore]], question: str) -> list[Candidate]:
    """All sentences, best first, by BM25.

    Args:
        sources: The documents.
        passages: For each, the scores of the passages that match.
        question: The words.
    """
    rows = [(n, source, s) for n, source in enumerate(sources) for s in source.sentences if _is_evidence(source, s)]
    queries = {source.language: _query(question, source.language) for source in sources}
    counts = [Counter(terms(source.text_of(s.spans), source.language)) for _, source, s in rows]
    scores = _bm25(counts, [queries[source.language] for _, source, _ in rows])
    around = [_PassageLookup(scored) for scored in passages]
    candidates = [
        Candidate(n, sentence, score + PASSAGE_SHARE * around[n].score(sentence))
        for (n, _, sentence), score in zip(rows, scores, strict=True)
    ]
    return sorted(candidates, key=lambda c: (-c.words, c.source, c.sentence.index))


def by_likelihood(
    candidates: Sequence[Candidate],
    sources: Sequence[Source],
    question: str,
    backend: Backend,
    prompts: Prompts,
    cancelled: Cancelled = never,
) -> list[Candidate]:
    """The candidates with the question's likelihood behind each of the first `CANDIDATES`, best first.

    Those that were not looked at keep their order behind them.
    """
    looked_at, rest = list(candidates[:CANDIDATES]), list(candidates[CANDIDATES:])
    asked = prompts.plain(question)[:QUESTION_TOKENS]
    texts = [sources[c.source].text_of(c.sentence.spans).replace("\n", " ") for c in looked_at]
    passages = [backend.tokenizer.decode(list(prompts.plain(text)[:CANDIDATE_TOKENS])) for text in texts]
    branches = tuple(prompts.likelihood_branch(passage, asked) for passage in passages)
    if not branches:
        return []
    means = backend.score(ScoreRequest((prompts.likelihood_opening(),), branches, tail=len(asked)), cancelled)
    if means is None:
        return [*looked_at, *rest]
    scored = [replace(c, likelihood=mean * len(asked)) for c, mean in zip(looked_at, means, strict=True)]
    return [*sorted(scored, key=lambda c: -c.weight), *rest]


def _query(question: str, language: str) -> dict[str, float]:
    """The question's terms and how much each counts."""
    idle = _stop_terms(language)
    return {term: STOP_WORD_SHARE if term in idle else 1.0 for term in terms(question, language)}


@cache
def _stop_terms(language: str) -> frozenset[str]:
    from stop_words import AVAILABLE_LANGUAGES, LANGUAGE_MAPPING, get_stop_words  # type: ignore[import-untyped]

    if LANGUAGE_MAPPING.get(language) not in AVAILABLE_LANGUAGES:
        return frozenset()
    return frozenset(term for word in get_stop_words(language) for term in terms(word, language))


def _is_evidence(source: Source, sentence: Sentence) -> bool:
    letters = 0
    for character in source.text_of(sentence.spans):
        letters += character.isalpha() * (3 if character >= "\u2e80" else 1)
        if letters >= FEWEST_LETTERS:
            return True
    return False


def _bm25(counts: Sequence[Counter[str]], queries: Sequence[dict[str, float]]) -> list[float]:
    """BM25 of each text for its query. Source: Robertson and Zaragoza, 2009."""
    lengths = [sum(count.values()) for count in counts]
    average = sum(lengths) / max(len(lengths), 1) or 1.0
    wanted = {term for query in queries for term in query}
    found = Counter(term for count in counts for term in wanted if term in count)
    rarity = {term: math.log(1 + (len(counts) - n + 0.5) / (n + 0.5)) for term, n in found.items()}
    scores = []
    for count, length, query in zip(counts, lengths, queries, strict=True):
        damping = K1 * (1 - B + B * max(length / average, SHORTEST_SHARE))
        hits = ((share * rarity[term], count[term]) for term, share in query.items() if term in count)
        scores.append(sum(weight * n * (K1 + 1) / (n + damping) for weight, n in hits))
    return scores


class _PassageLookup:
    """The score of the passage that a sentence begins in."""

    def __init__(self, scores: Sequence[PassageScore]) -> None:
        self._by_page: dict[int, list[PassageScore]] = {}
        for score in scores:
            self._by_page.setdefault(score.page, []).append(score)

    def score(self, sentence: Sentence) -> float:
        first = sentence.spans[0]
        for passage in self._by_page.get(first.page, ()):
            if passage.start <= first.start < passage.end:
                return passage.score
        return 0.0
