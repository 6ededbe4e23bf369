from __future__ import annotations

import pytest

from nemo_docs.errors import Unreadable
from nemo_docs.library.clean import clean
from nemo_docs.library.readers import RawText
from nemo_docs.library.readers.epub import EpubReader
from nemo_docs.library.records import PageFlag
from tests.unit.library.documents import book, zipped

COVER = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body><img src="cover.png"/></body></html>'
FIRST = "<html><body><h1>Eins</h1><p>Erster&nbsp;Satz.</p></body></html>"
SECOND = "<html><body><p>Noch im ersten Kapitel.</p></body></html>"
THIRD = "<html><body><h1>第二章</h1><p>中文。</p><p>نص عربي.</p></body></html>"
FILES = {"cover.xhtml": COVER, "a-b.xhtml": FIRST, "b.xhtml": SECOND, "c.xhtml": THIRD}
CONTENTS = {"a-b.xhtml#top": "Kapitel <b>eins</b>", "c.xhtml": "第二章"}


def pages(data: bytes) -> list[RawText]:
    reader = EpubReader(data)
    return [reader.page(number + 1) for number in range(reader.pages)]


def test_a_book_is_read_in_its_own_order_and_named_after_its_chapters() -> None:
    read = pages(book(FILES, contents=CONTENTS))
    assert [clean(page.text).text for page in read] == [
        "",
        "Eins\n\nErster Satz.",
        "Noch im ersten Kapitel.",
        "第二章\n\n中文。\n\nنص عربي.",
    ]
    assert [page.label for page in read] == ["", "Kapitel eins", "Kapitel eins", "第二章"]
    assert [page.flags for page in read] == [(PageFlag.SCAN,), (), (), ()]


def test_a_book_of_the_older_kind_has_its_titles_too() -> None:
    ncx = (
        '<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd"><ncx>'
        "<navMap><navPoint><navLabel><text>Teil\n 1</text></navLabel>"
        "<content src='text/a%20b.xhtml#x'/></navPoint></navMap></ncx>"
    )
    opf = (
        '<package><manifest><item id="a" href="text/a%20b.xhtml"/><item id="toc" href="toc.ncx"/></manifest>'
        '<spine toc="toc"><itemref idref="a"/><itemref idref="nowhere"/></spine></package>'
    )
    container = '<container><rootfiles><rootfile full-path="book.opf"/></rootfiles></container>'
    members = {"META-INF/container.xml": container, "book.opf": opf, "toc.ncx": ncx, "text/a b.xhtml": FIRST}
    (page,) = pages(zipped(members))
    assert (page.text, page.label) == ("Eins\n\nErster\xa0Satz.", "Teil 1")


def test_a_damaged_file_costs_its_page_only() -> None:
    data = book({"a.xhtml": FIRST, "b.xhtml": SECOND}).replace(b"OEBPS/a.xhtml", b"OEBPS/x.xhtml")
    reader = EpubReader(data)
    assert reader.pages == 2
    with pytest.raises(Unreadable, match="missing"):
        reader.page(1)
    assert reader.page(2).text == "Noch im ersten Kapitel."


def sealed(algorithm: str) -> bytes:
    encryption = (
        f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/><CipherData>'
        '<CipherReference URI="OEBPS/a.xhtml"/></CipherData></EncryptedData></encryption>'
    )
    return book({"a.xhtml": FIRST}, **{"META-INF/encryption.xml": encryption})


def test_a_sealed_book_says_so_and_scrambled_fonts_do_not_matter() -> None:
    with pytest.raises(Unreadable, match="DRM"):
        EpubReader(sealed("http://www.w3.org/2001/04/xmlenc#aes128-cbc"))
    assert pages(sealed("http://www.idpf.org/2008/embedding"))[0].text.startswith("Eins")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"mimetype": "application/epub+zip"}, "container.xml is missing"),
        ({"META-INF/container.xml": "<container/>"}, "list of its parts"),
        ({"META-INF/container.xml": '<!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]><c>&a;</c>'}, "entities"),
        ({str(number): "" for number in range(20_001)}, "20,001 members"),
    ],
)
def test_what_is_no_book_is_refused_by_its_reason(members: dict[str, str], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        EpubReader(zipped(members))
