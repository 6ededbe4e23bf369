"""Starting the engine's process: apart from the terminal, with an environment in which its threads work well."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from nemo_docs.engine.process.address import Place
from nemo_docs.paths import private_folder


def start(place: Place, idle_s: float) -> subprocess.Popen[bytes]:
    """Start an engine for a library; it ends at once, with `HELD`, if there is one.

    Args:
        place: The library's.
        idle_s: How long it waits for requests before it ends.
    """
    private_folder(place.state)
    arguments = [sys.executable, "-P", "-m", "nemo_docs.engine.process", str(place.state), str(idle_s)]
    detached: dict[str, Any] = {"start_new_session": True}  # Ctrl-C in this terminal is not for it
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    with open(os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.state,
            env=_environment(),
            **detached,
        )
    threading.Thread(target=process.wait, name="engine's end", daemon=True).start()  # leaves no zombie behind
    return process


def _environment() -> dict[str, str]:
    """What the engine's process finds: the code that this one runs, and threads that do not wait by spinning for long.

    Torch's threads meet some two hundred times a token. Spinning without end, one that another program has pushed off
    its core keeps the others spinning: beside one busy process on two cores a question took 69 s in place of 2.5. With
    short spins it takes 14 s, and alone as long as before.
    """
    found = dict(os.environ)
    package = str(Path(__file__).parents[3])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [package, found.get("PYTHONPATH", "")]))
    if "OMP_WAIT_POLICY" not in found:
        found.setdefault("GOMP_SPINCOUNT", "3000")
    return found
