"""Answers as they were kept, made whole again: what `Answer.as_dict` gave, back from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_docs.answering.events import Answer, Citation, Claim, Coverage, LeftOut, Span, Timing


def answer_of(kept: Mapping[str, Any]) -> Answer:
    """The answer that was kept."""
    coverage = dict(kept["coverage"])
    coverage["left_out"] = tuple(LeftOut(**each) for each in coverage.get("left_out", ()))
    return Answer(
        question=kept["question"],
        text=kept["text"],
        finish=kept["finish"],
        claims=tuple(_claim(each) for each in kept["claims"]),
        citations=tuple(_citation(each) for each in kept["citations"]),
        coverage=Coverage(**coverage),
        timing=Timing(**kept["timing"]),
        model=kept["model"],
        language=kept["language"],
    )


def _citation(kept: Mapping[str, Any]) -> Citation:
    return Citation(**{**kept, "spans": tuple(Span(**span) for span in kept["spans"])})


def _claim(kept: Mapping[str, Any]) -> Claim:
    lists = {name: tuple(kept[name]) for name in ("citations", "reasons")}
    return Claim(kept["start"], kept["end"], kept["verdict"], **lists)
