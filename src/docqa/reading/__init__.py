"""Reading: a file's bytes → a Document. One small module per format, chosen by content and suffix.

A module is imported when a file of its format is read: the parsers take ten times as long to load as all else of docqa.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from docqa.errors import DocumentReadError
from docqa.reading.tesseract import find_tesseract
from docqa.types import Block, Document

if TYPE_CHECKING:
    from docqa.reading.composing import Piece

CODE = (
    ".bash .c .cc .cfg .cpp .cs .css .env .go .h .hpp .ini .java .js .json .jsonl .jsx .kt .log .lua .php .pl .ps1 .py "
    ".r .rb .rs .scala .sh .sql .swift .toml .ts .tsx .xml .yaml .yml"
).split()

TEXT_READERS = {
    ".txt": "plain_text.read_plain_text",
    ".text": "plain_text.read_plain_text",
    ".tex": "plain_text.read_plain_text",
    ".md": "markdown.read_markdown",
    ".markdown": "markdown.read_markdown",
    ".rst": "restructured_text.read_restructured_text",
    **dict.fromkeys(CODE, "source_code.read_source_code"),
}
"""Suffix → the name in this package of a function from a text, the file itself, to its title, if any, and blocks."""

CONVERTERS = {
    ".csv": "delimited.read_csv",
    ".docx": "word.read_docx",
    ".eml": "mail.read_eml",
    ".epub": "epub.read_epub",
    ".htm": "html.read_html",
    ".html": "html.read_html",
    ".odt": "opendocument.read_odt",
    ".pptx": "slides.read_pptx",
    ".rtf": "rich_text.read_rtf",
    ".tab": "delimited.read_csv",
    ".tsv": "delimited.read_csv",
    ".xhtml": "html.read_html",
    ".xlsx": "sheets.read_xlsx",
}
"""Suffix → the name of a function from a path and bytes to a title, if any, and the pieces that the text is made of."""

SUFFIXES = frozenset({*TEXT_READERS, *CONVERTERS, ".pdf"})
RENDERED = frozenset({".pdf"})
"""Suffixes of the documents whose pages can be shown as pictures."""

READER_VERSION = 5
"""To be raised when a reader gives other blocks for the same bytes: every document is then read anew."""


def reader_version() -> str:
    """Name what the readers are able to do: they read anew when it tells of more, as when Tesseract is installed."""
    tesseract = find_tesseract()
    return f"{READER_VERSION}, {tesseract}" if tesseract else str(READER_VERSION)


def is_read_alike(version: str) -> bool:
    """Tell whether what readers of a version have read may stay, as it may when only Tesseract is missing now.

    Whoever starts the next sync, such as cron, may have another ``PATH``: that takes no scan out of the index.
    """
    now = reader_version()
    return version == now or (now == str(READER_VERSION) and version.startswith(f"{now}, "))


def is_plain(path: str, data: bytes) -> bool:
    """Tell whether a file is text that is read by docqa's own code, or refused at a glance."""
    from docqa.reading.recognising import recognise

    try:
        return recognise(path, data) in TEXT_READERS
    except DocumentReadError:
        return True


def read_document(path: str, data: bytes, digest: str) -> Document:
    """Read a document from its bytes; its text is the decoded file, or the words of a converted one.

    Raises:
        DocumentReadError: no text can be found in the bytes.
    """
    from docqa.reading.decoding import decode
    from docqa.reading.origins import find_origin
    from docqa.reading.recognising import recognise

    suffix = recognise(path, data)
    if suffix == ".pdf":
        from docqa.reading.pdf import read_pdf

        return read_pdf(path, data, digest)
    if suffix in CONVERTERS:
        title, text, blocks = _convert(path, data, suffix)
    elif suffix in TEXT_READERS:
        text = decode(path, data)
        if not text.strip():
            raise DocumentReadError(path, "the file holds no text, only white space")
        read: Callable[[str], tuple[str | None, list[Block]]] = _load(TEXT_READERS[suffix])
        title, blocks = read(text)
    else:
        raise DocumentReadError(path, f"it is a {suffix[1:].upper()} file, which docqa does not read")
    if not blocks:
        raise DocumentReadError(path, "the file holds markup, but no words")
    # YAML can spell characters that are none, and these cannot be stored
    title = (title or PurePosixPath(path).stem).encode("utf-8", "replace").decode()
    origin = find_origin(path, data, suffix)
    return Document(path, digest, title, text, tuple(blocks), author=origin.author, date=origin.date)


def _convert(path: str, data: bytes, suffix: str) -> tuple[str | None, str, list[Block]]:
    from docqa.reading.composing import clean, compose

    convert: Callable[[str, bytes], tuple[str | None, list[Piece]]] = _load(CONVERTERS[suffix])
    title, pieces = convert(path, data)
    title = clean(title) if title else None
    text, blocks = compose(title, pieces)
    return title, text, blocks


def _load(name: str) -> Any:
    module, _, function = name.rpartition(".")
    return getattr(import_module(f"{__name__}.{module}"), function)
