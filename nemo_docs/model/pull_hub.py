"""A model from the Hugging Face Hub, by its own client: resumable, with the user's token, and checked.

The hub states a SHA-256 for large files and a Git object id for small ones; both are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from nemo_docs.errors import PullFailed
from nemo_docs.model.catalogue import Entry, HubSource
from nemo_docs.model.pull import PullEvent, make_private, no_room
from nemo_docs.model.pull_child import ChildFailed, last_line, ran_out_of_room, watch
from nemo_docs.model.weights.fingerprint import FingerprintCache

_REFUSAL = re.compile(r"GatedRepoError|RepositoryNotFoundError|\b40[13] (?:Client Error|Forbidden|Unauthorized)")


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the hub says of one file."""

    name: str
    size: int
    sha256: str | None
    git_id: str


def fetch_repository(entry: Entry, source: HubSource, work: Path) -> Generator[PullEvent, None, Path]:
    """Fetch and check the files; the folder with the finished model is returned.

    Raises:
        PullFailed: If the hub cannot be reached, refuses, or sends something else than it states.
        DoesNotFit: If the disk becomes full.
    """
    ready = work / "ready"
    ready.mkdir(exist_ok=True, mode=0o700)
    revision, files = _ask_hub(source)
    total = sum(file.size for file in files)
    argument = {
        "repository": source.repository,
        "revision": revision,
        "folder": str(ready),
        "files": [(file.name, file.sha256 or file.git_id, file.size) for file in files],
    }
    # -P: the folder of the script holds modules whose names other packages have too.
    command = [sys.executable, "-P", str(Path(__file__).with_name("hub_download.py")), json.dumps(argument)]
    try:
        for fetched in watch(command, work):
            yield PullEvent("download", min(fetched, total), total)
    except ChildFailed as failure:
        if ran_out_of_room(str(failure)):
            raise no_room(entry, work.parent) from None
        raise _refused(source, str(failure)) from None
    done, cache = 0, FingerprintCache(work.parent)
    for file in files:
        yield PullEvent("check", done, total)
        make_private(ready / file.name)
        if not _is_as_stated(ready / file.name, file, cache):
            (ready / file.name).unlink(missing_ok=True)
            raise PullFailed(
                f"{file.name} of {source.repository} is not what the hub says it is.",
                hint="Pull again to fetch it anew.",
            )
        done += file.size
    return ready


def _ask_hub(source: HubSource) -> tuple[str, list[_Stated]]:
    """The commit to fetch from, and the size and digest of each file in it."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the child inherits it
    from huggingface_hub import HfApi, RepoFile

    try:
        api = HfApi(library_name="nemo-docs")
        revision = api.model_info(source.repository, timeout=15).sha or "main"
        found = api.get_paths_info(source.repository, list(source.files), revision=revision)
    except Exception as error:  # the client's own errors, its HTTP library's, and the system's share no base
        raise _refused(source, f"{type(error).__name__}: {error}") from None
    files = [
        _Stated(file.path, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
        for file in found
        if isinstance(file, RepoFile)
    ]
    if missing := set(source.files) - {file.name for file in files}:
        raise PullFailed(f"{source.repository} no longer has {sorted(missing)[0]}.", hint="Update nemo-docs.")
    return revision, files


def _refused(source: HubSource, reason: str) -> PullFailed:
    if _REFUSAL.search(reason):
        return PullFailed(
            f"The Hugging Face Hub does not give {source.repository} to everyone.",
            hint=f"Accept its licence at https://huggingface.co/{source.repository}, then run `hf auth login` or set "
            "HF_TOKEN.",
        )
    return PullFailed(
        f"{source.repository} could not be fetched from the Hugging Face Hub: {last_line(reason)}",
        hint="Check the network and pull again; what was fetched is kept.",
    )


def _is_as_stated(path: Path, stated: _Stated, cache: FingerprintCache) -> bool:
    if path.stat().st_size != stated.size:
        return False
    if stated.sha256:
        return cache.sha256(path) == stated.sha256
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == stated.git_id
