"""Plain text: paragraphs between blank lines, under the headings that are underlined, or else numbered."""

import re
from collections.abc import Iterator

from docqa.reading.numbering import find_numbered_headings
from docqa.reading.paragraphs import join_broken_paragraphs
from docqa.types import Block, Span

PARAGRAPH = re.compile(r"\S(?:[^\r\n]*\S)?(?:(?:\r\n|\r|\n)[^\S\r\n]*\S(?:[^\r\n]*\S)?)*")
MAX_TITLE = 120
"""Characters; a longer first line is a paragraph, not a title."""
MAX_LINES = 2
"""Lines of a numbered heading."""

Piece = tuple[Span, int]
"""A part of a text, with its level if it is a heading, 1 for the highest, else 0."""

UNDERLINED = re.compile(
    r"(?=[^\r\n]*\w)(\S(?:[^\r\n]*\S)?)[^\S\r\n]*(?:\r\n|\r|\n)(([=*~^#+-])\3{2,})[^\S\r\n]*(?:[\r\n]\s*|\Z)"
)
MOST_ASTRAY = 2
"""Characters by which an underline may be longer or shorter than its heading; others are rules or belong to tables."""


def read_plain_text(text: str) -> tuple[str | None, list[Block]]:
    """Divide a text at blank lines and headings; the title is a short first line that stands alone."""
    pieces = list(_divide(text))
    if not any(level for _, level in pieces):
        pieces = _find_numbered(text, pieces)
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    for span, level in pieces:
        if level:
            path = [(above, heading) for above, heading in path if above < level]
        title = first_line_title(text, blocks[0]) if blocks else None
        headings = tuple(heading for i, (_, heading) in enumerate(path) if i or heading != title)
        blocks.append(Block("heading" if level else "paragraph", span, headings))
        if level:
            path.append((level, " ".join(text[span.start : span.end].split())))
    return first_line_title(text, blocks[0]), join_broken_paragraphs(text, blocks)


def _divide(text: str) -> Iterator[Piece]:
    """Yield underlined headings, whose level is told by the sign of their line, and paragraphs."""
    signs: list[str] = []
    for match in PARAGRAPH.finditer(text):
        start, end = match.span()
        while (heading := UNDERLINED.match(text, start, end)) and _is_of_its_width(heading):
            signs += [heading[3]] * (heading[3] not in signs)
            yield Span(*heading.span(1)), signs.index(heading[3]) + 1
            start = heading.end()
        if start < end:
            yield Span(start, end), 0


def _find_numbered(text: str, pieces: list[Piece]) -> list[Piece]:
    """Find the headings among paragraphs that are not indented, as items of lists and contents are."""
    lines = [
        "" if text[span.start - 1 : span.start] in (" ", "\t") else text[span.start : span.end] for span, _ in pieces
    ]
    short = [line if line.count("\n") < MAX_LINES else "" for line in lines]
    return [(span, depth) for (span, _), depth in zip(pieces, find_numbered_headings(short), strict=True)]


def _is_of_its_width(heading: re.Match[str]) -> bool:
    return abs(len(heading[1]) - len(heading[2])) <= MOST_ASTRAY


def find_runs(text: str) -> Iterator[Span]:
    """Find the runs of lines between blank ones, with the indentation of the first line."""
    end = 0
    for match in PARAGRAPH.finditer(text):
        gap = text[end : match.start()]
        end = match.end()
        yield Span(match.start() - (len(gap) - len(gap.rstrip(" \t"))), end)


def first_line_title(text: str, block: Block) -> str | None:
    """Take a text's first block for its title when it is one short line and no plain sentence."""
    line = text[block.span.start : block.span.end]
    return line if len(line) <= MAX_TITLE and len(line.splitlines()) == 1 and line[-1] not in ".,;:" else None
