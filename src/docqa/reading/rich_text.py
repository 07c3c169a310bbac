"""RTF: its paragraphs, without their looks."""

from itertools import groupby

from striprtf.striprtf import rtf_to_text

from docqa.errors import DocumentReadError
from docqa.reading.composing import Piece
from docqa.reading.plain_text import MAX_TITLE
from docqa.reading.tables import table_lines


def read_rtf(path: str, data: bytes) -> tuple[str | None, list[Piece]]:
    """Read the paragraphs and tables of a rich text; the title is a short first line.

    Raises:
        DocumentReadError: it is damaged.
    """
    try:
        text = rtf_to_text(data.decode("latin-1"), encoding="cp1252", errors="replace")  # type: ignore[no-untyped-call]
    # the library says of no error when it is raised
    except Exception as exc:
        raise DocumentReadError(path, f"it is damaged rich text ({exc}); open and save it anew") from exc
    pieces: list[Piece] = []
    for is_row, lines in groupby(filter(str.strip, text.splitlines()), key=_is_row):
        if is_row:
            rows = [line.rstrip().removesuffix("|").split("|") for line in lines]
            pieces.append(Piece("table", "\n".join(table_lines(rows))))
        else:
            pieces += [Piece("paragraph", " ".join(line.split())) for line in lines]
    first = pieces[0] if pieces else None
    has_title = first and first.kind == "paragraph" and len(first.text) <= MAX_TITLE and first.text[-1] not in ".,;:"
    return first.text if first and has_title else None, pieces


def _is_row(line: str) -> bool:
    return line.count("|") > 1 and line.rstrip().endswith("|")
