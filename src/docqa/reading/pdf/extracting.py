"""Extracting: a PDF's bytes → its lines of text with their places, and its bookmarks, through PDFium."""

import ctypes
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import hypot, pi

import pypdfium2
import pypdfium2.raw as pdfium

from docqa.errors import DocumentReadError

MAX_PAGES = 5_000
MAX_CHARACTERS = 50_000_000
"""As many as a text file may have bytes: a small file can unfold to any size."""
MAX_BOOKMARKS = 10_000
CELL_GAP = 1.15
"""Ems between words from which they stand in different columns; justified lines have narrower gaps."""
HYPHEN = "\ufffe"
"""PDFium's mark for a hyphen that ends a line; it leaves out the line's end."""
LINE = re.compile(rf"[^\r\n{HYPHEN}]+{HYPHEN}?")
WORD = re.compile(r"\S+")
STRIPPED = re.compile(r"\S.*\S|\S")
HYPHENATED = re.compile(rf"[^\W\d_][-\u2010\xad{HYPHEN}]$")
EVEN = 0.04
"""Ems by which a word of a fixed-width font may stand beside its place."""
MIN_SIZE = 2.0
"""Points; smaller text is for machines."""
MIN_WIDTH = 0.35
"""Ems; hardly a word's characters are narrower on the average."""
MARK_GAP = 2.5
"""Ems between the mark or number of an item and the item."""
LIST_MARK = re.compile(
    r"(?:[•◦▪●○■□–—*‣⁃∙-]|\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivx]{1,4})[.)]|\d{1,2}(?:\.\d{1,3})*)$"
)
MAX_FONT_NAME = 128
"""Bytes."""
FORCE_BOLD = 1 << 18
"""The mark of a bold font in its descriptor, ISO 32000-1, table 123."""
BOLD = re.compile(rb"bold|black|heavy|demi|cmbx", re.IGNORECASE)
"""In the names of bold fonts."""
LEADERS = re.compile(r"(?:\.\s{0,3}){4,}")
SURROGATE = re.compile("[\ud800-\udfff]")
REPLACED = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xad": "", "\xa0": " "}
    | {"\uf0b7": "•", "\uf0a7": "▪", "\t": " ", HYPHEN: "-"}
    | {chr(code): "" for code in (*range(9), 11, *range(14, 32), 127, 0xFEFF, 0xFFFF, *range(0xD800, 0xE000))}
)


Box = tuple[float, float, float, float]
"""Left, top, right, bottom; of a page as PDFium gives it, left, bottom, right, top."""

_lock = threading.RLock()
"""PDFium is not made for several threads."""
_loose_box = pdfium.FPDFText_GetLooseCharBox
_font_info = pdfium.FPDFText_GetFontInfo


