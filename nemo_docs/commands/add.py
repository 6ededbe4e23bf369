"""`nemo-docs add`: files and folders come into the library, now or as they appear; and the queue that they stand in."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from nemo_docs.commands.adding import say_what_is_left, show, tell
from nemo_docs.commands.progress import Progress
from nemo_docs.commands.shared import example, json_option, read_password, standard_input
from nemo_docs.errors import ExitCode, UsageError
from nemo_docs.library.adding_queue import AddingQueue, FileState
from nemo_docs.settings import load

if TYPE_CHECKING:
    from nemo_docs.library.events import IngestEvent
    from nemo_docs.library.store import Library

_WITH_FILES = ("drop",)
_WITHOUT_FILES = ("queue",)


@click.command(
    epilog=example(
        "add contract.pdf notes/ --tag law",
        "add papers/ --exclude 'drafts/' --watch",
        "add --password secret.pdf",
        "add --resume",
        "add --queue",
        "add --samples",
        "add - --title notes.md < notes.md",
    )
)
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--samples", is_flag=True, help="Add the sample library: one text in eleven languages.")
@click.option("--title", metavar="NAME", help="With PATH '-': what to call it; stdin.txt unless given.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Put them into this collection. May be repeated.")
@click.option("--exclude", "excludes", metavar="PATTERN", multiple=True, help="Leave alone in folders, as .gitignore.")
@click.option("--watch", "is_watched", is_flag=True, help="Go on with what comes into the folders, until Ctrl-C.")
@click.option("--password", "ask_password", is_flag=True, help="Ask for the password of encrypted files.")
@click.option("--queue", "act", flag_value="queue", help="Show what waits, and why what failed could not be read.")
@click.option("--pause", "act", flag_value="pause", help="Pass over these, or all, until they are resumed.")
@click.option("--resume", "act", flag_value="resume", help="Go on with these, or with all that waits or is paused.")
@click.option("--retry", "act", flag_value="retry", help="Try these, or all that failed, again.")
@click.option("--forget", "act", flag_value="forget", help="Let go of these, or of all, that failed.")
@click.option("--drop", "act", flag_value="drop", help="Take these out of the queue; what was read is kept.")
@json_option
def add(paths: tuple[str, ...], act: str | None, as_json: bool, **options: Any) -> int:
    """Read documents, and folders of them, into the library.

    PDF, DOCX, ODT, RTF, PPTX, XLSX, EPUB, HTML, Markdown and plain text; scans and pictures of text (PNG, JPEG, TIFF,
    WebP) where the program tesseract is installed, as `nemo-docs doctor` says.

    What is there already is left alone; what was interrupted goes on where it stopped; a file that fails does not stop
    the others. A changed file becomes a new version of its document. With --tag what is there already is put into the
    collection, too. The password is read from standard input when that is no terminal, and not kept.

    All files stand in a queue until they are read. Ctrl-C keeps it, and --resume goes on; what failed stays in it until
    it is tried again or let go. Several files are read at once, one for each core. In folders hidden files, and what
    --exclude or a file named .nemoignore names, are left alone and counted.

    PATH '-' reads one document from standard input; a copy of it is kept beside the library until it is removed.
    """
    given = _Given(paths, **options)
    given.check(act)
    queue = AddingQueue(load().paths.library)
    files = [os.path.abspath(path) for path in paths]
    match act:
        case None:
            return _add(given, as_json)
        case "resume" | "retry":
            (queue.resume if act == "resume" else queue.retry)(files or None)
            return _resume(files, read_password() if given.ask_password else None, as_json)
        case "pause":
            queue.pause(files or None)
        case "forget":
            queue.forget(files or None)
        case "drop":
            queue.remove(files)
    show(queue.items(), as_json)
    return ExitCode.DONE


@dataclass(frozen=True)
class _Given:
    """What was said on the command line."""

    paths: tuple[str, ...]
    samples: bool
    title: str | None
    tags: tuple[str, ...]
    excludes: tuple[str, ...]
    is_watched: bool
    ask_password: bool

    def check(self, act: str | None) -> None:
        """Refuse what has no meaning together.

        Raises:
            UsageError: If something has none.
        """
        if act is not None:
            self._check_act(act)
            return
        if not self.paths and not self.samples:
            raise UsageError("Nothing to add was named.", hint="Name files or folders: nemo-docs add PATH...")
        if "-" not in self.paths and self.title is not None:
            raise UsageError("--title names a document from standard input.", hint="Give '-' as a PATH.")
        if "-" in self.paths and self.ask_password:
            raise UsageError(
                "Standard input can hold a password or a document, not both.", hint="Add the one file alone."
            )
        if self.is_watched and (other := next((path for path in self.paths if not os.path.isdir(path)), None)):
            raise UsageError(f"Only folders are watched, and {other!r} is none.", hint="Name folders alone.")

    def _check_act(self, act: str) -> None:
        said = {"samples": self.samples, "title": self.title, "tag": self.tags, "exclude": self.excludes,
                "watch": self.is_watched}  # fmt: skip
        if flag := next((flag for flag, value in said.items() if value), None):
            raise UsageError(f"--{act} is about the queue, so --{flag} has no meaning.", hint="Leave it out.")
        if self.ask_password and act not in ("resume", "retry"):
            raise UsageError(f"--{act} reads nothing, so --password has no meaning.", hint="Leave it out.")
        if act in _WITH_FILES and not self.paths:
            raise UsageError(f"--{act} names no file.", hint=f"Name some: nemo-docs add PATH --{act}.")
        if act in _WITHOUT_FILES and self.paths:
            raise UsageError(f"--{act} is about the whole queue.", hint="Leave the files out.")


def _add(given: _Given, as_json: bool) -> int:
    from nemo_docs.library import ingest
    from nemo_docs.library.store import Library
    from nemo_docs.library.tags import collection_name

    paths = given.paths
    if given.samples:
        from nemo_docs.library.samples import samples_folder

        paths = (*paths, str(samples_folder()))
    collections = [collection_name(tag) for tag in given.tags]
    password = read_password() if given.ask_password else None
    with (
        Library(load().paths.library) as library,
        _stdin_kept(library, paths, given.title or "stdin.txt") as files,
        Progress() as progress,
    ):

        def added(files: Sequence[str]) -> Generator[IngestEvent, None, None]:
            return ingest.add(library, files, password=password, collections=collections, excludes=given.excludes)

        if not given.is_watched:
            return _told(library, added(files), progress, as_json)
        from nemo_docs.library.watching import watch

        folders = [os.path.abspath(path) for path in paths]
        code = ExitCode.DONE
        for changed in watch(folders, threading.Event(), excludes=given.excludes):
            _say_gone(library, changed, progress)
            if here := [path for path in changed if os.path.lexists(path)]:
                code = max(code, _told(library, added(here), progress, as_json))
            if changed == folders:
                progress.say(f"Watching {', '.join(folders)}; Ctrl-C ends it.")
        return code


def _resume(files: Sequence[str], password: str | None, as_json: bool) -> int:
    from nemo_docs.library import ingest
    from nemo_docs.library.store import Library

    with Library(load().paths.library) as library, Progress() as progress:
        return _told(library, ingest.resume(library, files or None, password=password), progress, as_json)


def _told(library: Library, events: Generator[IngestEvent, None, None], progress: Progress, as_json: bool) -> ExitCode:
    """Tell what comes of some files, and what is left in the queue."""
    queue = AddingQueue(library.path)
    try:
        with closing(events):
            code = tell(events, progress, as_json)
    except KeyboardInterrupt:
        say_what_is_left(queue.items(), progress)
        raise
    say_what_is_left(queue.items(), progress)
    return code


def _say_gone(library: Library, paths: Sequence[str], progress: Progress) -> None:
    for path in paths:
        if not os.path.lexists(path) and (version := library.version_at(path)):
            progress.say(f"{version.title} is gone from its folder; its document is kept as {version.handle}.")


@contextmanager
def _stdin_kept(library: Library, paths: Sequence[str], title: str) -> Iterator[Sequence[str]]:
    """The paths, with a copy of standard input in the place of '-'; it goes again if no document came of it."""
    if "-" not in paths:
        yield paths
        return
    from nemo_docs.library import inbox
    from nemo_docs.library.extraction import Limits

    kept = inbox.keep(library.path, standard_input(), title, max_bytes=Limits().file_bytes)
    try:
        yield [str(kept) if path == "-" else path for path in paths]
    finally:
        version, queue = library.version(kept.parent.name, str(kept)), AddingQueue(library.path)
        is_wanted = any(item.path == str(kept) and item.state is not FileState.FAILED for item in queue.items())
        if not is_wanted and (version is None or version.path != str(kept)):
            queue.remove([str(kept)])
            inbox.discard(library.path, kept)
