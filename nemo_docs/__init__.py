"""Private question answering over long documents, in the terminal, on Mistral NeMo 12B.

The rooms of the house, top to bottom; imports point down only:

- `cli`, `commands`: the command line.
- `answering`: packing, prompts, the reading plan, quotes, events.
- `backends`: who generates text; detokenising and stop strings.
- `library`: documents, pages, passages and search in SQLite.
- `engine`: prefill, decode, sampling and constraints; token ids in, events out.
- `model`: NeMo in torch: weights, layers, tokenizers, the catalogue of models.
- `kv`: the key/value cache, given numbers and never a model.
- `settings`, `paths`, `plain`, `errors`: options, places, text that is safe to print, the tree of errors.
"""

__version__ = "0.1.0"
