"""From the library to sources: what a question is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemo_docs.answering.source import Source
from nemo_docs.errors import NothingFound
from nemo_docs.library.languages import detect_question
from nemo_docs.library.reader import LibraryReader
from nemo_docs.library.records import Document, PassageScore


def gather(library: LibraryReader, wanted: Iterable[tuple[Document, frozenset[int]]]) -> list[Source]:
    """The sources of some documents, cut to the pages asked for; one may hold no text at all.

    Args:
        library: Where they are.
        wanted: Documents, each with its pages.

    Raises:
        NothingFound: If not one of the pages holds any text.
    """
    sources = []
    for document, numbers in wanted:
        texts = [page for page in library.page_texts(document) if page.number in numbers and page.text.strip()]
        sources.append(
            Source(
                handle=document.handle,
                title=document.title,
                language=document.language,
                pages=tuple(texts),
                pages_total=len(numbers),
                sha256=document.sha256,
                passages=tuple(passage for passage in library.passages(document) if passage.page in numbers),
            )
        )
    if not any(source.pages for source in sources):
        raise NothingFound(
            "None of these pages holds any text.", hint="`nemo-docs pages DOC` says for each page why it has none."
        )
    return sources


def searched(library: LibraryReader, sources: Sequence[Source], question: str) -> dict[str, list[PassageScore]]:
    """For each source by its handle, the passages that hold words of the question or, in other languages, mean it.

    Meaning is asked only where it can help: if it is installed, and some source is in another language.
    """
    handles = [source.handle for source in sources]
    return library.passage_scores(question, handles, question=_vector(library, sources, question))


def _vector(library: LibraryReader, sources: Sequence[Source], question: str) -> bytes | None:
    """The question's vector; None where words alone are to be asked."""
    from nemo_docs.library.meaning import model

    if model.absence() or not library.has_meaning():
        return None
    if {source.language for source in sources} == {detect_question(question)}:
        return None
    from nemo_docs.library.meaning.embedder import Embedder

    with Embedder() as embedder:
        return embedder.query(question)
