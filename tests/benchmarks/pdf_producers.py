"""PDFs of known text from three producers that set Arabic and Hindi each in their own way (extra `bench`).

typst shapes and orders by itself and writes /ActualText; WeasyPrint sets through Pango; fpdf2 through HarfBuzz, with
fonts of two-byte codes. Fonts: Debian's fonts-hosny-amiri, fonts-lohit-deva and fonts-wqy-microhei.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path

FONTS = {"ar": ("Amiri", "Amiri-Regular.ttf"), "hi": ("Lohit Devanagari", "Lohit-Devanagari.ttf")}
"""Family and file; every other language is set in the last resort."""
ANY = ("WenQuanYi Micro Hei", "wqy-microhei.ttc")


def font_of(language: str, fonts: Path) -> tuple[str, Path]:
    """Family and file of a language's font, somewhere below a folder."""
    family, name = FONTS.get(language, ANY)
    return family, next(fonts.rglob(name))


def typst(paragraphs: Sequence[str], language: str, fonts: Path) -> bytes:
    """Through typst."""
    import typst as producer

    family, file = font_of(language, fonts)
    escaped = ["".join(f"\\u{{{ord(c):x}}}" if not c.isalnum() and c != " " else c for c in p) for p in paragraphs]
    head = f'#set page(paper: "a4")\n#set text(font: "{family}", lang: "{language}", size: 11pt)\n'
    body = "\n".join(f'#par[#"{paragraph}"]' for paragraph in escaped)
    return bytes(producer.compile((head + body).encode(), font_paths=[str(file.parent)], ignore_system_fonts=True))


def weasyprint(paragraphs: Sequence[str], language: str, fonts: Path) -> bytes:
    """Through WeasyPrint."""
    import weasyprint as producer

    _, file = font_of(language, fonts)
    direction = "rtl" if language == "ar" else "ltr"
    style = f"@font-face {{ font-family: F; src: url({file.resolve().as_uri()}) }} body {{ font: 11pt F }}"
    body = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    page = f'<html lang="{language}" dir="{direction}"><style>{style}</style><body>{body}</body></html>'
    return bytes(producer.HTML(string=page).write_pdf())


def fpdf2(paragraphs: Sequence[str], language: str, fonts: Path) -> bytes:
    """Through fpdf2 with HarfBuzz."""
    import fpdf as producer

    _, file = font_of(language, fonts)
    pdf = producer.FPDF()
    pdf.add_page()
    pdf.add_font("F", "", str(file))
    pdf.set_font("F", size=11)
    pdf.set_text_shaping(True)
    for paragraph in paragraphs:
        pdf.multi_cell(0, 7, paragraph, align="R" if language == "ar" else "L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    return bytes(pdf.output())


PRODUCERS: dict[str, Callable[[Sequence[str], str, Path], bytes]] = {
    "typst": typst,
    "weasyprint": weasyprint,
    "fpdf2": fpdf2,
}
"""By name."""
