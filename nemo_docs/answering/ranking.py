"""Which sentences may answer a question: words first, then the model.

Words: BM25 over sentences, with a share of the score of the passage around each, since a sentence often names its
subject only by a pronoun. Model: how likely it finds the *question* behind each of the best sentences (query
likelihood, arXiv:2204.07496). Asked the other way round, for the quote behind the question, a small model is nearly
blind. Measured on XQuAD with the embedded default (612 questions): words alone 0.75, their sum with the likelihood of
the question behind the sentence 0.78, behind the sentence and the one before it 0.81.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from nemo_docs.answering.events import Span
from nemo_docs.answering.prompt import Prompts
from nemo_docs.answering.sentences import Sentence, Stretch
from nemo_docs.answering.windows import Segment, Window
from nemo_docs.backends.base import Backend, Cancelled, never
from nemo_docs.engine.protocol import ScoreRequest
from nemo_docs.library.analysis import terms
from nemo_docs.library.records import PassageScore

K1, B = 1.2, 0.75
"""BM25's usual saturation and length normalisation."""
PASSAGE_SHARE = 0.4
"""What a sentence gets of the score of its passage."""
LIKELIHOOD_WEIGHT = 0.6
"""What one nat of the question's likelihood counts beside one unit of BM25."""
STOP_WORD_SHARE = 0.3
"""What a stop word counts of its weight: "what is" is rare in a contract, and says nothing."""
SHORTEST_SHARE = 0.6
"""Sentences shorter than this share of the average are normalised as if they were that long."""
FRAGMENT_LETTERS, SENTENCE_LETTERS = 20, 8
"""Fewer letters than this are a caption or a page number and no evidence; the second counts if a full stop ends them. A
Chinese or Japanese character counts as three."""
CANDIDATES = 8
"""How many of the best sentences the model looks at: 0.97 of the answers are among them, and more do not help."""
CANDIDATE_CHARACTERS = 500
"""How much of a candidate, with the sentence before it, the model looks at."""
DOUBTFUL_GAIN = 9.0
"""Nats. When no sentence makes the question likelier than this, nor holds half of its words, the text does not answer
it: on XQuAD that refuses 0.89 of the questions about another document and 0.008 of those about this one."""
WINDOWS = 24
"""In how many windows sentences are looked for: those with the best passages."""
QUESTION_TOKENS = 192
"""How much of the question it is asked about: all candidates go through it together, and must fit its window."""


_FULL_STOPS = tuple(".!?。！？؟।॥")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence and how well it may answer."""

    segment: Segment
    """Where it stands."""
    index: int
    """Its place among the segment's sentences."""
    words: float
    """By words: BM25 of the sentence and its passage."""
    gain: float | None = None
    """By how many nats it makes the question likelier than no text does; None where the model was not asked."""

    @property
    def sentence(self) -> Sentence:
        """The sentence."""
        return self.segment.sentences[self.index]

    @property
    def weight(self) -> float:
        """Both together; comparable among candidates that were looked at the same way."""
        return self.words + LIKELIHOOD_WEIGHT * (self.gain or 0.0)


def by_words(
    windows: Sequence[Window], passages: Mapping[str, Sequence[PassageScore]], question: str
) -> list[Candidate]:
    """Sentences of the windows with the best passages, best first, by BM25.

    Args:
        windows: Of all documents.
        passages: For each document the scores of the passages that match, in page order.
        question: The words.
    """
    around = {handle: _PassageLookup(scores) for handle, scores in passages.items()}
    segments = [segment for window in _promising(windows, around) for segment in window.segments]
    rows = [
        (segment, index, sentence)
        for segment in segments
        for index, sentence in enumerate(segment.sentences)
        if _is_evidence(sentence.text)
    ]
    languages = [segment.source.language for segment, _, _ in rows]
    queries = {language: _query(question, language) for language in set(languages)}
    counts = [
        Counter(terms(sentence.text, language)) for (_, _, sentence), language in zip(rows, languages, strict=True)
    ]
    scores = _bm25(counts, [queries[language] for language in languages])
    candidates = [
        Candidate(
            segment, index, score + PASSAGE_SHARE * around.get(segment.source.handle, NOWHERE).score(sentence.spans[0])
        )
        for (segment, index, sentence), score in zip(rows, scores, strict=True)
    ]
    return sorted(candidates, key=lambda candidate: -candidate.words)


