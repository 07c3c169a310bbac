"""Tables of HTML: cells that span columns and rows laid out on a grid."""

from collections.abc import Callable

from lxml import etree

from docqa.reading.tables import table_lines

MAX_SPAN = 100
"""Columns or rows; a cell that claims more is cut there."""
NO_DATA = ("table", "pre", "h1", "h2", "h3", "h4", "h5", "h6")
"""What stands in the cells of a table that only lays out a page."""

CellText = Callable[[etree._Element], str]


def is_data(table: etree._Element) -> bool:
    """Tell whether a table holds values, rather than laying out a page."""
    if table.get("role") in ("presentation", "none") or next(table.iterdescendants(*NO_DATA), None) is not None:
        return False
    rows = table.findall(".//tr")
    return len(rows) > 1 and any(len(_cells(row)) > 1 for row in rows)


def page_table_lines(table: etree._Element, text_of: CellText) -> list[str]:
    """Write each row of a table as one line, with the words of its headers; its caption comes first."""
    caption = [text for found in table.findall("caption") if (text := text_of(found))]
    rows = table.findall(".//tr")
    heads = 0
    while heads < len(rows) and _is_head(rows[heads]):
        heads += 1
    grid = _grid(rows, heads, text_of)
    if 0 < heads < len(rows):
        names = [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*grid[:heads], strict=True)]
        return caption + table_lines([names, *grid[heads:]], header=True)
    named = any(cell.tag == "th" for row in rows for cell in _cells(row))
    return caption + table_lines(grid, header=False if named else None)


def _cells(row: etree._Element) -> list[etree._Element]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _is_head(row: etree._Element) -> bool:
    parent = row.getparent()
    if parent is not None and parent.tag == "thead":
        return True
    cells = _cells(row)
    return len(cells) > 1 and all(cell.tag == "th" or not "".join(cell.itertext()).strip() for cell in cells)


def _grid(rows: list[etree._Element], heads: int, text_of: CellText) -> list[list[str]]:
    """Give every row the same columns: a cell that spans rows is repeated down, in a head also to the right."""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for number, row in enumerate(rows):
        line: list[str] = []
        for cell in _cells(row):
            _hang(line, hanging)
            text = text_of(cell)
            for i in range(_span(cell, "colspan")):
                shown = text if number < heads or i == 0 else ""
                hanging[len(line)] = (_span(cell, "rowspan") - 1, shown)
                line.append(shown)
        _hang(line, hanging)
        grid.append(line)
    width = max(map(len, grid), default=0)
    return [line + [""] * (width - len(line)) for line in grid]


def _hang(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Repeat the cells of rows above that reach down to this one."""
    while (held := hanging.get(len(line), (0, "")))[0] > 0:
        hanging[len(line)] = (held[0] - 1, held[1])
        line.append(held[1])


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(int(value), 1), MAX_SPAN) if value.isascii() and value.isdigit() and len(value) < 9 else 1
