"""Search by meaning (extra `semantic`): passages as vectors, so that a question finds them in another language."""
