"""Make the mean vector of each language, which search by meaning takes away between languages.

    python -m tests.benchmarks.language_means FOLDER      (NTREX-128: en.txt and others, one sentence a line)

Every tenth line of the news in eleven languages, as a passage; written as int8 in the order of settings.LANGUAGES to
`library/meaning/language_means.bin`. To be made anew if the model changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from nemo_docs.library.meaning import vectors
from nemo_docs.library.meaning.embedder import Embedder
from nemo_docs.settings import LANGUAGES

STEP = 0.125 / 127


def main() -> None:
    """Compute and write them."""
    folder = Path(sys.argv[1])
    means = []
    with Embedder() as embedder:
        for language in LANGUAGES:
            kept = embedder.passages((folder / f"{language}.txt").read_text("utf-8").splitlines()[::10])
            assert kept is not None
            means.append(vectors.restored(kept).mean(axis=0))
    rounded = np.clip(np.rint(np.stack(means) / STEP), -127, 127).astype(np.int8)
    rounded.tofile(Path(vectors.__file__).with_name("language_means.bin"))


if __name__ == "__main__":
    main()
