"""Printing: what the command line shows of answers, passages and syncs; document text cannot steer the terminal."""

import json
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence

from docqa.answering import UNCALIBRATED, VERDICTS
from docqa.types import Answer, CorpusDiff, Hit, Passage, Span, StoreSummary, SyncReport

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a document could steer a terminal with: control and bidirectional formatting characters."""


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_answer(answer: Answer) -> None:
    """Print the quotes of an answer, or its verdict and the closest passages; to stderr, how rough a guess it is."""
    if not answer.calibrated:
        print(UNCALIBRATED, file=sys.stderr)
    if not answer.answered:
        closest = " The closest passages:" if answer.verdict == "unanswered" and answer.hits else ""
        print(f"{VERDICTS[answer.verdict]}{closest}\n")
        for hit in answer.hits[:3]:
            print_hit(hit)
        return
    for quote in answer.quotes:
        print(_wrap(f"“{printable(quote.text)}”"))
        print(f"  — {printable(quote.citation)} ({printable(quote.document)})\n")


def print_hit(hit: Hit) -> None:
    """Print a passage, its evidence in bold on a terminal."""
    passage = hit.passage
    print(f"{hit.rank}. {printable(passage.title)}, {printable(passage.locator)} ({printable(passage.document)})")
    print(_wrap(_marked(passage, hit.evidence)) + "\n")


def describe_report(report: SyncReport) -> str:
    """Say in one line what a sync did."""
    diff = report.diff
    counts = f"{len(diff.added)} added, {len(diff.changed)} changed, {len(diff.removed)} removed"
    counts += f", {len(diff.unchanged)} unchanged"
    return f"{counts}; {report.embedded} of {report.passages} passages embedded in {report.seconds:.1f} s"


def describe_previous(summary: StoreSummary) -> str:
    """Say in one line what a generation of the index is."""
    synced = f"{summary.synced.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    counts = f"{summary.documents} documents, {summary.passages} passages, {summary.size / 1e6:.1f} MB"
    return f"{synced}: {counts}, model {printable(summary.model)}"


def print_skipped(report: SyncReport) -> None:
    """Print the files that are skipped or read in part, and why, to stderr; those known before are only counted."""
    for skipped in report.newly_skipped:
        print(f"{skipped.state} {printable(skipped.path)}: {printable(skipped.reason)}", file=sys.stderr)
    known = sorted(set(report.skipped) - set(report.newly_skipped), key=lambda one: one.in_part)
    if known:
        counts = Counter(one.state for one in known).items()
        said = ", ".join(f"{number:,} file{'s' * (number > 1)} still {state}" for state, number in counts)
        print(f"{said}; 'docqa status' lists {'them' if len(known) > 1 else 'it'}", file=sys.stderr)


def print_diff(diff: CorpusDiff) -> None:
    """Print how the corpus differs from the index."""
    for word, paths in (("added", diff.added), ("changed", diff.changed), ("removed", diff.removed)):
        for path in paths:
            print(f"{word:<10} {printable(path)}")
    if diff:
        print("the index is stale; run 'docqa sync'", file=sys.stderr)


def printable(text: str) -> str:
    """Replace what could steer a terminal; the length stays the same."""
    return CONTROL.sub("\ufffd", text).replace("\n", " ")


def _marked(passage: Passage, evidence: Sequence[Span]) -> str:
    """Set the evidence in bold on a terminal that allows it."""
    text = printable(passage.text)  # of the same length
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    for span in sorted(evidence, reverse=True):
        start, end = span.start - passage.span.start, span.end - passage.span.start
        text = text[:start] + BOLD + text[start:end] + PLAIN + text[end:]
    return text


def _wrap(text: str) -> str:
    width = min(100, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(" ".join(text.split()), width - 2, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), "  ")
