"""Running lines: the heads, feet and page numbers around the text of pages, and lists of contents."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from docqa.reading.pdf.extracting import LEADERS, Line, Page

EDGE_LINES = 3
"""How many lines at the top and at the bottom of a page may be running ones."""
PLACE = 4.0
"""Points by which the place of a running line varies at most."""
MIN_PAGES = 3
"""On how many pages a line is repeated at least, in a document of more than twice as many; else on two."""
USUAL = 0.6
"""The part of the lines in one place that are running, from which all of them are."""
MANY_PAGES = 0.2
"""The part of the pages on which page numbers stand in one place; fewer may agree by chance."""
NUMBER = re.compile(r"\d+")
FIRST_OR_LAST_NUMBER = re.compile(r"^\W*(?:page\s+)?(\d{1,5})\b|\b(\d{1,5})\W*$", re.IGNORECASE)
CONTENTS_LINE = re.compile(LEADERS.pattern + r"(\d+|[ivxlc]+)$")
CONTENTS_TITLE = re.compile(r"(?:table of )?contents", re.IGNORECASE)
MAX_ENTRY_END = 60
"""Characters in which the end of the dot leaders and the page number stand."""
MIN_CONTENTS = 5
"""How many lines with dot leaders and rising page numbers are a list of contents."""

Trait = tuple[str | int, bool, int]
"""What lines on several pages share, a text or the distance of a number in it from the page's, and their place."""


def drop_running_lines(pages: list[Page]) -> list[tuple[Page, list[Line]]]:
    """Return each page with its lines without heads, feet and page numbers, and without lists of contents."""
    edges = [[(line, list(_traits(page.number, line, top))) for line, top in _edges(page)] for page in pages]
    shared = Counter(trait for page in edges for trait in {trait for _, traits in page for trait in traits})
    enough = MIN_PAGES if len(pages) > 2 * MIN_PAGES else 2
    many = max(enough, MANY_PAGES * len(pages))
    at_place: Counter[Trait] = Counter()
    running_at_place: Counter[Trait] = Counter()
    running = set()
    for page in edges:
        for line, (*traits, place) in page:
            at_place[place] += 1
            if any(_count(shared, trait) >= (enough if isinstance(trait[0], str) else many) for trait in traits):
                running.add(id(line))
                running_at_place[place] += 1
    for page in edges:
        for line, (*_, place) in page:
            if running_at_place[place] >= max(many, USUAL * at_place[place]):
                running.add(id(line))
    return [(page, _drop_contents([line for line in page.lines if id(line) not in running])) for page in pages]


def _edges(page: Page) -> Iterator[tuple[Line, bool]]:
    """Yield the lines at the top and at the bottom of a page, with whether they are at the top."""
    lines = sorted(page.lines, key=lambda line: line.bottom)
    rows = [0, *(i for i, (line, below) in enumerate(pairwise(lines), 1) if below.bottom - line.bottom > PLACE / 2)]
    head = rows[EDGE_LINES] if len(rows) > EDGE_LINES else len(lines)
    foot = max(head, rows[-EDGE_LINES]) if len(rows) > EDGE_LINES else len(lines)
    yield from ((line, True) for line in lines[:head])
    yield from ((line, False) for line in lines[foot:])


def _traits(page: int, line: Line, top: bool) -> Iterator[Trait]:
    place = round(line.bottom / PLACE)
    yield NUMBER.sub("#", line.text), top, place
    for numbers in FIRST_OR_LAST_NUMBER.finditer(line.text):
        yield int(numbers[1] or numbers[2]) - page, top, place
    yield "", top, place


def _count(shared: Counter[Trait], trait: Trait) -> int:
    what, top, place = trait
    return max(shared[what, top, place] + shared[what, top, place + by] for by in (-1, 1))


def _drop_contents(lines: list[Line]) -> list[Line]:
    """Leave out a list of contents: all from its first to its last line with a page number behind dot leaders."""
    found = [
        (i, match[1]) for i, line in enumerate(lines) if (match := CONTENTS_LINE.search(line.text[-MAX_ENTRY_END:]))
    ]
    numbers = [int(number) for _, number in found if number.isdecimal()]
    if len(found) < MIN_CONTENTS or numbers != sorted(numbers):
        return lines
    first, last = found[0][0], found[-1][0]
    has_title = first > 0 and CONTENTS_TITLE.fullmatch(lines[first - 1].text) is not None
    return lines[: first - has_title] + lines[last + 1 :]
