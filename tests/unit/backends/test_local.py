"""The engine with text on top: pieces of whole characters, a model that is loaded late, a speed that is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.backends.base import Piece
from nemo_docs.backends.detokenise import Detokeniser
from nemo_docs.backends.local import MEASURABLE_TOKENS, LocalBackend
from nemo_docs.backends.opening import open_backend
from nemo_docs.backends.speed import Speed
from nemo_docs.engine.engine import Engine
from nemo_docs.engine.in_process import InProcessEngine
from nemo_docs.engine.loading import OnLayer
from nemo_docs.engine.protocol import Copy, Finished, Force, Free, Prefilled, Request, ScoreRequest, Start, Token
from nemo_docs.errors import SettingsError, UnknownModel, WeightsMissing
from nemo_docs.model.folder import ModelFiles
from nemo_docs.model.tokenizers.base import Tokenizer
from nemo_docs.model.tokenizers.tekken import TekkenTokenizer, bundled_nemo
from nemo_docs.model.transformer import Transformer
from nemo_docs.settings import Settings
from tests.properties import examples
from tests.tiny import CPU


@pytest.fixture(scope="module")
def files(tiny_folder: Path) -> ModelFiles:
    return ModelFiles(tiny_folder, name="tiny")


@pytest.fixture(scope="module")
def engine(files: ModelFiles) -> Engine:
    model = Transformer(files.weights, device=CPU, dtype=torch.float32)
    return Engine(model, window_tokens=4_096, chunk_tokens=64, pool_bytes=2**27)


@pytest.fixture(scope="module", params=["tekken", "byte-level"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param == "tekken":
        return TekkenTokenizer(bundled_nemo())
    return ModelFiles(request.getfixturevalue("default_model")).tokenizer


@examples(60)
@given(text=st.text(st.characters(codec="utf-8")))
def test_text_comes_back_in_whole_characters(tokenizer: Tokenizer, text: str) -> None:
    detokeniser = Detokeniser(tokenizer)
    pieces = [detokeniser.add(token) for token in tokenizer.encode(text)]
    assert "".join(pieces) == tokenizer.as_read(text)
    assert detokeniser.finish() == ""


def test_half_a_character_at_the_end_is_shown_as_one(tokenizer: Tokenizer) -> None:
    detokeniser = Detokeniser(tokenizer)
    first = next(ids[0] for ids in map(tokenizer.encode, "𒀀𓀀🏴𝕏") if len(ids) > 1)
    assert (detokeniser.add(first), detokeniser.finish(), detokeniser.finish()) == ("", "\ufffd", "")


def test_special_ids_have_no_text(tokenizer: Tokenizer) -> None:
    special = next(token for token in range(tokenizer.vocab_size) if not tokenizer.token_bytes(token))
    assert Detokeniser(tokenizer).add(special) == ""


def test_free_text_comes_as_pieces_and_copies_as_tokens(files: ModelFiles, engine: Engine) -> None:
    backend = LocalBackend(files, InProcessEngine(lambda _: engine))
    source = tuple(files.tokenizer.encode("A verbatim sentence."))
    steps = (Force((2000,)), Copy(source, (Start(0, 0.0),), (len(source),), max_tokens=50), Free(9, stops=()))
    events = [*backend.run(Request(((1, 2, 3), (4, 5)), steps))]
    assert tuple(event.id for event in events if isinstance(event, Token)) == source
    assert {event.step for event in events if isinstance(event, Piece)} == {2}
    again = [*engine.run(Request(((1, 2, 3), (4, 5)), steps))]
    free = [event.id for event in again if isinstance(event, Token) and event.step == 2]
    assert "".join(event.text for event in events if isinstance(event, Piece)) == files.tokenizer.decode(free)
    assert isinstance(events[-1], Finished)


def test_requests_together_come_as_each_would_alone(files: ModelFiles, engine: Engine) -> None:
    backend = LocalBackend(files, InProcessEngine(lambda _: engine))
    source = tuple(files.tokenizer.encode("A verbatim sentence."))
    copy = Copy(source, (Start(0, 0.0),), (len(source),), max_tokens=50)
    requests = [
        Request(((1, 2, 3), (4, 5)), (Free(9, stops=()), copy)),
        Request(((1, 2, 3, 6), (7,)), (copy, Free(4, stops=()))),
    ]
    together = [*backend.run_together(requests)]
    for index, request in enumerate(requests):
        mine = [event for n, event in together if n == index]
        alone = [*backend.run(request)]
        assert [event for event in mine if isinstance(event, Piece | Token)] == [
            event for event in alone if isinstance(event, Piece | Token)
        ]
        assert [type(event) for event in mine if not isinstance(event, Prefilled)] == [
            type(event) for event in alone if not isinstance(event, Prefilled)
        ]


def test_the_model_is_loaded_once_and_late(files: ModelFiles, engine: Engine) -> None:
    loads: list[int] = []

    def load(_: OnLayer) -> Engine:
        loads.append(1)
        return engine

    backend = LocalBackend(files, InProcessEngine(load))
    assert (backend.name, backend.template.name, backend.answers_from_quotes) == ("tiny", "v3-tekken", False)
    assert backend.window_tokens >= backend.effective_window_tokens > 0
    assert loads == []
    backend.ready()
    backend.ready()
    assert loads == [1]


def test_scores_are_those_of_each_branch_alone(files: ModelFiles, engine: Engine) -> None:
    backend = LocalBackend(files, InProcessEngine(lambda _: engine))
    branches = ((10, 11, 12), (20, 21, 22, 12))
    together = backend.score(ScoreRequest(((1, 2),), branches, tail=1))
    apart = [backend.score(ScoreRequest(((1, 2),), (branch,), tail=1)) for branch in branches]
    assert together == pytest.approx([value for values in apart for value in values or ()], abs=1e-4)
    assert backend.score(ScoreRequest(((1, 2),), branches, tail=1), lambda: True) is None


def test_the_speed_of_reading_is_remembered_on_this_machine(files: ModelFiles, engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "state" / "speeds.json"
    backend = LocalBackend(files, InProcessEngine(lambda _: engine), Speed(path, "tiny on cpu"))
    assert backend.reading_speed is None
    [*backend.run(Request((tuple(range(3000, 3040)), (4,))))]
    assert backend.reading_speed is None, "too little to tell"
    [*backend.run(Request((tuple(range(3000, 3000 + MEASURABLE_TOKENS)), (4,))))]
    speed = backend.reading_speed
    assert speed is not None
    assert speed > 0
    assert LocalBackend(files, InProcessEngine(lambda _: engine), Speed(path, "tiny on cpu")).reading_speed == speed
    assert LocalBackend(files, InProcessEngine(lambda _: engine), Speed(path, "tiny on cuda")).reading_speed is None
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "[]", "null", '{"m": "fast"}', '{"m": -1}', '{"m": NaN}', "\udcff"])
def test_a_damaged_file_of_speeds_is_no_speed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "speeds.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    speed = Speed(path, "m")
    assert speed.last is None
    speed.measured(5.04)
    assert speed.last == 5.0


def test_a_speed_that_cannot_be_kept_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    speed = Speed(tmp_path / "file" / "speeds.json", "m")
    speed.measured(5.0)
    assert speed.last is None


def test_a_model_by_settings(tiny_folder: Path, tmp_path: Path) -> None:
    layers: list[tuple[int, int]] = []
    backend = open_backend(
        Settings(model=str(tiny_folder), device="cpu", precision="fp32", in_process=True),
        models=tmp_path,
        state=tmp_path,
        on_layer=lambda done, of: layers.append((done, of)),
    )
    assert layers == []
    backend.ready()
    assert layers[-1] == (2, 2)


def test_a_model_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as missing:
        open_backend(Settings(), models=tmp_path, state=tmp_path)
    assert "model pull smollm2" in missing.value.hint
    with pytest.raises(UnknownModel):
        open_backend(Settings(model="nosuch"), models=tmp_path, state=tmp_path)


def test_a_speed_is_that_of_a_device_and_a_precision(tiny_folder: Path, tmp_path: Path) -> None:
    def opened(precision: str) -> LocalBackend:
        settings = Settings(model=str(tiny_folder), device="cpu", precision=precision, in_process=True)
        return open_backend(settings, models=tmp_path, state=tmp_path)

    [*opened("fp32").run(Request((tuple(range(3000, 3000 + MEASURABLE_TOKENS)), (4,))))]
    assert opened("fp32").reading_speed
    assert opened("bf16").reading_speed is None


def test_a_device_that_is_not_there_is_told_before_anything_is_read(tiny_folder: Path, tmp_path: Path) -> None:
    settings = Settings(model=str(tiny_folder), device="cuda:77", in_process=True)
    with pytest.raises(SettingsError, match="no device 'cuda:77'"):
        open_backend(settings, models=tmp_path, state=tmp_path).ready()
