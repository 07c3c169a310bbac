"""Serialising: hits, answers and reports as JSON-ready values, the stable form of ``--json`` and of the chat's API."""

from collections.abc import Sequence
from typing import Any

from docqa.types import Answer, CorpusDiff, Hit, IndexedDocument, Quote, SkippedDocument, Span, StoreSummary, SyncReport

JSON = dict[str, Any]


def hit_to_json(hit: Hit) -> JSON:
    """Turn a hit into JSON; spans are ``[start, end]`` in characters of the document's text."""
    passage = hit.passage
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "document": passage.document,
        "title": passage.title,
        "headings": list(passage.headings),
        "locator": passage.locator,
        "span": _span(passage.span),
        "text": passage.text,
        "evidence": [_span(span) for span in hit.evidence],
    }


def answer_to_json(answer: Answer) -> JSON:
    """Turn an answer into JSON."""
    return {
        "query": answer.query,
        "answered": answer.answered,
        "verdict": answer.verdict,
        "asking_about": answer.asking_about,
        "confidence": round(answer.confidence, 4),
        "calibrated": answer.calibrated,
        "quotes": [_quote(quote) for quote in answer.quotes],
        "hits": [hit_to_json(hit) for hit in answer.hits],
    }


def diff_to_json(diff: CorpusDiff) -> JSON:
    """Turn a diff into JSON."""
    return {
        "added": list(diff.added),
        "changed": list(diff.changed),
        "removed": list(diff.removed),
        "unchanged": list(diff.unchanged),
    }


def report_to_json(report: SyncReport) -> JSON:
    """Turn a sync's report into JSON."""
    return {
        "diff": diff_to_json(report.diff),
        "skipped": [_skipped(skipped) for skipped in report.skipped],
        "passages": report.passages,
        "embedded": report.embedded,
        "seconds": round(report.seconds, 3),
    }


def status_to_json(
    summary: StoreSummary, diff: CorpusDiff, indexed: Sequence[IndexedDocument], *, previous: StoreSummary | None
) -> JSON:
    """Turn what a store holds, what it kept of before, and how the corpus differs from it, into JSON."""
    return {
        "stale": bool(diff),
        **_generation(summary),
        "previous": _generation(previous) if previous else None,
        "skipped": [_skipped(skipped) for skipped in summary.skipped],
        "diff": diff_to_json(diff),
        "indexed": [_indexed(document) for document in indexed],
    }


def _generation(summary: StoreSummary) -> JSON:
    return {
        "generation": summary.generation,
        "model": summary.model,
        "documents": summary.documents,
        "passages": summary.passages,
        "size": summary.size,
        "synced": summary.synced.isoformat(),
    }


def _indexed(document: IndexedDocument) -> JSON:
    return {
        "path": document.path,
        "title": document.title,
        "author": document.author,
        "date": document.date,
        "pages": document.pages,
        "passages": document.passages,
    }


def _quote(quote: Quote) -> JSON:
    return {
        "document": quote.document,
        "span": _span(quote.span),
        "text": quote.text,
        "citation": quote.citation,
    }


def _skipped(skipped: SkippedDocument) -> JSON:
    return {"path": skipped.path, "reason": skipped.reason, "in_part": skipped.in_part}


def _span(span: Span) -> list[int]:
    return [span.start, span.end]
