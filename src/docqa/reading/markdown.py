"""Markdown (CommonMark with tables and front matter): headings, paragraphs, list items, tables, code."""

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from docqa.reading.paragraphs import join_broken_paragraphs
from docqa.reading.plain_text import first_line_title
from docqa.types import Block, BlockKind, Span

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
MARKS = re.compile(r"(?:\s|>|[-*+](?=\s)|\d{1,9}[.)](?=\s)|#{1,6}(?=\s))*")
"""What stands before the first word of a block: quote, list and heading marks, however nested."""
CLOSING_MARKS = re.compile(r"\s+#+$")
KINDS: dict[str, BlockKind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "fence": "code",
    "code_block": "code",
    "table_open": "table",
    "html_block": "paragraph",
    "front_matter": "front_matter",
}
COMMENTS = re.compile(r"(?:<!--(?>(?:(?!-->).)*)-->\s*)+", re.DOTALL)
"""Words of a comment give nothing back, or many would take for ever; Python 3.11.2 has an atomic group for it, but
possessive repeats wrong."""
TITLE_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "timestamp"))
NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What PyYAML raises for a text that is none, or whose tags do not suit their values."""
MAX_HEADING = 1_000
"""Characters; marks within a longer heading are left as they are."""

# Only the structure of blocks is wanted: parsing what is inside them is slow, and quadratic on hostile text.
_parser = MarkdownIt("commonmark").enable("table").use(front_matter_plugin)
_parser.core.ruler.disable("inline")


def read_markdown(text: str) -> tuple[str | None, list[Block]]:
    """Find the blocks of a Markdown text; the title is the front matter's, the first heading or a short first line.

    A block's span leaves out list markers, quote marks, heading marks and code fences around its words.
    """
    tokens = _parser.parse(text)
    title = _front_matter_title(tokens) or _first_heading(tokens)
    blocks = join_broken_paragraphs(text, list(_blocks(text, tokens, title)))
    if title is None and blocks:
        title = first_line_title(text, blocks[0])
    return title, blocks


def _blocks(text: str, tokens: list[Token], title: str | None) -> Iterator[Block]:
    starts = [0, *accumulate(len(line) for line in LINE.findall(text))]
    path: list[tuple[int, str]] = []
    lists = 0
    for token, following in pairwise([*tokens, Token("end", "", 0)]):
        lists += token.nesting * token.type.startswith("list_item")
        kind = KINDS.get(token.type)
        if kind is None or token.map is None:
            continue
        if kind == "heading":
            path = [(level, heading) for level, heading in path if level < int(token.tag[1])]
        span = _words(text, starts, token, following)
        headings = tuple(heading for i, (_, heading) in enumerate(path) if i or heading != title)
        if span and not COMMENTS.fullmatch(text, span.start, span.end):
            yield Block("list_item" if lists and kind == "paragraph" else kind, span, headings=headings)
        if kind == "heading":
            path.append((int(token.tag[1]), _plain(following.content)))


def _words(text: str, starts: list[int], token: Token, following: Token) -> Span:
    """Find the span of a block's words, without the marks and the white space around them."""
    first, last = (following if token.type == "heading_open" else token).map or (0, 0)
    if token.type == "fence":
        lines = token.content.count("\n") + (not token.content.endswith("\n") and token.content != "")
        first, last = first + 1, first + 1 + lines
    start, end = starts[min(first, len(starts) - 1)], starts[min(last, len(starts) - 1)]
    end = start + len(text[start:end].rstrip())
    if token.type in ("fence", "code_block"):
        return Span(start, end)
    if (words := MARKS.match(text, start, end)) is not None:
        start = words.end()
    if token.type == "heading_open" and not following.content:
        return Span(start, start)
    if token.type == "heading_open" and (closing := CLOSING_MARKS.search(text, start, end)):
        end = closing.start()
    return Span(start, end)


def _front_matter_title(tokens: list[Token]) -> str | None:
    if not tokens or tokens[0].type != "front_matter":
        return None
    try:
        # not loaded, for a few lines of aliases can unfold to gigabytes
        fields = yaml.compose(tokens[0].content, Loader=yaml.SafeLoader)
        values = {key.value: value for key, value in fields.value} if isinstance(fields, yaml.MappingNode) else {}
        title = values.get("title")
        if not title or title.tag not in TITLE_TAGS or len(title.value) > MAX_HEADING:
            return None
        return " ".join(title.value.split()) or None
    except NOT_YAML:
        return None


def _first_heading(tokens: list[Token]) -> str | None:
    position = next((i for i, token in enumerate(tokens) if token.type == "heading_open"), None)
    return None if position is None else _plain(tokens[position + 1].content) or None


def _plain(content: str) -> str:
    """Take the marks out of a heading's text."""
    if len(content) > MAX_HEADING:
        return content
    inline: list[Token] = []
    _parser.inline.parse(content, _parser, {}, inline)
    return "".join(token.content for token in inline if token.type in ("text", "code_inline"))
