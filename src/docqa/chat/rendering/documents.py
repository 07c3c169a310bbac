"""The Documents tab as HTML: what is indexed, what was skipped and why, and what of it can be changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from docqa.chat.rendering.wording import by_state, count, moment
from docqa.chat.state import Overview
from docqa.neutralising import escape, isolate, isolate_name, neutral_name, verbatim
from docqa.types import IndexedDocument, SkippedDocument, StoreSummary

MOST_LISTED = 5_000
"""How many documents are listed: some 3 MB of HTML, sent when something has changed."""

FORMATS = {
    ".csv": "Table",
    ".docx": "Word",
    ".eml": "E-mail",
    ".epub": "E-book",
    ".htm": "Web page",
    ".html": "Web page",
    ".markdown": "Markdown",
    ".md": "Markdown",
    ".odt": "OpenDocument",
    ".pdf": "PDF",
    ".pptx": "PowerPoint",
    ".rtf": "Rich text",
    ".tsv": "Table",
    ".txt": "Plain text",
    ".xhtml": "Web page",
    ".xlsx": "Excel",
}
"""What people call a format; others are called by their suffix."""

SORTINGS = {"path": "File name", "title": "Title", "changed": "Last changed", "passages": "Most passages"}

NEW, DELETED = "New, not embedded yet", "Deleted on disk"

TABS = {"chat": ("Chat", "docqa-talk"), "documents": ("Documents", "docqa-documents")}
"""The tabs' labels, and what each shows."""


def render_tabs() -> str:
    """Render the two tabs of the page; its script switches between them."""
    tabs = "".join(
        f'<button type="button" role="tab" id="docqa-tab-{name}" class="docqa-tab" data-action="view" '
        f'data-view="{name}" aria-controls="{panel}" aria-selected="{"true" if name == "chat" else "false"}">'
        f"{label}</button>"
        for name, (label, panel) in TABS.items()
    )
    return f'<div class="docqa-tabs" role="tablist" aria-label="Views">{tabs}</div>'


def render_desk(suffixes: frozenset[str], most_bytes: int, *, read_only: bool) -> str:
    """Render what stays as it is when documents change: where to drop files, what to search and sort by."""
    button = '<button type="button" class="docqa-quiet" data-action="sync">Re-embed</button>'
    adding = "" if read_only else _adding(suffixes, most_bytes) + _confirmation()
    options = "".join(f'<option value="{value}">{label}</option>' for value, label in SORTINGS.items())
    return (
        '<div class="docqa-desk"><header class="docqa-desk-head"><h2 id="docqa-documents-title" tabindex="-1">'
        f'Documents</h2>{"" if read_only else button}</header>{adding}<div class="docqa-tools">'
        '<input type="search" class="docqa-search" placeholder="Search by title or file name…" '
        'aria-label="Search the documents" autocomplete="off">'
        f'<label class="docqa-sorting">Sort by <select>{options}</select></label>'
        '<p class="docqa-found docqa-hint" role="status"></p></div></div>'
    )


def render_listing(overview: Overview) -> str:
    """Render every document with what is known of it, and every file that was skipped or read in part."""
    summary = overview.summary
    skipped = summary.skipped if summary else ()
    return (
        '<section class="docqa-listing" aria-labelledby="docqa-documents-title">'
        f"{_sum_up(summary) if summary else ''}{_rows(overview)}{_skipped(skipped, overview)}</section>"
    )


def _adding(suffixes: frozenset[str], most_bytes: int) -> str:
    accepted, limit = sorted(suffixes), f"{most_bytes // 1_000_000} MB"
    return (
        f'<div class="docqa-zone" role="group" aria-label="Add documents" data-most="{most_bytes}" '
        f'data-limit="{limit}"><p><strong>Drop files here</strong> or <button type="button" class="docqa-link" '
        'data-action="choose">choose files…</button></p>'
        f'<p class="docqa-hint">Up to {limit} each: {escape(_kinds(accepted))}</p>'
        f'<input type="file" multiple hidden tabindex="-1" aria-label="Files to add" accept="{",".join(accepted)}">'
        '</div><div class="docqa-sent" hidden><ul class="docqa-uploads" aria-label="Files sent"></ul>'
        '<button type="button" class="docqa-quiet" data-action="clear">Clear</button></div>'
    )


def _kinds(suffixes: Sequence[str]) -> str:
    """Say in a line what may be added."""
    named = sorted({FORMATS[suffix] for suffix in suffixes if suffix in FORMATS})
    others = ["source code and other text"] if any(suffix not in FORMATS for suffix in suffixes) else []
    return ", ".join([*named, *others])


