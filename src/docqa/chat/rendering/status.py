"""The header, the notice of changes and the course of a sync as HTML."""

from collections.abc import Sequence
from datetime import UTC, datetime

from docqa.chat.rendering.wording import by_state, changes, count, moment, outcome
from docqa.chat.state import Feedback, Overview, SyncState
from docqa.neutralising import escape, isolate, isolate_name, verbatim
from docqa.types import IndexedDocument, StoreSummary, SyncReport

MOST_DOCUMENTS = 200
"""How many documents are listed by name."""


def render_header(overview: Overview) -> str:
    """Render the name of the page and what is indexed."""
    return f'<header class="docqa-header"><h1>docqa</h1>{_status(overview)}</header>'


def render_notice(overview: Overview) -> str:
    """Render what has changed on disk with the button that re-embeds it, or that it is; nothing when nothing has."""
    text = overview.problem or (f"{changes(overview.changes)}." if overview.changes else "")
    if not text or (overview.summary is None and not overview.problem):
        return ""
    if overview.watched and not overview.problem:
        return f'<p class="docqa-hint" role="status">{escape(text)} Being embedded…</p>'
    button = '<button type="button" class="docqa-primary" data-action="sync">Re-embed</button>'
    return f'<div class="docqa-notice" role="status"><p>{escape(text)}</p>{"" if overview.read_only else button}</div>'


def render_sync(state: SyncState) -> str:
    """Render how far a sync is, what it did, or what stopped it."""
    if state.report:
        return _message("docqa-done", escape(outcome(state.report)) + _skipped(state.report))
    if state.problem:
        return _message("docqa-problem", escape(state.problem))
    if state.waiting:
        return '<div class="docqa-notice" role="status"><p>Another change is being made; yours comes next…</p></div>'
    size = f' value="{state.done}" max="{state.total}"' if state.total else ""
    activity, thing = ("Reading", "document") if state.activity == "reading" else ("Re-embedding", "passage")
    figures = f" {state.done:,} of {count(state.total, thing)}" if state.total else ""
    return (
        f'<div class="docqa-notice"><label for="docqa-progress">{activity}…{figures}</label>'
        f'<progress id="docqa-progress"{size}></progress></div>'
    )


def render_feedback(feedback: Feedback) -> str:
    """Render that feedback was kept, for the page's script and for screen readers, or what stopped it."""
    if feedback.problem:
        return _message("docqa-problem", escape(feedback.problem), role="alert")
    said = {True: "up", False: "down", None: ""}[feedback.helpful]
    done = "Feedback taken back" if feedback.helpful is None else "Feedback saved on this machine"
    return (
        f'<p class="docqa-unseen" role="status" data-number="{feedback.number}" data-turn="{feedback.turn}" '
        f'data-rank="{feedback.rank}" data-vote="{said}">{done}</p>'
    )


def render_documents(documents: Sequence[IndexedDocument]) -> str:
    """Render the documents with their passages counted, each a button that opens it."""
    items = "".join(_document(document) for document in documents[:MOST_DOCUMENTS])
    more = len(documents) - MOST_DOCUMENTS
    rest = f'<p class="docqa-hint">and {count(more, "more document")}</p>' if more > 0 else ""
    return f'<ul class="docqa-documents">{items}</ul>{rest}'


def _document(document: IndexedDocument) -> str:
    path = verbatim(document.path)
    return (
        f'<li><button type="button" class="docqa-link" data-action="document" data-document="{path}">'
        f'{isolate(document.title)}</button> <span class="docqa-path">{isolate_name(document.path)}</span> '
        f'<span class="docqa-count">{count(document.passages, "passage")}</span></li>'
    )


def _status(overview: Overview) -> str:
    if overview.summary is None:
        return '<p class="docqa-status">Nothing indexed</p>'
    return f'<p class="docqa-status">{_summary_line(overview.summary)}</p>'


def _summary_line(summary: StoreSummary) -> str:
    parts = [
        count(summary.documents, "document"),
        count(summary.passages, "passage"),
        f'<span title="{escape(summary.model)}">{escape(summary.model.rsplit("/", 1)[-1])}</span>',
        f'<time datetime="{summary.synced.isoformat()}">synced {moment(summary.synced, datetime.now(UTC))}</time>',
    ]
    for state, files in by_state(summary.skipped).items():
        parts.append(f'<span class="docqa-warning">{len(files):,} {state}</span>')
    return ' <span aria-hidden="true">·</span> '.join(parts)


def _message(kind: str, content: str, *, role: str = "status") -> str:
    return (
        f'<div class="docqa-notice {kind}" role="{role}"><div>{content}</div>'
        '<button type="button" class="docqa-quiet" data-action="dismiss">Dismiss</button></div>'
    )


def _skipped(report: SyncReport) -> str:
    """Render why files were skipped or read in part; the Documents tab has those that were so before."""
    lists = ""
    for state, files in by_state(report.newly_skipped).items():
        items = "".join(f"<li><strong>{isolate_name(one.path)}</strong>: {escape(one.reason)}</li>" for one in files)
        lists += f'<div class="docqa-skipped"><h3>{count(len(files), "file")} {state}</h3><ul>{items}</ul></div>'
    return lists
