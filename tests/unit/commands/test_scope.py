from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.commands.scope import Scope, parse_scope
from nemo_docs.errors import UsageError


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("a", Scope("a")),
        ("a:3", Scope("a", ((3, 3),))),
        ("a:3-7,12", Scope("a", ((3, 7), (12, 12)))),
        ("contract.pdf:10-", Scope("contract.pdf", ((10, None),))),
        (r"C:\files\contract.pdf", Scope(r"C:\files\contract.pdf")),
        (r"C:\files\contract.pdf:2", Scope(r"C:\files\contract.pdf", ((2, 2),))),
        ("Faust: der Tragödie erster Teil", Scope("Faust: der Tragödie erster Teil")),
        ("a:", Scope("a:")),
        ("a:x", Scope("a:x")),
        ("a:٣", Scope("a:٣")),
    ],
)
def test_pages_follow_the_last_colon(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope


@pytest.mark.parametrize("text", ["", " ", ":3", "a:0", "a:7-3", "a:3,0"])
def test_what_names_no_document_or_no_page_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_scope(text)


def test_pages_are_those_of_the_document() -> None:
    assert parse_scope("a").pages(range(1, 6)) == {1, 2, 3, 4, 5}
    assert parse_scope("a:2-3,5").pages(range(1, 6)) == {2, 3, 5}
    assert parse_scope("a:4-").pages(range(1, 6)) == {4, 5}


@pytest.mark.parametrize("text", ["a:6", "a:2-6", "a:6-"])
def test_page_beyond_the_document_is_refused_with_its_number(text: str) -> None:
    with pytest.raises(UsageError, match="a has no page 6") as caught:
        parse_scope(text).pages(range(1, 6))
    assert caught.value.hint == "It has 5 pages."


@given(st.text(min_size=1).filter(str.strip), st.lists(st.tuples(st.integers(1, 99), st.integers(0, 99)), max_size=5))
def test_any_name_with_ranges_reads_back(name: str, ranges: list[tuple[int, int]]) -> None:
    written = ",".join(f"{low}-{low + more}" for low, more in ranges)
    scope = parse_scope(f"{name}:{written}")
    if ranges:
        assert scope == Scope(name, tuple((low, low + more) for low, more in ranges))
        assert scope.pages(range(1, 300)) == {n for low, more in ranges for n in range(low, low + more + 1)}
    else:
        assert scope.ranges == ()
