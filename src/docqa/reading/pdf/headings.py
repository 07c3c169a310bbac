"""Headings: which lines are those of a PDF's bookmarks, or else which blocks, by their letters and numbers."""

import re
from collections.abc import Iterable, Mapping

from docqa.reading.numbering import find_numbered_headings
from docqa.reading.pdf.drafting import Draft, Style
from docqa.reading.pdf.extracting import Bookmark, Line

NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
NUMBERING = re.compile(r"(?:chapter|appendix|section|part)?(?:[a-z]?\d{0,8}|[ivxlc]{1,7})")
MAX_NUMBERING = 20
MAX_LINES = 4
LARGER = 1.12
"""Times the size of the text."""
SMALLER = 0.95
"""Times the size of the text."""
MAX_BOLD_LINES = 2
MAX_HEADING = 200
"""Characters; letters in which there is longer text are none of headings."""
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
    """Return the level of each block that is a heading, 0 the outermost: by bookmarks, else by letters and numbers."""
    if any(draft.heading for draft in drafts):
        return [draft.heading.level if draft.heading else None for draft in drafts]
    texts = {_letters(draft) for draft in drafts if _length(draft) > MAX_HEADING}
    depths = find_numbered_headings([_words(draft) if _may_be_heading(draft) else "" for draft in drafts])
    ranks: list[tuple[int, bool, int] | None] = []
    around: dict[tuple[int, bool], int] = {}
    for draft, depth in zip(drafts, depths, strict=True):
        letters = _letters(draft)
        if depth or (letters not in texts and (is_large(draft, style) or _is_bold(draft, style))):
            # one without a number is as deep as the last one in its letters
            around[letters] = depth or around.get(letters, 1)
            ranks.append((*letters, -around[letters]))
        else:
            ranks.append(None)
    ordered = sorted({rank for rank in ranks if rank}, reverse=True)
    return [ordered.index(rank) if rank else None for rank in ranks]


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
    return NOT_ALPHANUMERIC.sub("", text.casefold().replace(" ", ""))  # most signs are spaces


def _length(draft: Draft) -> int:
    return sum(len(line.text) for _, line in draft.lines)


def _words(draft: Draft) -> str:
    return " ".join(line.text for _, line in draft.lines)


def _letters(draft: Draft) -> tuple[int, bool]:
    """Return the size of a block's letters, and whether they are bold."""
    return round(draft.first.size), all(line.is_bold for _, line in draft.lines)


def is_large(draft: Draft, style: Style) -> bool:
    """Tell whether a block is in larger letters than the text, and no sentence."""
    return _may_be_heading(draft) and draft.first.size >= LARGER * style.size


def _is_bold(draft: Draft, style: Style) -> bool:
    """Tell whether a block is a line or two in bold letters, not smaller than those of the text, which are not bold."""
    is_bold = _letters(draft)[1] and not style.is_bold and draft.first.size > SMALLER * style.size
    return is_bold and len(draft.lines) <= MAX_BOLD_LINES and draft.last.text[-1] != ":" and _may_be_heading(draft)


def _may_be_heading(draft: Draft) -> bool:
    is_text = not draft.first.row and not draft.is_code and any(map(str.isalpha, draft.first.text))
    return is_text and draft.last.text[-1] not in NO_HEADING_END
