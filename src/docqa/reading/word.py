"""DOCX: mammoth turns a Word document into HTML by its styles; that is read like a web page."""

import io
import re

import mammoth
from lxml import etree

from docqa.reading.archives import Archive
from docqa.reading.composing import Piece, lone_heading
from docqa.reading.html import parse_html, walk

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
STYLES = "word/styles.xml"
HEADING = re.compile("heading ([1-9])")
OUTLINE = re.compile("[0-8]")
"""Levels of outlines; the next one is plain text."""
DEEPEST = 6
"""Levels of headings in HTML."""
BACKLINK = re.compile(r'<a href="#(?:foot|end)note-ref-[^"]*">↑</a>')
"""What mammoth adds to a note."""


def read_docx(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read a Word document: body, tables, notes. What was deleted with tracked changes, and comments, are left out."""
    archive = Archive(path, data)
    archive.check()
    for name in sorted(archive.names):
        if name.startswith("word/") and name.endswith(".xml"):
            archive.xml(name)  # not nested too deeply for mammoth
    styles = archive.optional_xml(STYLES)
    try:
        converted = mammoth.convert_to_html(
            io.BytesIO(data),
            style_map="" if styles is None else "\n".join(_style_map(styles)),
            convert_image=mammoth.images.img_element(lambda image: {}),
        )
    # a library of many parts meets a damaged file in many ways, none of them documented
    except Exception as exc:
        raise archive.refuse(f"it is a damaged Word document ({exc}); open and save it in Word") from exc
    pieces = list(walk(parse_html(path, BACKLINK.sub("", converted.value)), within=True))
    return lone_heading(pieces), pieces


def _style_map(styles: etree._Element) -> list[str]:
    """Say to mammoth which paragraph styles are headings: by their level, or by that of the style they are based on."""
    by_id = {style.get(f"{WORD}styleId"): style for style in styles.findall(f"{WORD}style[@{WORD}type='paragraph']")}
    return [f"p[style-name={_quoted(name)}] => h{level}:fresh" for name, level in _headings(by_id) if "\n" not in name]


def _headings(by_id: dict[str, etree._Element]) -> list[tuple[str, int]]:
    found = []
    for style in by_id.values():
        name = _value(style, "name")
        seen: list[etree._Element] = []
        basis: etree._Element | None = style
        while basis is not None and basis not in seen and not (level := _level(basis)):
            seen.append(basis)
            basis = by_id.get(_value(basis, "basedOn"))
        if basis is not None and level and name:
            found.append((name, level))
    return found


def _level(style: etree._Element) -> int:
    """Return the level of a heading's style: 1 is the document's title, the chapters begin at 2."""
    name, outline = _value(style, "name").lower(), _value(style, f"pPr/{WORD}outlineLvl")
    if name == "title":
        return 1
    if heading := HEADING.fullmatch(name):
        return min(int(heading.group(1)) + 1, DEEPEST)
    return min(int(outline) + 2, DEEPEST) if OUTLINE.fullmatch(outline) else 0


def _value(style: etree._Element, tag: str) -> str:
    found = style.find(f"{WORD}{tag}")
    return "" if found is None else found.get(f"{WORD}val", "")


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