@dataclass(slots=True)
class Line:
    """A line of text, or the part of it in one column; y grows downwards, all in points along the text's direction.

    ``pitch`` is the width of a character where all are alike. A row of a table has its cells, each with its lines.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    pitch: float = 0.0
    hyphenated: bool = False
    quarter: int = 0
    is_bold: bool = False
    row: tuple[tuple["Line", ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page's lines as they come in the file, or recognised in its picture; without, it may be one, or damaged.

    It is late when there was no time left for its picture.
    """

    number: int
    lines: list[Line]
    is_picture: bool = False
    is_late: bool = False
    is_damaged: bool = False
    is_recognised: bool = False


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A heading in the outline of a PDF, the outermost of level 0, with the page it points to."""

    level: int
    title: str
    page: int


@contextmanager
def open_pdf(path: str, data: bytes) -> Iterator[pypdfium2.PdfDocument]:
    """Open a PDF for a ``with`` block.

    Raises:
        DocumentReadError: it needs a password, or is no PDF that can be opened.
    """
    with _lock:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as exc:
            if exc.err_code == pdfium.FPDF_ERR_PASSWORD:
                raise DocumentReadError(path, "it needs a password; save a copy without one") from exc
            raise DocumentReadError(path, "it is no PDF, or a damaged one") from exc
        with closing(document):
            yield document


def extract_pages(path: str, document: pypdfium2.PdfDocument) -> Iterator[Page]:
    """Extract the lines of every page.

    Raises:
        DocumentReadError: it has too many pages, or too much text.
    """
    if len(document) > MAX_PAGES:
        raise DocumentReadError(path, f"it has {len(document):,} pages, over {MAX_PAGES:,}; divide it")
    characters = 0
    for index in range(len(document)):
        try:
            with closing(document[index]) as page, closing(page.get_textpage()) as text_page:
                characters += text_page.count_chars()
                if characters > MAX_CHARACTERS:
                    raise DocumentReadError(path, f"it has over {MAX_CHARACTERS:,} characters; divide it")
                lines = _lines(text_page, page.get_cropbox())
                yield Page(index + 1, lines, not lines and next(iter(page.get_objects()), None) is not None)
        except pypdfium2.PdfiumError:
            yield Page(index + 1, [], is_damaged=True)


def has_text(page: pypdfium2.PdfPage) -> bool:
    """Tell whether a page has text that can be seen, and so is no mere picture."""
    with closing(page.get_textpage()) as text_page:
        return bool(_lines(text_page, page.get_cropbox()))


def extract_bookmarks(document: pypdfium2.PdfDocument) -> Iterator[Bookmark]:
    """Extract the bookmarks that point to a page."""
    for bookmark, _ in zip(document.get_toc(), range(MAX_BOOKMARKS), strict=False):
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        with suppress(UnicodeDecodeError):
            if index is not None:
                yield Bookmark(bookmark.level, " ".join(clean(bookmark.get_title()).split()), index + 1)


def extract_metadata(document: pypdfium2.PdfDocument, name: str) -> str:
    """Extract a value of a PDF's metadata, which may be empty, or, for a title, a mere file name."""
    try:
        return " ".join(clean(document.get_metadata_value(name)).split())
    except UnicodeDecodeError:
        return ""


def clean(text: str) -> str:
    """Write ligatures as letters, and leave out soft hyphens and what is no character."""
    if text.isascii() and text.isprintable():
        return text
    if SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return unicodedata.normalize("NFC", text.translate(REPLACED))


def read_characters(text_page: pypdfium2.PdfTextPage) -> str:
    """Return a page's text character for character as PDFium counts them, which may mean halves of some."""
    text = str(text_page.get_text_range())
    count = text_page.count_chars()
    if len(text) == count:
        return text
    return "".join(chr(pdfium.FPDFText_GetUnicode(text_page, i)) for i in range(count))


def _lines(text_page: pypdfium2.PdfTextPage, visible: Box) -> list[Line]:
    """List the lines that can be seen, in the order of the file; those across the page's main direction come last."""
    text = read_characters(text_page)
    places = _Places(text_page.raw, text, visible)
    lines = [line for match in LINE.finditer(text) if not match.group().isspace() for line in places.lines(match)]
    quarters = Counter(line.quarter for line in lines)
    return sorted(lines, key=lambda line: -quarters[line.quarter]) if len(quarters) > 1 else lines


