"""`python -m nemo_docs.engine.process STATE IDLE_S`: started by a client, never by hand."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nemo_docs.engine.process.address import HELD, Place
from nemo_docs.engine.process.service import Service
from nemo_docs.errors import EngineStopped


def main(state: str, idle_s: str) -> int:
    """Serve the library whose folder of state this is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = Place(Path(state))
    try:
        with place.held():
            service = Service(place.listen(), float(idle_s))
            signal.signal(signal.SIGTERM, lambda *_: service.stop(finish=False))
            service.run()
    except EngineStopped as error:
        print(error.message, file=sys.stderr)
        return HELD
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of clients that no longer read would keep the process
