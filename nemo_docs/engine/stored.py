"""What is stored of a prompt, told without an engine and torch, for the fit of a question before it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nemo_docs.engine.parts import leading_part
from nemo_docs.engine.prefix import prefix_of
from nemo_docs.engine.spec import ModelSpec
from nemo_docs.kv.catalogue import find_identity, held, is_empty
from nemo_docs.kv.identity import Identity


class StoredPrompts:
    """Looks prompts up in the store as the engine of a model would.

    The identity is that which the same wishes led to when a model was last loaded for them. Where another library or
    other weights have come since, the engine will find less: it alone decides.

    Args:
        spec: The model, how it is to be run, and where the store is.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._folder = Path(spec.store)
        fields = find_identity(self._folder, spec.asks) if spec.store else None
        self._identity = Identity.from_fields(fields) if fields else None

    def holds_anything(self) -> bool:
        """Whether anything is stored for this model."""
        return self._identity is not None and not is_empty(self._folder, self._identity.seed)

    def tokens(self, segments: Sequence[Sequence[int]]) -> int:
        """How many leading tokens of a prompt that begins with these segments are stored."""
        if self._identity is None:
            return 0
        prefix = prefix_of(leading_part(segments, self._identity.chunk_tokens), self._identity.seed)
        return prefix.whole_chunks(held(self._folder, self._identity.seed, list(prefix.keys)))
