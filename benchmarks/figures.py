"""The figures of several systems: kept as JSON, printed as one Markdown table."""

import json
from collections.abc import Mapping
from pathlib import Path

Columns = dict[str, dict[str, float | str | None]]
"""The figures of each system by the name of a row."""

ROWS = {
    "passages": "what is indexed and shown",
    "squad.first": "SQuAD: the first hit holds the answer, %",
    "squad.five": "one of five does, %",
    "squad.tokens": "tokens of a hit, mean",
    "squad.most_tokens": "tokens of a hit, most",
    "squad.short_first": "cut to 200 tokens: the first hit holds the answer, %",
    "squad.short_five": "cut to 200 tokens: one of five does, %",
    "squad.evidence": "right first hit: at most two marked sentences hold the answer, %",
    "chunking.recall": "Chunking: recall of the characters, five hits, %",
    "chunking.precision": "precision of the characters, five hits, %",
    "chunking.characters": "characters of five hits, mean",
    "cranfield.ndcg": "Cranfield: nDCG@10",
    "followups.last": "Follow-ups: nDCG@5, last question alone",
    "followups.rewrite": "nDCG@5, rewritten by people where it is (132 of 470)",
    "followups.history": "nDCG@5, with the conversation",
    "removed.auroc": "SQuAD without the document: AUROC of confidence, %",
    "removed.refused": "refused, %",
    "removed.wrongly": "refused although the document is there, %",
    "adversarial.auroc": "SQuAD adversarial: AUROC of confidence, %",
    "latency": "median ms a question (SQuAD)",
}
NUMBERS = {"squad.tokens": ".0f", "squad.most_tokens": ".0f", "chunking.characters": ",.0f", "latency": ".1f"}
"""How plain numbers are shown; all others are shares, shown in hundredths."""


def describe_columns(columns: Columns) -> str:
    """Lay the figures out as a table, a row a measure; what a system does not offer is a dash."""
    lines = [["", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[label, *(_shown(row, figures.get(row)) for figures in columns.values())] for row, label in ROWS.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def merge_columns(path: Path, columns: Columns) -> Columns:
    """Put figures into a JSON file, in place of those it has of the same rows, and return all it has now."""
    merged: Columns = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for system, figures in columns.items():
        add_figures(merged, system, figures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return merged


def add_figures(columns: Columns, system: str, figures: Mapping[str, float | str | None]) -> None:
    """Add figures to the column of a system."""
    columns.setdefault(system, {}).update(figures)


def _shown(row: str, value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return format(value, NUMBERS[row]) if row in NUMBERS else f"{100 * value:.1f}"
