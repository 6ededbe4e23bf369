"""The schema, one step after the other; each step and its record are one transaction.

`user_version` is the number of steps, so that the read path knows a newer program's library without sqlite-utils.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("nemo_docs")


@migrations()
def m001_documents_to_passages(db: Database) -> None:
    """Documents, their versions, the ledger of pages, texts with raw output and map, passages and their index."""
    for statement in _M001:
        db.execute(statement)


@migrations()
def m002_collections_and_conversations(db: Database) -> None:
    """Collections of documents; conversations, their turns, and which documents each answer came from."""
    for statement in _M002:
        db.execute(statement)


@migrations()
def m003_reading_queue(db: Database) -> None:
    """Documents that wait to be read through the model."""
    for statement in _M003:
        db.execute(statement)


@migrations()
def m004_ledger(db: Database) -> None:
    """What the ledger tells of a page beyond its status: script, flags, the label that the document gives it."""
    for statement in _M004:
        db.execute(statement)


@migrations()
def m005_adding_queue(db: Database) -> None:
    """Files that wait to be read into the library, and folders whose files are added as they come."""
    for statement in _M005:
        db.execute(statement)


@migrations()
def m006_search(db: Database) -> None:
    """An index by language, with what search needs to know of it; all passages are analysed anew."""
    from nemo_docs.library import indexing

    for statement in _M006:
        db.execute(statement)
    indexing.rebuild(db.conn)
    for statement in _M006_END:
        db.execute(statement)


@migrations()
def m007_meaning(db: Database) -> None:
    """Vectors of passages, for search by meaning."""
    for statement in _M007:
        db.execute(statement)


_M001 = (
    # One row: the last handle given, as a number. It outlives the documents, so no handle is given twice.
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "INSERT INTO counters VALUES ('handles', 0)",
    """CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        handle TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        version INTEGER REFERENCES versions(id)
    )""",
    """CREATE TABLE versions (
        id INTEGER PRIMARY KEY,
        document INTEGER NOT NULL REFERENCES documents(id),
        sha256 TEXT NOT NULL,
        path NOT NULL,
        added TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('reading', 'complete')),
        pages INTEGER NOT NULL,
        language TEXT NOT NULL,
        UNIQUE (document, sha256)
    )""",
    "CREATE INDEX versions_sha256 ON versions(sha256)",
    "CREATE INDEX versions_path ON versions(path)",
    """CREATE TABLE pages (
        id INTEGER PRIMARY KEY,
        version INTEGER NOT NULL REFERENCES versions(id),
        number INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('ok', 'empty', 'error', 'timeout')),
        characters INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        extractor TEXT NOT NULL,
        language TEXT NOT NULL,
        note TEXT NOT NULL,
        text INTEGER REFERENCES texts(id),
        UNIQUE (version, number)
    )""",
    """CREATE TABLE texts (
        id INTEGER PRIMARY KEY,
        page INTEGER NOT NULL REFERENCES pages(id),
        sha256 TEXT NOT NULL,
        extractor TEXT NOT NULL,
        text TEXT NOT NULL,
        raw BLOB NOT NULL,
        map BLOB NOT NULL,
        UNIQUE (page, sha256)
    )""",
    """CREATE TABLE passages (
        id INTEGER PRIMARY KEY,
        version INTEGER NOT NULL REFERENCES versions(id),
        text INTEGER NOT NULL REFERENCES texts(id),
        ordinal INTEGER NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        language TEXT NOT NULL,
        terms TEXT NOT NULL,
        UNIQUE (version, ordinal)
    )""",
    "CREATE INDEX passages_text ON passages(text)",
    # Terms come ready made from analysis.py; the tokenizer only splits them at spaces. unicode61 takes marks for
    # separators unless told otherwise, which would cut every Hindi word.
    """CREATE VIRTUAL TABLE passage_index USING fts5 (
        terms, content = 'passages', content_rowid = 'id',
        tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
    )""",
    """CREATE TRIGGER passages_insert AFTER INSERT ON passages BEGIN
        INSERT INTO passage_index (rowid, terms) VALUES (new.id, new.terms);
    END""",
    """CREATE TRIGGER passages_delete AFTER DELETE ON passages BEGIN
        INSERT INTO passage_index (passage_index, rowid, terms) VALUES ('delete', old.id, old.terms);
    END""",
    "PRAGMA user_version = 1",
)

_M002 = (
    # key is what names are compared by; name is the spelling that was given first.
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE)",
    """CREATE TABLE collection_documents (
        collection INTEGER NOT NULL REFERENCES collections(id),
        document INTEGER NOT NULL REFERENCES documents(id),
        PRIMARY KEY (collection, document)
    ) WITHOUT ROWID""",
    "CREATE INDEX collection_documents_document ON collection_documents(document)",
    # Autoincrement: the number of a conversation that was forgotten is not given to another.
    """CREATE TABLE conversations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started TEXT NOT NULL,
        title TEXT NOT NULL
    )""",
    """CREATE TABLE turns (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation INTEGER NOT NULL REFERENCES conversations(id),
        position INTEGER NOT NULL,
        asked TEXT NOT NULL,
        question TEXT NOT NULL,
        scope TEXT NOT NULL,
        answer TEXT,
        state TEXT NOT NULL CHECK (state IN ('asked', 'answered', 'stopped', 'failed', 'removed')),
        UNIQUE (conversation, position)
    )""",
    # Handles, not rows: they outlive their documents and are not given again, so an answer that comes after a removal
    # can be told from one over documents that are all there.
    """CREATE TABLE turn_documents (
        turn INTEGER NOT NULL REFERENCES turns(id),
        handle TEXT NOT NULL,
        PRIMARY KEY (turn, handle)
    ) WITHOUT ROWID""",
    "CREATE INDEX turn_documents_handle ON turn_documents(handle)",
    "PRAGMA user_version = 2",
)

_M003 = (
    # The last batch given: its number outlives it, so that no two acts are taken for one.
    "INSERT INTO counters VALUES ('batches', 0)",
    # Ascending positions; whoever is to be first gets one below all others.
    """CREATE TABLE reading_queue (
        document INTEGER PRIMARY KEY REFERENCES documents(id),
        batch INTEGER NOT NULL,
        position INTEGER NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'paused', 'failed')),
        reason TEXT NOT NULL
    )""",
    "PRAGMA user_version = 3",
)

_M004 = (
    "ALTER TABLE pages ADD COLUMN script TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE pages ADD COLUMN flags TEXT NOT NULL DEFAULT ''",  # names of PageFlag, a space between two
    "ALTER TABLE pages ADD COLUMN label TEXT NOT NULL DEFAULT ''",
    """UPDATE pages SET flags =
        CASE WHEN status <> 'ok' THEN status WHEN note LIKE 'hidden text%' THEN 'hidden' ELSE '' END""",
    "PRAGMA user_version = 4",
)

_M005 = (
    # A row is there from the wish until the file is in the library; one that failed stays until somebody lets it go.
    # runner names who works on it; it means nothing once that process has let go of its lock. Batches are counted
    # with those of the reading queue. No password is ever written here.
    """CREATE TABLE adding_queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path NOT NULL UNIQUE,
        batch INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'paused', 'failed')),
        kind TEXT NOT NULL DEFAULT '',
        reason TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT '',
        handle TEXT NOT NULL DEFAULT '',
        tries INTEGER NOT NULL DEFAULT 0,
        collections TEXT NOT NULL,
        queued TEXT NOT NULL,
        runner TEXT NOT NULL DEFAULT '',
        sha256 TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX adding_queue_runner ON adding_queue(runner)",
    """CREATE TABLE watched_folders (
        path PRIMARY KEY,
        collections TEXT NOT NULL,
        excludes TEXT NOT NULL,
        added TEXT NOT NULL
    )""",
    "PRAGMA user_version = 5",
)

