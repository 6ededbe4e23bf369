"""Weights on disk: one protocol, four layouts (Mistral's own, Hugging Face's, GGUF, and ours)."""
