"""ODT and ODP: text and slides of LibreOffice and its kin (OpenDocument 1.3, docs.oasis-open.org/office/OpenDocument).

The walk over the file's XML is our own, beside DOCX's and by the same rules; the packages for ODF (odfpy, unkept since
2020; odfdo, with a dependency on lxml) give text without its numbers, notes and page breaks. Pages are where the
program broke them when it saved the file, else about 3,000 characters, cut before headings; each slide is a page.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from nemo_docs.errors import Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.archive import Archive, child, children, local
from nemo_docs.library.readers.flow import Flow, page_of, printed_pages
from nemo_docs.library.readers.odf_body import Body
from nemo_docs.library.readers.odf_styles import Styles
from nemo_docs.library.records import PageFlag

_CONTENT = "content.xml"
_STYLES = "styles.xml"
_MANIFEST = "META-INF/manifest.xml"
_SEALED = "encrypted-package"
_MARGINS = ("header", "footer")


class OdfReader:
    """Reads a text document or presentation in OpenDocument."""

    extractor = "odf 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a document and lay it out.

        Raises:
            Unreadable: If it is no such document, sealed, damaged, a bomb, or holds no text.
        """
        archive = Archive(data)
        if _SEALED in archive or _is_sealed(archive):
            raise Unreadable(
                "it is sealed with a password, in a way that only the program that wrote it opens",
                hint="Save it without a password.",
            )
        content = archive.xml(_CONTENT)
        more = archive.xml(_STYLES) if _STYLES in archive else None
        roots = [content] if more is None else [content, more]
        body = child(content, "body")
        text, slides = child(body, "text"), child(body, "presentation")
        try:
            styles = Styles(roots)
            if slides is not None:
                self._pages = [_slide(archive, styles, each) for each in children(slides, "page")]
            elif text is not None:
                flow = Flow()
                margins = [each for master in children(child(more, "master-styles"), "master-page") for each in master]
                Body(flow, styles, archive).write(text, [each for each in margins if local(each) in _MARGINS])
                self._pages = printed_pages(flow.sheets())
            else:
                raise Unreadable("it is neither text nor slides", hint="Save it as PDF, and add that file.")
        except RecursionError:
            raise Unreadable("its parts are nested too deeply") from None
        if not self._pages:
            raise Unreadable("it holds no text", hint="Pictures of text in it need OCR: save it as PDF and add that.")
        self.pages = len(self._pages)

    def page(self, number: int) -> RawText:
        """One page, or one slide with the speaker's notes."""
        return self._pages[number - 1]


def _slide(archive: Archive, styles: Styles, slide: Element) -> RawText:
    flow = Flow()
    body = Body(flow, styles, archive)
    body.write_slide(slide)
    raw = page_of(flow.sheets())
    return raw._replace(flags=(PageFlag.SCAN,)) if body.has_picture and not raw.text else raw


def _is_sealed(archive: Archive) -> bool:
    """Whether the list of parts says how to open one that is sealed."""
    return _MANIFEST in archive and any(local(each) == "encryption-data" for each in archive.xml(_MANIFEST).iter())
