"""EPUB 2 and 3: the book's own order of files, each read as HTML, named after its chapter.

An EPUB is a ZIP archive with a list of its parts (OPF) and a table of contents (w3.org/TR/epub-33). The one package
that reads them, ebooklib, is AGPL; what is needed of them is small. Each file of the reading order gives one or more
pages; a file that is missing or damaged costs its page only, and one without text (a cover) keeps its place.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from selectolax.lexbor import LexborHTMLParser

from nemo_docs.errors import ReaderError, Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.archive import Archive, attribute, child, children, local, resolved
from nemo_docs.library.readers.flow import Flow, pages_of
from nemo_docs.library.readers.html import decode_markup, parse
from nemo_docs.library.readers.markup import write_markup
from nemo_docs.library.records import PageFlag

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_SCRAMBLED_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_LABEL_CHARACTERS = 120


class EpubReader:
    """Reads a book."""

    extractor = "epub 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a book and read all of its files.

        Raises:
            Unreadable: If it is no book, sealed, damaged, a bomb, or has no files to read.
        """
        self._archive = Archive(data)
        root = child(self._archive.xml(_CONTAINER), "rootfiles", "rootfile")
        package = attribute(root, "full-path")
        if package not in self._archive:
            raise Unreadable("it is an EPUB without a list of its parts")
        opf = self._archive.xml(package)
        files = {attribute(item, "id"): item for item in children(child(opf, "manifest"), "item")}
        spine = child(opf, "spine")
        order = [files[name] for each in children(spine, "itemref") if (name := attribute(each, "idref")) in files]
        names = [resolved(package, attribute(item, "href")) for item in order]
        self._refuse_sealed(names)
        titles = self._titles(package, files, attribute(spine, "toc"))
        self._pages: list[RawText | ReaderError] = []
        label = ""
        for name in dict.fromkeys(names):
            label = titles.get(name, label)
            self._pages += self._read(name, label)
        self.pages = len(self._pages)
        if self.pages == 0:
            raise Unreadable("it is an EPUB without anything to read")

    def page(self, number: int) -> RawText:
        """One page: a file of the book, or a part of one."""
        found = self._pages[number - 1]
        if isinstance(found, ReaderError):
            raise found
        return found

    def _read(self, name: str, label: str) -> list[RawText | ReaderError]:
        flow = Flow()
        try:
            tree = parse(decode_markup(self._archive.read(name)), is_xml=True)
        except Unreadable as error:
            return [error]
        write_markup(tree, flow, keeps_menus=True)
        if pages := pages_of(flow.sheets(), label=label):
            return list(pages)
        has_picture = tree.css_first("img, image, object, svg") is not None
        return [RawText("", flags=(PageFlag.SCAN,) if has_picture else (), label=label)]

    def _refuse_sealed(self, names: list[str]) -> None:
        """Fonts are often scrambled, and need not be read; sealed text cannot be."""
        if _ENCRYPTION not in self._archive:
            return
        for each in children(self._archive.xml(_ENCRYPTION), "EncryptedData"):
            target = attribute(child(each, "CipherData", "CipherReference"), "URI")
            method = attribute(child(each, "EncryptionMethod"), "Algorithm")
            if method not in _SCRAMBLED_FONTS and resolved("", target) in names:
                raise Unreadable(
                    "it is sealed by its seller (DRM), and opens in the seller's own program only",
                    hint="Ask the seller for a copy without DRM.",
                )

    def _titles(self, package: str, files: dict[str, Element], ncx: str) -> dict[str, str]:
        """Titles of chapters from the table of contents, by the file in which each begins."""
        try:
            for item in files.values():
                if "nav" in attribute(item, "properties").split():
                    name = resolved(package, attribute(item, "href"))
                    return _contents(parse(decode_markup(self._archive.read(name)), is_xml=True), name)
            if ncx in files:
                name = resolved(package, attribute(files[ncx], "href"))
                return _old_contents(self._archive.xml(name), name)
        except Unreadable:  # a book without a table of contents can be read as well
            pass
        return {}


def _contents(tree: LexborHTMLParser, name: str) -> dict[str, str]:
    titles: dict[str, str] = {}
    lists = tree.css("nav")
    chosen = [each for each in lists if "toc" in (each.attributes.get("epub:type") or "").split()] or lists
    for link in chosen[0].css("a") if chosen else ():
        target = resolved(name, link.attributes.get("href") or "")
        titles.setdefault(target, _line(link.text()))
    return titles


def _old_contents(ncx: Element, name: str) -> dict[str, str]:
    titles: dict[str, str] = {}
    for point in ncx.iter():
        if local(point) == "navPoint":
            target = resolved(name, attribute(child(point, "content"), "src"))
            text = child(point, "navLabel", "text")
            titles.setdefault(target, _line("" if text is None else text.text or ""))
    return titles


def _line(text: str) -> str:
    return " ".join(text.split())[:_LABEL_CHARACTERS]
