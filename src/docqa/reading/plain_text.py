"""Plain text: paragraphs between blank lines, under the headings that are underlined."""

import re
from collections.abc import Iterator

from docqa.reading.paragraphs import join_broken_paragraphs
from docqa.types import Block, BlockKind, Span

PARAGRAPH = re.compile(r"\S(?:[^\r\n]*\S)?(?:(?:\r\n|\r|\n)[^\S\r\n]*\S(?:[^\r\n]*\S)?)*")
MAX_TITLE = 120
"""Characters; a longer first line is a paragraph, not a title."""


UNDERLINED = re.compile(
    r"(?=[^\r\n]*\w)(\S(?:[^\r\n]*\S)?)[^\S\r\n]*(?:\r\n|\r|\n)(([=*~^#+-])\3{2,})[^\S\r\n]*(?:[\r\n]\s*|\Z)"
)
MOST_ASTRAY = 2
"""Characters by which an underline may be longer or shorter than its heading; others are rules or belong to tables."""


def read_plain_text(text: str) -> tuple[str | None, list[Block]]:
    """Divide a text at blank lines and underlined headings; the title is a short first line that stands alone."""
    blocks: list[Block] = []
    styles: list[str] = []
    path: list[tuple[int, str]] = []
    for kind, span, style in _divide(text):
        if kind == "heading":
            styles += [style] * (style not in styles)
            path = [(level, heading) for level, heading in path if level < styles.index(style)]
        title = first_line_title(text, blocks[0]) if blocks else None
        headings = tuple(heading for i, (_, heading) in enumerate(path) if i or heading != title)
        blocks.append(Block(kind, span, headings))
        if kind == "heading":
            path.append((styles.index(style), text[span.start : span.end]))
    return first_line_title(text, blocks[0]), join_broken_paragraphs(text, blocks)


def _divide(text: str) -> Iterator[tuple[BlockKind, Span, str]]:
    """Yield headings, with the sign they are underlined with, and paragraphs."""
    for match in PARAGRAPH.finditer(text):
        start, end = match.span()
        while (heading := UNDERLINED.match(text, start, end)) and _is_of_its_width(heading):
            yield "heading", Span(*heading.span(1)), heading[3]
            start = heading.end()
        if start < end:
            yield "paragraph", Span(start, end), ""


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
