"""Windows lose nothing, know where each token stands, and depend on their document alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from nemo_docs.answering.source import Source
from nemo_docs.answering.windows import Window, packed, windows_of
from nemo_docs.model.tokenizers.base import Tokenizer
from tests.properties import examples
from tests.unit.answering.documents import source_of, sources

limits = st.integers(12, 120)


def texts_of(windows: list[Window]) -> dict[int, str]:
    """The text of every page, put together from the stretches in order; a gap or an overlap raises."""
    found: dict[int, str] = {}
    for window in windows:
        for stretch in window.stretches:
            assert stretch.start == len(found.get(stretch.page.number, ""))
            found[stretch.page.number] = (
                found.get(stretch.page.number, "") + stretch.page.text[stretch.start : stretch.end]
            )
    return found


@examples(60)
@given(source=sources(), limit=limits)
def test_windows_hold_every_character_once_and_in_order(tokenizer: Tokenizer, source: Source, limit: int) -> None:
    assert texts_of(windows_of(source, tokenizer, limit)) == {page.number: page.text for page in source.pages}


@examples(60)
@given(source=sources(), limit=limits)
@example(source=source_of(*["Short page."] * 9), limit=40)
def test_no_window_is_longer_than_its_limit(tokenizer: Tokenizer, source: Source, limit: int) -> None:
    for window in windows_of(source, tokenizer, limit):
        single = len(window.stretches) == 1 and window.stretches[0].end - window.stretches[0].start == 1
        assert window.tokens <= limit or single, "only one character, which cannot be cut, may be longer"


@examples(60)
@given(source=sources(), limit=limits)
@example(source=source_of("/etc/motd", "/usr 42", "\u00e9" * 9), limit=120)
def test_every_quotable_token_knows_its_characters(tokenizer: Tokenizer, source: Source, limit: int) -> None:
    for window in windows_of(source, tokenizer, limit):
        (segment,) = window.segments
        assert len(segment.places) == len(segment.copyable)
        held: dict[int, set[int]] = {}
        for token, place in zip(segment.copyable, segment.places, strict=True):
            text = source.by_number[place.page].text
            assert 0 <= place.start < place.end <= len(text)
            assert meet(tokenizer.token_bytes(token), tokenizer.as_read(text[place.start : place.end]).encode())
            held.setdefault(place.page, set()).update(range(place.start, place.end))
        for stretch in segment.stretches:
            assert held[stretch.page.number] >= set(range(stretch.start, stretch.end))


def meet(token: bytes, place: bytes) -> bool:
    """Whether a token spells its place: all of it, a part of a character, or more than the page holds."""
    return token in place or place in token or any(token.startswith(place[n:]) for n in range(1, len(place)))


@examples(60)
@given(source=sources(), limit=limits, before=limits)
def test_windows_are_the_same_whatever_was_cut_before(
    tokenizer: Tokenizer, tekken: Tokenizer, source: Source, limit: int, before: int
) -> None:
    def cut(source: Source) -> list[tuple[int, ...]]:
        return [window.segments[0].ids for window in windows_of(source, tokenizer, limit)]

    fresh = cut(replace(source, page_tokens={}))
    windows_of(source, tekken, before)
    windows_of(source, tokenizer, before)
    assert cut(source) == fresh


@examples(60)
@given(source=sources(), limit=limits)
def test_text_never_yields_a_special_id(tokenizer: Tokenizer, source: Source, limit: int) -> None:
    for window in windows_of(source, tokenizer, limit):
        assert all(tokenizer.token_bytes(token) for token in window.segments[0].ids)


@examples(60)
@given(first=sources("a"), second=sources("b"), third=sources("c"), limit=st.integers(60, 600))
def test_what_is_packed_behind_a_document_never_moves_it(
    tokenizer: Tokenizer, first: Source, second: Source, third: Source, limit: int
) -> None:
    alone = packed([first, second], tokenizer, limit)
    longer = packed([first, second, third], tokenizer, limit)
    assert len(longer) >= len(alone)
    for shorter, window in zip(alone, longer, strict=False):
        assert [s.ids for s in window.segments[: len(shorter.segments)]] == [s.ids for s in shorter.segments]
    assert all(window.tokens <= limit for window in longer)


@examples(60)
@given(source=sources(), limit=limits)
def test_a_page_has_the_same_ids_beside_any_other(tokenizer: Tokenizer, source: Source, limit: int) -> None:
    apart = [segment.ids for window in windows_of(source, tokenizer, limit) for segment in window.segments]
    (together,) = windows_of(source, tokenizer, 10**6) or [Window(())]
    if all(stretch.start == 0 for window in windows_of(source, tokenizer, limit) for stretch in window.stretches):
        assert [token for ids in apart for token in ids] == [t for s in together.segments for t in s.ids]


def test_documents_that_fit_share_a_window_in_their_order(tokenizer: Tokenizer) -> None:
    three = [source_of("A short text. " * 3, handle=handle) for handle in "abc"]
    size = windows_of(three[0], tokenizer, 10**6)[0].tokens
    both, last = packed(three, tokenizer, 2 * size)
    assert [[s.source.handle for s in window.segments] for window in (both, last)] == [["a", "b"], ["c"]]


def test_a_long_page_is_cut_at_a_paragraph(tokenizer: Tokenizer) -> None:
    source = source_of("One two three. Four five six.\n\n" * 6)
    for window in windows_of(source, tokenizer, 40):
        assert window.stretches[-1].page.text[: window.stretches[-1].end].endswith("\n\n")


def test_page_marks_cannot_be_quoted(tokenizer: Tokenizer) -> None:
    (window,) = windows_of(source_of("First page.", "Second page."), tokenizer, 200)
    (segment,) = window.segments
    assert "== 2 ==" in tokenizer.decode(list(segment.ids))
    assert "=" not in tokenizer.decode(list(segment.copyable))