# A term stands in the index behind its passage's language, "en" and "house" as "enhouse": a language has frequencies of
# its own, and eleven of them cost no more than one.
_TERMS = "trim(replace(' ' || trim({0}.terms || ' ' || {0}.alternates), ' ', ' ' || {0}.language))"

_M006 = (
    "DROP TRIGGER passages_insert",
    "DROP TRIGGER passages_delete",
    "DROP TABLE passage_index",
    "DROP INDEX passages_text",
    "ALTER TABLE passages RENAME TO earlier_passages",
    # The id holds the version in its upper bits (see indexing.py): what a document has is one range of the index.
    """CREATE TABLE passages (
        id INTEGER PRIMARY KEY,
        version INTEGER NOT NULL REFERENCES versions(id),
        text INTEGER NOT NULL REFERENCES texts(id),
        ordinal INTEGER NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        language TEXT NOT NULL,
        terms TEXT NOT NULL,
        alternates TEXT NOT NULL,
        UNIQUE (version, ordinal)
    )""",
    "CREATE INDEX passages_text ON passages(text)",
    f"CREATE VIEW passage_terms AS SELECT id, {_TERMS.format('passages')} AS terms FROM passages",
    """CREATE VIRTUAL TABLE passage_index USING fts5 (
        terms, content = 'passage_terms', content_rowid = 'id',
        tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
    )""",
    "CREATE VIRTUAL TABLE index_terms USING fts5vocab (passage_index, row)",
    "CREATE VIRTUAL TABLE index_instances USING fts5vocab (passage_index, instance)",
    # What BM25 asks of a language: passages, and terms in all of them.
    """CREATE TABLE index_sizes (
        language TEXT PRIMARY KEY, passages INTEGER NOT NULL, terms INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # Terms that so many passages hold that counting them takes long; as of when the index had `passages` of them.
    "CREATE TABLE common_terms (term TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO counters VALUES ('passages counted', 0)",
    f"""CREATE TRIGGER passages_insert AFTER INSERT ON passages BEGIN
        INSERT INTO passage_index (rowid, terms) VALUES (new.id, {_TERMS.format("new")});
        INSERT INTO index_sizes VALUES (
            new.language, 1, length(new.terms) - length(replace(new.terms, ' ', '')) + (new.terms <> '')
        ) ON CONFLICT (language) DO UPDATE SET passages = passages + 1, terms = terms + excluded.terms;
    END""",
    f"""CREATE TRIGGER passages_delete AFTER DELETE ON passages BEGIN
        INSERT INTO passage_index (passage_index, rowid, terms) VALUES ('delete', old.id, {_TERMS.format("old")});
        UPDATE index_sizes SET passages = passages - 1,
            terms = terms - (length(old.terms) - length(replace(old.terms, ' ', '')) + (old.terms <> ''))
        WHERE language = old.language;
        DELETE FROM index_sizes WHERE language = old.language AND passages = 0;
    END""",
)

_M006_END = ("DROP TABLE earlier_passages", "PRAGMA user_version = 6")

_M007 = (
    # A row for each page text: the numbers of its passages (int64), as many vectors (int8), and the model they are of.
    """CREATE TABLE passage_vectors (
        text INTEGER PRIMARY KEY REFERENCES texts(id),
        version INTEGER NOT NULL REFERENCES versions(id),
        language TEXT NOT NULL,
        model TEXT NOT NULL,
        passages BLOB NOT NULL,
        vectors BLOB NOT NULL
    )""",
    "CREATE INDEX passage_vectors_version ON passage_vectors(version)",
    # A vector tells of the text that it was made of: it goes with any of the text's passages.
    """CREATE TRIGGER passages_delete_vectors AFTER DELETE ON passages BEGIN
        DELETE FROM passage_vectors WHERE text = old.text;
    END""",
    "PRAGMA user_version = 7",
)