class _Places:
    """Where the characters of a page stand."""

    def __init__(self, raw: pdfium.FPDF_TEXTPAGE, text: str, visible: Box) -> None:
        self.raw = raw
        self.text = text
        self.visible = visible
        # one structure is filled again and again, which saves half of the time
        self.rectangle = pdfium.FS_RECTF()
        self.matrix = pdfium.FS_MATRIX()
        self.font = ctypes.create_string_buffer(MAX_FONT_NAME)
        self.flags = ctypes.c_int()

    def lines(self, match: re.Match[str]) -> Iterator[Line]:
        """Divide a line where columns do; leave out what is off the page or too small to be seen."""
        words = self.words(match)
        longest = _longest(words)
        size = self.size(longest)
        if size < MIN_SIZE or not self.is_visible(longest):
            return
        quarter = round(-pdfium.FPDFText_GetCharAngle(self.raw, longest) * 2 / pi) % 4
        lefts = self.lefts(words, quarter)
        edges = [0, *self.gaps(words, lefts, size, quarter), len(words)]
        for first, last in pairwise(edges):
            part = words[first:last]
            if len(edges) > 2:
                longest = _longest(part)
            _, top, _, bottom = self.box(longest, quarter)
            right = self.box(part[-1][1] - 1, quarter)[2]
            text = self.text[part[0][0] : part[-1][1]]
            if cleaned := " ".join(clean(text).split()):
                pitch = _pitch(part, [*lefts[first:last], right], size)
                hyphenated = HYPHENATED.search(text, len(text) - 2) is not None
                is_bold = all(map(self.is_bold, (part[0][0], longest, part[-1][1] - 1)))
                yield Line(cleaned, lefts[first], top, right, bottom, size, pitch, hyphenated, quarter, is_bold)

    def words(self, match: re.Match[str]) -> list[tuple[int, int]]:
        """Find the words of a line; one with dot leaders is a single one."""
        has_leaders = LEADERS.search(match.group()) is not None
        found = (STRIPPED if has_leaders else WORD).finditer(self.text, match.start(), match.end())
        return [word.span() for word in found]

    def lefts(self, words: list[tuple[int, int]], quarter: int) -> list[float]:
        """Return where words begin along their line."""
        raw, found, place = self.raw, self.rectangle, ctypes.byref(self.rectangle)
        edge, sign = (("left", 1), ("bottom", 1), ("right", -1), ("top", -1))[quarter]
        lefts = []
        for start, _ in words:
            _loose_box(raw, start, place)
            lefts.append(found.left if not quarter else getattr(found, edge) * sign)
        return lefts

    def gaps(self, words: list[tuple[int, int]], lefts: list[float], size: float, quarter: int) -> Iterator[int]:
        """Yield the numbers of the words before which a column ends."""
        for i in range(1, len(words)):
            start, end = words[i - 1]
            # most words need no second look, which takes time
            if lefts[i] - lefts[i - 1] > (CELL_GAP + MIN_WIDTH * (end - start)) * size:
                gap = (lefts[i] - self.box(end - 1, quarter)[2]) / size
                if gap > MARK_GAP or (gap > CELL_GAP and not LIST_MARK.match(self.text, words[0][0], end)):
                    yield i

    def box(self, index: int, quarter: int) -> Box:
        """Return left, top, right and bottom of a character, turned so that its line is level and y grows downwards."""
        found = self.rectangle
        _loose_box(self.raw, index, found)
        if not quarter:
            return found.left, -found.top, found.right, -found.bottom
        if quarter == 1:
            return found.bottom, found.left, found.top, found.right
        if quarter == 2:
            return -found.right, found.bottom, -found.left, found.top
        return -found.top, -found.right, -found.bottom, -found.left

    def size(self, index: int) -> float:
        """Return the size of a character in points, as it is scaled on the page."""
        matrix = self.matrix
        pdfium.FPDFText_GetMatrix(self.raw, index, matrix)
        return float(pdfium.FPDFText_GetFontSize(self.raw, index)) * hypot(matrix.c, matrix.d)

    def is_bold(self, index: int) -> bool:
        """Tell whether a character is bold, as its font's name or mark says."""
        _font_info(self.raw, index, self.font, MAX_FONT_NAME, self.flags)
        return _is_bold(self.font.value, self.flags.value)

    def is_visible(self, index: int) -> bool:
        """Tell whether a character is on the page."""
        found = self.rectangle
        _loose_box(self.raw, index, found)
        left, bottom, right, top = self.visible
        return bool(found.left < right and found.right > left and found.bottom < top and found.top > bottom)


@lru_cache(256)
def _is_bold(font: bytes, flags: int) -> bool:
    return bool(flags & FORCE_BOLD) or BOLD.search(font) is not None


def _longest(words: list[tuple[int, int]]) -> int:
    """Return where the longest of some words begins: it is no mark, footnote number or drop cap."""
    lengths = [end - start for start, end in words]
    return words[lengths.index(max(lengths))][0]


def _pitch(words: list[tuple[int, int]], lefts: list[float], size: float) -> float:
    """Return the width of a character if all are alike, as in code, else 0."""
    start, total = words[0][0], words[-1][1] - words[0][0]
    pitch = (lefts[-1] - lefts[0]) / total
    steps = zip(words, lefts, strict=False)
    return pitch if all(abs(left - lefts[0] - pitch * (word[0] - start)) < EVEN * size for word, left in steps) else 0.0
