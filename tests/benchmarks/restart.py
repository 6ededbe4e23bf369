"""A document read by one process and asked about by another, with the embedded default: the part of bench_store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.benchmarks.gpu_base import Row, say

QUESTION = "Was ist ein Homöomorphismus?"
WAYS = {"fp32": ("fp32", "full"), "bf16": ("bf16", "full"), "8-bit": ("auto", "int8"), "as it comes": ("auto", "auto")}
NEAR_ITS_WINDOW, WINDOW = "a:1-11", "6144"
"""Pages that come near the largest window that leaves room for an answer in the default's 8k tokens."""


def call(home: Path, *arguments: str, **environment: str) -> tuple[float, list[dict[str, Any]]]:
    """One process, from its start to its end; returns seconds and what it said."""
    environ = {**os.environ, "NEMO_DOCS_HOME": str(home), "NEMO_DOCS_IN_PROCESS": "true", **environment}
    began = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "nemo_docs", *arguments, "--json"],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return perf_counter() - began, [json.loads(line) for line in done.stdout.splitlines()]


def asked(home: Path, scope: str, **environment: str) -> tuple[Row, dict[str, Any]]:
    """Ask; returns what it took, and the answer."""
    seconds, events = call(home, "ask", QUESTION, "--in", scope, "--budget", "3600", **environment)
    answer = events[-1]
    timing = answer["timing"]
    row = {
        "first_quote_s": timing["first_quote_s"],
        "wall_s": round(seconds, 2),
        **{name: timing[name] for name in ("tokens_cached", "tokens_restored", "restore_s", "tokens_prefilled")},
        "of": answer["coverage"]["tokens_read"],
    }
    return row, {name: answer[name] for name in ("text", "citations")}


def read(home: Path, scope: str, **environment: str) -> Row:
    """Read all windows; returns what was there already."""
    seconds, events = call(home, "read", scope, **environment)
    last = {event["window"]: event for event in events if event.get("stage") == "reading"}
    return {
        "wall_s": round(seconds, 1),
        "windows": len(last),
        "tokens": sum(event["tokens_total"] for event in last.values()),
        "cached": sum(event["tokens_cached"] for event in last.values()),
    }


def figures(pdf: Path | None) -> dict[str, Any]:
    """Cold and warm, for a document near the window and for a whole book."""
    pdf = pdf or Path(__file__).parents[3] / "shared/data/pdf/009-GeoTopo-komprimiert.pdf"
    found: dict[str, Any] = {"document": pdf.name}
    for name, (precision, kv) in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            call(home, "add", str(pdf))
            ways = {"NEMO_DOCS_PRECISION": precision, "NEMO_DOCS_KV": kv}
            near = {"NEMO_DOCS_WINDOW": WINDOW}
            cold, first = asked(home, NEAR_ITS_WINDOW, **ways, **near)
            warm, second = asked(home, NEAR_ITS_WINDOW, **ways, **near)
            row: Row = {
                "cold": cold,
                "warm": warm,
                "same answer": first == second,
                "first quote, times as soon": round(cold["first_quote_s"] / warm["first_quote_s"], 1),
            }
            say(f"{name}: asked", row)
            if name == "as it comes":
                row["book"] = {"cold": read(home, "a", **ways), "warm": read(home, "a", **ways)}
                say(f"{name}: book", row["book"])
            found[name] = row
    return found
