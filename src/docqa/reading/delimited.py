"""CSV and TSV: a table whose first row names the columns."""

import csv

from docqa.errors import DocumentReadError
from docqa.reading.composing import Piece
from docqa.reading.decoding import decode
from docqa.reading.tables import read_grid, trimmed

DELIMITERS = ",;\t|"
SAMPLE_ROWS = 20


def read_csv(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read a table of values that commas, semicolons, tabs or bars part.

    Raises:
        DocumentReadError: it is no such table.
    """
    text = decode(path, data).replace("\0", "")
    lines = text.splitlines(keepends=True)
    try:
        delimiter = max(DELIMITERS, key=lambda delimiter: _columns(lines[:SAMPLE_ROWS], delimiter))
        rows = [trimmed([" ".join(cell.split()) for cell in row]) for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error as exc:
        raise DocumentReadError(path, f"it is no table of values: {exc}; mend it") from exc
    # the rows of one table, even if empty ones stand between them
    numbered = [(number, row) for number, row in enumerate(rows, 1) if row]
    return None, list(read_grid(numbered, "", header=True))


def _columns(lines: list[str], delimiter: str) -> tuple[int, int]:
    """Count the rows that have as many columns as the first, and these columns."""
    counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    return (counts.count(counts[0]), counts[0]) if counts and counts[0] > 1 else (0, 0)
