"""Documents to pages to passages in SQLite: readers, languages, search. Knows nothing of language models."""
