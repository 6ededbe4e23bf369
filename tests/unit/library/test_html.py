from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_docs.errors import Unreadable
from nemo_docs.library.clean import clean
from nemo_docs.library.readers.html import HtmlReader
from nemo_docs.library.samples import samples_folder
from nemo_docs.settings import LANGUAGES
from tests.properties import examples


def shown(html: str | bytes) -> str:
    """The page text of all pages."""
    reader = HtmlReader(html.encode() if isinstance(html, str) else html)
    raws = [reader.page(number + 1) for number in range(reader.pages)]
    return "\n\n".join(clean(raw.text, raw.hidden).text for raw in raws)


PAGE = """<!DOCTYPE html>
<html lang="de"><head><title>Titel</title><style>p { margin: 0 }</style><script>document.write("x")</script></head>
<body><nav><a href="/">Start</a></nav>
<h1>Mietvertrag <em>2024</em></h1>
<p>Die Miete beträgt 10<sup>3</sup>&nbsp;Euro,
zahlbar monatlich.<sup><a href="#n1">1</a></sup></p>
<ol start="3" type="a"><li>Erstens<li><p>Zweitens</p><ul><li>innen</ul></ol>
<table><caption>Kosten</caption><tr><th>Was<th>Wie viel<tr><td>Strom<td><p>40</p><p>Euro</p></table>
<div>Eine Zeile</div><div>Noch eine<br>Zeile</div>
<pre>
  so   wie
    es ist
</pre><footer>Fußnote</footer></body></html>"""


def test_a_page_reads_as_a_browser_shows_it() -> None:
    assert shown(PAGE) == (
        "Mietvertrag 2024\n\n"
        "Die Miete beträgt 10³ Euro, zahlbar monatlich.[1]\n\n"
        "c. Erstens\nd. Zweitens\n\n  ◦ innen\n\n"
        "Kosten\n\nWas | Wie viel\nStrom | 40 Euro\n\n"
        "Eine Zeile\nNoch eine\nZeile\n\n"
        "  so   wie\n    es ist\n\nFußnote"
    )


@pytest.mark.parametrize(
    "element",
    [
        "<p hidden>Geheim</p>",
        '<p style="display: none">Geheim</p>',
        '<p style="visibility:hidden">Geheim</p>',
        '<p style="font-size:0px">Geheim</p>',
        '<p style="opacity: 0.0 !important">Geheim</p>',
        '<p style="position:absolute;left:-9999px">Geheim</p>',
        '<p style="color:#FFFFFF">Geheim</p>',
        '<p style="color: red; background: red"><b>Geheim</b></p>',
        '<font color="white">Geheim</font>',
        "<dialog>Geheim</dialog>",
    ],
)
def test_what_nobody_sees_is_kept_apart(element: str) -> None:
    reader = HtmlReader(f"<p>Offen</p>{element}<p>Ende</p>".encode())
    raw = reader.page(1)
    assert "Geheim" in raw.text
    assert clean(raw.text, raw.hidden).text == "Offen\n\nEnde"


@pytest.mark.parametrize(
    "element",
    [
        '<p style="display:block">Offen</p>',
        '<p hidden="until-found">Offen</p>',
        '<p style="opacity:0.5">Offen</p>',
        '<div style="background:black"><p style="color:white">Offen</p></div>',
        '<style>body { background: navy }</style><p style="color:white">Offen</p>',
        "<details><summary>Offen</summary></details>",
    ],
)
def test_when_in_doubt_text_counts_as_seen(element: str) -> None:
    assert shown(element) == "Offen"


@pytest.mark.parametrize("noise", ["script", "style", "template", "noscript", "iframe", "select", "video", "nav"])
def test_noise_is_left_out(noise: str) -> None:
    assert shown(f"<p>vor</p><{noise}>Rauschen</{noise}><p>nach</p>") == "vor\n\nnach"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>中文<br>第二行</p>", "中文\n第二行"),
        ("<p>中文\n  中文</p>", "中文中文"),
        ("<p>한국어\n한국어</p>", "한국어 한국어"),
        ("<ruby>漢<rt>かん</rt>字<rt>じ</rt></ruby>です", "漢字(かんじ)です"),
        ('<p dir="rtl">مرحبا <b>بالعالم</b>.</p>', "مرحبا بالعالم."),
        ('<p><img src="t.png" alt="D">er Anfang</p><p><img alt="Bild"></p>', "Der Anfang"),
        ("<p>a<q>b</q></p>", "a“b”"),
        ("<ol reversed><li>x<li>y</ol>", "2. x\n1. y"),
        ('<ol><li value="7">x<li>y</ol>', "7. x\n8. y"),
        ("<p>1<sup>st</sup> H<sub>2</sub>O</p>", "1st H2O"),
        ("<table><tr><td></td></tr></table><p>x", "x"),
        ("&lt;b&gt;&amp;&#x41;", "<b>&A"),
    ],
)
def test_small_things(html: str, text: str) -> None:
    assert shown(html) == text


