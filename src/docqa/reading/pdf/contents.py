"""Contents: a PDF's lists of its headings with their page numbers, which are left out."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from docqa.reading.pdf.extracting import LEADERS, Bookmark, Line

CONTENTS_LINE = re.compile(LEADERS.pattern + r"(\d+|[ivxlc]+)$")
CONTENTS_TITLE = re.compile(r"(?:table of )?contents", re.IGNORECASE)
MAX_ENTRY_END = 60
"""Characters in which the end of the dot leaders and the page number stand."""
MIN_CONTENTS = 5
"""How many lines with dot leaders and rising page numbers are a list of contents."""
ENTRY = re.compile(r"(.*\S)\s+(\d{1,4})")
NUMBERING = re.compile(r"(?:(?:chapter|appendix|section|part) )?(?:\d{1,3}|[a-z])(?:\.\d{1,3})*[.:]? ", re.IGNORECASE)
NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
MAX_ENTRY = 150
"""Characters."""
MIN_ENTRIES = 3
"""How many entries without dot leaders point to their headings; fewer may be rows of a table."""


def drop_contents(lines: list[Line]) -> list[Line]:
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


def drop_entries(pages: Mapping[int, list[Line]], bookmarks: Iterable[Bookmark]) -> dict[int, list[Line]]:
    """Leave out entries of contents without dot leaders: a heading that stands on a later page, and its page's number.

    The numbers of most entries are as far from their pages, counted from the first, which tells them from the rows of
    a table. Headings are those of the bookmarks, or else any lines.
    """
    entries = [(page, i, *entry) for page, lines in pages.items() for i, entry in _find_entries(lines)]
    if len(entries) < MIN_ENTRIES:
        return dict(pages)
    places = {_key(bookmark.title): bookmark.page for bookmark in bookmarks} or _place_lines(pages)
    distances = {(page, i): places[title] - number for page, i, title, number in entries if page < places.get(title, 0)}
    usual, count = next(iter(Counter(distances.values()).most_common(1)), (0, 0))
    if count < MIN_ENTRIES:
        return dict(pages)
    dropped = {place for place, distance in distances.items() if distance == usual}
    dropped |= {(page, i - 1) for page, i in dropped if i and CONTENTS_TITLE.fullmatch(pages[page][i - 1].text)}
    return {page: [line for i, line in enumerate(lines) if (page, i) not in dropped] for page, lines in pages.items()}


def _find_entries(lines: list[Line]) -> Iterator[tuple[int, tuple[str, int]]]:
    """Yield the places of the lines that end with a number, with what stands before it, and the number."""
    for i, line in enumerate(lines):
        if line.text[-1].isdecimal() and len(line.text) <= MAX_ENTRY and (entry := ENTRY.fullmatch(line.text)):
            yield i, (_key(entry[1]), int(entry[2]))


def _place_lines(pages: Mapping[int, list[Line]]) -> dict[str, int]:
    """Map the words of lines to the last page they are on, as a line of their own."""
    return {_key(line.text): page for page, lines in pages.items() for line in lines if len(line.text) <= MAX_ENTRY}


def _key(heading: str) -> str:
    """Return the letters and digits of a heading, without a number before it."""
    number = NUMBERING.match(heading)
    return NOT_ALPHANUMERIC.sub("", heading[number.end() if number else 0 :].casefold())
