"""Headings: which lines are those of a PDF's bookmarks, or else which blocks are in larger letters than the text."""

import re
from collections.abc import Iterable, Mapping

from docqa.reading.pdf.drafting import Draft, Style
from docqa.reading.pdf.extracting import Bookmark, Line

NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
NUMBERING = re.compile(r"(?:chapter|appendix|section|part)?(?:[a-z]?\d{0,8}|[ivxlc]{1,7})")
MAX_NUMBERING = 20
MAX_LINES = 4
LARGER = 1.12
"""Times the size of the text."""
MAX_HEADING = 200
"""Characters; a size in which there is longer text is none of headings."""
NO_HEADING_END = ".,;"


def match_bookmarks(pages: Mapping[int, list[Line]], bookmarks: Iterable[Bookmark]) -> dict[int, Bookmark]:
    """Map the identities of the lines that are headings to their bookmarks."""
    keys = {page: [(id(line), _key(line.text)) for line in lines] for page, lines in pages.items()}
    found: dict[int, Bookmark] = {}
    for bookmark in bookmarks:
        for page in (bookmark.page, bookmark.page + 1, bookmark.page - 1):
            if lines := _find(keys.get(page, []), _key(bookmark.title), found):
                found |= dict.fromkeys(lines, bookmark)
                break
    return found


def find_levels(drafts: list[Draft], style: Style) -> list[int | None]:
    """Return the level of each block that is a heading, 0 for the outermost: by bookmarks, else by sizes."""
    if any(draft.heading for draft in drafts):
        return [draft.heading.level if draft.heading else None for draft in drafts]
    text_sizes = {round(draft.first.size) for draft in drafts if _length(draft) > MAX_HEADING}
    large = [is_large(draft, style) and round(draft.first.size) not in text_sizes for draft in drafts]
    sizes = sorted({round(draft.first.size) for draft, is_large in zip(drafts, large, strict=True) if is_large})
    levels = {size: level for level, size in enumerate(reversed(sizes))}
    return [
        levels[round(draft.first.size)] if is_large else None for draft, is_large in zip(drafts, large, strict=True)
    ]


def _find(lines: list[tuple[int, str]], title: str, taken: Mapping[int, Bookmark]) -> list[int]:
    """Find the lines, few and together, whose words are those of a title with a number before it, perhaps."""
    for start in range(len(lines) if title else 0):
        joined = ""
        for end in range(start, min(start + MAX_LINES, len(lines))):
            line, key = lines[end]
            joined += key
            if len(joined) > len(title) + MAX_NUMBERING or line in taken:
                break
            if joined.endswith(title) and NUMBERING.fullmatch(joined.removesuffix(title)):
                return [line for line, _ in lines[start : end + 1]]
    return []


def _key(text: str) -> str:
    return NOT_ALPHANUMERIC.sub("", text.casefold())


def _length(draft: Draft) -> int:
    return sum(len(line.text) for _, line in draft.lines)


def is_large(draft: Draft, style: Style) -> bool:
    """Tell whether a block is in larger letters than the text, and no sentence."""
    is_text = draft.first.cells == 1 and not draft.is_code and any(map(str.isalpha, draft.first.text))
    return is_text and draft.last.text[-1] not in NO_HEADING_END and draft.first.size >= LARGER * style.size
