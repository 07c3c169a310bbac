"""HTML: the main content of a page as pieces. Other formats are turned into HTML elements and read here too."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from lxml import etree

from docqa.errors import DocumentReadError
from docqa.reading.composing import Piece
from docqa.reading.decoding import decode_declared
from docqa.reading.page_tables import is_data, page_table_lines

HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form header hgroup hr legend li main menu nav ol p section summary table tbody td tfoot th thead tr ul "
    "h1 h2 h3 h4 h5 h6".split()
)
UNSEEN = frozenset(
    "annotation applet audio button canvas datalist embed frameset head iframe input link map meta nav noframes "
    "noscript object option rp script select style svg template textarea video".split()
)
AROUND = frozenset("header footer aside".split())
"""What is around the content, unless it stands within it."""
ROLES = frozenset("navigation search banner contentinfo complementary menu menubar toolbar".split())
CHROME = frozenset(
    "backlink breadcrumb breadcrumbs editsection headerlink navbar navbox noprint permalink portlet printfooter".split()
)
"""Words in an element's class that say it is no content."""
LINKS = frozenset("categories catlinks menu nav navigation pagination related share sidebar social tags toc".split())
"""Words in a class that say so when most of the element's words are links."""
NOTICES = frozenset("admonition caution important note tip warning".split())
"""Words in a class of a box beside the text; what looks like its heading says what it is, and begins no section."""
NOTICE_TITLE = "admonition-title"
MAIN = "//main | //*[@role='main']"
WORD = re.compile(r"[^\W_]+")
Found = tuple[Literal["term", "definition", ""], Piece]
"""A piece, and what it is a part of."""
SELF_CLOSED = re.compile(r"<((?!(?:area|base|br|col|hr|img|input|link|meta|source|wbr)\b)[a-zA-Z][\w.-]*)(\s[^<>]*)?/>")


def read_html(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read the main content of a web page; the title is its one main heading, else what the page calls itself."""
    root = parse_html(path, decode_declared(path, data))
    pieces = read_page(root)
    highest = [piece.text for piece in pieces if piece.level == 1]
    own = " ".join((root.findtext(".//title") or "").split())
    return (highest[0] if highest and (len(highest) == 1 or not own) else own or None), pieces


def parse_html(path: str, text: str) -> etree._Element:
    """Parse a page as browsers do. An XML declaration in it means that empty elements may close themselves.

    Raises:
        DocumentReadError: its elements are nested so deeply that the parser would leave some out.
    """
    if "http://www.w3.org/1999/xhtml" in text[:2_000]:
        text = SELF_CLOSED.sub(r"<\1\2></\1>", text)
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    root = etree.fromstring(text.replace("\0", "").encode() or b" ", parser)
    if any("depth" in error.message.lower() for error in parser.error_log):
        raise DocumentReadError(path, "its elements are nested too deeply; save it anew from a browser")
    return etree.Element("html") if root is None else root


def read_page(root: etree._Element) -> list[Piece]:
    """Read the pieces of the page's main part, or of the whole page when no part is marked as such."""
    main = root.xpath(MAIN) or root.xpath("//article")
    if len(main) == 1:
        pieces = list(walk(main[0], within=True))
        if pieces:
            return pieces
    return list(walk(root, within=False))


def walk(root: etree._Element, *, within: bool) -> Iterator[Piece]:
    """Read the pieces of an element; ``within`` says that it is all content, without what is around it on a page.

    A term and the first paragraph of its definition are one piece, in two lines.
    """
    terms: list[Piece] = []
    for part, piece in _walk(root, within):
        if part == "term":
            terms.append(piece)
            continue
        if terms and part == "definition" and piece.kind == terms[-1].kind:
            piece = replace(piece, text="\n".join(one.text for one in (*terms, piece)))
        else:
            yield from terms
        terms.clear()
        yield piece
    yield from terms


def _walk(root: etree._Element, within: bool) -> Iterator[Found]:
    open_: list[etree._Element] = []
    words: list[str] = []
    events = etree.iterwalk(root, events=("start", "end"))
    for event, element in events:
        tag = str(element.tag)
        if event == "start":
            if tag in BLOCKS or tag == "pre":
                yield from _flush(words, open_)
            skipped = element is not root and _is_unseen(element, open_, within)
            if skipped or tag == "pre" or (tag == "table" and is_data(element)):
                events.skip_subtree()
                yield from () if skipped else _whole(element)
                continue
            open_.append(element)
            words.append("\n" if tag == "br" else element.text or "")
        else:
            if open_ and open_[-1] is element:
                if tag in BLOCKS:
                    yield from _flush(words, open_)
                open_.pop()
            if element is not root:
                words.append(element.tail or "")
    yield from _flush(words, [root])


def _tag(element: etree._Element) -> str:
    return str(element.tag)


def _whole(element: etree._Element) -> Iterator[Found]:
    """Read an element that is a piece by itself: a table, or text laid out by hand."""
    if element.tag == "pre":
        yield "", Piece("code", "".join(element.itertext()).strip("\r\n").rstrip())
    else:
        yield "", Piece("table", "\n".join(page_table_lines(element, _cell_text)))


def _cell_text(cell: etree._Element) -> str:
    return " ".join(piece.text for piece in walk(cell, within=True))


def _flush(words: list[str], open_: list[etree._Element]) -> Iterator[Found]:
    text = " ".join("".join(words).split())
    words.clear()
    if not text:
        return
    tags = [_tag(element) for element in open_]
    part = _part(open_)
    level = next((HEADINGS[tag] for tag in reversed(tags) if tag in HEADINGS), 0)
    if level and part != "term":
        yield "", Piece("heading", text, level)
    else:
        yield part, Piece("list_item" if "li" in tags else "paragraph", text)


def _part(open_: list[etree._Element]) -> Literal["term", "definition", ""]:
    """Tell whether words are a term, or the title of a notice, or what comes after one."""
    is_title = False
    for element in reversed(open_):
        classes = element.get("class", "").lower().split()
        if element.tag == "dt" or NOTICE_TITLE in classes:
            return "term"
        if element.tag == "dd":
            return "definition"
        if NOTICES.intersection(classes):
            return "term" if is_title else "definition"
        is_title = is_title or element.tag in HEADINGS
    return ""


def _is_unseen(element: etree._Element, open_: list[etree._Element], within: bool) -> bool:
    """Tell whether an element is hidden, or is no content of the page."""
    tag, role = _tag(element), element.get("role")
    if tag in UNSEEN or "hidden" in element.attrib or role in ROLES:
        return True
    if tag in AROUND and not within and not any(above.tag == "article" for above in open_):
        return True
    if "display:none" in element.get("style", "").replace(" ", ""):
        return True
    names = set(WORD.findall(element.get("class", "").lower()))
    return bool(names & CHROME) or bool(names & LINKS and _is_mostly_links(element))


def _is_mostly_links(element: etree._Element) -> bool:
    words = len("".join(element.itertext()).split())
    linked = sum(len("".join(link.itertext()).split()) for link in element.iter("a"))
    return 2 * linked > words
