"""Rendering: a page of a PDF as a picture, and where on it words stand, to show a quote in its place."""

import ctypes
import io
from collections.abc import Iterator

import pypdfium2.raw as pdfium
from pypdfium2 import PdfDocument, PdfPage

from docqa.reading.pdf.extracting import Box, clean, open_pdf, read_characters

FINE = 100
"""Parts of a point to which places are rounded."""


def render_page(path: str, data: bytes, page: int, *, scale: float = 1.5) -> bytes:
    """Render a page, 1 the first, as PNG with ``scale`` pixels a point.

    Raises:
        DocumentReadError: the PDF cannot be opened.
        IndexError: it has no such page.
    """
    with open_pdf(path, data) as pdf:
        picture = io.BytesIO()
        _check(pdf, page)
        pdf[page - 1].render(scale=scale).to_pil().save(picture, "PNG")
        return picture.getvalue()


def find_rectangles(path: str, data: bytes, page: int, words: str) -> list[Box]:
    """Find where words of the document's text stand on a page, as left, top, right and bottom of each piece of a line.

    In points from the page's upper left corner, as it is shown. White space, marks and divided words do not matter.
    Empty if the page does not hold the words in one piece.

    Raises:
        DocumentReadError: the PDF cannot be opened.
        IndexError: it has no such page.
    """
    with open_pdf(path, data) as pdf:
        _check(pdf, page)
        shown = pdf[page - 1]
        text_page = shown.get_textpage()
        start, count = _find(read_characters(text_page), words)
        pieces = text_page.count_rects(start, count) if count else 0
        return [_place(shown, text_page.get_rect(i)) for i in range(pieces)]


def _check(pdf: PdfDocument, page: int) -> None:
    if not 1 <= page <= len(pdf):
        raise IndexError(f"there is no page {page} of {len(pdf)}")


def _find(text: str, words: str) -> tuple[int, int]:
    """Find the first place of some words in a text, and how many characters they have there; 0 if none."""
    letters = [(letter, i) for i, character in enumerate(text) for letter in _letters(character)]
    wanted = "".join(_letters(words))
    at = "".join(letter for letter, _ in letters).find(wanted)
    if at < 0 or not wanted:
        return 0, 0
    first, last = letters[at][1], letters[at + len(wanted) - 1][1]
    return first, last + 1 - first


def _letters(text: str) -> Iterator[str]:
    # PDFium counts what lies beyond U+FFFF as two halves, none of which is a letter
    return (letter for letter in clean(text).lower() if letter.isalnum() and letter <= "\uffff")


def _place(page: PdfPage, rectangle: Box) -> Box:
    """Turn a rectangle of a page, left, bottom, right and top, to how the page is shown."""
    width, height = (round(side * FINE) for side in page.get_size())
    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for across, up in (rectangle[:2], rectangle[2:]):
        pdfium.FPDF_PageToDevice(page, 0, 0, width, height, 0, across, up, x, y)
        corners.append((x.value / FINE, y.value / FINE))
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
