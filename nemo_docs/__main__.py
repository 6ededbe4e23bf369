"""The door that `nemo-docs` and `python -m nemo_docs` come in by.

It imports the command line inside the guard, so that Ctrl-C during the first tenth of a second is as quiet as later.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line on this process's arguments and exit."""
    try:
        from nemo_docs.cli import run

        code = int(run(sys.argv[1:]))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
