"""Drafting: lines → blocks to be, each with its lines."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from docqa.reading.pdf.extracting import Bookmark, Line

BULLET = re.compile(r"[•◦▪●○■□‣⁃∙]|[–—*-]\s")
ENUMERATED = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)]\s")
CAPTION = re.compile(r"(?:Table|Figure|Fig\.) \d+(?:[.-]\d+)*:\s")
MARK = re.compile(rf"(?:(?:{BULLET.pattern}|{ENUMERATED.pattern})\s*)+(?=\S)")
SENTENCE_END = re.compile(r"[.!?:;…。！？]['\"”’»)\]]*\s?\d{0,3}$")
"""With the mark of a footnote after it, perhaps."""
SAME_SIZE = 0.08
"""The part of a size by which the sizes of one block's lines may differ."""
INDENT = 0.8
"""Ems by which the first line of a paragraph stands in at least."""
LOOSE = 1.25
"""Times the usual distance of lines, from which a line begins a new block."""
BLANK_LINES = 2.6
"""Times the usual distance of lines, up to which lines of code belong together."""
ROW_GAP = 2.0
"""Ems between the rows of a table at most."""
MIN_LEADING, MAX_LEADING = 0.9, 3.0
"""Ems between the feet of lines."""
MIN_CODE_LINES = 3
NOTE_SIZE = 0.92
"""Times the size of the text; footnotes are smaller."""


@dataclass(slots=True)
class Draft:
    """A block to be: lines with the numbers of their pages."""

    lines: list[tuple[int, Line]]
    heading: Bookmark | None
    code_lines: int
    is_note: bool = False

    @property
    def first(self) -> Line:
        """Return the first line."""
        return self.lines[0][1]

    @property
    def last(self) -> Line:
        """Return the last line."""
        return self.lines[-1][1]

    @property
    def is_code(self) -> bool:
        """Tell whether most of its lines are code."""
        return 2 * self.code_lines > len(self.lines)

    @property
    def is_item(self) -> bool:
        """Tell whether it begins as an item of a list does."""
        return MARK.match(self.first.text) is not None


@dataclass(frozen=True, slots=True)
class Style:
    """What is usual in a document: the size and weight of its text, the distance of lines and fixed widths in ems."""

    size: float
    leading: float
    widths: frozenset[float]
    is_bold: bool

    def is_code(self, line: Line) -> bool:
        """Tell whether all of a line is in a font of fixed width."""
        return line.pitch > 0 and round(line.pitch / line.size, 2) in self.widths

    def distance(self, line: Line, below: Line) -> float:
        """Return the distance of two lines, where 1 is usual."""
        return (below.bottom - line.bottom) / (self.leading * below.size)


def find_style(pages: Iterable[list[Line]]) -> Style:
    """Find what is usual in a document's lines."""
    sizes: Counter[float] = Counter()
    weights: Counter[bool] = Counter()
    leadings: Counter[float] = Counter()
    widths: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size, 1)] += len(line.text)
            weights[line.is_bold] += len(line.text)
            if line.pitch and line.text.count(" ") > 1:
                widths[round(line.pitch / line.size, 2)] += 1
        for line, below in pairwise(lines):
            if abs(line.size - below.size) < 0.1 and below.top > line.top:
                leadings[round((below.bottom - line.bottom) / line.size, 1)] += min(len(line.text), len(below.text))
    usual = [leading for leading, _ in leadings.most_common() if MIN_LEADING <= leading <= MAX_LEADING]
    fixed = frozenset(width for width, lines in widths.items() if lines >= MIN_CODE_LINES)
    return Style(
        max(sizes, key=sizes.__getitem__), usual[0] if usual else MIN_LEADING, fixed, weights[True] > weights[False]
    )


def draft_blocks(pages: Mapping[int, list[Line]], headings: Mapping[int, Bookmark], style: Style) -> list[Draft]:
    """Group the lines of pages into blocks; one that goes on in the next column or on the next page is kept whole.

    ``headings`` maps the identities of lines to the bookmarks they are the headings of.
    """
    drafts: list[Draft] = []
    for number, lines in pages.items():
        open_draft = next((draft for draft in reversed(drafts) if not draft.is_note), None)
        on_page: list[Draft] = []
        for line in lines:
            heading = headings.get(id(line))
            if (
                open_draft
                and open_draft.heading is heading
                and _belongs(open_draft, number, line, style, has_no_bookmarks=not headings)
            ):
                open_draft.lines.append((number, line))
                open_draft.code_lines += style.is_code(line)
            else:
                open_draft = Draft([(number, line)], heading, style.is_code(line))
                on_page.append(open_draft)
        _mark_notes(on_page, style)
        drafts += on_page
    return drafts


def _mark_notes(drafts: list[Draft], style: Style) -> None:
    """Mark the footnotes among the blocks of a page: the last, in small letters, below others."""
    for draft in reversed(drafts[1:]):
        if draft.heading or draft.first.size > NOTE_SIZE * style.size or draft.first.row:
            return
        draft.is_note = True


def _belongs(draft: Draft, page: int, line: Line, style: Style, *, has_no_bookmarks: bool) -> bool:
    """Tell whether a line goes on with the block before it."""
    last_page, last = draft.lines[-1]
    if bool(last.row) != bool(line.row):
        return False
    if line.row:
        return last_page == page and line.top >= last.top and line.top - last.bottom < ROW_GAP * line.size
    if abs(last.size - line.size) > SAME_SIZE * line.size:
        return False
    if last_page != page or line.top < last.top - line.size:
        return _continues(draft, line)
    # bookmarks say which bold lines are headings; the others begin what follows, as terms do
    if has_no_bookmarks and last.is_bold != line.is_bold and is_forced(last, line):
        return False
    distance = style.distance(last, line)
    if draft.is_code and style.is_code(line):
        return distance < BLANK_LINES
    return distance < LOOSE and (draft.heading is not None or not _begins(draft, line))


def _continues(draft: Draft, line: Line) -> bool:
    """Tell whether a paragraph goes on at the top of the next column or page."""
    if draft.heading or draft.is_code or MARK.match(line.text) or CAPTION.match(line.text):
        return False
    if draft.last.hyphenated or line.text[0].islower():
        return not SENTENCE_END.search(draft.last.text)
    right = max(line.right - line.left for _, line in draft.lines)
    return len(draft.lines) > 1 and draft.last.right - draft.last.left > right - line.size


def _begins(draft: Draft, line: Line) -> bool:
    """Tell whether a line begins another block, though it stands no farther from the last one than is usual."""
    last = draft.last
    ended = SENTENCE_END.search(last.text) is not None
    forced = is_forced(last, line)
    if BULLET.match(line.text) or CAPTION.match(line.text) or (ENUMERATED.match(line.text) and (ended or forced)):
        return True
    step = line.left - last.left
    if step > INDENT * line.size:
        return ended and not (len(draft.lines) == 1 and draft.is_item)
    if step < -INDENT * line.size and (len(draft.lines) > 1 or draft.is_item):
        return ended or forced or draft.is_item
    return ended and forced


def is_forced(line: Line, below: Line) -> bool:
    """Tell whether a line ends though there was room for the word that begins the one below."""
    if below.top < line.top:
        return False
    word = (below.right - below.left) * (below.text.find(" ") % len(below.text) + 2) / len(below.text)
    return line.right + word < below.right
