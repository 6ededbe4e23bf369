"""The child process that reads files: `python -m nemo_docs.library.extract`.

It is asked by JSON lines on stdin and answers each with one on stdout, never with pickles: `{"open": {…}}` with
`{"opened": {…}}` or `{"failed": {…}}`, `{"page": 7}` with `{"page": {…}}`, `{"close": true}` with `{"done": {…}}`. A
page is made ready here to be stored, if the parent wants that, as it is pure work. A page that raises costs that page
only. Whatever a library prints goes nowhere. Where the system allows, memory and processor time are bounded and no file
can be written. When the parent is gone stdin ends, and so does the child.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import IO, Any

from nemo_docs.errors import ReaderError
from nemo_docs.library import child, languages, preparing
from nemo_docs.library.extraction import RawPage
from nemo_docs.library.readers import RawText, Reader, load_reader
from nemo_docs.library.records import PageStatus

LONGEST_PAGE = 1_000_000
"""Characters of raw text on one page; more is no page that anybody reads."""


_YOUNG_OBJECTS = 50_000
"""Objects made before Python looks for garbage: parsing makes them by the hundred thousand, and nearly none in cycles.
At the default of 700 that search takes a tenth of the time."""


def main() -> None:
    """Serve requests for as long as they come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    file: _File | None = None
    for request in child.requests():
        try:
            if "open" in request:
                file = _open(request["open"], answers)
            elif "page" in request:
                assert file is not None
                _answer(answers, page=file.page(request["page"]))
            else:
                file = None
                _answer(answers, done={"memory_bytes": _memory_bytes()})
                gc.collect()
        except BrokenPipeError:
            os._exit(0)


def _answer(answers: IO[str], **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")


class _File:
    """A file that is open."""

    def __init__(self, reader: Reader, is_preparing: bool) -> None:
        self._reader, self._is_preparing = reader, is_preparing

    def page(self, number: int) -> dict[str, Any]:
        """One page, as the parent is told of it."""
        raw, failure, ready = RawText(""), "", None
        try:
            raw = self._reader.page(number)
            if len(raw.text) > LONGEST_PAGE:
                failure = f"it holds {len(raw.text):,} characters; the limit is {LONGEST_PAGE:,}"
            elif self._is_preparing:
                page = preparing.prepare(RawPage(number, PageStatus.OK, raw), self._reader.extractor)
                ready = preparing.to_plain(page)
        except Exception as error:  # whatever a hostile page provokes costs that page only, and is told
            failure = _reason(error)
        if failure:
            raw = RawText("")
        return {"number": number, "failure": failure, "ready": ready, **raw._asdict()}


def _open(request: dict[str, Any], answers: IO[str]) -> _File | None:
    """Open a file and say what it is; or why it cannot be opened."""
    reader_class: Any = load_reader(request["reader"])
    if request["prepares"]:
        languages.load()  # before memory is bounded: it maps more than it uses
    gc.freeze()  # what is loaded stays: the search for garbage after each file need not look at it
    _limit(request["memory_bytes"], request["cpu_s"])
    try:
        with open(os.fsdecode(bytes.fromhex(request["path"])), "rb") as file:
            data = file.read(request["file_bytes"] + 1)
        reader = reader_class(data, password=request["password"])
        if request["extractor"]:
            reader.use(request["extractor"])
    except (ReaderError, OSError, MemoryError, RecursionError) as error:
        reason = {"kind": type(error).__name__, "reason": _reason(error), "hint": getattr(error, "hint", "")}
        _answer(answers, failed=reason)
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    _answer(answers, opened={"pages": reader.pages, "extractor": reader.extractor, "sha256": sha256})
    return _File(reader, request["prepares"])


def _memory_bytes() -> int:
    """The most memory that this process has had; 0 where the system does not say."""
    if sys.platform == "linux":  # where rusage goes on from what the parent had when it forked
        with open("/proc/self/status", encoding="utf-8") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), 0)
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than allowed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:300] or type(error).__name__


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Bounds on what the process may use for the next file; Windows has none of these."""
    try:
        import resource
    except ImportError:
        return
    sys.dont_write_bytecode = True
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = (
        (resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory_bytes),
    )
    for kind, value in limits:
        with suppress(ValueError, OSError):  # macOS refuses some; the parent's clock still holds
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    main()
