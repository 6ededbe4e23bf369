"""NeMo in plain torch, its weights, tokenizers and the catalogue of models. Knows nothing of engines or documents."""
