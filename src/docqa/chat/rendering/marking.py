"""Escaped text with evidence in ``<mark>``: without the tags it is the text as `neutralising.neutral` shows it."""

import re
from collections.abc import Iterator, Sequence

from docqa.neutralising import escape
from docqa.types import Passage, Span

BLANK_LINES = re.compile(r"(\n[^\S\n]*\n\s*)")
PREFORMATTED = re.compile(r"^(?: {4}|\t|\s*\||\s*```)", re.MULTILINE)
LISTED = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s", re.MULTILINE)


def mark(text: str, start: int, evidence: Sequence[Span]) -> str:
    """Escape a text that begins at ``start`` of its document and mark the evidence that lies in it."""
    pieces: list[str] = []
    cursor, end = start, start + len(text)
    for span in sorted(evidence):
        begin, stop = max(span.start, cursor), min(span.end, end)
        if begin < stop:
            pieces.append(escape(text[cursor - start : begin - start]))
            pieces.append(f"<mark>{escape(text[begin - start : stop - start])}</mark>")
            cursor = stop
    return "".join(pieces) + escape(text[cursor - start :])


def mark_passage(passage: Passage, evidence: Sequence[Span]) -> str:
    """Mark a passage's evidence and set its paragraphs apart, each with its whitespace treated as its kind needs."""
    return "".join(_parts(passage, evidence))


def _parts(passage: Passage, evidence: Sequence[Span]) -> Iterator[str]:
    offset, fenced = passage.span.start, False
    for part in BLANK_LINES.split(passage.text):
        marked = mark(part, offset, evidence)
        offset += len(part)
        if not part.strip():
            yield marked
            continue
        layout = "preformatted" if fenced else _layout(part)
        yield f'<span class="docqa-part docqa-{layout}" dir="auto">{marked}</span>'
        fenced ^= part.count("```") % 2 == 1


def _layout(part: str) -> str:
    if PREFORMATTED.search(part):
        return "preformatted"
    return "listed" if LISTED.search(part) else "prose"
