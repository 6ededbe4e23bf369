"""Weights on disk: one protocol, three layouts (Mistral's own, Hugging Face's, GGUF)."""
