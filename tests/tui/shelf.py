"""Real libraries for the tests of the app: files written, added, and cited as an answer would cite them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from nemo_docs import settings
from nemo_docs.answering.events import Citation, Span
from nemo_docs.library import ingest
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.store import Library


def shelve(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Write text files and add them; returns the handle of each by its file name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    library = settings.load().paths.library
    library.parent.mkdir(parents=True, exist_ok=True)
    with Library(library) as opened:
        for _ in ingest.add(opened, paths, workers=1):
            pass
    with LibraryReader(library) as reader:
        return {Path(document.path).name: document.handle for document in reader.documents()}


def cite(handle: str, pages: Mapping[int, str], *quotes: tuple[int, str], marker: int = 1) -> Citation:
    """A quote of one or more spans, each given as a page number and the words that stand there."""
    spans = []
    for number, words in quotes:
        text = pages[number]
        start = text.index(words)
        spans.append(Span(number, start, start + len(words), hashlib.sha256(text.encode()).hexdigest()))
    return Citation(marker, handle, "title", "", "\n".join(words for _, words in quotes), tuple(spans))


def page_texts(handle: str) -> dict[int, str]:
    """The pages of a document as the library holds them."""
    with LibraryReader(settings.load().paths.library) as library:
        return {page.number: page.text for page in library.page_texts(handle)}
