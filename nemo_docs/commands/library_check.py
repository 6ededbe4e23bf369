"""What `nemo-docs doctor` says of the library: whether it is sound, what waits, by what it is read and found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from nemo_docs.commands.check import Check, Status
from nemo_docs.errors import NemoDocsError
from nemo_docs.plain import size
from nemo_docs.settings import Configuration, Settings


def library(path: Path) -> Check:
    """Whether it opens, is sound, and holds whole documents."""
    if not path.exists():
        return Check("library", Status.OK, f"none yet; it will be {path}")
    from nemo_docs.library.reader import LibraryReader

    try:
        with LibraryReader(path) as library:
            documents = library.documents()
            damage = library.damage()
    except NemoDocsError as error:
        return Check("library", Status.BROKEN, error.message, error.hint)
    if damage:
        return Check("library", Status.BROKEN, f"{path} is damaged: {damage}", "Restore it from a copy.")
    pages = sum(document.pages for document in documents)
    unread = sum(document.pages_read < document.pages for document in documents)
    detail = f"{path}, {size(path.stat().st_size)}, {len(documents)} documents, {pages:,} pages, sound"
    if unread:
        return Check("library", Status.WARNING, f"{detail}; {unread} not read to the end", "Add those files again.")
    return Check("library", Status.OK, detail)


def files_to_add(path: Path) -> Check:
    """What waits to be added, and what could not be."""
    from nemo_docs.library.adding_queue import AddingQueue, FileState

    try:
        states = Counter(item.state for item in AddingQueue(path).items())
    except NemoDocsError as error:
        return Check("files to add", Status.BROKEN, error.message, error.hint)
    detail = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "none"
    if states[FileState.FAILED]:
        hint = "See why with: nemo-docs add --queue; then --retry, or --forget."
        return Check("files to add", Status.WARNING, detail, hint)
    return Check("files to add", Status.OK, detail)


def ocr(settings: Settings) -> Check:
    """Whether text in pictures can be read; a library without scans needs none of it."""
    from nemo_docs.library.readers.tesseract import LANGUAGES, how_to_install, installed

    found = installed()
    if found is None:
        return Check("ocr", Status.OK, "none; pages that are pictures have no text", how_to_install())
    here = [code for code, name in LANGUAGES.items() if name in found.languages]
    others = sorted(set(found.languages) - set(LANGUAGES.values()))
    missing = [code for code in LANGUAGES if code not in here]
    detail = f"tesseract {found.version} reads {', '.join([*here, *others])}"
    hint = "" if len(missing) < len(LANGUAGES) else how_to_install()
    facts = {"version": found.version, "languages": list(found.languages), "missing": missing}
    state = "; switched off by the setting ocr" if settings.ocr == "off" else ""
    return Check("ocr", Status.OK, detail + state, hint, facts)


def meaning(path: Path) -> Check:
    """Whether documents can be found by meaning, and how many of their pages."""
    from nemo_docs.library.meaning import model
    from nemo_docs.library.reader import LibraryReader

    if absence := model.absence():
        return Check("meaning", Status.OK, f"search goes by words alone: {absence.message}", absence.hint)
    try:
        model.check_weights()
        with LibraryReader(path) as library:
            shares = library.meaning_shares().values()
            pages = sum(page.text_sha256 != "" for each in library.documents() for page in library.pages(each))
    except NemoDocsError as error:
        return Check("meaning", Status.BROKEN, error.message, error.hint)
    done = sum(share.pages for share in shares)
    hint = "The app goes on while it is open; or: nemo-docs index" if done < pages else ""
    return Check("meaning", Status.OK, f"{model.NAME}, {done:,} of {pages:,} pages can be found by it", hint)


def store(configuration: Configuration) -> Check:
    """What was read and is kept, and whether there is room for more."""
    from nemo_docs.commands.kv_report import room

    found = room(configuration)
    if not found.budget_bytes:
        held = f", which still hold {size(found.n_bytes)}" if found.blocks else ""
        return Check("store", Status.OK, f"nothing that is read is kept in {found.folder} (store_size = 0){held}")
    taken = f"{size(found.n_bytes)} of at most {size(found.budget_bytes)}"
    detail = f"{found.folder}, {found.blocks:,} blocks, {taken}, {size(found.free_bytes)} free"
    if found.free_bytes < found.floor_bytes:
        return Check(
            "store",
            Status.WARNING,
            f"{detail}, less than the {size(found.floor_bytes)} that stay free: nothing more is kept",
            "Make room, or choose another floor: nemo-docs config set store_floor AMOUNT.",
        )
    return Check("store", Status.OK, detail)
