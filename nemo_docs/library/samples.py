"""Where the sample library lies: beside the package in a checkout, in `nemo_docs_assets` when installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from nemo_docs.errors import NothingFound


def samples_folder() -> Path:
    """The folder that holds the sample documents, one text file for each of the eleven languages.

    Raises:
        NothingFound: If this installation came without them.
    """
    roots = [Path(__file__).parents[2] / "assets"]
    if installed := find_spec("nemo_docs_assets"):
        roots += [Path(place) for place in installed.submodule_search_locations or ()]
    for root in roots:
        if (root / "samples").is_dir():
            return root / "samples"
    raise NothingFound(
        "This installation has no sample library.", hint="Reinstall nemo-docs, or add files of your own."
    )
