"""NeMo in plain torch, its weights, its tokenizers, and the catalogue of models. Knows no engine, no document."""
