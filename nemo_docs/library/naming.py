"""What a user means by DOC or TAG; the one place that says so.

DOC is, in this order: an exact handle; the path of an existing file that is in the library; a whole title; a part of
one title alone. Titles are compared without regard to case. Where a collection may be named as well (`--in`, `read`)
its whole name is looked up right after the handles, without regard to case: it wins over paths, which depend on where
the user stands, and over titles. So a handle never means anything but its document (`A` is a collection where `a` is a
handle), and a file that is called like a collection is still named by `./name` or its handle. Pages are those of a
document, never of a collection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.library.records import Document
from nemo_docs.library.tags import collection_key


def document_named(documents: Sequence[Document], reference: str, *, for_removal: bool = False) -> Document:
    """The document that a user means.

    Args:
        documents: All there are.
        reference: What he wrote.
        for_removal: Take handles and paths only.

    Raises:
        NothingFound: If no document answers to it.
        UsageError: If several titles do; the hint names them.
    """
    for document in documents:
        if document.handle == reference:
            return document
    if os.path.exists(reference):
        known = {os.path.realpath(document.path): document for document in documents}
        if found := known.get(os.path.realpath(reference)):
            return found
    if for_removal:
        raise NothingFound(
            f"No document has the handle or path {reference!r}.",
            hint="Removing takes a handle or a path; nemo-docs list shows them.",
        )
    part = reference.casefold().strip()
    candidates = [document for document in documents if part == document.title.casefold()]
    if len(candidates) != 1:
        candidates = [document for document in documents if part and part in document.title.casefold()]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(f"{document.handle} ({document.title})" for document in candidates[:8])
        more = ", …" if len(candidates) > 8 else ""
        message = f"{reference!r} is part of {len(candidates)} titles: {names}{more}."
        raise UsageError(message, hint="Give a handle.")
    raise NothingFound(
        f"No document has the handle, path or title {reference!r}.",
        hint="nemo-docs list shows what there is." if documents else "The library is empty: nemo-docs add FILE.",
    )


def collection_named(
    documents: Sequence[Document], collections: Mapping[str, tuple[str, ...]], reference: str
) -> tuple[Document, ...]:
    """The documents of the collection that a user means; empty if he means none.

    Args:
        documents: All there are.
        collections: All there are: handles by name.
        reference: What he wrote.
    """
    if any(document.handle == reference for document in documents):
        return ()
    key = collection_key(reference.strip())
    handles = frozenset(next((handles for name, handles in collections.items() if collection_key(name) == key), ()))
    return tuple(document for document in documents if document.handle in handles)
