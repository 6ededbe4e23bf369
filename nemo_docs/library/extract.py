"""The child process that reads one file: `python -m nemo_docs.library.extract`.

It is given one JSON line on stdin and answers with JSON lines on stdout, never with pickles: first `{"opened": {…}}` or
`{"failed": {…}}`, then `{"page": {…}}` for each page in order. A page that raises costs that page only. Whatever a
library prints goes nowhere. Where the system allows, memory and processor time are bounded and no file can be written.
When the parent is gone stdin ends, and so does the child.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import IO, Any

from nemo_docs.errors import ReaderError
from nemo_docs.library import child
from nemo_docs.library.readers import RawText, load_reader

LONGEST_PAGE = 1_000_000
"""Characters of raw text on one page; more is no page that anybody reads."""


def main() -> None:
    """Serve one request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    request = json.loads(sys.stdin.readline() or "null")
    if request is None:  # the parent died first
        return
    child.die_with_parent()
    reader = load_reader(request["reader"])
    _limit(request["memory_bytes"], request["cpu_s"])
    try:
        _serve(request, reader, answers)
    except BrokenPipeError:
        os._exit(0)


def _serve(request: dict[str, Any], reader_class: Any, answers: IO[str]) -> None:
    def answer(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")

    try:
        with open(os.fsdecode(bytes.fromhex(request["path"])), "rb") as file:
            data = file.read(request["file_bytes"] + 1)
        reader = reader_class(data, password=request["password"])
    except (ReaderError, OSError, MemoryError, RecursionError) as error:
        answer(failed={"kind": type(error).__name__, "reason": _reason(error), "hint": getattr(error, "hint", "")})
        return
    sha256 = hashlib.sha256(data).hexdigest()
    answer(opened={"pages": reader.pages, "extractor": reader.extractor, "sha256": sha256})
    for number in range(request["start"], reader.pages + 1):
        raw, failure = RawText(""), ""
        try:
            raw = reader.page(number)
        except Exception as error:  # whatever a hostile page provokes costs that page only, and is told
            failure = _reason(error)
        if len(raw.text) > LONGEST_PAGE:
            raw, failure = RawText(""), f"it holds {len(raw.text):,} characters; the limit is {LONGEST_PAGE:,}"
        answer(page={"number": number, "failure": failure, **raw._asdict()})


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than allowed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:300] or type(error).__name__


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Bounds on what the process may use; Windows has none of these."""
    try:
        import resource
    except ImportError:
        return
    sys.dont_write_bytecode = True
    limits = ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for kind, value in (*limits, (resource.RLIMIT_AS, memory_bytes)):
        with suppress(ValueError, OSError):  # macOS refuses some; the parent's clock still holds
            resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
