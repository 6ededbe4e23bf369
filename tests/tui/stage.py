"""A library that looks the same on every machine: documents, collections, and a conversation that was kept.

No model is there, so nothing depends on one: the answers are kept ones, and a new question fails with a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nemo_docs.answering.events import Answer, Citation, Coverage, Timing
from nemo_docs.answering.fit import Fit, Share
from nemo_docs.library.conversations import Conversations
from nemo_docs.library.store import Library
from nemo_docs.settings import load
from nemo_docs.tui.app import NemoDocsApp
from tests.tui.shelf import cite, page_texts, shelve

MODEL = "nemo"
"""Known by name, and never on the machine of a test."""
TEXTS = {
    "lease.txt": (
        "LEASE\n\n1. The premises are let for five years, beginning on 1 May 2026.\n\n"
        "2. The rent is EUR 1,400 a month. It is due on the third day of each month.\f"
        "3. The tenant shall give notice three months before the end of a quarter.\n\n"
        "4. Dogs are allowed in the garden and in the yard, if they are kept on a lead.\n\n"
        "5. The landlord repairs the roof, the walls and the pipes. Whatever the tenant breaks, the tenant repairs.\f"
        "6. Nothing else was agreed."
    ),
    "Mietvertrag über eine Wohnung mit Garten und Hof in Freiburg.txt": (
        "Der Mieter kann mit einer Frist von drei Monaten zum Ende eines Quartals kündigen."
    ),
    "賃貸借契約書.txt": "賃料は毎月三日までに支払うものとする。犬は庭で飼うことができる。",
    "عقد الإيجار.txt": "يدفع المستأجر الأجرة في اليوم الثالث من كل شهر.",
    "[red]notes[-].txt": "Nobody has to be at home when the meter is read. " * 40,
}
QUESTION = "When is the rent due, and may I keep a dog?"
WORDS = (
    "The rent is due on the **third day** of each month [1]. You may keep a dog [2]:\n\n"
    "- in the garden\n- in the yard, on a lead"
)
EARLIER = "How long are the premises let?"
FIT = Fit(
    documents=5,
    documents_without_text=0,
    pages=7,
    pages_counted=7,
    tokens=2_841,
    window_tokens=6_000,
    windows=5,
    windows_cached=1,
    tokens_cached=412,
    seconds=21.0,
    windows_in_budget=5,
    budget_s=60.0,
    memory_bytes=0,
    memory_free_bytes=0,
    model=MODEL,
    is_whole=True,
)

_MADE: dict[tuple[bool, bool], tuple[bytes, dict[str, str]]] = {}
"""Libraries as they were made, since every test wants the same: what they hold, and the handles."""


def app_without_model(**options: object) -> NemoDocsApp:
    """The app on the home's library."""
    return NemoDocsApp(load(options={"model": MODEL, "in_process": True, **options}))


def set_stage(folder: Path, *, collections: bool = False, conversation: bool = False) -> dict[str, str]:
    """Fill the home's library; returns handles by file name.

    Args:
        folder: Where the files are written.
        collections: Whether some documents stand in some.
        conversation: Whether two questions have been answered.
    """
    library, key = load().paths.library, (collections, conversation)
    if key in _MADE:
        for name, text in TEXTS.items():
            (folder / name).write_text(text, encoding="utf-8")
        library.parent.mkdir(parents=True, exist_ok=True)
        made, handles = _MADE[key]
        library.write_bytes(made)
        return handles
    handles = shelve(folder, TEXTS)
    if collections:
        with Library(library) as opened:
            for name in ("lease.txt", "賃貸借契約書.txt"):
                opened.tag(handles[name], "Contracts")
            opened.tag(handles["lease.txt"], "契約")
    if conversation:
        lease = handles["lease.txt"]
        pages = page_texts(lease)
        quotes = [
            cite(lease, pages, (1, "The premises are let for five years, beginning on 1 May 2026.")),
            cite(lease, pages, (1, "It is due on the third day of each month.")),
            cite(
                lease,
                pages,
                (2, "Dogs are allowed in the garden and in the yard, if they are kept on a lead."),
                marker=2,
            ),
        ]
        kept = Conversations(library)
        turn = kept.begin_turn(None, EARLIER, [lease])
        kept.finish_turn(turn, _answer(EARLIER, "For five years [1].", quotes[:1]), "answered", read=[lease])
        turn = kept.begin_turn(turn.conversation, QUESTION, [lease])
        kept.finish_turn(turn, _answer(QUESTION, WORDS, quotes[1:]), "answered", read=[lease])
    if not library.with_name(f"{library.name}-wal").exists():  # else not all of it is in the file
        _MADE[key] = library.read_bytes(), handles
    return handles


def shares(handles: dict[str, str]) -> list[Share]:
    """One document that is read, one in part, others not."""
    some = [(412, 412), (61, 30), (52, 0)]
    return [Share(handle, *counts) for handle, counts in zip(sorted(handles.values()), some, strict=False)]


def _answer(question: str, text: str, quotes: Sequence[Citation]) -> dict[str, object]:
    titled = tuple(Citation(**{**_fields(each), "title": "lease.txt"}) for each in quotes)
    coverage = Coverage(1, 3, 0, 3, 0, 412, 412, 1, 1)
    return Answer(question, text, "stop", (), titled, coverage, Timing(380, 32), MODEL, "en").as_dict()


def _fields(citation: Citation) -> dict[str, object]:
    return {name: getattr(citation, name) for name in citation.__slots__}
