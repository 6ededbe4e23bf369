"""Search in a library whose index is an earlier program's: FTS5's own BM25, one language after the other.

It finds the same words more slowly; the next `add` brings the index up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemo_docs.library.analysis import terms
from nemo_docs.library.search.scoring import Scored
from nemo_docs.library.search.statistics import Rows

SCHEMA = 5
"""The schema from which on a library has today's index."""


def ranked(rows: Rows, query: str, handles: Iterable[str] | None, languages: Sequence[str] | None = None) -> Scored:
    """Ids and scores of all passages that match, best first; of these documents, or of all."""
    values = {f"handle{n}": handle for n, handle in enumerate(handles or ())}
    among = "" if handles is None else f"AND d.handle IN ({', '.join(f':{name}' for name in values)})"
    found: Scored = []
    for (language,) in rows("SELECT DISTINCT language FROM passages"):
        words = list(dict.fromkeys(terms(query, language)))
        if not words or (languages is not None and language not in languages):
            continue
        # CROSS JOIN fixes the order: the index is asked once, and not anew for every passage of a document.
        matches = rows(
            f"""SELECT p.id, -bm25(passage_index) AS score
                FROM passage_index CROSS JOIN passages p ON p.id = passage_index.rowid
                CROSS JOIN versions v ON v.id = p.version
                CROSS JOIN documents d ON d.id = v.document AND d.version = v.id
                WHERE passage_index MATCH :query AND p.language = :language {among}""",
            {**values, "query": " OR ".join(f'"{word}"' for word in words), "language": language},
        )
        found += [(row["id"], row["score"]) for row in matches]
    return sorted(found, key=lambda item: (-item[1], item[0]))
