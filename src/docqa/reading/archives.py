"""Archives: the files within a zip, and their XML, each bounded. Nothing is ever unpacked to disk."""

import io
import posixpath
import zipfile
import zlib
from urllib.parse import unquote

from lxml import etree

from docqa.errors import DocumentReadError

MAX_UNPACKED = 300_000_000
"""Bytes; what all files of an archive may come to. A book of a thousand pages has some 5 MB of text."""
AT_A_TIME = 1_000_000
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
)
"""What Python's zipfile raises for an archive that is damaged, hostile, or of a kind it does not know."""


class Archive:
    """A zip file in memory.

    Raises:
        DocumentReadError: it is damaged, protected by a password, or unpacks to too much.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self._left = MAX_UNPACKED
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.names = frozenset(self._zip.namelist())
        except DAMAGED as exc:
            raise self.refuse("the zip archive it consists of is damaged; get a whole copy") from exc

    def refuse(self, reason: str) -> DocumentReadError:
        """Make the error that says why the archive cannot be read."""
        return DocumentReadError(self.path, reason)

    def read(self, name: str) -> bytes:
        """Read one file of the archive, whatever size it claims to have."""
        if name not in self.names:
            raise self.refuse(f"'{name}' is missing in it; get a whole copy")
        if self._zip.getinfo(name).flag_bits & 1:
            raise self.refuse("it is protected by a password; save it without one")
        parts = []
        try:
            with self._zip.open(name) as file:
                # read in small parts, for a false size would have zipfile unpack all of it at once
                while part := file.read(AT_A_TIME):
                    parts.append(part)
                    self._left -= len(part)
                    if self._left < 0:
                        raise self.refuse(f"it unpacks to more than {MAX_UNPACKED // 1_000_000} MB; divide it")
        except DAMAGED as exc:
            raise self.refuse(f"'{name}' in it is damaged; get a whole copy") from exc
        return b"".join(parts)

    def check(self) -> None:
        """Read all files once, for a library that would trust the sizes they claim to have."""
        for name in sorted(self.names):
            self.read(name)

    def xml(self, name: str) -> etree._Element:
        """Parse an XML file of the archive without entities, external files or the network."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
        try:
            root = etree.fromstring(self.read(name), parser)
        except (etree.XMLSyntaxError, ValueError) as exc:
            raise self.refuse(f"'{name}' in it is no sound XML: {exc}") from exc
        etree.strip_elements(root, etree.Entity, with_tail=False)
        return root

    def optional_xml(self, name: str) -> etree._Element | None:
        """Parse an XML file that an archive may lack."""
        return self.xml(name) if name in self.names else None


def resolve(name: str, href: str) -> str:
    """Resolve a link that stands in a file of an archive to the name of another."""
    target = unquote(href.split("#")[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).lstrip("/")