def by_likelihood(
    candidates: Sequence[Candidate],
    question: str,
    backend: Backend,
    prompts: Prompts,
    cancelled: Cancelled = never,
) -> list[Candidate]:
    """The candidates with the model's word on the first `CANDIDATES`, best first; the others keep their order.

    The model is not asked about text in a language that it was not made for: measured on XQuAD in de, es, zh and hi
    with the embedded default, its word is worse than none there.
    """
    looked_at = [c for c in candidates[:CANDIDATES] if _speaks(backend, c.segment.source.language)]
    if not looked_at:
        return list(candidates)
    asked = prompts.plain(question)[:QUESTION_TOKENS]
    opening = prompts.likelihood_opening()
    texts = ["", *(_with_sentence_before(candidate) for candidate in looked_at)]
    branches = [prompts.likelihood_branch(text, asked) for text in texts]
    while len(opening) + sum(map(len, branches)) > backend.window_tokens:  # all go through the model together
        if len(branches) <= 2:
            return list(candidates)
        branches.pop()
    looked_at = looked_at[: len(branches) - 1]
    means = backend.score(ScoreRequest((opening,), tuple(branches), tail=len(asked)), cancelled)
    if means is None:
        return list(candidates)
    gains = [(mean - means[0]) * len(asked) for mean in means[1:]]
    scored = [replace(candidate, gain=gain) for candidate, gain in zip(looked_at, gains, strict=True)]
    rest = [candidate for candidate in candidates if candidate not in looked_at]
    return [*sorted(scored, key=lambda candidate: -candidate.weight), *rest]


def doubt(candidates: Sequence[Candidate], question: str) -> float:
    """How sure it is that the text does not answer, in nats; below zero when it may.

    A question of fewer than two words that say anything ("What is this about?") is never doubted, nor is one about text
    that the model was not asked about.
    """
    looked_at = [candidate for candidate in candidates if candidate.gain is not None]
    certainty = max((candidate.gain or 0.0 for candidate in looked_at), default=math.inf)
    for candidate in looked_at:
        language = candidate.segment.source.language
        telling = {term for term, share in _query(question, language).items() if share == 1.0}
        held = telling.intersection(terms(_with_sentence_before(candidate), language))
        if len(telling) < 2 or 2 * len(held) >= len(telling):
            return -DOUBTFUL_GAIN
    return max(DOUBTFUL_GAIN - certainty, -DOUBTFUL_GAIN)


def _with_sentence_before(candidate: Candidate) -> str:
    """A candidate behind the sentence before it, which often says what its pronouns mean."""
    sentences = candidate.segment.sentences[max(candidate.index - 1, 0) : candidate.index + 1]
    return " ".join(sentence.text.replace("\n", " ") for sentence in sentences)[-CANDIDATE_CHARACTERS:]


def _speaks(backend: Backend, language: str) -> bool:
    return not backend.languages or language in backend.languages


def _promising(windows: Sequence[Window], around: Mapping[str, _PassageLookup]) -> list[Window]:
    """The windows with the best passages, in order."""
    if len(windows) <= WINDOWS:
        return list(windows)
    best = {
        n: max(
            around.get(segment.source.handle, NOWHERE).best(stretch)
            for segment in window.segments
            for stretch in segment.stretches
        )
        for n, window in enumerate(windows)
    }
    chosen = sorted(best, key=lambda n: -best[n])[:WINDOWS]
    return [windows[n] for n in sorted(chosen)]


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


def _is_evidence(text: str) -> bool:
    needed = SENTENCE_LETTERS if text.endswith(_FULL_STOPS) else FRAGMENT_LETTERS
    letters = 0
    for character in text:
        letters += character.isalpha() * (3 if character >= "\u2e80" else 1)
        if letters >= needed:
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
    """The scores of a document's passages, by place."""

    def __init__(self, scores: Sequence[PassageScore]) -> None:
        self._by_page: dict[int, list[PassageScore]] = {}
        for score in scores:
            self._by_page.setdefault(score.page, []).append(score)

    def score(self, span: Span) -> float:
        """Of the passage that a sentence begins in."""
        passages = self._by_page.get(span.page, ())
        return next((passage.score for passage in passages if passage.start <= span.start < passage.end), 0.0)

    def best(self, stretch: Stretch) -> float:
        """Of the best passage that begins in a stretch of a page."""
        passages = self._by_page.get(stretch.page.number, ())
        return max((passage.score for passage in passages if stretch.start <= passage.start < stretch.end), default=0.0)


NOWHERE = _PassageLookup(())
"""Of a document in which no passage matches."""
