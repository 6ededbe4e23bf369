"""Parts of an Office document and what they refer to (ECMA-376 part 2, section 6.5). Shared by DOCX and PPTX."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree.ElementTree import Element

from nemo_docs.library.readers.archive import Archive, attribute, children, resolved

MAIN = "officeDocument"
"""The kind of relation that leads from the archive to the document."""
_IDENTITY = "/relationships}id"


class Relation(NamedTuple):
    """A reference from one part to another within the archive.

    Attributes:
        identity: What the part calls it.
        kind: The last word of its type: "slide", "footnotes".
        target: Name of the member, which may be missing.
    """

    identity: str
    kind: str
    target: str


def relations(archive: Archive, part: str) -> list[Relation]:
    """What a part refers to; what lies outside of the archive is left out.

    Args:
        archive: The document.
        part: Name of a member; empty for the archive itself.

    Raises:
        Unreadable: If what tells it is no sound XML.
    """
    folder, _, name = part.rpartition("/")
    member = f"{folder}/_rels/{name}.rels".lstrip("/")
    if member not in archive:
        return []
    return [
        Relation(
            attribute(each, "Id"), attribute(each, "Type").rpartition("/")[2], resolved(part, attribute(each, "Target"))
        )
        for each in children(archive.xml(member), "Relationship")
        if attribute(each, "TargetMode") != "External"
    ]


def related(archive: Archive, part: str) -> dict[str, list[str]]:
    """The members that a part refers to and that are there, by kind of relation."""
    found: dict[str, list[str]] = {}
    for each in relations(archive, part):
        if each.target in archive:
            found.setdefault(each.kind, []).append(each.target)
    return found


def reference(element: Element, name: str = "id") -> str:
    """The identity of the relation that an element names; it may have another attribute of that name besides."""
    end = _IDENTITY.removesuffix("id") + name
    return next((value for key, value in element.attrib.items() if key.endswith(end)), "")
