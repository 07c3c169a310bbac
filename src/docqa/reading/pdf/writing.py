"""Writing: blocks to be → the text of a document, the blocks in it, and the page of every character."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from docqa.reading.pdf.drafting import MARK, Draft, Style, is_forced
from docqa.reading.pdf.extracting import Line
from docqa.reading.pdf.rows import find_columns
from docqa.reading.tables import is_form, table_lines
from docqa.types import Block, BlockKind, Span

TOKEN = re.compile(r"\w+(?:[-\0]\w+)*")
LAST_LETTERS = re.compile(r"[^\W\d_]+(?=\W$)")
FIRST_LETTERS = re.compile(r"[^\W\d_]+")
MIN_PART = 3
"""Letters of the shorter part of a compound such as ``cross-party``."""
BLANK_LINE = 1.6
"""Times the usual distance of lines, from which a blank line stands between them in code."""
MIN_PAIRS = 3
"""How many rows of two cells are names with their values; fewer may stand beside each other by chance."""
BETWEEN_BLOCKS = "\n\n"


class Text:
    """The text of a document while it is written."""

    def __init__(self, drafts: list[Draft], style: Style) -> None:
        self.blocks: list[Block] = []
        self.pages: list[tuple[int, int]] = []
        """Where in the text something that stands on a page begins, and the number of the page."""
        self._parts: list[str] = []
        self._length = 0
        self._names: list[str] = []
        self._words = find_words(drafts)
        self._style = style

    def __str__(self) -> str:
        return "".join(self._parts)

    def write(self, draft: Draft, kind: BlockKind, headings: tuple[str, ...]) -> str:
        """Append a block and return its words, without the mark of a list item."""
        if self._parts:
            self._append(BETWEEN_BLOCKS)
        start, before = self._length, len(self._parts)
        for page, line in self._rows(draft) if kind == "table" else self._lines(draft):
            if not self.pages or self.pages[-1][1] != page:
                self.pages.append((self._length, page))
            self._append(line)
        text = "".join(self._parts[before:])
        mark = MARK.match(text) if kind == "list_item" else None
        start += mark.end() if mark else 0
        self.blocks.append(Block(kind, Span(start, self._length), headings))
        return text

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _lines(self, draft: Draft) -> Iterator[tuple[int, str]]:
        """Yield the lines of a block with their pages, as they are to stand one after the other."""
        left = min(line.left for _, line in draft.lines)
        pitch = max(line.pitch for _, line in draft.lines)
        for (page, line), (_, below) in pairwise([*draft.lines, draft.lines[-1]]):
            is_last = line is below
            if draft.is_code:
                indent = " " * round((line.left - left) / pitch)
                blank = "\n" * (self._style.distance(line, below) > BLANK_LINE)
                yield page, indent + line.text + ("" if is_last else "\n" + blank)
            elif is_last:
                yield page, line.text
            elif line.hyphenated:
                yield page, self._dehyphenate(line.text, below.text)
            else:
                yield page, line.text + ("\n" if is_forced(line, below) else " ")

    def _rows(self, draft: Draft) -> Iterator[tuple[int, str]]:
        """Yield the rows of a table with their pages, each value with the words of its column's header."""
        rows = [line for _, line in draft.lines]
        columns = find_columns(rows)
        cells = [[self._cell(cell) for cell in row] for row in columns or [row.row for row in rows]]
        goes_on = bool(columns) and self._goes_on(draft.lines[0][0], cells[0])
        if goes_on and cells[0] != self._names:
            cells.insert(0, self._names)
        header = True if goes_on else None if columns or is_form(cells) else False
        lines = table_lines(cells, header=header, min_pairs=MIN_PAIRS)
        self._names = cells[0] if len(lines) < len(cells) else []
        pages = [page for page, _ in draft.lines[-len(lines) :]]
        for i, (page, line) in enumerate(zip(pages, lines, strict=True), 1):
            yield page, line + "\n" * (i < len(lines))

    def _goes_on(self, page: int, cells: list[str]) -> bool:
        """Tell whether a table goes on with the header of the one before it, which ends the page before."""
        is_next = bool(self.blocks) and self.blocks[-1].kind == "table" and self.pages[-1][1] == page - 1
        return is_next and len(cells) == len(self._names)

    def _cell(self, lines: tuple[Line, ...]) -> str:
        divided = [
            self._dehyphenate(line.text, below.text) if line.hyphenated else line.text + " "
            for line, below in pairwise(lines)
        ]
        return "".join(divided) + (lines[-1].text if lines else "")

    def _dehyphenate(self, text: str, below: str) -> str:
        """Drop the hyphen at the end of a line if it only divides a word, as the words of the document suggest."""
        whole = text.rstrip("-‐")
        last, first = LAST_LETTERS.search(whole + "-"), FIRST_LETTERS.match(below)
        if not last or not first:
            return whole + "-"
        parts = last.group().casefold(), first.group().casefold()
        if "".join(parts) in self._words:
            return whole
        if not below[0].islower():
            return whole + "-"
        is_compound = min(map(len, parts)) >= MIN_PART and self._words.issuperset(parts)
        return whole + "-" * (is_compound or "-".join(parts) in self._words)


def find_words(drafts: Iterable[Draft]) -> set[str]:
    """List the words of a document, but not the parts of those divided at the end of a line."""
    lines = (line.text.rstrip("-‐") + "\0" if line.hyphenated else line.text + " " for line in _lines(drafts))
    every = set("".join(lines).casefold().split())  # most of them again and again
    return set(TOKEN.findall(" ".join(every)))


def _lines(drafts: Iterable[Draft]) -> Iterator[Line]:
    return (line for draft in drafts for _, line in draft.lines)
