"""What the app feels like: the time to its first frame, keys under load, and a second question from the shell.

First paint is from the start of the process to the last word of the first frame, beside the time that Python itself
takes to start. Keys are typed while a document is read through the model and a book of thousands of pages is ingested:
each is a character that stands nowhere else, and its time is that to the moment when the terminal is sent it. The
second question is asked by a process of its own; what its answer says of the time to generate is taken off.

    python -m tests.benchmarks.bench_app [--keys 200] [--starts 10]

Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import psutil

from nemo_docs import settings
from tests.benchmarks.machine import commit, processor
from tests.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
COMMAND = [sys.executable, "-m", "nemo_docs"]
FOOTER = b"Quit"
"""Drawn last."""
KEYS = [chr(code) for code in range(0x2801, 0x2900)]
"""Braille patterns: no document and no label holds one."""
BOOK_PAGES = 5_000


def first_paints(environment: dict[str, str], starts: int) -> dict[str, Any]:
    """Seconds from the start of the process to its first frame, and whether torch was there by then."""
    bare, paints, with_torch = [], [], 0
    for _ in range(starts):
        began = perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(perf_counter() - began)
        with Terminal(COMMAND, environment) as terminal:
            paints.append(terminal.seen(FOOTER) - terminal.began)
            maps = Path(f"/proc/{terminal.process.pid}/maps")
            with_torch += maps.exists() and "libtorch" in maps.read_text()
    return {
        "python_s": round(statistics.median(bare), 3),
        "first_paint_s": round(statistics.median(paints), 3),
        "first_paint_worst_s": round(max(paints), 3),
        "torch_loaded": with_torch,
    }


def keys_under_load(environment: dict[str, str], folder: Path, keys: int) -> dict[str, Any]:
    """Milliseconds from a key to its character on the terminal, while the machine is busy."""
    text = (SAMPLES / "udhr.en.txt").read_text(encoding="utf-8")
    (folder / "first.txt").write_text("\f".join(f"Part {n}.\n{text}" for n in range(60)), encoding="utf-8")
    (folder / "book.txt").write_text("\f".join(f"Page {n}.\n{text[:3000]}" for n in range(BOOK_PAGES)), "utf-8")
    subprocess.run([*COMMAND, "add", str(folder / "first.txt")], env=environment, check=True, capture_output=True)
    delays = []
    with Terminal(COMMAND, environment) as terminal:
        terminal.seen(FOOTER)
        terminal.seen(b"first.txt")
        terminal.send(b"\x1b[13~")  # F3: the library
        sleep(0.5)
        terminal.send(b"r")
        _until(lambda: _engine(environment).get("running", 0) > 0)
        terminal.send(b"\x1b[200~" + os.fsencode(folder / "book.txt") + b"\x1b[201~")
        terminal.seen(b"book.txt")
        terminal.send(b"\x1b[17~")  # F6: the prompt
        sleep(0.5)
        for n in range(keys):
            key = KEYS[n % len(KEYS)].encode()
            delays.append(_delay(terminal, key))
            sleep(0.1)
        is_reading = _engine(environment).get("running", 0) > 0
        is_ingesting = json.loads(_run(environment, "show", "book.txt", "--json").splitlines()[0])
    ordered = sorted(delays)
    return {
        "keys": keys,
        "p50_ms": round(statistics.median(delays), 1),
        "p95_ms": round(ordered[int(0.95 * len(ordered))], 1),
        "worst_ms": round(ordered[-1], 1),
        "still_reading": is_reading,
        "still_ingesting": is_ingesting["pages_read"] < BOOK_PAGES,
    }


def _delay(terminal: Terminal, key: bytes) -> float:
    mark = terminal.mark
    sent = terminal.send(key)
    return 1000 * (terminal.seen(key, mark) - sent)


def second_question(environment: dict[str, str]) -> dict[str, Any]:
    """Wall clock of a second `ask` about a sample, and what of it is not generation."""
    _run(environment, "add", "--samples")
    ask = ("ask", "Who has the right to education?", "--in", "udhr.en", "--json")
    _run(environment, *ask)
    walls, besides = [], []
    for _ in range(5):
        began = perf_counter()
        out = _run(environment, *ask)
        walls.append(perf_counter() - began)
        besides.append(walls[-1] - json.loads(out.splitlines()[-1])["timing"]["total_s"])
    return {"second_ask_s": round(statistics.median(walls), 2), "beside_generation_s": round(max(besides), 2)}


def _run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def _engine(environment: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run(environment, "engine", "status", "--json"))
    return found


def _until(condition: Any, timeout_s: float = 120.0) -> None:
    until = perf_counter() + timeout_s
    while not condition():
        if perf_counter() > until:
            raise TimeoutError("the app did not begin to read")
        sleep(0.2)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--starts", type=int, default=10)
    arguments = parser.parse_args()
    models = settings.load().paths.models
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            **os.environ,
            "NEMO_DOCS_HOME": str(folder / "home"),
            "NEMO_DOCS_MODELS_FOLDER": str(models),
            "TERM": "xterm-256color",
        }
        busy = {**environment, "NEMO_DOCS_HOME": str(folder / "busy")}
        try:
            report = {
                "benchmark": "app",
                **first_paints(environment, arguments.starts),
                **second_question(environment),
            }
            _run(environment, "engine", "stop")
            report |= keys_under_load(busy, folder, arguments.keys)
        finally:
            _run(environment, "engine", "stop")
            _run(busy, "engine", "stop")
    report |= {"machine": processor(), "cores": psutil.cpu_count(), "commit": commit()}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
