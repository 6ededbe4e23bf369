from __future__ import annotations

from pathlib import Path

import pytest

from nemo_docs.answering.fit import Memory, fit
from nemo_docs.answering.preread import preread
from nemo_docs.answering.windows import count_pages
from nemo_docs.backends.local import LocalBackend
from nemo_docs.errors import ContextExceeded
from tests.unit.answering.conftest import OpenBackend
from tests.unit.answering.documents import source_of

PAGE = "Everyone has the right to rest and leisure, including reasonable limitation of working hours. " * 12


def fits(sources, backend: LocalBackend, **options):
    return list(fit(sources, backend, **{"window": None, "answer_tokens": 64, "budget_s": 60.0, **options}))


def test_a_short_document_fits_in_one_window(open_backend: OpenBackend) -> None:
    last = fits([source_of(PAGE, "", PAGE)], open_backend())[-1]
    assert (last.documents, last.pages, last.pages_counted, last.windows) == (1, 3, 2, 1)
    assert last.is_whole
    assert last.tokens_cached == 0
    assert last.seconds is None


def test_windows_hold_all_tokens_and_none_is_too_long(open_backend: OpenBackend) -> None:
    sources = [source_of(*[PAGE] * 9), source_of(*[PAGE] * 2, handle="b")]
    last = fits(sources, open_backend(effective=700))[-1]
    assert last.window_tokens == 700
    assert last.windows >= last.tokens / 700
    assert last.tokens == sum(share.tokens for share in last.shares)
    assert [share.document for share in last.shares] == ["a", "b"]


def test_what_was_read_is_counted_by_the_engine_for_each_document(open_backend: OpenBackend) -> None:
    backend = open_backend(effective=700)
    read, unread = source_of(*[PAGE] * 3), source_of(*[f"x{PAGE}"] * 3, handle="b")
    for _ in preread([read], backend):
        pass
    last = fits([read, unread], backend)[-1]
    shares = {share.document: share for share in last.shares}
    assert shares["a"].tokens_cached == shares["a"].tokens
    assert shares["b"].tokens_cached == 0
    assert last.tokens_cached == shares["a"].tokens
    assert 0 < last.windows_cached < last.windows


def test_packed_documents_share_a_window(open_backend: OpenBackend) -> None:
    sources = [source_of(PAGE), source_of(PAGE, handle="b")]
    assert fits(sources, open_backend())[-1].windows == 2
    assert fits(sources, open_backend(), window=4_096)[-1].windows == 1


def test_memory_is_the_weights_and_one_window(open_backend: OpenBackend) -> None:
    last = fits([source_of(PAGE)], open_backend(), memory=Memory(1_000_000, 10, 5_000_000))[-1]
    assert last.memory_bytes == 1_000_000 + 10 * last.tokens
    assert last.memory_free_bytes == 5_000_000
    assert (last.memory_where, last.memory_way) == ("", "")
    there = Memory(1_000_000, 10, 5_000_000, "cuda:0", "int4 with 8-bit KV")
    last = fits([source_of(PAGE)], open_backend(), memory=there)[-1]
    assert (last.memory_where, last.memory_way) == ("cuda:0", "int4 with 8-bit KV")


def test_tokens_are_counted_once_and_a_cancel_keeps_them(open_backend: OpenBackend) -> None:
    backend, source = open_backend(), source_of(*[PAGE] * 100)
    steps = count_pages(source, backend.tokenizer)
    some = next(steps)
    steps.close()
    assert 0 < len(source.page_tokens[backend.tokenizer.fingerprint]) < 100
    assert list(fit([source], backend, window=None, answer_tokens=64, budget_s=60, cancelled=lambda: True)) == []
    assert fits([source], backend)[-1].tokens > some
    assert list(count_pages(source, backend.tokenizer)) == []


def test_no_room_is_told(open_backend: OpenBackend) -> None:
    with pytest.raises(ContextExceeded):
        fits([source_of(PAGE)], open_backend(window=512), answer_tokens=512)


def test_the_budget_is_told_in_windows(open_backend: OpenBackend, tmp_path: Path) -> None:
    from nemo_docs.backends.speed import Speed

    backend = open_backend(effective=700)
    speed = Speed(tmp_path / "speeds.json", "tiny")
    speed.measured(100.0)
    known = LocalBackend(backend._files, backend._engine, speed)
    known._files.effective_window_tokens = 700
    last = fits([source_of(*[PAGE] * 9)], known, budget_s=10.0)[-1]
    assert last.seconds == pytest.approx(last.tokens / 100, abs=0.1)
    assert 1 <= last.windows_in_budget < last.windows
    assert last.as_dict()["windows_in_budget"] == last.windows_in_budget


def test_counts_of_a_document_that_grows_are_taken_over_and_stay_right(open_backend: OpenBackend) -> None:
    tokenizer = open_backend().tokenizer
    texts = [f"{PAGE} {number}" for number in range(5)]
    for before in (1, 2, 3):
        half, whole, fresh = source_of(*texts[:before]), source_of(*texts), source_of(*texts)
        for source in (half, fresh):
            for _ in count_pages(source, tokenizer):
                pass
        whole.take_counts(half)
        assert len(whole.page_tokens.get(tokenizer.fingerprint, ())) == (before if before > 1 else 0)
        for _ in count_pages(whole, tokenizer):
            pass
        assert whole.page_tokens == fresh.page_tokens