def _confirmation() -> str:
    return (
        '<dialog class="docqa-confirm" aria-labelledby="docqa-confirm-title"><form method="dialog">'
        '<h2 id="docqa-confirm-title">Remove this document?</h2>'
        "<p>The file <strong></strong> is deleted from the corpus folder, and every trace of it from the index. This "
        'cannot be undone.</p><div class="docqa-confirm-buttons">'
        '<button type="submit" class="docqa-quiet" value="">Keep it</button>'
        '<button type="submit" class="docqa-danger" value="remove">Remove it</button></div></form></dialog>'
    )


def _sum_up(summary: StoreSummary) -> str:
    when = moment(summary.synced, datetime.now(UTC))
    indexed = f"{count(summary.documents, 'document')} with {count(summary.passages, 'passage')}"
    return f'<p class="docqa-hint">{indexed}, indexed {when} with {escape(summary.model)}.</p>'


def _rows(overview: Overview) -> str:
    added = overview.changes.added if overview.changes else ()
    documents = sorted(
        [*overview.documents, *(IndexedDocument(path, PurePosixPath(path).name, (), 0) for path in added)],
        key=lambda document: document.path.casefold(),
    )
    if not documents:
        how = "copy files into the corpus folder" if overview.read_only else "drop files here"
        return f'<p class="docqa-empty">No documents yet: {how}.</p>'
    states = _states(overview)
    rows = "".join(_row(document, states.get(document.path, ""), overview) for document in documents[:MOST_LISTED])
    more = len(documents) - MOST_LISTED
    rest = f'<p class="docqa-hint">and {count(more, "more document")}, by name after these</p>' if more > 0 else ""
    return f'<ul class="docqa-rows">{rows}</ul>{rest}'


def _row(document: IndexedDocument, state: str, overview: Overview) -> str:
    path, named = verbatim(document.path), isolate_name(document.path)
    title = named if document.path == document.title else isolate(document.title)
    changed = overview.changed.get(document.path)
    opened = f'<button type="button" class="docqa-link" data-action="document" data-document="{path}">{title}</button>'
    where = f'<p class="docqa-path">{named}</p>' if named != title else ""
    badge = f' <span class="docqa-badge">{state}</span>' if state else ""
    return (
        f'<li class="docqa-row" data-path="{path}" data-title="{escape(document.title)}" '
        f'data-passages="{document.passages}" data-changed="{changed.isoformat() if changed else ""}">'
        '<div class="docqa-row-main">'
        f"<p>{title if state == NEW else opened}{badge}</p>"
        f'{where}<p class="docqa-facts">{" · ".join(_facts(document, changed))}</p></div>'
        f"{'' if state == DELETED else _remove(document.path, overview)}</li>"
    )


def _states(overview: Overview) -> dict[str, str]:
    changes = overview.changes
    if changes is None:
        return {}
    changed = dict.fromkeys(changes.changed, "Changed on disk")
    return changed | dict.fromkeys(changes.added, NEW) | dict.fromkeys(changes.removed, DELETED)


def _facts(document: IndexedDocument, changed: datetime | None) -> list[str]:
    suffix = PurePosixPath(document.path).suffix
    facts = [FORMATS.get(suffix.lower(), escape(suffix[1:].upper()))]
    facts += [isolate(fact) for fact in (document.author, document.date) if fact]
    facts += [count(document.pages, "page")] if document.pages else []
    facts += [count(document.passages, "passage")] if document.passages else []
    return facts + ([f"changed {moment(changed, datetime.now(UTC))}"] if changed else [])


def _remove(path: str, overview: Overview) -> str:
    if overview.read_only:
        return ""
    name = escape(neutral_name(path))
    return (
        f'<button type="button" class="docqa-quiet docqa-remove" data-action="confirm" '
        f'data-document="{verbatim(path)}" data-name="{name}" aria-label="Remove {name}">Remove</button>'
    )


def _skipped(skipped: Sequence[SkippedDocument], overview: Overview) -> str:
    lists = ""
    for state, files in by_state(skipped).items():
        items = "".join(_skipped_row(one, overview) for one in files)
        lists += f'<h3>{count(len(files), "file")} {state}</h3><ul class="docqa-rows">{items}</ul>'
    return lists


def _skipped_row(skipped: SkippedDocument, overview: Overview) -> str:
    return (
        f'<li class="docqa-row"><div class="docqa-row-main"><p>{isolate_name(skipped.path)}</p>'
        f'<p class="docqa-facts">{escape(skipped.reason)}</p></div>'
        f"{'' if skipped.in_part else _remove(skipped.path, overview)}</li>"  # that stands with the indexed ones
    )
