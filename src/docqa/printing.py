"""Printing: what the command line shows of answers, passages and syncs; document text cannot steer the terminal."""

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from unicodedata import east_asian_width

from docqa.answering import UNCALIBRATED, VERDICTS
from docqa.errors import sync_command
from docqa.neutralising import dump_json, neutral, one_line, printable, printable_name
from docqa.types import Answer, CorpusDiff, Hit, Passage, Span, StoreSummary, SyncReport

BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
MARKS = str.maketrans({"\x0e": BOLD, "\x0f": PLAIN})
"""How bold is said until lines are divided: in one character each, which neutral text has none of."""


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(dump_json(value))


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
        # further in than the citation, so that no quote can look like having another one
        print(_wrap(f"“{neutral(quote.text)}”", hang="   "))
        print(f"  — {printable(quote.citation)} ({printable_name(quote.document)})\n")


def print_hit(hit: Hit) -> None:
    """Print a passage, its evidence in bold on a terminal."""
    passage = hit.passage
    print(f"{hit.rank}. {printable(passage.title)}, {printable(passage.locator)} ({printable_name(passage.document)})")
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
    counts = f"{_count(summary.documents, 'document')}, {_count(summary.passages, 'passage')}"
    return f"{synced}: {counts}, {summary.size / 1e6:.1f} MB, model {printable(summary.model)}"


def print_skipped(report: SyncReport) -> None:
    """Print the files that are skipped or read in part, and why, to stderr; those known before are only counted."""
    for skipped in report.newly_skipped:
        print(f"{skipped.state} {printable_name(skipped.path)}: {printable(skipped.reason)}", file=sys.stderr)
    known = sorted(set(report.skipped) - set(report.newly_skipped), key=lambda one: one.in_part)
    if known:
        counts = Counter(one.state for one in known).items()
        said = ", ".join(f"{_count(number, 'file')} still {state}" for state, number in counts)
        print(f"{said}; 'docqa status' lists {'them' if len(known) > 1 else 'it'}", file=sys.stderr)


def print_diff(diff: CorpusDiff, embeddings_dir: Path) -> None:
    """Print how the corpus differs from the index."""
    for word, paths in (("added", diff.added), ("changed", diff.changed), ("removed", diff.removed)):
        for path in paths:
            print(f"{word:<10} {printable_name(path)}")
    if diff:
        print(f"the index is stale; run '{sync_command(embeddings_dir)}'", file=sys.stderr)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _marked(passage: Passage, evidence: Sequence[Span]) -> str:
    """Set the evidence in bold on a terminal that allows it."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return neutral(passage.text)
    shown, end = "", passage.span.start
    for span in sorted(evidence):
        before, within = passage.quote(Span(end, span.start)), passage.quote(span)
        shown += f"{neutral(before)}\x0e{neutral(within)}\x0f"
        end = span.end
    return shown + neutral(passage.quote(Span(end, passage.span.end)))


def _wrap(text: str, *, hang: str = "  ") -> str:
    """Divide a text into lines that begin with spaces, whatever its words are."""
    width = min(100, shutil.get_terminal_size().columns)
    if any(east_asian_width(character) in "WF" for character in text):
        width //= 2  # each of them is two columns wide
    lines = textwrap.wrap(one_line(text), width, initial_indent="  ", subsequent_indent=hang, break_on_hyphens=False)
    return "\n".join(lines).translate(MARKS)
