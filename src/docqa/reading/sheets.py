"""XLSX: the sheets of a workbook; every row says with each value what it is."""

import io
import re
import warnings
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

import openpyxl

from docqa.errors import DocumentReadError
from docqa.reading.archives import Archive
from docqa.reading.composing import Piece
from docqa.reading.tables import NumberedRow, read_grid, trimmed

MAX_CELLS = 20_000_000
"""Empty ones too: a cell at the far end of a row has thousands before it."""
LITERAL = re.compile(r'"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|([$€£¥])')
NUMBER_FORMAT = re.compile(r'((?:"[^"]*"|\[[^\]]*\]|[^"\[0#?])*)[0#?][^"\[]*(.*)')
"""What stands before and after the digits in a number format such as ``#,##0.00 "EUR"``."""


def read_xlsx(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read the sheets of a workbook, with the values its formulas had when it was saved."""
    archive = Archive(path, data)
    archive.check()
    pieces: list[Piece] = []
    try:
        with warnings.catch_warnings(action="ignore"):  # of what it leaves out: charts, conditions, links
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            for sheet in book.worksheets:
                pieces.append(Piece("heading", sheet.title, 1, f"sheet {sheet.title}"))
                pieces += read_grid(_rows(path, sheet), f"sheet {sheet.title}, ")
    except DocumentReadError:
        raise
    # a library of many parts meets a damaged file in many ways, none of them documented
    except Exception as exc:
        raise archive.refuse(f"it is a damaged workbook ({exc}); open and save it in Excel") from exc
    return None, pieces if any(piece.kind != "heading" for piece in pieces) else []


def _rows(path: str, sheet: Any) -> Iterator[NumberedRow]:
    sheet.reset_dimensions()  # what the file says of its size need not be true
    cells = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells += len(row)
        if cells > MAX_CELLS:
            raise DocumentReadError(path, f"a sheet has more than {MAX_CELLS // 1_000_000} million cells; divide it")
        yield number, trimmed([_shown(cell) for cell in row])


def _shown(cell: Any) -> str:
    """Write a value much as the sheet shows it: dates, percentages, currencies."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _shown_number(value, cell.number_format)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M")
    return " ".join(str(value).split())


def _shown_number(value: float, number_format: str) -> str:
    found = NUMBER_FORMAT.match(number_format.split(";")[0])
    if found is None:
        return f"{value:.15g}"
    if "%" in found.group():
        return f"{value * 100:.12g}%"
    before, after = ("".join(map("".join, LITERAL.findall(part))).strip() for part in found.groups())
    return f"{before}{value:.15g} {after}".rstrip()
