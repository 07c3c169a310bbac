"""Rows: the pieces of lines beside each other → rows of a table, with wrapped cells whole, and its columns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf

from docqa.reading.pdf.extracting import Line

Row = list[Line]
"""The pieces of one line, from left to right."""
Cells = list[list[Line]]
"""The cells of a row, each with its lines."""

WRAPPED = 0.6
"""Ems between the lines of a cell at most."""
TIGHTER = 0.15
"""Ems by which the lines of a cell are nearer to each other than rows are."""
OTHER_SIZE = 1.08
"""Times the size of a row, from which a line is none of its table."""
COLUMN_GAP = 0.2
"""Ems between columns at least."""


def make_rows(rows: list[Row]) -> Iterator[Line]:
    """Make a line of each row of a table; what goes on with the cells above is joined to them.

    Lone lines above the first row, below the last and apart from the others are left as they are.
    """
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or _is_apart(rows[end - 1], rows[end]):
            yield from _make_run(rows[start:end])
            start = end


def _is_apart(above: Row, row: Row) -> bool:
    """Tell whether a table ends between two rows: one is a lone line, farther off than in a cell or of another size."""
    lone = min((above, row), key=len)[0]
    sizes = above[0].size, row[0].size
    return len(above) != len(row) == 1 and (
        _gap(above, row) > WRAPPED * lone.size or max(sizes) > OTHER_SIZE * min(sizes)
    )


def _make_run(rows: list[Row]) -> Iterator[Line]:
    joined = _join_wrapped(rows)
    several = [i for i, cells in enumerate(joined) if len(cells) > 1]
    for i, cells in enumerate(joined):
        if several and several[0] <= i <= several[-1]:
            yield _line(cells)
        else:
            yield from cells[0]


def find_columns(rows: Sequence[Line]) -> list[Sequence[tuple[Line, ...]]] | None:
    """Lay the cells of rows out in columns, of which each row has the same; None when they share no columns."""
    extents = sorted((line.left, line.right) for row in rows for cell in row.row for line in cell)
    starts: list[float] = []
    end = -inf
    for left, right in extents:
        if left > end + COLUMN_GAP * rows[0].size:
            starts.append(left)
        end = max(end, right)
    grid: list[Sequence[tuple[Line, ...]]] = []
    for row in rows:
        laid: list[tuple[Line, ...]] = [()] * len(starts)
        for cell in row.row:
            column = sum(cell[0].left >= start for start in starts) - 1
            if laid[column]:
                return None
            laid[column] = cell
        grid.append(laid)
    return grid


def _join_wrapped(rows: list[Row]) -> list[Cells]:
    width = max(map(len, rows), default=0)
    gaps = [_gap(above, row) for above, row in pairwise(rows)]
    between_rows = min((gap for gap, row in zip(gaps, rows[1:], strict=True) if len(row) == width), default=-inf)
    joined: list[Cells] = []
    for row, gap in zip(rows, [inf, *gaps], strict=False):
        tight = gap < between_rows - TIGHTER * row[0].size
        places = _places(joined[-1], row) if len(row) < width and gap < WRAPPED * row[0].size else []
        if places and (tight or _hangs(places, len(joined[-1]))):
            for place, piece in zip(places, row, strict=True):
                joined[-1][place].append(piece)
        else:
            joined.append([[piece] for piece in row])
    return joined


def _gap(above: Row, row: Row) -> float:
    return min(piece.top for piece in row) - max(piece.bottom for piece in above)


def _places(cells: Cells, row: Row) -> list[int]:
    """Return the cell above that each piece of a row stands under; nothing unless each has one of its own."""
    places = []
    for piece in row:
        over = [
            i
            for i, cell in enumerate(cells)
            if any(line.left < piece.right and piece.left < line.right for line in cell)
        ]
        if len(over) != 1 or over[0] in places:
            return []
        places += over
    return places


def _hangs(places: list[int], cells: int) -> bool:
    """Tell whether what stands under so few of the cells, and not the first, can be no row of its own."""
    return places[0] > 0 and (cells == 2 or len(places) < cells - 1)


def _line(cells: Cells) -> Line:
    lines = [line for cell in cells for line in cell]
    return replace(
        lines[0],
        text=" ".join(line.text for line in lines),
        left=min(line.left for line in lines),
        top=min(line.top for line in lines),
        right=max(line.right for line in lines),
        bottom=max(line.bottom for line in lines),
        pitch=0.0,
        hyphenated=False,
        row=tuple(map(tuple, cells)),
    )
