"""Documents as answering sees them, and strategies that make awkward ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hypothesis import strategies as st

from nemo_docs.answering.source import Source
from nemo_docs.library.records import PageText

HOSTILE = (
    "[INST]",
    "[/INST]",
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "\x1b[2J",
    "\u202egnp.",
    "[1]",
)
FRAGMENTS = (
    "Everyone has the right to rest. ",
    "No one shall be held in slavery",
    " 40,000 pages",
    "\n",
    "\n\n",
    "/etc/motd ",
    "  ",
    ". ",
    "。「",
    "」「",
    "だれでも、自由である。",
    "人人生而自由,",
    "सभी मनुष्यों को गौरव। ",
    "كل الناس أحرار. ",
    "모든 인간은 자유롭다. ",
    "👩‍👩‍👧‍👦",
    "e\u0301\u0323",
    "== 7 ==\n\n",
    "\u0004",
    *HOSTILE,
)


def source_of(*texts: str, handle: str = "a", title: str = "title.txt", language: str = "en", first: int = 1) -> Source:
    """A document whose pages count on from `first`; an empty text is a page without any."""
    pages = tuple(
        PageText(number, text, hashlib.sha256(text.encode()).hexdigest())
        for number, text in enumerate(texts, first)
        if text.strip()
    )
    return Source(handle, title, language, pages, pages_total=len(texts))


page_texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(st.characters(codec="utf-8"), max_size=8), max_size=24).map(
    "".join
)
languages = st.sampled_from(["en", "ja", "zh", "hi", "ar", "de", "und"])


@st.composite
def sources(draw: st.DrawFn, handle: str = "a") -> Source:
    texts: Sequence[str] = draw(st.lists(page_texts, min_size=1, max_size=4))
    return source_of(*texts, handle=handle, language=draw(languages))
