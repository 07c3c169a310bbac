"""Ordering: the lines of a page as people read them, column after column, the rows of a table as one line each."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from statistics import fmean

from docqa.reading.pdf.extracting import CELL_GAP, LIST_MARK, Line
from docqa.reading.pdf.rows import make_rows

Gaps = list[tuple[float, float]]

SAME_ROW = 0.5
"""Of a line's height; lines that share more stand beside each other."""
MIN_GUTTER = 0.6
"""Ems between columns; the words of one column may stand as far apart, but not in all of its lines."""
MIN_COLUMN_LINES = 3
MIN_COLUMN_CHARACTERS = 18
"""On the average of a column's lines; what is shorter is a table's."""
SAME_PITCH = 0.02
"""Points."""
MAX_LINES = 2_000
"""A page with more is none that people read, and finding its columns takes long."""
WORD_GAP = 0.15
"""Ems between words; what is closer is a part of one, such as a raised letter."""
MARK_SIZE = 0.9
"""Times the size of a footnote, in which the number before it is smaller."""
MIN_ROWS = 2
"""How many rows a table has at least; the words of a justified line may stand as far apart."""
SAME_EDGE = 1.0
"""Points by which the left edges of a column's lines vary at most."""
HANGING = 0.35
"""Ems between a line and the one that it goes on with."""
NEAR_LINES = 12
"""How many lines of the other columns may stand between those."""


def order_lines(lines: list[Line]) -> list[Line]:
    """Put lines into reading order."""
    if len(lines) > MAX_LINES:
        return lines
    ordered: list[Line] = []
    for _, turned in groupby(lines, key=lambda line: line.quarter):
        ordered += _order(sorted(turned, key=lambda line: (line.top, line.left)))
    return ordered


def _order(lines: list[Line]) -> Iterator[Line]:
    start = 0
    while start < len(lines):
        end = _beside(lines, start)
        if end - start < 2:
            end = _end_of_row(lines, start)
            yield _join(sorted(lines[start:end], key=lambda line: line.left))
        else:
            yield from _region(lines[start:end])
        start = end


def _beside(lines: list[Line], start: int) -> int:
    """Find the end of the lines that stand in the same columns as the one at the start."""
    if start + 1 == len(lines) or not _share_row(lines[start], lines[start + 1]):
        return start + 1
    return _cut_tail(lines, start, _end_of_columns(lines, start))


def _end_of_row(lines: list[Line], start: int) -> int:
    """Find the end of the pieces of one line, which raised letters in it have divided."""
    end = start + 1
    while end < len(lines) and all(_share_row(line, lines[end]) for line in lines[start:end]):
        end += 1
    return end


def _end_of_columns(lines: list[Line], start: int) -> int:
    left = min(line.left for line in lines)
    gaps = [(left, max(line.right for line in lines))]
    end = _end_of_row(lines, start)
    for line in lines[start:end]:
        gaps = _without(gaps, line)
    if not _gutters(gaps, lines[start:end]):
        return start + 1
    while end < len(lines):
        gaps = _without(gaps, lines[end])
        if not _gutters(gaps, lines[start : end + 1]):
            break
        end += 1
    return end


def _cut_tail(lines: list[Line], start: int, end: int) -> int:
    """Leave the lines below the columns to what follows: the last that has another beside it ends them."""
    left = min(line.left for line in lines[start:end])
    while end - start > 2 and not _share_row(lines[end - 1], lines[end - 2]) and not _hangs(lines, end - 1, left):
        end -= 1
    return end


def _hangs(lines: list[Line], number: int, left: float) -> bool:
    """Tell whether a line goes on with one close above it, in a column that is not the first."""
    line = lines[number]
    return line.left - left > line.size and any(
        abs(line.left - above.left) < SAME_EDGE and line.top - above.bottom < HANGING * line.size
        for above in lines[max(0, number - NEAR_LINES) : number]
    )


