import json
from datetime import UTC, datetime

from docqa import (
    Answer,
    CorpusDiff,
    Hit,
    IndexedDocument,
    Passage,
    Quote,
    SkippedDocument,
    Span,
    StoreSummary,
    SyncReport,
)
from docqa.serialising import answer_to_json, diff_to_json, hit_to_json, report_to_json, status_to_json

PASSAGE = Passage(
    "é/a \"q\".md", "Über", ("A", "B"), Span(3, 12), "§ A › B, line 2", "One. Two.", (Span(3, 7), Span(8, 12))
)  # fmt: skip
HIT = Hit(PASSAGE, 1.23456789, 1, (Span(8, 12),))
HIT_JSON = {
    "rank": 1,
    "score": 1.234568,
    "document": 'é/a "q".md',
    "title": "Über",
    "headings": ["A", "B"],
    "locator": "§ A › B, line 2",
    "span": [3, 12],
    "text": "One. Two.",
    "evidence": [[8, 12]],
}
DIFF = CorpusDiff(("a.md",), ("b.md", "c.md"), (), ("d.md",))
DIFF_JSON = {"added": ["a.md"], "changed": ["b.md", "c.md"], "removed": [], "unchanged": ["d.md"]}
SKIPPED = (
    SkippedDocument("x\n.md", "the file is empty"),
    SkippedDocument("y.pdf", "page 2 is damaged", in_part=True),
)
SKIPPED_JSON = [
    {"path": "x\n.md", "reason": "the file is empty", "in_part": False},
    {"path": "y.pdf", "reason": "page 2 is damaged", "in_part": True},
]


def same(value: object, expected: object) -> bool:
    """Compare also what is left after a way through JSON."""
    return value == expected and json.loads(json.dumps(value, allow_nan=False)) == expected


def test_a_hit_as_json() -> None:
    assert same(hit_to_json(HIT), HIT_JSON)


def test_an_answer_as_json() -> None:
    quote = Quote(PASSAGE.document, Span(8, 12), "Two.", "Über, § A › B, line 2")
    assert same(
        answer_to_json(Answer("why?", (quote,), (HIT,), 0.987654, "answered", "what?")),
        {
            "query": "why?",
            "answered": True,
            "verdict": "answered",
            "asking_about": "what?",
            "confidence": 0.9877,
            "calibrated": True,
            "quotes": [
                {"document": 'é/a "q".md', "span": [8, 12], "text": "Two.", "citation": "Über, § A › B, line 2"}
            ],
            "hits": [HIT_JSON],
        },
    )


def test_no_answer_as_json() -> None:
    expected = {
        "query": "why?", "answered": False, "verdict": "unanswered", "asking_about": "",
        "confidence": 0.0, "calibrated": True, "quotes": [], "hits": [],
    }  # fmt: skip
    assert same(answer_to_json(Answer("why?", (), (), 0.0, "unanswered")), expected)


def test_an_uncertain_answer_as_json() -> None:
    found = answer_to_json(Answer("why?", (), (HIT,), 0.3, "uncertain"))
    assert (found["answered"], found["verdict"], found["quotes"]) == (False, "uncertain", [])
    assert same(found["hits"], [HIT_JSON])


def test_a_diff_as_json() -> None:
    assert same(diff_to_json(DIFF), DIFF_JSON)


def test_a_report_as_json() -> None:
    expected = {"diff": DIFF_JSON, "skipped": SKIPPED_JSON, "passages": 9, "embedded": 4, "seconds": 1.235}
    assert same(report_to_json(SyncReport(DIFF, SKIPPED, 9, 4, 1.23456)), expected)


def test_a_status_as_json() -> None:
    summary = StoreSummary("3f9c", "mini", 4, 9, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), SKIPPED, 7)
    unchanged = CorpusDiff((), (), (), ("d.md",))
    indexed = [IndexedDocument("d.md", "D", ("A heading",), 9, author="Ann", date="2025-03")]
    expected = {
        "generation": "3f9c", "model": "mini", "documents": 4, "passages": 9,
        "size": 7, "synced": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    row = {"path": "d.md", "title": "D", "author": "Ann", "date": "2025-03", "pages": 0, "passages": 9}
    told = {**expected, "skipped": SKIPPED_JSON, "indexed": [row]}
    stale = {**told, "previous": None, "stale": True, "diff": DIFF_JSON}
    assert same(status_to_json(summary, DIFF, indexed, previous=None), stale)
    fresh = {**told, "previous": expected, "stale": False, "diff": diff_to_json(unchanged)}
    assert same(status_to_json(summary, unchanged, indexed, previous=summary), fresh)
