"""The source panel as HTML: a document by its blocks, opened at a passage."""

from collections.abc import Iterator
from itertools import groupby, zip_longest

from docqa.chat.citing import hit_citation
from docqa.chat.rendering.conversation import render_copy
from docqa.chat.rendering.marking import mark, mark_passage
from docqa.chat.rendering.pages import render_steps, render_views, source_of
from docqa.chat.state import Source
from docqa.neutralising import escape, isolate, isolate_name
from docqa.types import Block, Document, Hit, Span

AROUND = 15_000
"""How many characters of the document are shown before and after the passage."""

MOVED = "This document has changed since you asked; the passage is shown where it stands now."
RECOGNISED = "Some words here were recognised by a program in pictures of pages (OCR) and may be wrong: see the page."
DEEPEST_HEADING = 6
SEEN = ("§", "paragraph")
"""How places begin that are seen without a label: headings and paragraphs."""

Piece = tuple[Block | None, Span]
"""A block, or the text between two blocks, as far as it is shown."""


def render_source(source: Source | None) -> str:
    """Render the source panel, closed when there is no source."""
    if source is None:
        return '<p class="docqa-closed">Choose a passage to see it in its document.</p>'
    name = _name(source)
    return (
        f'<section class="docqa-source" aria-labelledby="docqa-source-title" {source_of(source)}>'
        f'<header class="docqa-source-head"><h2 id="docqa-source-title" tabindex="-1">{isolate(name)}</h2>'
        f'<div class="docqa-source-buttons">{render_copy(hit_citation(source.hit)) if source.hit else ""}'
        '<button type="button" class="docqa-quiet" data-action="close" aria-label="Close the source">Close</button>'
        f"</div>{_place(source)}{_ways(source)}</header>{_note(source)}{_text(source)}</section>"
    )


def _name(source: Source) -> str:
    if source.document:
        return source.document.title
    return source.hit.passage.title if source.hit else "Not found"


def _ways(source: Source) -> str:
    ways = render_views(source) + render_steps(source)
    return f'<div class="docqa-ways">{ways}</div>' if ways else ""


def _place(source: Source) -> str:
    path = source.hit.passage.document if source.hit else source.document.path if source.document else ""
    locator = f'<span class="docqa-locator">{isolate(source.hit.passage.locator)}</span>' if source.hit else ""
    written = [source.document.author, source.document.date] if source.document else []
    origin = "".join(f'<span class="docqa-origin">{isolate(fact)}</span>' for fact in written if fact)
    return f'<p class="docqa-place">{locator}<span class="docqa-path">{isolate_name(path)}</span>{origin}</p>'


def _note(source: Source) -> str:
    of_text = " docqa-of-text"
    notes = [(source.problem, ""), (MOVED if source.moved else "", "")]
    notes += [(_shown_part(source), of_text), (RECOGNISED if _is_recognised(source) else "", of_text)]
    shown = "".join(f'<p class="docqa-hint{kind}" role="note">{escape(note)}</p>' for note, kind in notes if note)
    return shown + '<p class="docqa-hint docqa-no-page" role="status" hidden></p>' * source.has_pages


def _is_recognised(source: Source) -> bool:
    document = source.document
    return document is not None and document.is_recognised(shown_span(document, source.hit))


def _shown_part(source: Source) -> str:
    if source.document is None:
        return ""
    text, shown = source.document.text, shown_span(source.document, source.hit)
    if len(shown) == len(text):
        return ""
    if pages := source.document.pages_of(shown):
        shown_pages = f"page {pages[0]:,}" if pages[0] == pages[-1] else f"pages {pages[0]:,}–{pages[-1]:,}"
        return f"The text of {shown_pages} is shown."
    if source.document.is_converted:
        return f"A part of the document is shown, {len(shown):,} of its {len(text):,} characters."
    first = text.count("\n", 0, shown.start) + 1
    last = first + text.count("\n", shown.start, shown.end)
    return f"Lines {first:,}–{last:,} of {text.count(chr(10)) + 1:,} are shown."


def _text(source: Source) -> str:
    if source.document:
        body = render_document(source.document, source.hit)
    elif source.hit:
        body = f'<div class="docqa-opened">{mark_passage(source.hit.passage, source.hit.evidence)}</div>'
    else:
        return ""
    return f'<div class="docqa-document" role="region" tabindex="0" aria-label="Text of the document">{body}</div>'


