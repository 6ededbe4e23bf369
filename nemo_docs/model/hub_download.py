"""The child that downloads from the Hugging Face Hub; run as a script, by its path, with one JSON argument.

The client's own `hf_hub_download` gives every process a file of its own and deletes it on failure, so 24 GB would
begin anew after each interruption. Its lower layer takes a place to resume at: here each file grows as a `.part` that
is named by its digest, and only a whole one gets its name. Requests, redirects, retries and the user's token stay the
client's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def download(repository: str, revision: str, folder: Path, files: list[tuple[str, str, int]]) -> None:
    """Fetch files into `folder`, each from where an earlier attempt ended.

    Args:
        repository: Owner and name.
        revision: Commit.
        folder: Where the files go.
        files: Name, digest and bytes of each.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers = build_hf_headers(library_name="nemo-docs")
    for name, digest, size in files:
        if (folder / name).exists():
            continue
        part = folder / f"{name}.{digest}.part"
        for other in folder.glob(f"{name}.*.part"):
            if other != part or other.stat().st_size > size:
                other.unlink()
        with part.open("ab") as out:
            url = hf_hub_url(repository, name, revision=revision)
            http_get(url, out, resume_size=out.tell(), headers=headers, expected_size=size)
        part.rename(folder / name)


if __name__ == "__main__":
    argument = json.loads(sys.argv[1])
    try:
        download(argument["repository"], argument["revision"], Path(argument["folder"]), argument["files"])
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        sys.exit(1)
