"""Tables: rows of cells → lines that say with each value what it is, ``Product: Lumen S; Price: 49 EUR``."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from docqa.reading.composing import Piece

Row = Sequence[str]
NumberedRow = tuple[int, list[str]]
"""A row with its number in the file, without empty cells at its end."""

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+[^\W\d]{0,3}")
"""A number, with the unit that may stand at its end."""
MAX_UNIT = 3
YEAR = re.compile(r"(?:19|20)\d\d")
MAX_NAME = 80
"""Characters; a longer cell is text, not the name of a column."""


def table_lines(rows: Sequence[Row], *, header: bool | None = None, min_pairs: int = 1) -> list[str]:
    """Write each row as one line, its cells with the words of the header above them.

    ``header`` says whether the first row is one; else it is guessed. Two columns without one are names and values, if
    there are ``min_pairs`` rows or more.
    """
    rows = [row for row in ([" ".join(cell.split()) for cell in row] for row in rows) if any(row)]
    if header is None and is_form(rows):
        return [_form_line(row) for row in rows]
    if header is None:
        header = guess_header(rows)
    if header and len(rows) > 1:
        return [_line(rows[0], row) for row in rows[1:]]
    if len(rows) >= min_pairs and all(len(row) == 2 and row[0] and len(row[0]) <= MAX_NAME for row in rows):
        return [_line(row[:1], row[1:]) or row[0] for row in rows]
    return [_line((), row) for row in rows]


def is_form(rows: Sequence[Row]) -> bool:
    """Tell whether most rows begin with a name that ends with a colon: it names what is beside it, not below."""
    return 2 * sum(next(filter(None, row), "").endswith(":") for row in rows) > len(rows)


def guess_header(rows: Sequence[Row]) -> bool:
    """Tell whether the first row is likely a header: in a table of two text columns it is a row like the others."""
    return has_names(rows) and (len(rows[0]) > 2 or _has_numbers_below(rows))


def has_names(rows: Sequence[Row]) -> bool:
    """Tell whether the first of several rows may name most columns: each otherwise, and by no numbers but years."""
    if len(rows) < 2:
        return False
    filled = [i for i, cell in enumerate(rows[0]) if cell]
    names = rows[0][filled[0] : filled[-1] + 1] if filled else ()
    return len(set(names)) == len(names) > max(1, len(rows[0]) // 2) and all(
        name and len(name) <= MAX_NAME and (YEAR.fullmatch(name) or not _is_number(name)) for name in names
    )


def read_grid(rows: Iterable[NumberedRow], place: str, *, header: bool | None = None) -> Iterator[Piece]:
    """Read the tables of a sheet, which empty rows part; a lone cell above a table is its title.

    A table as wide as the one above it goes on with its header, unless it clearly has its own. ``place`` comes before
    the number of a row: ``sheet Q3, row 14``.
    """
    above: tuple[int, int] | None = None
    names: list[str] = []
    for columns, region in _regions(rows):
        while len(region) > 1 and sum(map(bool, region[0][1])) == 1 < sum(map(bool, region[1][1])):
            number, cells = region.pop(0)
            yield Piece("paragraph", "".join(cells), place=f"{place}row {number}")
        table = [cells for _, cells in region]
        if columns == above and not (has_names(table) and _has_numbers_below(table)):
            lines = table_lines([names, *table], header=True)
        else:
            named = has_names(table) if header else guess_header(table)
            above, names = (columns, table[0]) if named else (None, [])
            region, lines = region[named:], table_lines(table, header=named)
        for (number, _), line in zip(region, lines, strict=True):
            yield Piece("table", line, place=f"{place}row {number}")


def trimmed(cells: list[str]) -> list[str]:
    """Leave out the empty cells at the end of a row."""
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _regions(rows: Iterable[NumberedRow]) -> Iterator[tuple[tuple[int, int], list[NumberedRow]]]:
    """Divide rows at empty ones; of each part yield the columns that are filled, and its rows within them."""
    region: list[NumberedRow] = []
    for number, cells in chain(rows, [(0, [])]):
        if any(cells):
            region.append((number, cells))
        elif region:
            first = min(next(i for i, cell in enumerate(cells) if cell) for _, cells in region)
            last = max(len(cells) for _, cells in region)
            yield (first, last), [(n, [*cells[first:], *[""] * (last - len(cells))]) for n, cells in region]
            region = []


def _has_numbers_below(rows: Sequence[Row]) -> bool:
    return any(_is_number(cell) for row in rows[1:] for cell in row)


def _is_number(cell: str) -> bool:
    """Tell whether a cell holds a number, date or time, perhaps with a unit: ``$1,200.50``, ``49 EUR``."""
    words = WORD.findall(cell[: MAX_NAME + 1])
    if words and len(words) > 1 and len(words[-1]) <= MAX_UNIT:
        words.pop()
    return len(cell) <= MAX_NAME and bool(words) and all(map(NUMBER.fullmatch, words))


def _line(names: Row, row: Row) -> str:
    every = [*names, *[""] * (len(row) - len(names))]
    return "; ".join(_named(name, value) for name, value in zip(every, row, strict=False) if value)


def _form_line(row: Row) -> str:
    parts: list[str] = []
    for cell in filter(None, row):
        if parts and parts[-1].endswith(":") and not cell.endswith(":"):
            parts[-1] += f" {cell}"
        else:
            parts.append(cell)
    return "; ".join(parts)


def _named(name: str, value: str) -> str:
    return f"{name.rstrip(' :')}: {value}" if name and name != value else value
