"""Rendering: a page of a PDF as a picture, and where on it words stand, to show a quote in its place."""

import ctypes
import io
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from math import sqrt

import pypdfium2.raw as pdfium
from pypdfium2 import PdfPage

from docqa.reading.pdf.extracting import Box, clean, has_text, open_pdf, read_characters
from docqa.reading.pdf.tesseract import recognise_lines

FINE = 100
"""Parts of a point to which places are rounded."""
WIDEST = 1400
MOST_PIXELS = 4_000_000
MOST_SCALE = 4.0
"""Pixels across a picture, in all of it, and for a point: enough to read small print at twice a panel's width."""
MOST_BYTES = 1_500_000
"""A larger PNG, as a photograph makes it, becomes a JPEG."""
SHORTEST = 12
"""Letters of the shortest piece that is searched for when words do not stand in one piece."""
FEW = 60
"""Letters before a piece, from which its place is told."""
RECOGNISING = 10.0
"""Seconds by the clock, after which a scan is shown without marks: the process that renders has 15 for a page."""
COLUMN_NAME = re.compile(r"(?:^|(?<=; )|(?<=\n))[^;:\n]+: ")
"""What stands before a value in a row of a table."""
SIGNS = r"[^\w\s]*"
NEAR = 1.5
"""Heights of a line, the widest gap between two words that are one piece of it."""

Mark = tuple[str, str]
"""Words to find on a page, after the words before them, which tell the right place from others."""


@dataclass(frozen=True, slots=True)
class _Writing:
    """The characters of a page, and a function from the first and the last of some to the places of their pieces."""

    text: str
    pieces: Callable[[int, int], list[Box]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A page of a document, ``page`` of ``pages``, as a PNG or JPEG, and where on it words stand, all in points."""

    page: int
    pages: int
    width: float
    height: float
    rectangles: tuple[Box, ...]
    image: bytes


def render_picture(path: str, data: bytes, page: int, marks: Sequence[Mark] = ()) -> Picture:
    """Render a page for a browser, the first or last one if there is none of that number, and find words on it.

    Raises:
        DocumentReadError: the PDF cannot be opened.
    """
    with open_pdf(path, data) as pdf:
        page = min(max(1, page), len(pdf))
        shown = pdf[page - 1]
        width, height = shown.get_size()
        scale = min(WIDEST / width, sqrt(MOST_PIXELS / (width * height)), MOST_SCALE)
        writing = _writing(shown) if marks else None
        places = [place for before, words in marks if writing for place in _rectangles(writing, words, before)]
        return Picture(page, len(pdf), width, height, tuple(places), _image(shown, scale))


def _image(page: PdfPage, scale: float) -> bytes:
    picture, file = page.render(scale=scale).to_pil().convert("RGB"), io.BytesIO()
    picture.save(file, "PNG")
    if file.tell() > MOST_BYTES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def _writing(page: PdfPage) -> _Writing:
    """Read the characters of a page, or recognise them in the picture that it is."""
    if not has_text(page):
        return _recognise(page)
    text_page = page.get_textpage()

    def pieces(start: int, end: int) -> list[Box]:
        count = text_page.count_rects(start, end - start)  # which are then numbered
        return [_place(page, text_page.get_rect(i)) for i in range(count)]

    return _Writing(read_characters(text_page), pieces)


def _recognise(page: PdfPage) -> _Writing:
    words = [word for line in recognise_lines(page, RECOGNISING) for word in line.words]
    starts = [0, *accumulate(len(word.text) + 1 for word in words)]

    def pieces(start: int, end: int) -> list[Box]:
        first, last = bisect_right(starts, start) - 1, bisect_left(starts, end)
        return [word.box for word in words[first:last]]

    return _Writing(" ".join(word.text for word in words), pieces)


def _rectangles(writing: _Writing, words: str, before: str = "") -> list[Box]:
    text = writing.text
    letters = [(letter, i) for i, character in enumerate(text) for letter in _letters(character)]
    wanted = "".join(_letters(words))
    on_page = "".join(letter for letter, _ in letters)
    found = list(_find(on_page, wanted, "".join(_letters(before))))
    if 2 * sum(end - start for start, end in found) < len(wanted):
        # a row of a table names its columns, whose names need not stand on this page, nor beside the values
        wanted = "".join(_letters(COLUMN_NAME.sub(" ", words)))
        found = list(_find(on_page, wanted, "".join(_letters(COLUMN_NAME.sub(" ", before)))))
    if 2 * sum(end - start for start, end in found) < len(wanted):
        return []  # so few of the words may stand there by chance
    rectangles: list[Box] = []
    for one, other in found:
        start, end = _with_signs(text, letters[one][1], letters[other - 1][1] + 1, words)
        rectangles += writing.pieces(start, end)
    return _join(rectangles)


def _with_signs(text: str, start: int, end: int, words: str) -> tuple[int, int]:
    """Widen a place to the signs at the edges of the words, such as quotation marks or a full stop."""
    opening, closing = (re.search(pattern, words.strip()) for pattern in ("^" + SIGNS, SIGNS + "$"))
    while opening and start and text[start - 1] in opening.group():
        start -= 1
    while closing and end < len(text) and text[end] in closing.group():
        end += 1
    return start, end


def _join(pieces: list[Box]) -> list[Box]:
    """Join the pieces of a line, which PDFium divides where the font changes."""
    lines: list[Box] = []
    for left, top, right, bottom in pieces:
        one = lines[-1] if lines else (0.0, 0.0, 0.0, 0.0)
        height = min(bottom - top, one[3] - one[1])
        is_level = min(bottom, one[3]) - max(top, one[1]) > height / 2
        if lines and is_level and -height < left - one[2] < NEAR * height:
            lines[-1] = one[0], min(top, one[1]), max(right, one[2]), max(bottom, one[3])
        else:
            lines.append((left, top, right, bottom))
    return lines


def _find(text: str, words: str, before: str) -> Iterator[tuple[int, int]]:
    """Find words in as few pieces as they stand in, each at the place that is most like it before them."""
    least = min(SHORTEST, len(words))
    while words and len(words) >= least:
        length = bisect_left(range(1, len(words) + 1), True, key=lambda end: words[:end] not in text)
        if length >= least:
            places = (match.start() for match in re.finditer(re.escape(words[:length]), text))
            best = max(places, key=lambda place: _agreement(text[max(0, place - len(before)) : place], before))
            yield best, best + length
        passed = length if length >= least else 1
        before, words = (before + words[:passed])[-FEW:], words[passed:]


def _agreement(text: str, other: str) -> int:
    """Count the letters in which the ends of two texts agree."""
    pairs = zip(reversed(text), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


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
