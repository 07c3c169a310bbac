"""Reading: a file's bytes → a Document. One small module per format, chosen by content and suffix."""

from collections.abc import Callable
from pathlib import PurePosixPath

from docqa.errors import DocumentReadError
from docqa.reading.composing import Piece, clean, compose
from docqa.reading.decoding import decode
from docqa.reading.delimited import read_csv
from docqa.reading.epub import read_epub
from docqa.reading.html import read_html
from docqa.reading.mail import read_eml
from docqa.reading.markdown import read_markdown
from docqa.reading.opendocument import read_odt
from docqa.reading.origins import find_origin
from docqa.reading.pdf import read_pdf
from docqa.reading.pdf.tesseract import find_tesseract
from docqa.reading.plain_text import read_plain_text
from docqa.reading.recognising import recognise
from docqa.reading.restructured_text import read_restructured_text
from docqa.reading.rich_text import read_rtf
from docqa.reading.sheets import read_xlsx
from docqa.reading.slides import read_pptx
from docqa.reading.source_code import read_source_code
from docqa.reading.word import read_docx
from docqa.types import Block, Document

CODE = (
    ".bash .c .cc .cfg .cpp .cs .css .env .go .h .hpp .ini .java .js .json .jsonl .jsx .kt .log .lua .php .pl .ps1 .py "
    ".r .rb .rs .scala .sh .sql .swift .toml .ts .tsx .xml .yaml .yml"
).split()

TEXT_READERS: dict[str, Callable[[str], tuple[str | None, list[Block]]]] = {
    ".txt": read_plain_text,
    ".text": read_plain_text,
    ".tex": read_plain_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".rst": read_restructured_text,
    **dict.fromkeys(CODE, read_source_code),
}
"""Suffix → a function from a text, the file itself, to its title, if it has one, and its blocks."""

CONVERTERS: dict[str, Callable[[str, bytes], tuple[str | None, list[Piece]]]] = {
    ".csv": read_csv,
    ".docx": read_docx,
    ".eml": read_eml,
    ".epub": read_epub,
    ".htm": read_html,
    ".html": read_html,
    ".odt": read_odt,
    ".pptx": read_pptx,
    ".rtf": read_rtf,
    ".tab": read_csv,
    ".tsv": read_csv,
    ".xhtml": read_html,
    ".xlsx": read_xlsx,
}
"""Suffix → a function from a path and bytes to a title, if it has one, and the pieces that the text is made of."""

SUFFIXES = frozenset({*TEXT_READERS, *CONVERTERS, ".pdf"})
RENDERED = frozenset({".pdf"})
"""Suffixes of the documents whose pages can be shown as pictures."""

READER_VERSION = 5
"""To be raised when a reader gives other blocks for the same bytes: every document is then read anew."""


def reader_version() -> str:
    """Name what the readers are able to do: documents are read anew when it changes, as when Tesseract is installed."""
    tesseract = find_tesseract()
    return f"{READER_VERSION}, {tesseract}" if tesseract else str(READER_VERSION)


def is_plain(path: str, data: bytes) -> bool:
    """Tell whether a file is text that is read by docqa's own code, or refused at a glance."""
    try:
        return recognise(path, data) in TEXT_READERS
    except DocumentReadError:
        return True


def read_document(path: str, data: bytes, digest: str) -> Document:
    """Read a document from its bytes; its text is the decoded file, or the words of a converted one.

    Raises:
        DocumentReadError: no text can be found in the bytes.
    """
    suffix = recognise(path, data)
    if suffix == ".pdf":
        return read_pdf(path, data, digest)
    if suffix in CONVERTERS:
        title, text, blocks = _convert(path, data, suffix)
    elif suffix in TEXT_READERS:
        text = decode(path, data)
        if not text.strip():
            raise DocumentReadError(path, "the file holds no text, only white space")
        title, blocks = TEXT_READERS[suffix](text)
    else:
        raise DocumentReadError(path, f"it is a {suffix[1:].upper()} file, which docqa does not read")
    if not blocks:
        raise DocumentReadError(path, "the file holds markup, but no words")
    # YAML can spell characters that are none, and these cannot be stored
    title = (title or PurePosixPath(path).stem).encode("utf-8", "replace").decode()
    origin = find_origin(path, data, suffix)
    return Document(path, digest, title, text, tuple(blocks), author=origin.author, date=origin.date)


def _convert(path: str, data: bytes, suffix: str) -> tuple[str | None, str, list[Block]]:
    title, pieces = CONVERTERS[suffix](path, data)
    title = clean(title) if title else None
    text, blocks = compose(title, pieces)
    return title, text, blocks
