"""A page of a document as HTML: its picture with the evidence marked on it, and the means to turn and enlarge it."""

from base64 import b64encode

from docqa.chat.state import PageView, Source
from docqa.neutralising import escape, verbatim
from docqa.reading.pdf.rendering import Picture

NOT_FOUND = "The place of the words on this page could not be found; the text shows them."
RECOGNISED = "This page is a picture. Its words were recognised by a program (OCR) and may be wrong: trust the picture."
JPEG = b"\xff\xd8"

ICONS = {
    "back": '<path d="m15 5-7 7 7 7"/>',
    "on": '<path d="m9 5 7 7-7 7"/>',
    "out": '<path d="M5 12h14"/>',
    "in": '<path d="M5 12h14M12 5v14"/>',
}


def render_page(view: PageView) -> str:
    """Render a page with its tools, or leave word of the problem for the script that shows it beside the text."""
    if view.picture is None or view.source.document is None:
        problem = f'data-problem="{escape(view.problem)}"'
        return f'<p data-number="{view.number}" {source_of(view.source)} {problem} hidden></p>'
    title = escape(view.source.document.title)
    return (
        f'<section class="docqa-page" data-number="{view.number}" data-page="{view.picture.page}" '
        f'data-pages="{view.picture.pages}" {source_of(view.source)} aria-label="Page of the document">'
        f"{_tools(view.picture)}{_notes(view, view.picture)}"
        '<div class="docqa-sheets" role="region" tabindex="0" data-keep="sheets" aria-label="Picture of the page">'
        f"{_sheet(view.picture, title)}</div></section>"
    )


def render_views(source: Source) -> str:
    """Render the choice between the pages of a source and its text, where there are both."""
    if not source.has_pages:
        return ""
    buttons = "".join(
        f'<button type="button" class="docqa-quiet" data-view="{view.lower()}" aria-pressed="false">{view}</button>'
        for view in ("Page", "Text")
    )
    return f'<div class="docqa-views" role="group" aria-label="View">{buttons}</div>'


def render_steps(source: Source) -> str:
    """Render the way from a hit to the one before and the one after it in the same answer."""
    if source.hit is None or source.hits < 2:
        return ""
    rank, hits = source.hit.rank, source.hits
    attributes = f'data-action="passage" data-turn="{source.turn}" data-rank'
    return (
        '<div class="docqa-steps-between" role="group" aria-label="Quotes of this answer">'
        + _button("back", "Previous quote", f'{attributes}="{rank - 1}" data-step="back"', possible=rank > 1)
        + f"<span>Quote {rank} of {hits}</span>"
        + _button("on", "Next quote", f'{attributes}="{rank + 1}" data-step="on"', possible=rank < hits)
        + "</div>"
    )


def source_of(source: Source) -> str:
    """Say in attributes what a source is, so that the browser can ask for its pages."""
    if source.hit:
        return f'data-turn="{source.turn}" data-rank="{source.hit.rank}"'
    return f'data-document="{verbatim(source.document.path)}"' if source.document else ""


def _tools(picture: Picture) -> str:
    number = (
        f'<label class="docqa-number">Page <input type="number" min="1" max="{picture.pages}" value="{picture.page}" '
        f'data-keep="number" aria-label="Page of {picture.pages:,}"> of {picture.pages:,}</label>'
    )
    return (
        '<div class="docqa-page-tools"><div role="group" aria-label="Pages">'
        + _button("back", "Previous page", 'data-turn-by="-1" data-keep="back"', possible=picture.page > 1)
        + number
        + _button("on", "Next page", 'data-turn-by="1" data-keep="on"', possible=picture.page < picture.pages)
        + '</div><div role="group" aria-label="Size">'
        + _button("out", "Zoom out", 'data-zoom="-1" data-keep="out"')
        + '<button type="button" class="docqa-quiet docqa-zoom" data-zoom="0" data-keep="fit" '
        'aria-label="Fit to the panel\'s width" title="Fit to the panel\'s width">100%</button>'
        + _button("in", "Zoom in", 'data-zoom="1" data-keep="in"')
        + "</div></div>"
    )


def _button(icon: str, label: str, attributes: str, *, possible: bool = True) -> str:
    return (
        f'<button type="button" class="docqa-quiet docqa-icon" aria-label="{label}" title="{label}" {attributes}'
        f'{"" if possible else " disabled"}><svg viewBox="0 0 24 24" aria-hidden="true">{ICONS[icon]}</svg></button>'
    )


def _notes(view: PageView, picture: Picture) -> str:
    here, others = picture.page in view.marked, [page for page in view.marked if page != picture.page]
    links = [f'<button type="button" class="docqa-link" data-to="{page}">page {page}</button>' for page in others]
    notes = [f"The quote {'also ' if here else ''}stands on {', '.join(links)}."] if links else []
    document = view.source.document
    if document and any(start.recognised for start in document.pages if start.page == picture.page):
        notes.append(RECOGNISED)
    if here and view.source.hit and view.source.hit.evidence and not picture.rectangles:
        notes.append(NOT_FOUND)
    return "".join(f'<p class="docqa-hint" role="note">{note}</p>' for note in notes)


def _sheet(picture: Picture, title: str) -> str:
    kind = "jpeg" if picture.image.startswith(JPEG) else "png"
    address = f"data:image/{kind};base64,{b64encode(picture.image).decode()}"
    marks = "".join(_mark(picture, *place) for place in picture.rectangles)
    return (
        f'<figure class="docqa-sheet" style="aspect-ratio:{picture.width:.2f}/{picture.height:.2f}">'
        f'<img src="{address}" alt="Page {picture.page} of {title}" draggable="false">{marks}</figure>'
    )


def _mark(picture: Picture, left: float, top: float, right: float, bottom: float) -> str:
    across, down = 100 / picture.width, 100 / picture.height
    place = f"left:{left * across:.3f}%;top:{top * down:.3f}%"
    size = f"width:{(right - left) * across:.3f}%;height:{(bottom - top) * down:.3f}%"
    return f'<span class="docqa-place-mark" style="{place};{size}"></span>'
