"""From paths to documents: find the files, read each in a child process, commit page by page.

Killed at any moment it loses nothing that was committed and doubles nothing: a version says how many pages it has, its
ledger how many are there, and adding the file again goes on behind the last. A file that fails never stops the others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from nemo_docs.errors import LibraryError, NemoDocsError, NoTextLayer, NothingFound, Unreadable
from nemo_docs.library import inbox
from nemo_docs.library.clean import clean, clean_line
from nemo_docs.library.events import FileDone, FileFailed, FileSkipped, FileStarted, IngestEvent, PageDone, Totals
from nemo_docs.library.extraction import Limits, Opened, RawPage, extract
from nemo_docs.library.languages import UNKNOWN, detect
from nemo_docs.library.readers import HEAD_BYTES, PICTURES, READERS, reader_name
from nemo_docs.library.readers.tesseract import find, how_to_install
from nemo_docs.library.records import PageFlag, PageStatus, VersionStatus
from nemo_docs.library.store import Library
from nemo_docs.library.tags import collection_name
from nemo_docs.library.versions import NewPage, Version


def add(
    library: Library,
    paths: Iterable[str | Path],
    *,
    password: str | None = None,
    limits: Limits | None = None,
    collections: Iterable[str] = (),
) -> Generator[IngestEvent, None, None]:
    """Add files, and folders with all that is in them, to the library.

    Stop by closing the iterator: what was committed stays.

    Args:
        library: Open for writing.
        paths: Files and folders. In folders, hidden files and files that no reader knows are left alone and counted.
        password: For encrypted files.
        limits: What one file may cost.
        collections: Every document is put into these: with its first page, or when it is found to be there already.

    Yields:
        For each file FileStarted, PageDone for each page, and one of FileDone, FileSkipped and FileFailed; for a path
        with nothing to read FileFailed alone; at the end Totals.

    Raises:
        LibraryError: If the library cannot be written.
        UsageError: If a collection cannot be called that; nothing is read then.
    """
    names = [collection_name(name) for name in collections]
    tagged: set[str] = set()
    inbox.sweep(library.path, library.paths())
    found = _find(paths)
    totals = Totals(failed=len(found.failures), unsupported=found.unsupported, hidden=found.hidden)
    yield from found.failures
    for position, path in enumerate(found.files, 1):
        yield FileStarted(path, position, len(found.files))
        with closing(_add_file(library, path, password, limits or Limits())) as events:
            for event in events:
                if not isinstance(event, FileStarted | Totals) and event.handle not in tagged:
                    _tag(library, event.handle, names)
                    tagged.add(event.handle)
                match event:
                    case PageDone():
                        totals = replace(totals, pages=totals.pages + 1)
                    case FileDone():
                        totals = replace(totals, added=totals.added + 1)
                    case FileSkipped():
                        totals = replace(totals, already=totals.already + 1)
                    case FileFailed():
                        totals = replace(totals, failed=totals.failed + 1)
                yield event
    yield totals


def _tag(library: Library, handle: str, names: Iterable[str]) -> None:
    with suppress(NothingFound):  # a file of which nothing was kept, or a document that was removed meanwhile
        for name in names:
            library.tag(handle, name)


@dataclass
class _Found:
    files: list[str] = field(default_factory=list)
    failures: list[FileFailed] = field(default_factory=list)
    unsupported: int = 0
    hidden: int = 0


def _find(paths: Iterable[str | Path]) -> _Found:
    """The files that the paths name, each once, those of a folder in the order of their names."""
    found = _Found()
    for given in map(str, paths):
        path = os.path.abspath(given)
        if given and os.path.isdir(path):
            before = len(found.files), len(found.failures)
            for _ in _walk(path, found):
                pass
            if (len(found.files), len(found.failures)) == before:
                error = NothingFound(
                    f"The folder {clean_line(given)} holds no file that can be read.",
                    hint=f"Readable are {', '.join(READERS)}.",
                )
                found.failures.append(FileFailed(path, error))
        elif given and os.path.lexists(path):
            found.files.append(path)
        else:
            error = NothingFound(
                f"There is no file or folder {clean_line(given) or repr(given)}.", hint="Check the path's spelling."
            )
            found.failures.append(FileFailed(given, error))
    found.files = list(dict.fromkeys(found.files))
    return found


def count_files(paths: Iterable[str | Path]) -> Iterator[int]:
    """How many files there are to read: the number so far after each folder, so that a caller can stop."""
    found = _Found()
    for path in map(str, paths):
        if os.path.isdir(path):
            for _ in _walk(os.path.abspath(path), found):
                yield len(found.files)
        else:
            found.files.append(path)
            yield len(found.files)


def _walk(folder: str, found: _Found) -> Iterator[None]:
    """Take in what a folder holds, one folder within it after the other."""

    def closed(error: OSError) -> None:
        unreadable = Unreadable(
            f"The folder {clean_line(str(error.filename))} cannot be read: {error.strerror}.",
            hint="Check its permissions.",
        )
        found.failures.append(FileFailed(str(error.filename), unreadable))

    suffixes = READERS.keys() if find() else READERS.keys() - PICTURES  # a folder of photographs is no list of errors
    for parent, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                found.hidden += 1
            elif os.path.splitext(name)[1].lower() in suffixes:
                found.files.append(os.path.join(parent, name))
            else:
                found.unsupported += 1
        yield


def _add_file(library: Library, path: str, password: str | None, limits: Limits) -> Generator[IngestEvent, None, None]:
    handle = ""
    try:
        sha256, reader = _look_at(path, limits)
        version = library.version(sha256, path)
        if version and version.status is VersionStatus.COMPLETE and version.is_current:
            if not os.path.exists(version.path):  # the file has moved
                library.move(version, path)
                version = replace(version, path=path)
            yield FileSkipped(path, version.handle, version.title, version.path)
            return
        is_new_version = bool(version and not version.is_current)
        if version and version.status is VersionStatus.COMPLETE:  # bytes that the path has had before are back
            yield _finish(library, version, path, resumed_at=1, is_new_version=True)
            return
        start = version.pages_read + 1 if version else 1
        language = version.language if version else UNKNOWN
        with closing(extract(path, reader, start=start, password=password, limits=limits)) as pages:
            opened = next(pages)
            assert isinstance(opened, Opened)
            if opened.sha256 != sha256:
                raise Unreadable(
                    f"{clean_line(os.path.basename(path))} changed while it was read.", hint="Add it again."
                )
            version = library.start_version(path=path, title=_title(path), sha256=sha256, pages=opened.pages)
            handle = version.handle
            is_new_version = not version.is_current
            for raw in pages:
                assert isinstance(raw, RawPage)
                page = _page(raw, opened.extractor, language)
                language = page.language if page.status is PageStatus.OK else language
                if library.add_page(version, page):
                    characters = len(page.text.text) if page.text else 0
                    yield PageDone(path, handle, version.title, page.number, opened.pages, page.status, characters)
        yield _finish(library, version, path, resumed_at=start, is_new_version=is_new_version)
    except LibraryError:
        raise
    except NemoDocsError as error:
        yield FileFailed(path, error, handle)


def _look_at(path: str, limits: Limits) -> tuple[str, str]:
    """A file's SHA-256 and its reader.

    Raises:
        Unreadable: If it is no file that a reader knows.
    """
    name = clean_line(os.path.basename(path))
    if not os.path.exists(path):
        raise Unreadable(f"{name} cannot be read: it is a link that leads nowhere.", hint="Give the file itself.")
    if not os.path.isfile(path):
        raise Unreadable(f"{name} cannot be read: it is not a regular file.", hint="Give a file or a folder.")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise Unreadable(f"{name} is empty: it has 0 bytes.", hint="Copy or download it again.")
            if size > limits.file_bytes:
                raise Unreadable(f"{name} has {size:,} bytes; the limit is {limits.file_bytes:,}.", hint="Split it.")
            reader = reader_name(path, file.read(HEAD_BYTES))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    if reader is None:
        raise Unreadable(f"{name} is of a kind that no reader knows.", hint=f"Readable are {', '.join(READERS)}.")
    return sha256, reader


def _page(raw: RawPage, extractor: str, language: str) -> NewPage:
    """One page as it will be stored; a page too short to tell its language is taken to be in its neighbour's."""
    if raw.status is not PageStatus.OK:
        return NewPage(raw.number, extractor, raw.status, raw.note, flags=(PageFlag(raw.status),))
    found = raw.found
    text = clean(found.text, found.hidden)
    hidden = sum(end - start for start, end in found.hidden)
    flags = {*found.flags, *((PageFlag.HIDDEN,) if hidden else ()), *(() if text.text else (PageFlag.EMPTY,))}
    note = f"hidden text left out: {hidden} characters" if hidden else ""
    detected = detect(text.text)
    return NewPage(
        number=raw.number,
        extractor=found.extractor or extractor,
        status=PageStatus.OK if text.text else PageStatus.EMPTY,
        note=note if text.text else note or "no text layer",
        language=language if text.text and detected == UNKNOWN else detected,
        raw=found.text,
        text=text,
        flags=tuple(flag for flag in PageFlag if flag in flags),
        label=found.label,
    )


