"""reStructuredText: headings, paragraphs, list items, tables, code; spans point into the file.

Docutils would give the text without its marks, but not where in the file a word stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from docqa.reading.plain_text import find_runs
from docqa.types import Block, BlockKind, Span

LINE = re.compile(r"[^\r\n]+")
ADORNMENT = re.compile(r"([!-/:-@[-`{-~])\1{2,}\s*")
TABLE = re.compile(r"\s*(?:=+(?:\s+=+)+|\+[-=]+(?:\+[-=]+)*\+)\s*")
ITEM = re.compile(r"\s*(?:[-*+•]|\(?(?:\d{1,9}|#|[a-zA-Z]|[ivxlcIVXLC]{2,7})[.)])\s+(?=\S)")
DIRECTIVE = re.compile(r"\s*\.\.\s+(?:\|[^|]*\|\s+)?(?:[\w-]+:)?([\w.+-]+)::(?:\s+|$)")
NOTE = re.compile(r"\s*\.\.\s+\[[^\]]+\]\s+")
OPTION = re.compile(r"\s*:[\w -]+:(?:\s|$)")
CODE = frozenset(
    "code code-block sourcecode highlight parsed-literal doctest testcode testoutput productionlist".split()
)
SHOWN = frozenset(
    "admonition attention caution danger deprecated epigraph error hint important note seealso tip topic versionadded "
    "versionchanged warning function method class attribute data module describe option envvar exception c-function "
    "centered rubric sidebar figure glossary only container compound highlights pull-quote impl-detail".split()
)
"""Directives whose words are read by people; those of others steer the making of a page."""
TABLES = frozenset("table list-table csv-table".split())
ROLE = re.compile(r":[\w:+-]+:`([^`<]*?)\s*(?:<[^`]*>)?`|``([^`]+)``|`([^`<]+?)\s*(?:<[^`]*>)?`_{0,2}|\*+([^*]+)\*+")
MAX_HEADING = 1_000
"""Characters; marks within a longer heading are left as they are."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank, from its first character in the file."""

    start: int
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())

    @property
    def end(self) -> int:
        return self.start + len(self.text.rstrip())


def read_restructured_text(text: str) -> tuple[str | None, list[Block]]:
    """Find the blocks of a reStructuredText; the title is its first heading.

    What only steers the making of a page is in no block: comments, targets, options, indexes, tables of contents.
    """
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    title: str | None = None
    for kind, span, level in _Reader().read(text):
        if kind == "heading":
            path = [(above, heading) for above, heading in path if above < level]
        headings = tuple(heading for i, (_, heading) in enumerate(path) if i or heading != title)
        if text[span.start : span.end].strip():
            blocks.append(Block(kind, span, headings=headings))
        if kind == "heading":
            path.append((level, _plain(text[span.start : span.end])))
            title = title or path[-1][1]
    return title, blocks


Found = tuple[BlockKind, Span, int]
"""Kind, span and, of a heading, its level."""


class _Reader:
    """Goes from one run of lines to the next; ``_held`` says what lines are that stand further in than a mark."""

    def __init__(self) -> None:
        self._styles: list[tuple[str, bool]] = []
        self._held: tuple[int, BlockKind | None] | None = None

    def read(self, text: str) -> Iterator[Found]:
        for run in find_runs(text):
            lines = [_Line(line.start(), line.group()) for line in LINE.finditer(text, run.start, run.end)]
            at = 0
            while at < len(lines):
                at, found = self._next(lines, at)
                if found:
                    yield found

    def _next(self, lines: list[_Line], at: int) -> tuple[int, Found | None]:
        """Read the block that begins with a line of a run; return the line after it too."""
        first = lines[at]
        if self._held and first.indent > self._held[0]:
            return self._hold(lines, at)
        self._held = None
        if heading := self._heading(lines[at : at + 3]):
            return at + 2 + heading[0], heading[1]
        if first.text.lstrip().startswith(".. ") or first.text.strip() == "..":
            return self._explicit(lines, at)
        if TABLE.fullmatch(first.text):
            return len(lines), ("table", Span(first.start + first.indent, lines[-1].end), 0)
        if first.text.lstrip().startswith(">>>"):
            return len(lines), ("code", Span(first.start, lines[-1].end), 0)
        if item := ITEM.match(first.text):
            same = (i for i in range(at + 1, len(lines)) if lines[i].indent <= first.indent)
            return self._prose("list_item", lines, at, next(same, len(lines)), item.end())
        return self._prose("paragraph", lines, at, len(lines), first.indent)

    def _hold(self, lines: list[_Line], at: int) -> tuple[int, Found | None]:
        indent, kind = self._held or (0, None)
        end = next((i for i in range(at, len(lines)) if lines[i].indent <= indent), len(lines))
        return end, (kind, Span(lines[at].start, lines[end - 1].end), 0) if kind else None

    def _heading(self, lines: list[_Line]) -> tuple[bool, Found] | None:
        """Read a heading, with a line of marks under it and perhaps over it too."""
        over = bool(ADORNMENT.fullmatch(lines[0].text)) and len(lines) > 2
        under = lines[1 + over] if len(lines) > 1 + over else None
        if under is None or not ADORNMENT.fullmatch(under.text) or (over and lines[0].text[0] != under.text[0]):
            return None
        title = lines[int(over)]
        if not over and (title.indent or TABLE.fullmatch(title.text)):
            return None
        style = (under.text[0], over)
        if style not in self._styles:
            self._styles.append(style)
        return over, ("heading", Span(title.start + title.indent, title.end), self._styles.index(style) + 1)

    def _explicit(self, lines: list[_Line], at: int) -> tuple[int, Found | None]:
        """Read a directive, a footnote, or what is not shown."""
        first = lines[at]
        if note := NOTE.match(first.text):
            return self._prose("paragraph", lines, at, len(lines), note.end())
        directive = DIRECTIVE.match(first.text)
        name = directive.group(1) if directive else ""
        after = next((i for i in range(at + 1, len(lines)) if not OPTION.match(lines[i].text)), len(lines))
        if directive and name in SHOWN:
            if directive.end() >= len(first.text.rstrip()):
                return after, None
            end = len(lines) if after == at + 1 else at + 1
            return max(after, end), self._prose("paragraph", lines, at, end, directive.end())[1]
        self._held = (first.indent, "code" if name in CODE else "table" if name in TABLES else None)
        return after, None

    def _prose(self, kind: BlockKind, lines: list[_Line], at: int, end: int, start: int) -> tuple[int, Found]:
        """Read lines of words; two colons at their end say that code follows."""
        span = Span(min(lines[at].start + start, lines[end - 1].end), lines[end - 1].end)
        if lines[end - 1].text.rstrip().endswith("::"):
            self._held = (lines[at].indent, "code")
            span = Span(span.start, max(span.start, span.end - 1 - (len(span) == 2)))
        return end, (kind, span, 0)


def _plain(heading: str) -> str:
    """Take the marks out of a heading's text."""
    if len(heading) > MAX_HEADING:
        return heading
    return ROLE.sub(lambda found: next(filter(None, found.groups()), ""), heading)
