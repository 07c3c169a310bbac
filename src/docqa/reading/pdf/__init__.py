"""PDF: headings, paragraphs, list items, tables and code from pages, with the page of every character."""

import re
from pathlib import PurePosixPath

from docqa.errors import DocumentReadError
from docqa.reading.origins import make_origin
from docqa.reading.pdf.contents import drop_entries
from docqa.reading.pdf.drafting import Draft, Style, draft_blocks, find_style
from docqa.reading.pdf.extracting import Page, extract_bookmarks, extract_metadata, extract_pages, open_pdf
from docqa.reading.pdf.headings import find_levels, is_large, match_bookmarks
from docqa.reading.pdf.ordering import order_lines
from docqa.reading.pdf.running import drop_running_lines
from docqa.reading.pdf.tesseract import read_pictures
from docqa.reading.pdf.writing import Text
from docqa.reading.tesseract import FILE_SECONDS, REMEDY, find_tesseract
from docqa.types import BlockKind, Document, PageStart

TITLE = re.compile(r"(?!Microsoft |untitled)\S+ \S.*(?<!\.docx)(?<!\.doc)(?<!\.pdf)(?<!\.tex)", re.IGNORECASE)
"""What people give for a title, rather than what programs put there."""

DATES = ("CreationDate", "ModDate")


def read_pdf(path: str, data: bytes, digest: str) -> Document:
    """Read a PDF: its text in reading order, without what only repeats from page to page.

    Raises:
        DocumentReadError: it is encrypted or damaged, or its pages are pictures in which no text is recognised.
    """
    with open_pdf(path, data) as pdf:
        pages = list(read_pictures(pdf, extract_pages(path, pdf)))
        bookmarks = list(extract_bookmarks(pdf))
        title = extract_metadata(pdf, "Title")
        origin = make_origin(*([extract_metadata(pdf, name) for name in names] for names in (("Author",), DATES)))
    unread = _describe_unread(pages)
    if not any(page.lines for page in pages):
        raise DocumentReadError(path, unread or "its pages are empty")
    ordered = {page.number: order_lines(kept) for page, kept in drop_running_lines(pages)}
    lines = drop_entries(ordered, bookmarks)
    style = find_style(lines.values())
    drafts = draft_blocks(lines, match_bookmarks(lines, bookmarks), style)
    levels = find_levels(drafts, style)
    title = title if TITLE.fullmatch(title) else (_largest_heading(drafts, style) or PurePosixPath(path).stem)
    text = Text(drafts, style)
    _write(text, drafts, levels, title)
    recognised = {page.number for page in pages if page.is_recognised}
    starts = tuple(PageStart(start, page, page in recognised) for start, page in text.pages)
    return Document(
        path, digest, title, str(text), tuple(text.blocks), starts, unread, author=origin.author, date=origin.date
    )


def _describe_unread(pages: list[Page]) -> str:
    """Say which pages have no text that can be read, though they are not empty."""
    reasons = []
    if pictures := [page.number for page in pages if page.is_picture and not page.is_late]:
        why = "in which no text was recognised" if find_tesseract() else f"but no text, as a scan does; {REMEDY}"
        reasons.append(f"{_name_pictures(pictures)}, {why}")
    if late := [page.number for page in pages if page.is_late]:
        reasons.append(f"{_name_pictures(late)}, not recognised within {FILE_SECONDS} s; divide the file")
    if damaged := [page.number for page in pages if page.is_damaged]:
        reasons.append(f"{name_pages(damaged)} {'is' if len(damaged) == 1 else 'are'} damaged")
    return "; ".join(reasons)


def _name_pictures(numbers: list[int]) -> str:
    return f"{name_pages(numbers)} {'holds a picture' if len(numbers) == 1 else 'hold pictures'}"


def name_pages(numbers: list[int]) -> str:
    """Name pages for people: ``pages 1–3, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    named = ", ".join(f"{first}" if first == last else f"{first}–{last}" for first, last in runs)
    return f"page {named}" if len(numbers) == 1 else f"pages {named}"


def _largest_heading(drafts: list[Draft], style: Style) -> str:
    """Return the heading in the largest letters on the first page with text."""
    page = drafts[0].lines[0][0]
    found = [draft for draft in drafts if draft.lines[0][0] == page and is_large(draft, style)]
    largest = max(found, key=lambda draft: draft.first.size, default=None)
    return " ".join(line.text for _, line in largest.lines) if largest else ""


def _write(text: Text, drafts: list[Draft], levels: list[int | None], title: str) -> None:
    path: list[tuple[int, str]] = []
    for draft, level in zip(drafts, levels, strict=True):
        if level is not None:
            path = [(above, heading) for above, heading in path if above < level]
        headings = tuple(heading for i, (_, heading) in enumerate(path) if i or heading != title)
        words = text.write(draft, _kind(draft, level), headings)
        if level is not None:
            path.append((level, " ".join(words.split())))


def _kind(draft: Draft, level: int | None) -> BlockKind:
    if level is not None:
        return "heading"
    if draft.first.row:
        return "table"
    if draft.is_code:
        return "code"
    return "list_item" if draft.is_item else "paragraph"