def shown_span(document: Document, hit: Hit | None) -> Span:
    """Return the part of a document that is shown: what lies around a hit's passage, or its beginning."""
    passage = hit.passage.span if hit else Span(0, 0)
    return Span(max(0, passage.start - AROUND), min(len(document.text), passage.end + AROUND))


def render_document(document: Document, hit: Hit | None) -> str:
    """Render the shown part of a document by its blocks, those of the hit's passage in one outlined group."""
    pieces = _pieces(document, shown_span(document, hit))
    groups = groupby(_with_places(document, pieces), key=lambda numbered: _belongs(numbered[0], hit))
    return "".join(
        _group([_piece(document, piece, place, hit) for piece, place in group], opened) for opened, group in groups
    )


def _group(rendered: list[str], opened: bool) -> str:
    body = "".join(rendered)
    return f'<div class="docqa-opened" tabindex="-1">{body}</div>' if opened else body


def _belongs(piece: Piece, hit: Hit | None) -> bool:
    return hit is not None and piece[1].overlaps(hit.passage.span)


def _pieces(document: Document, shown: Span) -> Iterator[Piece]:
    cursor = shown.start
    for block, following in zip_longest(document.blocks, document.blocks[1:]):
        if block.span.end <= cursor or block.span.start >= shown.end:
            continue
        limit = min(following.span.start if following else len(document.text), shown.end)
        extent = _with_syntax(document.text, block.span, Span(min(cursor, limit), limit))
        start, end = max(extent.start, cursor), min(extent.end, shown.end)
        if cursor < start:
            yield None, Span(cursor, start)
        yield block, Span(start, end)
        cursor = end
    if cursor < shown.end:
        yield None, Span(cursor, shown.end)


def _with_syntax(text: str, span: Span, free: Span) -> Span:
    """Widen a block to the whole of its lines, so far as they are free: the signs of a heading or item go with it."""
    start = text.rfind("\n", free.start, span.start) + 1 or free.start
    end = text.find("\n", span.end, free.end)
    return Span(min(start, span.start), max(end, span.end))


def _with_places(document: Document, pieces: Iterator[Piece]) -> Iterator[tuple[Piece, str]]:
    """Yield the pieces with the place where each begins, empty if that is no other than the last one's."""
    last = ""
    for piece in pieces:
        place = _name_place(document, piece[0]) if piece[0] else ""
        yield piece, place if place != last else ""
        last = place or last


def _name_place(document: Document, block: Block) -> str:
    if pages := document.pages_of(block.span):
        return f"Page {pages[0]}"
    return "" if block.place.startswith(SEEN) else block.place[:1].upper() + block.place[1:]


def _piece(document: Document, piece: Piece, place: str, hit: Hit | None) -> str:
    block, span = piece
    if block is None:
        return _syntax(document, span, hit, tag="p")
    start, end = max(span.start, block.span.start), min(span.end, block.span.end)
    before = _syntax(document, Span(span.start, start), hit)
    after = _syntax(document, Span(end, span.end), hit)
    tag, kind = _element(block)
    label = f' data-place="{escape(place)}"' if place else ""
    focus = ' tabindex="0"' if kind == "preformatted" else ""
    content = before + _words(document, Span(start, end), hit) + after
    return f'<{tag} class="docqa-block docqa-{kind}" dir="auto"{label}{focus}>{content}</{tag}>'


def _syntax(document: Document, span: Span, hit: Hit | None, *, tag: str = "span") -> str:
    words = _words(document, span, hit)
    return f'<{tag} class="docqa-syntax">{words}</{tag}>' if document[span].strip() else words


def _element(block: Block) -> tuple[str, str]:
    if block.kind == "heading":
        return f"h{min(DEEPEST_HEADING, 3 + len(block.headings))}", "heading"
    if block.kind in ("table", "code", "front_matter"):
        return "div", "preformatted"
    return "p", "item" if block.kind == "list_item" else "paragraph"


def _words(document: Document, span: Span, hit: Hit | None) -> str:
    if hit is None or not span.overlaps(hit.passage.span):
        return escape(document[span])
    start, end = max(span.start, hit.passage.span.start), min(span.end, hit.passage.span.end)
    before, after = document[Span(span.start, start)], document[Span(end, span.end)]
    return _outside(before) + mark(document[Span(start, end)], start, hit.evidence) + _outside(after)


def _outside(text: str) -> str:
    return f'<span class="docqa-outside">{escape(text)}</span>' if text.strip() else escape(text)
