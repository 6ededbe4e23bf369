"""What an engine read is not read again by the next one: warm equals cold in every form, and any doubt is read anew."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from nemo_docs.engine.engine import Engine
from nemo_docs.engine.keeper import Keeper
from nemo_docs.engine.protocol import Finished, Free, Request, Restored, Text, Token, Unsaved, Windows
from nemo_docs.kv.form import PLAIN, Int8
from nemo_docs.kv.identity import Identity
from nemo_docs.kv.store import BlockStore
from tests.tiny import tiny_model

PREAMBLE = tuple(range(1, 8))
DOCUMENT = tuple((7 * n) % 89 + 3 for n in range(150))
OTHER = tuple((11 * n) % 83 + 4 for n in range(70))
QUESTION = (5, 6, 7, 8)
CHUNK = 32
IDENTITY = Identity(
    weights="w", adapter="", config="{}", precision="fp32", arithmetic="fp32", kv="full", chunk_tokens=CHUNK,
    device="cpu", torch=torch.__version__, kernels="", tokenizer="t",
)  # fmt: skip
FORMS = {
    "fp32": (torch.float32, PLAIN),
    "bf16": (torch.bfloat16, PLAIN),
    "int8": (torch.float32, Int8()),
    "int8 in bf16": (torch.bfloat16, Int8()),
}


def engine(folder: Path | None, form: str = "fp32", *, pool_bytes: int = 1 << 30, seed: int = 0, **store) -> Engine:
    dtype, kept = FORMS[form]
    made = Engine(tiny_model(seed, dtype, kept), window_tokens=4096, chunk_tokens=CHUNK, pool_bytes=pool_bytes)
    if folder is not None:
        options = {"budget_bytes": 1 << 30, "floor_bytes": 0, **store}
        identity = replace(IDENTITY, weights=f"w{seed}", arithmetic=form)
        made.keep(Keeper(BlockStore(folder, identity, **options), made.model))
    return made


def request(document=DOCUMENT, question=QUESTION, label="a") -> Request:
    return Request((PREAMBLE, document, question), (Free(24, stops=()),), texts=(None, Text(label, len(document))))


def ask(eng: Engine, what: Request | None = None) -> tuple[list[int], Finished, list]:
    events = list(eng.run(what or request()))
    eng.flush()
    return [event.id for event in events if isinstance(event, Token)], events[-1], events


@pytest.mark.parametrize("form", FORMS)
def test_the_next_engine_reads_only_the_question_and_answers_alike(tmp_path, form):
    cold, first, _ = ask(engine(tmp_path, form))
    warm, second, events = ask(engine(tmp_path, form))
    assert first.tokens_restored == 0
    assert warm == cold == ask(engine(None, form))[0]
    assert second.tokens_cached == second.tokens_restored == len(PREAMBLE) + len(DOCUMENT)
    assert second.tokens_prefilled == len(QUESTION)
    assert [e.tokens for e in events if isinstance(e, Restored)] == [len(PREAMBLE) + len(DOCUMENT)]


def test_what_is_restored_stays_in_memory(tmp_path):
    ask(engine(tmp_path))
    eng = engine(tmp_path)
    ask(eng)
    _, again, _ = ask(eng)
    assert again.tokens_cached == len(PREAMBLE) + len(DOCUMENT)
    assert again.tokens_restored == 0


def test_what_is_stored_is_known_before_it_is_asked_for(tmp_path):
    ask(engine(tmp_path))
    assert not engine(tmp_path / "empty").holds_anything()
    eng = engine(tmp_path)
    assert eng.holds_anything()
    assert eng.cached((PREAMBLE, DOCUMENT)) == len(PREAMBLE) + len(DOCUMENT)
    assert eng.cached((PREAMBLE, (*DOCUMENT[:-1], 90))) == len(PREAMBLE) + 4 * CHUNK


def test_another_model_or_another_form_finds_nothing(tmp_path):
    ask(engine(tmp_path))
    for other in (engine(tmp_path, seed=1), engine(tmp_path, "bf16")):
        assert ask(other)[1].tokens_cached == 0


def test_a_longer_text_goes_on_where_the_stored_one_ends_alike(tmp_path):
    ask(engine(tmp_path))
    longer = (*DOCUMENT[: 2 * CHUNK], *OTHER)
    warm, finished, _ = ask(engine(tmp_path), request(longer))
    assert finished.tokens_restored == len(PREAMBLE) + 2 * CHUNK
    assert warm == ask(engine(None), request(longer))[0]


def test_nobodys_text_is_not_stored(tmp_path):
    ask(engine(tmp_path), Request((PREAMBLE, DOCUMENT, QUESTION)))
    assert not [*tmp_path.rglob("*.kv")]


def test_the_question_is_not_stored(tmp_path):
    ask(engine(tmp_path))
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*.kv"))
    assert torch.tensor(DOCUMENT[:8], dtype=torch.int32).numpy().tobytes() in held
    assert torch.tensor(QUESTION, dtype=torch.int32).numpy().tobytes() not in held


def test_two_texts_share_what_stands_before_them_and_nothing_else(tmp_path):
    ask(engine(tmp_path))
    _, finished, _ = ask(engine(tmp_path), request(OTHER, label="b"))
    assert finished.tokens_restored == len(PREAMBLE)


def test_windows_that_are_one_past_come_from_the_store_too(tmp_path):
    behind = Windows((PREAMBLE,), ((DOCUMENT,), (OTHER,)), texts=((Text("a", 150),), (Text("b", 70),)))
    asked = Request((QUESTION,), (Free(12, stops=()),), behind=behind)
    cold, *_ = ask(engine(tmp_path), asked)
    warm, finished, _ = ask(engine(tmp_path), asked)
    assert warm == cold
    assert finished.tokens_restored == 2 * len(PREAMBLE) + len(DOCUMENT) + len(OTHER)


def test_a_cancel_keeps_every_chunk_that_was_read(tmp_path):
    eng, asked = engine(tmp_path), count()
    layers = 3
    list(eng.run(request(), lambda: next(asked) >= 3 * layers))
    eng.flush()
    _, finished, _ = ask(engine(tmp_path))
    assert finished.tokens_restored == len(PREAMBLE) + 2 * CHUNK


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "zeros", "another block"])
def test_a_damaged_block_is_read_anew_and_the_answer_is_the_same(tmp_path, damage):
    cold, *_ = ask(engine(tmp_path))
    # the third chunk of the document, found by its tokens
    ids = torch.tensor(DOCUMENT[2 * CHUNK : 3 * CHUNK], dtype=torch.int32).numpy().tobytes()
    path = next(path for path in tmp_path.rglob("*.kv") if ids in path.read_bytes())
    data = bytearray(path.read_bytes())
    match damage:
        case "flipped":
            data[len(data) // 2] ^= 4
        case "cut":
            del data[-20:]
        case "zeros":
            data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
        case "another block":
            data[:] = next(other for other in tmp_path.rglob("*.kv") if other != path).read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(data)
    warm, finished, _ = ask(engine(tmp_path))
    assert warm == cold
    assert finished.tokens_restored == len(PREAMBLE) + 2 * CHUNK
    assert ask(engine(tmp_path))[1].tokens_restored == len(PREAMBLE) + len(DOCUMENT), "it was stored anew"


def test_where_nothing_may_be_stored_reading_goes_on_and_says_so_once(tmp_path):
    cold, finished, events = ask(engine(tmp_path, budget_bytes=1))
    assert len([event for event in events if isinstance(event, Unsaved)]) == 1
    assert cold == ask(engine(None))[0]
    assert finished.reason == "done"


def test_a_disk_that_fills_up_midway_ends_the_saving_alone(tmp_path):
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.unit.engine.test_store import *\n"
        "eng, asked = engine(Path(sys.argv[1])), count()\n"
        "def later():\n"
        "    if next(asked) == 9: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    return False\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "events = list(eng.run(request(), later))\n"
        "print(json.dumps([[e.id for e in events if isinstance(e, Token)],"
        " [e.reason for e in events if isinstance(e, Unsaved)]]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    answer, reasons = json.loads(done.stdout)
    assert answer == ask(engine(None))[0]
    assert len(reasons) == 1
    assert "not kept on the disk" in reasons[0]
    assert not [*tmp_path.rglob("*.tmp")]
    assert 0 < ask(engine(tmp_path))[1].tokens_restored < len(PREAMBLE) + len(DOCUMENT)


def test_what_is_forgotten_leaves_memory_and_is_not_saved_any_more(tmp_path):
    eng = engine(tmp_path)
    ask(eng)
    for path in tmp_path.rglob("*.kv"):
        path.unlink()
    eng.forget({"a"})
    assert eng.cached((PREAMBLE, DOCUMENT)) == 0


def test_a_request_under_way_does_not_bring_a_forgotten_text_back(tmp_path):
    eng = engine(tmp_path)
    running = eng.run(request())
    next(event for event in running if isinstance(event, Token))
    eng.forget({"a"})
    for path in tmp_path.rglob("*.kv"):
        path.unlink()
    list(running)
    eng.flush()
    assert eng.cached((PREAMBLE, DOCUMENT)) == 0
    assert not [*tmp_path.rglob("*.kv")]


def test_computing_is_chosen_where_the_store_was_measured_to_be_slower(tmp_path):
    cold, *_ = ask(engine(tmp_path))
    eng = engine(tmp_path)
    eng.keeper.rates.computed(1e15, 1.0)
    eng.keeper.rates.brought(1, 1.0)
    warm, finished, events = ask(eng)
    assert warm == cold
    assert finished.tokens_restored == 0
    (choice,) = [event for event in events if isinstance(event, Restored)]
    assert choice.computes
    assert choice.tokens == len(PREAMBLE) + len(DOCUMENT)


def test_a_small_pool_loses_nothing_that_was_to_be_saved(tmp_path):
    """Caches are dropped while their last blocks may still wait to be written."""
    layout = tiny_model().kv_layout
    eng = engine(tmp_path, pool_bytes=300 * layout.bytes_per_token)
    documents = [tuple((seed * n) % 89 + 3 for n in range(200)) for seed in range(3, 11)]
    for number, document in enumerate(documents):
        list(eng.run(request(document, label=str(number))))
    eng.flush()
    for number, document in enumerate(documents):
        assert ask(engine(tmp_path), request(document, label=str(number)))[1].tokens_restored == 207
