"""ODT: an OpenDocument text; its elements are renamed to those of HTML and read like a web page."""

from lxml import etree

from docqa.reading.archives import Archive
from docqa.reading.composing import Piece, lone_heading
from docqa.reading.html import walk

TAGS = {
    "p": "p",
    "list": "ul",
    "list-item": "li",
    "list-header": "li",
    "table": "table",
    "table-header-rows": "thead",
    "table-row": "tr",
    "table-cell": "td",
    "line-break": "br",
    # not part of the text: comments, deleted words, the marks of notes, tables of contents
    "annotation": "script",
    "tracked-changes": "script",
    "note-citation": "script",
    "table-of-content": "script",
    "forms": "script",
}
"""What the elements of OpenDocument are in HTML; others have no meaning here."""
WHITE = ("s", "tab")
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}text"
LEVEL = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}outline-level"
SPANS = {
    "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}number-columns-spanned": "colspan",
    "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}number-rows-spanned": "rowspan",
}
DEEPEST = 6


def read_odt(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read an OpenDocument text; the title is in its properties, else its one highest heading."""
    archive = Archive(path, data)
    manifest = archive.optional_xml("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise archive.refuse("it is protected by a password; save it without one")
    body = next(archive.xml("content.xml").iter(TEXT), None)
    if body is None:
        raise archive.refuse("it holds no text; docqa reads OpenDocument texts only")
    for element in list(body.iter("*")):
        _rename(element)
    pieces = list(walk(body, within=True))
    properties = archive.optional_xml("meta.xml")
    own = None if properties is None else properties.findtext(".//{http://purl.org/dc/elements/1.1/}title")
    return own or lone_heading(pieces), pieces


def _rename(element: etree._Element) -> None:
    name = etree.QName(element).localname
    if name in WHITE:
        element.text = " "
    for attribute, span in SPANS.items():
        if attribute in element.attrib:
            element.set(span, element.attrib[attribute])
    if name == "h":
        level = element.get(LEVEL, "1")
        element.tag = f"h{min(int(level), DEEPEST) if level.isdigit() else 1}"
    else:
        element.tag = TAGS.get(name, "span")
