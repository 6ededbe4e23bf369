"""Adding a folder of PDFs beside bare pypdf: pages a second of both, and processor time, in one run.

    python -m tests.benchmarks.bench_ingest PDF... [--copies 6] [--workers N] [--rounds 3] [--joined]

Each file is copied so many times into a folder, with another content each; or, `--joined`, all copies of all files are
the pages of one PDF, and `alone` is `ours` with one worker, in the same turns. `bare` is one fresh process that does
`for page in PdfReader(file).pages: page.extract_text()` over the folder, its start and imports not counted. `ours` is
one fresh process that adds the folder to an empty library, its start and imports not counted, but the start of its
workers is; every page is cleaned, told its language, indexed and committed. They take turns. The best round of each
counts, as other programs may run; the ratio of processor times says how much of that is due to the machine. Ends with
one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pypdf import PdfWriter

from nemo_docs.library.crew import usable_workers
from tests.benchmarks.machine import commit, processor

TIMED = """
import json, os, sys, time
def cpu():
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system
folder, library, workers = sys.argv[1:]
%s
wall, before = time.perf_counter(), cpu()
pages = work()
print(json.dumps({"pages": pages, "wall_s": time.perf_counter() - wall, "cpu_s": cpu() - before}))
"""
BARE = """
from pypdf import PdfReader
def work():
    pages = 0
    for name in sorted(os.listdir(folder)):
        for page in PdfReader(os.path.join(folder, name)).pages:
            page.extract_text()
            pages += 1
    return pages
"""
OURS = """
from pathlib import Path
from nemo_docs.library.ingest import add
from nemo_docs.library.store import Library
def work():
    with Library(Path(library)) as opened:
        *_, totals = add(opened, [folder], workers=int(workers))
    assert not totals.failed, totals
    return totals.pages
"""


def timed(code: str, folder: Path, workers: int) -> dict[str, Any]:
    """Pages, seconds and processor seconds of one round."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-c", TIMED % code, str(folder), f"{home}/library.db", str(workers)],
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def fill(folder: Path, pdfs: list[Path], copies: int, *, is_joined: bool) -> None:
    """Copies of files, with another content each; or one file that has all their pages."""
    joined = PdfWriter()
    for pdf in pdfs:
        for copy in range(copies):
            if is_joined:
                joined.append(pdf, import_outline=False)
            else:
                (folder / f"{pdf.stem}-{copy:02}.pdf").write_bytes(pdf.read_bytes() + b"\n%% copy %d\n" % copy)
    if is_joined:
        joined.write(folder / "joined.pdf")


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdfs", nargs="+", type=Path)
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--workers", type=int, default=usable_workers())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--joined", action="store_true")
    options = parser.parse_args()
    kinds = {"bare": (BARE, 1), "ours": (OURS, options.workers)}
    if options.joined:
        kinds["alone"] = (OURS, 1)
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in kinds}
    with tempfile.TemporaryDirectory() as place:
        fill(Path(place), options.pdfs, options.copies, is_joined=options.joined)
        for _ in range(options.rounds):
            for name, (code, workers) in kinds.items():
                rounds[name].append(timed(code, Path(place), workers))
                print(name, rounds[name][-1], flush=True)
    best = {name: min(found, key=lambda each: each["wall_s"]) for name, found in rounds.items()}
    result = {
        "files": [pdf.name for pdf in options.pdfs],
        "copies": options.copies,
        "joined": options.joined,
        "pages": best["ours"]["pages"],
        "workers": options.workers,
        "cores": usable_workers(),
        "bare_pages_per_s": round(best["bare"]["pages"] / best["bare"]["wall_s"], 1),
        "pages_per_s": round(best["ours"]["pages"] / best["ours"]["wall_s"], 1),
        "ratio": round(best["bare"]["wall_s"] / best["ours"]["wall_s"], 2),
        "cpu_ratio": round(
            min(each["cpu_s"] for each in rounds["ours"]) / min(each["cpu_s"] for each in rounds["bare"]), 2
        ),
        "alone_pages_per_s": round(best["alone"]["pages"] / best["alone"]["wall_s"], 1) if options.joined else None,
        "commit": commit(),
        "processor": processor(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
