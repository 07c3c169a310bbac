"""Plain words for numbers: counts, times, strengths, and what an answer comes to."""

from collections.abc import Iterable
from datetime import datetime

from docqa.answering import VERDICTS
from docqa.types import Answer, CorpusDiff, Hit, SkippedDocument, SyncReport

NEAR_BEST = 0.85
HALF_BEST = 0.5


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 document``, ``1,204 passages``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def verdict(answer: Answer) -> str:
    """Say whether the documents answer the question."""
    return VERDICTS[answer.verdict]


def summary(answer: Answer) -> str:
    """Say an answer in one breath: the verdict, the quotes, and how many passages there are to see."""
    said = [verdict(answer), *(quote.text for quote in answer.quotes)]
    where = "folded away below" if answer.verdict == "unanswered" else "below"
    said += [f"{count(len(answer.hits), 'passage')} {where}"] if answer.hits else []
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in said)


def strength(hit: Hit, answer: Answer) -> str:
    """Say how well a hit matches, next to the best hit of the same answer."""
    if not answer.answered:
        return "Closest passage" if hit.rank == 1 else "Further passage"
    if hit.rank == 1:
        return "Best match"
    best = max(other.score for other in answer.hits)
    nearness = hit.score / best if best > 0 else 0.0
    if nearness >= NEAR_BEST:
        return "Strong match"
    return "Related" if nearness >= HALF_BEST else "Loosely related"


def changes(diff: CorpusDiff) -> str:
    """Say what is different on disk: ``2 documents changed, 1 new, 1 removed``."""
    counts = [(len(diff.changed), "changed"), (len(diff.added), "new"), (len(diff.removed), "removed")]
    present = [(number, word) for number, word in counts if number]
    first, *others = present or [(0, "changed")]
    return ", ".join([f"{count(first[0], 'document')} {first[1]}", *(f"{number:,} {word}" for number, word in others)])


def outcome(report: SyncReport) -> str:
    """Say what a sync did."""
    did = changes(report.diff) if report.diff else "Nothing had changed"
    embedded = f"{report.embedded:,} of {count(report.passages, 'passage')} embedded"
    return f"Done in {report.seconds:.1f} s: {did[0].lower()}{did[1:]}; {embedded}."


def by_state(skipped: Iterable[SkippedDocument]) -> dict[str, list[SkippedDocument]]:
    """Part the files that were skipped from those that were read in part."""
    found: dict[str, list[SkippedDocument]] = {}
    for one in sorted(skipped, key=lambda one: (one.in_part, one.path)):
        found.setdefault(one.state, []).append(one)
    return found


def moment(time: datetime, now: datetime) -> str:
    """Say when something was, in local time: ``today at 14:03``, ``12 May 2025 at 09:10``."""
    local, today = time.astimezone(), now.astimezone().date()
    days = (today - local.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{local.day} {local:%B %Y}")
    return f"{day} at {local:%H:%M}"
