"""Search by words: which passages hold them, how well each fits, and what a reader is shown of it.

`ranking` is the way through: `statistics` says what a term is worth in a language, `candidates` finds passages within a
fixed budget of index entries, `scoring` scores them with every term of the query. It is a package of its own because
the analysis of eleven languages takes longer to import than a list takes to print.
"""