def _finish(library: Library, version: Version, path: str, *, resumed_at: int, is_new_version: bool) -> FileDone:
    """Make the version current and say what it holds.

    Raises:
        NoTextLayer: If none of its pages has any text; the version stays, with its ledger.
        Unreadable: The same, where pages could not be read and may hold some.
        NothingFound: If the document has been removed meanwhile.
    """
    finished = library.finish(version)
    if finished is None:
        raise NothingFound(f"{version.title} was removed while it was read.", hint="Add it again to have it.")
    if finished.pages_without_text == finished.pages and finished.pages_failed:
        raise Unreadable(
            f"{version.title} gave no text: {finished.pages_failed} of {finished.pages} pages could not be read.",
            hint=f"It is kept as {version.handle}; `nemo-docs pages {version.handle}` says for each page why.",
        )
    if finished.pages_without_text == finished.pages:
        raise NoTextLayer(
            f"{version.title} has no text layer: no text on any of its pages ({finished.pages}).",
            hint=f"It is kept as {version.handle}. {_scan_hint(version.handle)}",
        )
    return FileDone(
        path=path,
        handle=finished.handle,
        title=finished.title,
        pages=finished.pages,
        pages_without_text=finished.pages_without_text,
        characters=finished.characters,
        language=finished.language,
        resumed_at=resumed_at,
        is_new_version=is_new_version,
    )


def _scan_hint(handle: str) -> str:
    if find():
        return "OCR is off, or found no text in its pictures: see `nemo-docs config ocr`."
    return f"{how_to_install()} Then run `nemo-docs pages {handle} --redo all --with ocr`."


def _title(path: str) -> str:
    """The file's name, as users know it, made harmless."""
    return clean_line(os.path.basename(path)) or "untitled"