def test_long_cells_are_blocks_and_short_ones_a_row() -> None:
    long = "<p>" + "Wort " * 80 + "</p><p>" + "Satz " * 80 + "</p>"
    text = shown(f"<table><tr><td>{long}</td><td>kurz</td></tr></table>")
    assert [block.split()[0] for block in text.split("\n\n")] == ["Wort", "Satz", "kurz"]


def test_xhtml_with_what_only_xml_knows_is_read_whole() -> None:
    head = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head>'
    assert shown(f"{head}<body><p/><p>Text<br/><![CDATA[<kein> Element]]></p></body></html>") == "Text\n<kein> Element"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_passes_whole(language: str) -> None:
    text = (samples_folder() / f"udhr.{language}.txt").read_text(encoding="utf-8")
    html = "".join(f"<p>{block}</p>" for block in text.split("\n\n"))
    assert "".join(shown(html).split()) == "".join(clean(text).text.split())


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("ISO-8859-1", "cp1252", "Straße – “zitiert”"),
        ("Shift_JIS", "cp932", "日本語のテキスト"),
        ("iso-2022-jp", "iso2022_jp", "日本語のテキスト"),
        ("gb2312", "gb18030", "简体中文的文本"),
        ("euc-kr", "cp949", "한국어 텍스트"),
        ("windows-1256", "cp1256", "نص عربي"),
        ("iso-8859-1", "utf-8", "Straße 中文"),
        ("x-no-such", "utf-8", "Straße"),
        ("base64", "utf-8", "Straße"),
    ],
)
def test_the_declared_encoding_is_heeded_where_the_bytes_allow(declared: str, encoding: str, text: str) -> None:
    assert shown(f'<meta charset="{declared}"><p>{text}</p>'.encode(encoding)) == text


def test_pages_are_named_after_the_heading_that_they_stand_under() -> None:
    section = "<p>" + "Ein Satz mit Wörtern. " * 40 + "</p>"
    html = "".join(f"<h2>Teil {number}</h2>{section * 3}" for number in range(1, 5))
    reader = HtmlReader(html.encode())
    labels = [reader.page(number + 1).label for number in range(reader.pages)]
    assert labels == ["Teil 1", "Teil 2", "Teil 3", "Teil 4"]
    assert all(reader.page(number + 1).text.startswith(f"Teil {number + 1}") for number in range(reader.pages))


@pytest.mark.parametrize("html", [b"", b"<html><body></body></html>", b"<script>alert(1)</script>", b"\0\1\2" * 99])
def test_a_page_without_text_is_refused(html: bytes) -> None:
    with pytest.raises(Unreadable):
        HtmlReader(html)


@pytest.mark.parametrize(
    "part",
    [
        "<div>", "<table><tr><td>", "<b><i>", "<ul><li>", "<sup>", "<ruby><rt>", "<p hidden>", "<![CDATA[", "<a ",
        "<!--",
    ],
)  # fmt: skip
def test_depth_and_things_left_open_cost_little(part: str) -> None:
    prologue = "<?xml version='1.0'?>" if part == "<![CDATA[" else ""
    try:
        assert HtmlReader(f"{prologue}Anfang{part * 5_000}Ende".encode()).pages
    except Unreadable:
        pytest.fail("the text before it is lost")


BLOCKS = st.sampled_from(["p", "div", "li", "td", "h2", "blockquote", "span", "b", "section", "pre"])
TREES = st.recursive(
    st.text("abcäß中文العربيةहि0", min_size=1, max_size=6).map(lambda word: f" {word} "),
    lambda inner: st.tuples(BLOCKS, st.lists(inner, max_size=4)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
    max_leaves=30,
)


@examples(60)
@given(TREES)
def test_every_visible_word_is_there_in_order(html: str) -> None:
    from html.parser import HTMLParser

    words: list[str] = []

    class Words(HTMLParser):
        def handle_data(self, data: str) -> None:
            words.extend(data.split())

    Words().feed(html)
    reader = HtmlReader(f"<body>Anfang {html}".encode())
    text = " ".join(reader.page(number + 1).text for number in range(reader.pages))
    assert [word for word in text.split() if word not in ("•", "|")] == ["Anfang", *words]


def test_a_page_of_elements_within_elements_is_read_in_time() -> None:
    reader = HtmlReader(("<h1>Kopf</h1>" + "<div>" * 300_000 + "tief" + "</div>" * 300_000 + "<p>danach").encode())
    assert reader.page(1).text == "Kopf\n\ntief\n\ndanach"
