"""Collections: names that gather documents. A document is in as many as one likes; an empty collection is none.

A name is one line of 1 to 60 characters without anything invisible, and without `:` and `,`, which part documents from
pages in what users type. Names are compared without regard to case and to how an accent is composed; the spelling that
was given first is shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from nemo_docs.errors import NothingFound, UsageError
from nemo_docs.library.clean import clean_line

LONGEST_NAME = 60
"""Characters."""

_Execute = Callable[..., Any]


def collection_name(text: str) -> str:
    """A name as it is kept.

    Args:
        text: As the user wrote it.

    Raises:
        UsageError: If a collection cannot be called that.
    """
    name = unicodedata.normalize("NFC", clean_line(text, 2 * LONGEST_NAME))
    if not name:
        raise UsageError(f"{text[:LONGEST_NAME]!r} is no name for a collection.", hint="Give it one that can be seen.")
    if len(name) > LONGEST_NAME:
        raise UsageError(
            f"A collection's name has at most {LONGEST_NAME} characters; longer is {name[:LONGEST_NAME]}…",
            hint="Give a shorter name.",
        )
    if found := next((character for character in ":," if character in name), None):
        raise UsageError(f"A collection's name holds no {found!r}: {name}.", hint="Leave it out.")
    return name


def collection_key(name: str) -> str:
    """What a name is compared by."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def put(execute: _Execute, handle: str, text: str) -> str:
    """Put a document into a collection, within the caller's transaction; returns the collection's name."""
    name, document = collection_name(text), document_id(execute, handle)
    collection, name = execute(
        """INSERT INTO collections (name, key) VALUES (?, ?)
           ON CONFLICT (key) DO UPDATE SET name = collections.name RETURNING id, name""",
        (name, collection_key(name)),
    ).fetchone()
    execute("INSERT OR IGNORE INTO collection_documents (collection, document) VALUES (?, ?)", (collection, document))
    return str(name)


def take_out(execute: _Execute, handle: str, text: str) -> str:
    """Take a document out of a collection, within the caller's transaction; returns the collection's name."""
    name, document = collection_name(text), document_id(execute, handle)
    row = execute(
        """SELECT c.id, c.name FROM collections c JOIN collection_documents m ON m.collection = c.id
           WHERE c.key = ? AND m.document = ?""",
        (collection_key(name), document),
    ).fetchone()
    if row is None:
        raise NothingFound(f"Document {handle} is in no collection {name!r}.", hint="nemo-docs list shows them.")
    execute("DELETE FROM collection_documents WHERE collection = ? AND document = ?", (row["id"], document))
    drop_empty(execute)
    return str(row["name"])


def drop_empty(execute: _Execute) -> None:
    """Drop the collections that no document is in."""
    execute("DELETE FROM collections WHERE id NOT IN (SELECT collection FROM collection_documents)")


def document_id(execute: _Execute, handle: str) -> int:
    """The row of a document.

    Raises:
        NothingFound: If there is no such document.
    """
    row = execute("SELECT id FROM documents WHERE handle = ?", (handle,)).fetchone()
    if row is None:
        raise NothingFound(f"No document has the handle {handle!r}.", hint="nemo-docs list shows them.")
    return int(row["id"])
