"""DOCX: mammoth turns a Word document into HTML by its styles; that is read like a web page."""

import io

import mammoth
from lxml import etree

from docqa.reading.archives import Archive
from docqa.reading.composing import Piece
from docqa.reading.html import parse_html, walk

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
STYLES = "word/styles.xml"
DEEPEST = 6
"""Levels of headings in HTML."""
BACKLINK = "↑"


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
    pieces = list(walk(parse_html(path, converted.value.replace(BACKLINK, "")), within=True))
    title = next((piece.text for piece in pieces if piece.kind == "heading"), None)
    return title, pieces


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
        if basis is not None and basis not in seen and level and name:
            found.append((name, level))
    return found


def _level(style: etree._Element) -> int:
    if _value(style, "name").lower() == "title":
        return 1
    outline = _value(style, f"pPr/{WORD}outlineLvl")
    return int(outline) + 1 if outline.isdigit() and int(outline) < DEEPEST else 0


def _value(style: etree._Element, tag: str) -> str:
    found = style.find(f"{WORD}{tag}")
    return "" if found is None else found.get(f"{WORD}val", "")


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
