import pytest

from docqa import Document, DocumentReadError
from docqa.reading import read_document
from format_files import epub, epub_files, zipped

CHAPTERS = {
    "a.xhtml": "<p>For Ada.</p>",
    "b.xhtml": "<h1>Installation</h1><p>Unpack&nbsp;it.</p><h2>Upgrades</h2><p>Keep <i>your</i> files.</p>",
    "c.xhtml": "<p class='title'>Afterword</p><p>Thank you.</p>",
}
CONTENTS = '<li><a href="b.xhtml#x">Install</a></li><li><a href="c.xhtml">Afterword</a></li>'


def read(data: bytes, path: str = "handbook.epub") -> Document:
    return read_document(path, data, "digest")


def test_a_book_is_read_chapter_by_chapter() -> None:
    document = read(epub(CHAPTERS, CONTENTS))
    assert document.title == "The Lumen Handbook"
    assert [(block.kind, document[block.span], document.locate(block.span)) for block in document.blocks] == [
        ("paragraph", "For Ada.", "paragraph 1"),
        ("heading", "Installation", "paragraph 1"),
        ("paragraph", "Unpack it.", "§ Installation"),
        ("heading", "Upgrades", "§ Installation"),
        ("paragraph", "Keep your files.", "§ Installation › Upgrades"),
        ("heading", "Afterword", "paragraph 3"),
        ("paragraph", "Thank you.", "§ Afterword"),
    ]


def test_the_order_is_the_spines_not_the_names() -> None:
    document = read(epub({"z.xhtml": "<p>First.</p>", "a.xhtml": "<p>Second.</p>"}))
    assert document.text == "First.\n\nSecond."


def test_chapter_names_may_be_quoted_and_in_folders() -> None:
    files = epub_files({"one.xhtml": "<p>Words.</p>"})
    files["OPS/text/ein s.xhtml"] = files.pop("OPS/one.xhtml")
    files["OPS/book.opf"] = str(files["OPS/book.opf"]).replace(
        'href="one.xhtml"', 'href="./text/../text/ein%20s.xhtml"'
    )
    assert read(zipped(files)).text == "Words."


def test_a_page_of_contents_keeps_only_what_is_no_link() -> None:
    files = epub_files({"toc.xhtml": '<p>About.</p><ul><li><a href="b">One</a></li></ul>', "b.xhtml": "<p>Words.</p>"})
    guide = '<guide><reference type="toc" href="toc.xhtml"/></guide></package>'
    files["OPS/book.opf"] = str(files["OPS/book.opf"]).replace("</package>", guide)
    assert read(zipped(files)).text == "About.\n\nWords."


def test_old_books_have_their_contents_in_a_file_of_its_own() -> None:
    files = epub_files({"a.xhtml": "<p>Words.</p>"})
    item = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
    files["OPS/book.opf"] = str(files["OPS/book.opf"]).replace("</manifest>", item)
    files["OPS/toc.ncx"] = (
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>One</text></navLabel>'
        '<content src="a.xhtml"/></navPoint></navMap></ncx>'
    )
    assert read(zipped(files)).text == "One\n\nWords."


def test_a_protected_book_is_refused() -> None:
    files = epub_files(CHAPTERS)
    files["META-INF/encryption.xml"] = '<encryption><CipherReference URI="OPS/b.xhtml"/></encryption>'
    with pytest.raises(DocumentReadError, match=r"protected against copying \(DRM\)"):
        read(zipped(files))


def test_protected_fonts_do_not_matter() -> None:
    files = epub_files(CHAPTERS)
    files["META-INF/encryption.xml"] = '<encryption><CipherReference URI="OPS/font.otf"/></encryption>'
    assert "For Ada." in read(zipped(files)).text


@pytest.mark.parametrize("name", ["META-INF/container.xml", "OPS/book.opf", "OPS/b.xhtml"])
def test_a_missing_part_is_named(name: str) -> None:
    files = epub_files(CHAPTERS)
    del files[name]
    files["content.xml"] = ""
    with pytest.raises(DocumentReadError, match="missing|sound XML"):
        read(zipped(files))
