"""How far an answer is, in one line."""

from __future__ import annotations

from nemo_docs.answering.events import Progress

STAGES = {
    "planning": "Planning",
    "loading": "Loading the model",
    "searching": "Looking for the places that matter",
    "reading": "Reading",
}
BAR = 16
"""Cells."""


def progress_line(progress: Progress | None) -> str:
    """What is being done, how much of it is done, how long it will take."""
    if progress is None:
        return "Looking through the documents"
    stage = STAGES.get(progress.stage, progress.stage)
    if not progress.tokens_total:
        return stage
    if progress.tokens >= progress.tokens_total:
        return "Choosing quotes"
    filled = round(BAR * progress.tokens / progress.tokens_total)
    parts = [stage if progress.windows < 2 else f"{stage} window {progress.window} of {progress.windows}"]
    parts.append(f"{'━' * filled}{'╌' * (BAR - filled)} {progress.tokens:,} of {progress.tokens_total:,} tokens")
    if progress.seconds_left is not None:
        parts.append(f"{time_left(progress.seconds_left)} left")
    return " · ".join(parts)


def time_left(seconds: float) -> str:
    """Seconds for people."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
