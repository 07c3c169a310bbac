"""PPTX: slides in order, each with its title, text, tables and notes."""

from collections.abc import Iterator

from lxml import etree

from docqa.reading.archives import Archive, resolve
from docqa.reading.composing import Piece
from docqa.reading.tables import table_lines

PRESENTATION = "ppt/presentation.xml"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
TITLES = ("title", "ctrTitle")
NO_CONTENT = ("sldNum", "dt", "ftr", "hdr", "sldImg")
"""Placeholders for the number of a slide, its date, and what is on every one."""


def read_pptx(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read the slides of a presentation; the title is that of the first slide that has one."""
    archive = Archive(path, data)
    related = {id_: name for id_, _, name in _relations(archive, PRESENTATION)}
    pieces: list[Piece] = []
    for number, slide in enumerate(archive.xml(PRESENTATION).iter("{*}sldId"), 1):
        pieces += _read_slide(archive, related.get(slide.get(RELATION, ""), ""), f"slide {number}")
    return next((piece.text for piece in pieces if piece.kind == "heading" and piece.text), None), pieces


def _read_slide(archive: Archive, name: str, place: str) -> Iterator[Piece]:
    slide = archive.xml(name)
    title = " ".join(_words(line) for line in slide.iter("{*}p") if _placeholder(line) in TITLES)
    yield Piece("heading", title.strip(), 1, place)
    yield from _content(slide, place)
    for _, kind, notes in _relations(archive, name):
        if kind.endswith("/notesSlide"):
            yield from _content(archive.xml(notes), f"{place}, notes")


def _content(slide: etree._Element, place: str) -> Iterator[Piece]:
    for element in slide.iter("{*}tbl", "{*}p"):
        if next(element.iterancestors("{*}tbl", "{*}Fallback"), None) is not None:
            continue  # within a table, or said twice for old programs
        if etree.QName(element).localname == "tbl":
            rows = [
                [" ".join(map(_words, cell.iter("{*}p"))) for cell in row.iter("{*}tc")]
                for row in element.iter("{*}tr")
            ]
            yield Piece("table", "\n".join(table_lines(rows)), place=place)
        elif (kind := _placeholder(element)) not in (*TITLES, *NO_CONTENT):
            yield Piece("list_item" if kind in ("body", "obj") else "paragraph", _words(element), place=place)


def _cell(cell: etree._Element) -> str:
    return " ".join(map(_words, cell.iter("{*}p")))


def _words(line: etree._Element) -> str:
    parts = [(part.text or "") if etree.QName(part).localname == "t" else " " for part in line.iter("{*}t", "{*}br")]
    return " ".join("".join(parts).split())


def _placeholder(line: etree._Element) -> str | None:
    """Return for what the shape around a line holds the place in the slide's layout."""
    shape = next(line.iterancestors("{*}sp"), None)
    found = None if shape is None else shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return None if found is None else found.get("type", "obj")


def _relations(archive: Archive, name: str) -> list[tuple[str, str, str]]:
    """List (id, kind, file) of what a file of the archive refers to."""
    folder, _, file = name.rpartition("/")
    found = archive.optional_xml(f"{folder}/_rels/{file}.rels")
    return [
        (link.get("Id", ""), link.get("Type", ""), resolve(name, link.get("Target", "")))
        for link in (() if found is None else found.iter("{*}Relationship"))
    ]
