"""Earlier questions, walked through as in a shell; what was being written when the walk began is its newest end."""

from __future__ import annotations


class QuestionHistory:
    """Questions in the order in which they were sent, and a place among them."""

    def __init__(self) -> None:
        self._questions: list[str] = []
        self._draft = ""
        self._place = 0
        """Index into the questions; their number stands for the draft."""

    def add(self, question: str) -> None:
        """Remember a question, unless it is the last one again, and go back to the end with an empty draft."""
        if question and self._questions[-1:] != [question]:
            self._questions.append(question)
        self._place, self._draft = len(self._questions), ""

    def earlier(self, shown: str) -> str | None:
        """The question before, or None at the first.

        Args:
            shown: What stands in the prompt; kept if it is the draft.
        """
        if self._place == 0:
            return None
        if self._place == len(self._questions):
            self._draft = shown
        self._place -= 1
        return self._questions[self._place]

    def later(self) -> str | None:
        """The question after, the draft behind the last one, or None at the draft."""
        if self._place == len(self._questions):
            return None
        self._place += 1
        return self._draft if self._place == len(self._questions) else self._questions[self._place]
