"""Charts of Office documents as the table that they are drawn from (ECMA-376 part 1, section 21.2)."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import attribute, child, local
from nemo_docs.library.readers.flow import Flow

_SERIES = (("cat", "val"), ("xVal", "yVal"))


def write_chart(part: Element, flow: Flow) -> None:
    """Add a chart's title and a row for each of its categories, with the value of each series.

    Args:
        part: A chart's part.
        flow: Where to write.
    """
    flow.block()
    title = child(part, "chart", "title")
    flow.verbatim("".join(each.text or "" for each in (() if title is None else title.iter()) if local(each) == "t"))
    names: list[str] = []
    categories: dict[int, str] = {}
    columns: list[dict[int, str]] = []
    for series in (each for each in part.iter() if local(each) == "ser"):
        names.append(" ".join(_points(child(series, "tx")).values()))
        columns.append({})
        for category, value in _SERIES:
            categories = _points(child(series, category)) | categories
            columns[-1] |= _points(child(series, value))
    if any(names):
        _row(flow, ["", *names])
    for at in sorted(set(categories).union(*columns)):
        _row(flow, [categories.get(at, ""), *(column.get(at, "") for column in columns)])
    flow.block()


def _row(flow: Flow, cells: list[str]) -> None:
    start = flow.mark()
    for position, cell in enumerate(cells):
        if position:
            flow.cell()
        flow.verbatim(cell)
    flow.row(start)


def _points(data: Element | None) -> dict[int, str]:
    """What is cached of a series, by place."""
    found: dict[int, str] = {}
    for point in () if data is None else data.iter():
        value, place = child(point, "v"), attribute(point, "idx")
        if local(point) == "pt" and value is not None and place.isdecimal():
            found.setdefault(int(place), " ".join((value.text or "").split()))
    return found
