"""Plain text: paragraphs between blank lines."""

import re
from collections.abc import Iterator

from docqa.reading.paragraphs import join_broken_paragraphs
from docqa.types import Block, Span

PARAGRAPH = re.compile(r"\S(?:[^\r\n]*\S)?(?:(?:\r\n|\r|\n)[^\S\r\n]*\S(?:[^\r\n]*\S)?)*")
MAX_TITLE = 120
"""Characters; a longer first line is a paragraph, not a title."""


def read_plain_text(text: str) -> tuple[str | None, list[Block]]:
    """Divide a text at blank lines; the title is a short first line that stands alone."""
    blocks = [Block("paragraph", Span(*match.span())) for match in PARAGRAPH.finditer(text)]
    return first_line_title(text, blocks[0]), join_broken_paragraphs(text, blocks)


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
