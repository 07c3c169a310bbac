"""Recognising: which format a file has, by what it begins with, and by its suffix where that does not tell."""

import io
import re
import zipfile
from pathlib import PurePosixPath

from docqa.errors import DocumentReadError
from docqa.reading.archives import DAMAGED

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ZIPS = {
    "word/document": ".docx",
    "ppt/presentation.xml": ".pptx",
    "xl/workbook.xml": ".xlsx",
    "META-INF/container.xml": ".epub",
    "content.xml": ".odt",
}
"""How the name of a file within a zip archive begins that tells its format."""
HTML = re.compile(
    # words of a comment give nothing back, or many would take for ever (Python 3.11.2 has possessive repeats wrong)
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?>(?:(?!-->).)*)-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
PDF_WITHIN = 1024
"""Bytes within which a PDF may begin, after what mail or web servers put before it."""
BINARY = frozenset({*ZIPS.values(), ".rtf", ".pdf"})
"""Suffixes of formats whose files begin with a mark of their own."""


def recognise(path: str, data: bytes) -> str:
    """Return the suffix of the format a file really has.

    Raises:
        DocumentReadError: it is of no format that docqa reads, or not of the one its suffix says.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if data.startswith(b"PK\x03\x04"):
        return _recognise_zip(path, data)
    if data.startswith(OLE):
        if ENCRYPTED in data:
            raise DocumentReadError(path, "it is protected by a password; save it without one")
        raise DocumentReadError(path, "it has the format of Office before 2007; save it as .docx, .pptx or .xlsx")
    if data.startswith(b"{\\rtf"):
        return ".rtf"
    if data.startswith(b"%PDF-") or (suffix == ".pdf" and b"%PDF-" in data[:PDF_WITHIN]):
        return ".pdf"
    if suffix in (*BINARY, ".txt") and HTML.match(data[:2_000]):
        return ".html"
    if suffix in BINARY:
        raise DocumentReadError(path, f"it is no {suffix[1:].upper()} file, whatever its name says; get a whole copy")
    return suffix


def _recognise_zip(path: str, data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except DAMAGED as exc:
        raise DocumentReadError(path, "the zip archive it consists of is damaged; get a whole copy") from exc
    for name, suffix in ZIPS.items():
        if any(found.startswith(name) for found in names):
            return suffix
    raise DocumentReadError(path, "it is a zip archive, not a document; unpack it into the corpus")
