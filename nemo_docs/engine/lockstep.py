"""Several programs behind prompts of their own, a token each at a time.

A pass over one token costs what reading the weights costs, and a pass over one token of each of eight sequences hardly
more. So programs run until each waits for logits; those that wait for a single token are fed together, the others
alone, as a program that is alone would be. When one has ended the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nemo_docs.engine.program import Program, ProgramEvent, Progress, Waits
from nemo_docs.engine.protocol import Step, Token
from nemo_docs.engine.underway import Cancelled
from nemo_docs.model.transformer import Transformer


class Ended(NamedTuple):
    """A program is over."""

    reason: str
    """`done` or `cancelled`."""


def in_lockstep(
    model: Transformer, programs: Mapping[int, tuple[Program, Sequence[Step]]], cancelled: Callable[[int], bool]
) -> Iterator[tuple[int, ProgramEvent | Ended]]:
    """Run programs together.

    Args:
        model: Whose caches they write to.
        programs: Each with its steps, by the number that its events shall carry.
        cancelled: Whether that program is no longer wanted.

    Yields:
        What happens, with the number of the program; the last event of each is `Ended`.
    """
    going: dict[int, Progress] = {index: program.advance(steps) for index, (program, steps) in programs.items()}
    while going:
        for index, progress in [*going.items()]:
            reason: str | None = "done"
            try:
                for event in progress:
                    if isinstance(event, Waits):
                        reason = None
                        break
                    yield index, event
                    if isinstance(event, Token) and cancelled(index):
                        raise Cancelled
            except Cancelled:
                reason = "cancelled"
            if reason is not None:
                del going[index]
                yield index, Ended(reason)
        for index in _feed(model, {index: programs[index][0] for index in going}, cancelled):
            del going[index]
            yield index, Ended("cancelled")


def _feed(model: Transformer, programs: Mapping[int, Program], cancelled: Callable[[int], bool]) -> list[int]:
    """Feed what waits; returns the numbers of those that were cancelled meanwhile."""
    together = {index: program for index, program in programs.items() if len(program.upcoming) == 1}
    if len(together) < 2:
        together = {}
    lost = []
    for index, program in programs.items():
        if index not in together:
            try:
                program.feed()
            except Cancelled:
                lost.append(index)
    if not together:
        return lost

    def check() -> None:
        if all(map(cancelled, together)):
            raise Cancelled

    tokens, caches = zip(*((program.upcoming[0], program.cache) for program in together.values()), strict=True)
    try:
        logits = model.decode_together(tokens, caches, between_layers=check)  # [B, V]
    except Cancelled:
        return [*lost, *together]
    for row, program in zip(logits, together.values(), strict=True):
        program.fed(row.unsqueeze(0))
    return lost
