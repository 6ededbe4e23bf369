"""Tokenizers: text to ids and back, where text can never become a special id."""
