"""PPTX: each slide a page, so that a slide's number is its page's, named after the slide's title.

The walk over the XML is our own, as DOCX's is: python-pptx is made to write slides and passes over what is grouped,
in diagrams (SmartArt) and in formulas. Kept: titles, text, lists with their numbers, tables, diagrams, charts, the
speaker's notes at the foot. Slides that are hidden from the show are seen by whoever opens the file, and kept. Left
out: comments, descriptions of pictures, the number that each slide shows of itself.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from nemo_docs.errors import ReaderError, Unreadable
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.archive import Archive, children
from nemo_docs.library.readers.flow import Flow, page_of
from nemo_docs.library.readers.packages import MAIN, reference, related, relations
from nemo_docs.library.readers.pptx_shapes import Shapes
from nemo_docs.library.records import PageFlag

_MOST_SLIDES = 10_000


class PptxReader:
    """Reads a presentation of PowerPoint 2007 or later."""

    extractor = "pptx 1"
    """Name and version, for the ledger."""

    def __init__(self, data: bytes, *, password: str | None = None) -> None:
        """Open a presentation; its slides are read one by one.

        Raises:
            Unreadable: If it is no presentation, damaged, a bomb, or has no slides.
        """
        self._archive = Archive(data)
        main = related(self._archive, "").get(MAIN, ["ppt/presentation.xml"])[0]
        if main not in self._archive:
            raise Unreadable("it is not a presentation", hint="Save it as PPTX or PDF, and add that file.")
        targets = {each.identity: each.target for each in relations(self._archive, main)}
        order = [
            reference(slide)
            for ids in children(self._archive.xml(main), "sldIdLst")
            for slide in children(ids, "sldId")
        ]
        self._slides = [targets.get(identity, "") for identity in order]
        self.pages = len(self._slides)
        if not self.pages:
            raise Unreadable("it is a presentation without slides")
        if self.pages > _MOST_SLIDES:
            raise Unreadable(f"it is a presentation of {self.pages:,} slides; the limit is {_MOST_SLIDES:,}")

    def page(self, number: int) -> RawText:
        """One slide, with the speaker's notes.

        Raises:
            ReaderError: If it is missing, damaged or nested too deeply.
        """
        name = self._slides[number - 1]
        flow = Flow()
        try:
            shapes = Shapes(flow, self._drawn(name))
            shapes.write(self._archive.xml(name))
            for notes in related(self._archive, name).get("notesSlide", ())[:1]:
                shapes.write_notes(self._archive.xml(notes))
        except RecursionError:
            raise ReaderError("its shapes are nested too deeply") from None
        raw = page_of(flow.sheets())
        return raw._replace(flags=(PageFlag.SCAN,)) if shapes.has_picture and not raw.text else raw

    def _drawn(self, slide: str) -> dict[str, Element]:
        """What diagrams and charts on a slide are drawn from, by the identity that the slide has for them."""
        return {
            each.identity: self._archive.xml(each.target)
            for each in relations(self._archive, slide)
            if each.kind in ("diagramData", "chart") and each.target in self._archive
        }
