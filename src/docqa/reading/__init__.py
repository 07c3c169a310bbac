"""Reading: a file's bytes → a Document. One small module per format, chosen by suffix in ``READERS``."""

from collections.abc import Callable
from pathlib import PurePosixPath

from docqa.errors import DocumentReadError
from docqa.reading.decoding import decode
from docqa.reading.markdown import read_markdown
from docqa.reading.pdf import read_pdf
from docqa.reading.plain_text import read_plain_text
from docqa.types import Block, Document

READERS: dict[str, Callable[[str], tuple[str | None, list[Block]]]] = {
    ".txt": read_plain_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
}
"""Suffix → a function from a text to its title, if it has one, and its blocks."""

SUFFIXES = frozenset({*READERS, ".pdf"})

RENDERED = frozenset({".pdf"})
"""Suffixes of the documents whose pages can be shown as pictures."""

READER_VERSION = 1
"""To be raised when a reader gives other blocks for the same bytes: every document is then read anew."""


def read_document(path: str, data: bytes, digest: str) -> Document:
    """Read a document from its bytes; the text of a text file is exactly the decoded file.

    Raises:
        DocumentReadError: no text can be found in the bytes.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".pdf":
        return read_pdf(path, data, digest)
    text = decode(path, data)
    if not text.strip():
        raise DocumentReadError(path, "the file holds no text, only white space")
    title, blocks = READERS[suffix](text)
    if not blocks:
        raise DocumentReadError(path, "the file holds markup, but no words")
    # YAML can spell characters that are none, and these cannot be stored
    title = (title or PurePosixPath(path).stem).encode("utf-8", "replace").decode()
    return Document(path, digest, title, text, tuple(blocks))
