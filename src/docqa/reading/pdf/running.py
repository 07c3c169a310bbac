"""Running lines: the heads, feet and page numbers around the text of pages."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from docqa.reading.pdf.contents import drop_contents
from docqa.reading.pdf.extracting import Line, Page

EDGE_LINES = 3
"""How many lines at the top and at the bottom of a page may be running ones."""
PLACE = 4.0
"""Points by which the place of a running line varies at most."""
MIN_PAGES = 3
"""On how many pages a line is repeated at least, in a document of more than twice as many; else on two."""
USUAL = 0.6
"""The part of the lines in one place that are running, from which all of them are."""
MANY_PAGES = 0.4
"""The part of the pages on which page numbers stand in one place; fewer may agree by chance."""
LARGER = 1.3
"""Times the usual size; larger lines are headings."""
FIRST_OR_LAST_NUMBER = re.compile(
    r"^\W*(?:page\s+)?(\d{1,5})\b|\b(\d{1,5})(?:\s*(?:/|of)\s*\d{1,5})?\W*$", re.IGNORECASE
)

Trait = tuple[str | int, int]
"""What lines on several pages share: a text, or the distance of a number in it from the page's; and their place."""
Edge = tuple[Line, list[Trait]]
"""A line at the top or at the bottom of a page with its traits, the last of which is merely its place."""


def drop_running_lines(pages: list[Page]) -> list[tuple[Page, list[Line]]]:
    """Return each page with its lines without heads, feet and page numbers, and without lists of contents."""
    running = _find_running([list(_edges(page)) for page in pages])
    kept = [(page, drop_contents([line for line in page.lines if id(line) not in running])) for page in pages]
    return kept if any(lines for _, lines in kept) else [(page, page.lines) for page in pages]


def _find_running(pages: list[list[Edge]]) -> set[int]:
    """Return the identities of the lines that are repeated, or stand where most others are."""
    shared = Counter(trait for page in pages for trait in {trait for _, traits in page for trait in traits})
    enough = MIN_PAGES if len(pages) > 2 * MIN_PAGES else 2
    many = max(enough, MANY_PAGES * len(pages))
    edges = [edge for page in pages for edge in page]
    size = median(line.size for line, _ in edges) if edges else 0.0
    edges = [(line, traits) for line, traits in edges if line.size <= LARGER * size]
    at_place = Counter(traits[-1] for _, traits in edges)
    repeated = [
        (line, traits[-1])
        for line, traits in edges
        if any(_count(shared, trait) >= (enough if isinstance(trait[0], str) else many) for trait in traits[:-1])
    ]
    repeated_at_place = Counter(place for _, place in repeated)
    usual = {place for place, count in repeated_at_place.items() if count >= max(many, USUAL * at_place[place])}
    return {id(line) for line, _ in repeated} | {id(line) for line, traits in edges if traits[-1] in usual}


def _edges(page: Page) -> Iterator[Edge]:
    """Yield the lines at the top and at the bottom of a page."""
    lines = sorted(page.lines, key=lambda line: line.bottom)
    rows = [0, *(i for i, (line, below) in enumerate(pairwise(lines), 1) if below.bottom - line.bottom > PLACE / 2)]
    head = rows[EDGE_LINES] if len(rows) > EDGE_LINES else len(lines)
    foot = max(head, rows[-EDGE_LINES]) if len(rows) > EDGE_LINES else len(lines)
    for line in lines[:head] + lines[foot:]:
        yield line, list(_traits(page.number, line))


def _traits(page: int, line: Line) -> Iterator[Trait]:
    place = round(line.bottom / PLACE)
    yield line.text, place
    for numbers in FIRST_OR_LAST_NUMBER.finditer(line.text):
        yield int(numbers[1] or numbers[2]) - page, place
    yield "", place


def _count(shared: Counter[Trait], trait: Trait) -> int:
    what, place = trait
    return max(shared[what, place] + shared[what, place + by] for by in (-1, 1))
