"""Who wrote a document and when, as its file says."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from docqa.chat.rendering import render_listing, render_source
from docqa.chat.state import Overview, Source
from docqa.isolation.process import ReadingProcess
from docqa.reading import read_document
from docqa.reading.origins import make_origin, to_date
from docqa.types import Document, IndexedDocument
from format_files import docx_files, epub_files, odt_files, page, pdf, pptx_files, shape, word, zipped

CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">{}</cp:coreProperties>'
)
WRITTEN = "<dcterms:modified>2024-05-06T07:08:09Z</dcterms:modified>"
CREATED = "<dcterms:created>2023-01-02T23:59:00Z</dcterms:created>"
META = (
    '<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<office:meta>{}</office:meta></office:document-meta>"
)
EDITED = "<dc:creator>Bob</dc:creator><dc:date>2024-05-06T07:08:09.123</dc:date>"
BOOK = (
    '<dc:creator>Ann Lee</dc:creator><dc:creator>Bob</dc:creator><dc:date xmlns:opf="o" opf:event="modification">'
    "2024-05-06</dc:date><dc:date>2001</dc:date>"
)


def docx(core: str) -> bytes:
    return zipped({**docx_files(word("Some words.")), "docProps/core.xml": core})


def odt(meta: str) -> bytes:
    return zipped({**odt_files("<text:p>Some words.</text:p>"), "meta.xml": META.format(meta)})


def epub(metadata: str) -> bytes:
    files = epub_files({"one": "<p>Some words.</p>"})
    [name] = [name for name in files if name.endswith(".opf")]
    package = str(files[name])
    return zipped({**files, name: package.replace("</metadata>", f"{metadata}</metadata>")})


def web(*meta: tuple[str, str, str]) -> bytes:
    tags = "".join(f'<meta {kind}="{name}" content="{content}">' for kind, name, content in meta)
    return f"<!doctype html><head>{tags}</head><body><p>Some words.</p></body>".encode()


def signed_pdf(author: str) -> bytes:
    def draw(canvas: Canvas) -> None:
        canvas.setAuthor(author)
        page("Some words.")(canvas)

    return pdf(draw)


MAIL = "From: {}\nSubject: Hello\nDate: {}\n\nSome words.\n"
RST = "{}\n\nSome words.\n"


@pytest.mark.parametrize(
    ("path", "data", "author", "date"),
    [
        ("a.pdf", signed_pdf("Ann Lee"), "Ann Lee", "2000-01-01"),
        ("a.docx", docx(CORE.format(f"<dc:creator> Ann\nLee</dc:creator>{WRITTEN}{CREATED}")), "Ann Lee", "2023-01-02"),
        ("a.docx", docx(CORE.format(WRITTEN)), "", "2024-05-06"),
        ("a.docx", docx("<damaged"), "", ""),
        ("a.docx", zipped(docx_files(word("Some words."))), "", ""),
        ("a.pptx", zipped({**pptx_files(shape("Words")), "docProps/core.xml": CORE.format(CREATED)}), "", "2023-01-02"),
        ("a.odt", odt(EDITED), "Bob", "2024-05-06"),
        (
            "a.odt",
            odt(f"{EDITED}<meta:initial-creator>Ann</meta:initial-creator><meta:creation-date>2020-02-29T00:00:00"
                "</meta:creation-date>"),
            "Ann",
            "2020-02-29",
        ),
        ("a.epub", epub(BOOK), "Ann Lee, Bob", "2001"),
        ("a.epub", epub("<dc:date>0101-01-01T00:00:00+00:00</dc:date>"), "", ""),
        ("a.html", web(("name", "Author", "Ann &lt;b&gt;"), ("name", "dc.date", "2024-03")), "Ann <b>", "2024-03"),
        (
            "a.html",
            web(
                ("property", "article:modified_time", "2024-05-06T07:08:09+02:00"),
                ("property", "article:published_time", "2024-03-01T10:00:00Z"),
                ("property", "article:author", "https://example.org/ann"),
            ),
            "",
            "2024-03-01",
        ),
        ("a.html", b'<!doctype html><body><p>Words.</p><meta name="author" content="No one">', "", ""),
        ("a.md", b"---\nauthor: Ann\ndate: 2024-03-01\n---\n\nSome words.\n", "Ann", "2024-03-01"),
        ("a.md", b"---\nauthors: [Ann, Bob]\ndate: 2024-03-01 10:00:00\n---\n\nWords.\n", "Ann, Bob", "2024-03-01"),
        ("a.md", b"---\nauthors:\n- name: Ann\ndate: yesterday\n---\n\nSome words.\n", "", ""),
        ("a.md", b"---\nauthor: [unclosed\n---\n\nSome words.\n", "", ""),
        ("a.md", b"Some words.\n\n---\nauthor: Ann\n---\n", "", ""),
        ("a.rst", RST.format("Title\n=====\n\n:Author: Ann\n:Date: 2024-03-01").encode(), "Ann", "2024-03-01"),
        ("a.rst", RST.format(".. note\n   more\n\n:Authors: Ann; Bob").encode(), "Ann, Bob", ""),
        ("a.rst", RST.format("Words first.\n\n:Author: Ann").encode(), "", ""),
        ("a.eml", MAIL.format("Ann Lee <ann@example.org>", "Fri, 1 Mar 2024 23:30:00 -0500").encode(), "Ann Lee",
         "2024-03-01"),
        ("a.eml", MAIL.format("ann@example.org", "soon").encode(), "", ""),
        ("a.txt", b"Author: Ann\nDate: 2024-03-01\n", "", ""),
        ("a.csv", b"author,date\nAnn,2024-03-01\n", "", ""),
    ],
)  # fmt: skip
def test_a_document_has_the_author_and_date_its_file_says(path: str, data: bytes, author: str, date: str) -> None:
    document = read_document(path, data, "digest")
    assert (document.author, document.date) == (author, date)


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("2024-03-01", "2024-03-01"),
        (" 2024-03-01T10:00:00+01:00 ", "2024-03-01"),
        ("20240301", "2024-03-01"),
        ("2024-03", "2024-03"),
        ("2024", "2024"),
        ("D:20240301100000+01'00'", "2024-03-01"),
        ("D:2024", "2024"),
        ("2024-02-30", ""),
        ("2024-13", ""),
        ("0101-01-01T00:00:00+00:00", ""),
        ("01.03.2024", ""),
        ("03/01/2024", ""),
        ("1 March 2024", ""),
        ("2024-03-01x", ""),
        ("", ""),
    ],
)
def test_only_dates_that_cannot_be_mistaken_are_taken(written: str, date: str) -> None:
    assert to_date(written) == date


@given(st.lists(st.text()), st.lists(st.text()))
def test_any_names_and_dates_give_what_can_be_stored(authors: list[str], dates: list[str]) -> None:
    origin = make_origin(authors, dates)
    assert origin.author.encode().decode() == " ".join(origin.author.split())
    assert origin.date == to_date(origin.date)


def test_names_are_listed_once_and_a_page_of_them_is_none() -> None:
    assert make_origin(["Ann", " Ann ", "", "Bob\x00"], []).author == "Ann, Bob"
    assert make_origin(["Ann " * 100], []).author == ""


def test_what_is_read_apart_has_its_origin_too() -> None:
    process = ReadingProcess()
    try:
        document = process.read("a.docx", docx(CORE.format(f"<dc:creator>Ann</dc:creator>{CREATED}")), "digest")
    finally:
        process.close()
    assert (document.author, document.date) == ("Ann", "2023-01-02")  # type: ignore[union-attr]


HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.mark.parametrize(
    "render",
    [
        lambda: render_listing(Overview(documents=(IndexedDocument("a.md", "A", (), 1, 0, HOSTILE, "2024-03-01"),))),
        lambda: render_source(Source(Document("a.md", "", "A", "Words.", (), author=HOSTILE, date="2024-03-01"))),
    ],
)
def test_the_chat_shows_author_and_date_as_text(render: Callable[[], str]) -> None:
    html = render()
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in html
    assert "<img" not in html
    assert "2024-03-01" in html
