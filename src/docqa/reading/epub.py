"""EPUB: the chapters of a book in reading order, each a web page."""

from lxml import etree

from docqa.reading.archives import Archive, resolve
from docqa.reading.composing import Piece
from docqa.reading.decoding import decode_declared
from docqa.reading.html import parse_html, walk

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
PAGES = ("application/xhtml+xml", "text/html")


def read_epub(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read a book's chapters; its table of contents names those that have no heading."""
    archive = Archive(path, data)
    package = archive.xml(CONTAINER).xpath("string(//*[local-name()='rootfile']/@full-path)")
    book = archive.xml(package)
    labels = _labels(archive, package, book)
    contents = {resolve(package, href) for href in book.xpath("//*[local-name()='guide']/*[@type='toc']/@href")}
    pieces: list[Piece] = []
    for name in _chapters(archive, package, book):
        pieces += _with_heading(_read_chapter(archive, name, name in contents), labels.get(name, ""))
    title = book.xpath("string(//*[local-name()='metadata']/*[local-name()='title'])")
    return " ".join(title.split()) or None, pieces


def _chapters(archive: Archive, package: str, book: etree._Element) -> list[str]:
    """List the pages of a book in order.

    Raises:
        DocumentReadError: they are encrypted.
    """
    pages = {item.get("id"): item for item in book.xpath("//*[local-name()='manifest']/*[@href]")}
    spine = [pages.get(item.get("idref")) for item in book.xpath("//*[local-name()='spine']/*[@idref]")]
    names = [
        resolve(package, page.get("href"))
        for page in spine
        if page is not None and page.get("media-type") in PAGES and "nav" not in page.get("properties", "").split()
    ]
    encryption = archive.optional_xml(ENCRYPTION)
    locked = [] if encryption is None else encryption.xpath("//*[local-name()='CipherReference']/@URI")
    if {resolve("", name) for name in locked} & set(names):
        raise archive.refuse("it is protected against copying (DRM); get a copy without")
    return list(dict.fromkeys(names))


def _read_chapter(archive: Archive, name: str, contents: bool) -> list[Piece]:
    page = parse_html(archive.path, decode_declared(archive.path, archive.read(name)))
    if contents:  # the links go, but not what a book may say beside them
        for links in page.iter("ul", "ol", "dl"):
            links.set("class", "toc")
    return list(walk(page, within=True))


def _with_heading(pieces: list[Piece], label: str) -> list[Piece]:
    """Begin a new chapter, with its name in the table of contents where it has no heading of its own."""
    if any(piece.kind == "heading" for piece in pieces):
        return pieces
    named = bool(pieces) and pieces[0].text == label
    return [Piece("heading", label if pieces else "", 1), *pieces[named:]]


def _labels(archive: Archive, package: str, book: etree._Element) -> dict[str, str]:
    """Map the pages of a book to their names in its table of contents."""
    labels: dict[str, str] = {}
    for href in book.xpath("//*[@media-type='application/x-dtbncx+xml' or @properties='nav']/@href"):
        contents = archive.optional_xml(name := resolve(package, href))
        points = () if contents is None else contents.iter("{*}navPoint", "{*}a")
        for point in points:
            target = point.get("href") or point.xpath("string(*[local-name()='content']/@src)")
            texts = point.itertext() if point.get("href") else point.xpath("*[local-name()='navLabel']//text()")
            labels.setdefault(resolve(name, target), " ".join("".join(texts).split()))
    return labels
