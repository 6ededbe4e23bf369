"""The door that `nemo-docs` and `python -m nemo_docs` come in by.

It imports the command line inside the guard, so that Ctrl-C during the first tenth of a second is as quiet as later.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line on this process's arguments and exit."""
    gc.disable()  # nothing that is imported becomes garbage, and looking for some takes a seventh of the start
    try:
        from nemo_docs.cli import run

        gc.freeze()
        gc.enable()
        code = int(run(sys.argv[1:]))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    if code == INTERRUPTED:
        # Where Ctrl-C broke off an exec() of source text, as in imports, Python would end by the signal, not a code.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
