"""Documents that are ZIP archives of XML (Office's, EPUB), opened as data from a stranger.

Nothing is unpacked to disk, so a member's name leads nowhere. What the members unpack to is bounded before any is read
(zipfile never reads more of one than its directory says). XML goes through defusedxml: entities are refused, so none
can grow or fetch anything.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from nemo_docs.errors import Unreadable

_MOST_MEMBERS = 20_000
_MEMBER_BYTES = 128 << 20
_TOTAL_BYTES = 1 << 30
_HIGHEST_RATIO = 300
"""Of a member's size to what it takes in the archive; prose reaches 5, tables of a spreadsheet's kind 50."""
_RATIO_FROM_BYTES = 16 << 20


class Archive:
    """The members of a ZIP archive.

    Attributes:
        names: Of all members, in the archive's order.
    """

    def __init__(self, data: bytes) -> None:
        """Look at the archive's directory.

        Raises:
            Unreadable: If it is damaged, or unpacks to more than any document holds.
        """
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, UnicodeError) as error:
            raise Unreadable(f"it is not a sound ZIP archive ({error})") from error
        members = self._zip.infolist()
        if len(members) > _MOST_MEMBERS:
            raise Unreadable(f"it is an archive of {len(members):,} members; the limit is {_MOST_MEMBERS:,}")
        total = sum(member.file_size for member in members)
        if total > _TOTAL_BYTES:
            raise Unreadable(f"it is an archive that unpacks to {total:,} bytes; the limit is {_TOTAL_BYTES:,}")
        self._members = {member.filename: member for member in members}
        self.names = tuple(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            Unreadable: If there is none of that name, or it is damaged, sealed, or a bomb.
        """
        member = self._members.get(name)
        if member is None:
            raise Unreadable(f"its part {name} is missing")
        _refuse_bomb(member)
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
            raise Unreadable(f"its part {name} is damaged ({error})") from error
        except (RuntimeError, NotImplementedError) as error:  # sealed, or packed in a way that Python does not know
            raise Unreadable(f"its part {name} cannot be unpacked ({error})") from error

    def refuse_bombs(self) -> None:
        """Look at all members, for a library that unpacks them by itself.

        Raises:
            Unreadable: If one of them is a bomb.
        """
        for member in self._members.values():
            _refuse_bomb(member)

    def xml(self, name: str) -> Element:
        """A member as XML.

        Raises:
            Unreadable: If it cannot be read, is no XML, or declares entities.
        """
        try:
            root: Element = fromstring(self.read(name))
        except DefusedXmlException as error:
            raise Unreadable(f"its part {name} declares entities, which documents do not need") from error
        except (ParseError, ValueError, LookupError) as error:
            raise Unreadable(f"its part {name} is not sound XML ({error})") from error
        return root


def _refuse_bomb(member: zipfile.ZipInfo) -> None:
    ratio = member.file_size / max(member.compress_size, 1)
    is_bomb = member.file_size > _RATIO_FROM_BYTES and ratio > _HIGHEST_RATIO
    if is_bomb or member.file_size > _MEMBER_BYTES:
        raise Unreadable(
            f"its part {member.filename} unpacks from {member.compress_size:,} to {member.file_size:,} bytes, "
            "more than any document's"
        )


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element | None, name: str) -> str:
    """An attribute by its name without a namespace; empty where there is none."""
    if element is None:
        return ""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def children(element: Element | None, name: str) -> Iterator[Element]:
    """The children of that name."""
    return (child for child in (() if element is None else element) if local(child) == name)


def child(element: Element | None, *names: str) -> Element | None:
    """What a path of names leads to, if there is any."""
    for name in names:
        element = next(children(element, name), None)
    return element


def chosen(alternates: Element) -> Element:
    """Of two ways in which an Office document says the same the newer one, where it says anything."""
    found = child(alternates, "Choice")
    return found if found is not None else next(children(alternates, "Fallback"), alternates)


def resolved(base: str, target: str) -> str:
    """The member that a reference in the member `base` means."""
    path = unquote(target.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(base), path)).lstrip("/") if path else base