def _share_row(line: Line, other: Line) -> bool:
    shared = min(line.bottom, other.bottom) - max(line.top, other.top)
    return shared > SAME_ROW * min(line.bottom - line.top, other.bottom - other.top)


def _without(gaps: Gaps, line: Line) -> Gaps:
    pieces = []
    for left, right in gaps:
        pieces += [(left, min(right, line.left)), (max(left, line.right), right)]
    return [(left, right) for left, right in pieces if right - left > MIN_GUTTER * line.size]


def _gutters(gaps: Gaps, lines: list[Line]) -> Gaps:
    """Keep the gaps with lines on either side."""
    first, last = min(line.right for line in lines), max(line.left for line in lines)
    return [(left, right) for left, right in gaps if first <= left and right <= last]


def _region(lines: list[Line]) -> Iterator[Line]:
    """Order lines with gutters between them: columns of prose one by one, else the rows of a table."""
    gaps = [(min(line.left for line in lines), max(line.right for line in lines))]
    for line in lines:
        gaps = _without(gaps, line)
    starts = [left for left, _ in _gutters(gaps, lines)]
    columns: list[list[Line]] = [[] for _ in range(len(starts) + 1)]
    for line in lines:
        columns[sum(line.left >= start for start in starts)].append(line)
    if all(map(_is_prose, columns)):
        for column in columns:
            yield from _order(column)
    else:
        yield from _rows(lines)


def _is_prose(lines: list[Line]) -> bool:
    characters = [len(line.text) for line in lines]
    if 2 * sum(_share_row(line, below) for line, below in pairwise(lines)) > len(lines):
        return False
    return len(lines) >= MIN_COLUMN_LINES and fmean(characters) >= MIN_COLUMN_CHARACTERS


def _rows(lines: list[Line]) -> Iterator[Line]:
    rows: list[list[Line]] = []
    for line in lines:
        if rows and _share_row(line, rows[-1][0]):
            rows[-1].append(line)
        else:
            rows.append([line])
    rows = [sorted(row, key=lambda line: line.left) for row in rows]
    pieces = [_pieces(row) for row in rows]
    if sum(len(row) > 1 for row in pieces) < MIN_ROWS:
        yield from map(_join, rows)
    else:
        yield from make_rows(pieces)


def _pieces(row: list[Line]) -> list[Line]:
    """Join what stands too close together to be in different cells."""
    pieces = [replace(row[0])]
    for line in row[1:]:
        gap = (line.left - pieces[-1].right) / line.size
        is_marked = len(pieces) == 1 and LIST_MARK.match(row[0].text)
        if gap > CELL_GAP and not is_marked and not _are_code(pieces[-1], line):
            pieces.append(replace(line))
        else:
            _append(pieces[-1], line)
    return pieces


def _join(row: list[Line]) -> Line:
    if len(row) == 1:
        return row[0]
    joined = replace(row[0])
    for line in row[1:]:
        _append(joined, line)
    return joined


def _append(line: Line, piece: Line) -> None:
    gap = piece.left - line.right
    if _are_code(line, piece):
        line.text += " " * round(gap / piece.pitch) + piece.text
    else:
        is_mark = line.text.isdecimal() and line.size < MARK_SIZE * piece.size
        line.text, length = line.text + " " * (gap > WORD_GAP * piece.size or is_mark) + piece.text, len(line.text)
        line.pitch = 0.0
        if len(piece.text) > length:  # what came before was a mark, or a part of a word
            line.size, line.top, line.bottom, line.is_bold = piece.size, piece.top, piece.bottom, piece.is_bold
    line.right, line.hyphenated = piece.right, piece.hyphenated


def _are_code(line: Line, other: Line) -> bool:
    """Tell whether all characters of both are as wide; words alone may be so by chance."""
    has_space = " " in line.text or " " in other.text
    return has_space and other.pitch > 0 and abs(line.pitch - other.pitch) < SAME_PITCH
