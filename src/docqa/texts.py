"""The texts of a generation: documents and passages by row, in one SQLite file. Only this module imports sqlite3.

SQLite fetches the few rows a query needs from a file of any size, and needs no server and no parsing on opening. Every
row carries a checksum of what it holds, compared whenever it is fetched, so that no damage to the file, which may be
too large to be checked whole on opening, can put words into a document.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docqa.durable import note_damage
from docqa.errors import CorruptIndexError, unreadable
from docqa.types import Block, Document, Excerpt, IndexedDocument, PageStart, Passage, Span

SCHEMA = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, path TEXT UNIQUE, digest TEXT, title TEXT, text TEXT, blocks TEXT, pages TEXT,
    unread TEXT, author TEXT, date TEXT, checksum BLOB
);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, document INTEGER REFERENCES documents, key BLOB,
    start INTEGER, end INTEGER, headings TEXT, locator TEXT, text TEXT, sentences TEXT, place TEXT,
    checksum BLOB
);
CREATE TABLE listing (
    path TEXT PRIMARY KEY, title TEXT, headings TEXT, passages INTEGER, pages INTEGER, author TEXT, date TEXT,
    checksum BLOB
) WITHOUT ROWID;
CREATE INDEX passages_of_document ON passages (document, row);
"""
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""What SQLite says of a damaged file, the last of names in it that are not what they were. All else, such as a full
disk, tells nothing of the file."""
MAX_HEADINGS = 150
"""Characters, some 35 tokens: with a passage of the default size they fit the default model."""
OF_DOCUMENT = "path, digest, title, text, blocks, pages, unread, author, date"
DOCUMENT = f"SELECT checksum, {OF_DOCUMENT} FROM documents"
OF_PASSAGE = "key, start, end, headings, locator, text, sentences, place"
PASSAGE = """
SELECT p.checksum, p.row, d.path, d.title, p.key, p.start, p.end, p.headings, p.locator, p.text, p.sentences, p.place
"""
OF_LISTING = "path, title, headings, passages, pages, author, date"
LISTING = f"SELECT checksum, {OF_LISTING} FROM listing"
OF_PASSAGES = "FROM passages p JOIN documents d ON d.number = p.document"


class Texts:
    """Read and, while a generation is made, write the documents and passages of a generation."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()
        self._added = 0

    @classmethod
    @contextmanager
    def create(cls, path: Path) -> Iterator["Texts"]:
        """Create a file to be written in a ``with`` block, which completes it.

        Raises:
            OSError: the file cannot be written.
        """
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            with closing(connection):
                connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;" + SCHEMA)
                yield cls(connection, path)
                connection.execute("COMMIT")
        except sqlite3.Error as exc:
            raise OSError(f"{path.name}: {exc}") from exc

    @classmethod
    def open(cls, path: Path) -> "Texts":
        """Open a complete file for reading, by any thread, also after the file is removed.

        Raises:
            ValueError: the file is missing or not what it should be.
        """
        try:
            uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            connection.execute("SELECT count(*) FROM documents").fetchone()
        except sqlite3.Error as exc:
            raise ValueError(f"{path.name}: {exc}") from exc
        return cls(connection, path)

    def __del__(self) -> None:
        # readers share one connection, so it is closed when the last of them lets go
        self._connection.close()

    def add(self, document: Document, passages: Sequence[Passage]) -> None:
        """Append a document and its passages."""
        blocks = json.dumps([_of_block(block) for block in document.blocks])
        pages = json.dumps([astuple(page) for page in document.pages])
        named = (document.path, document.digest, document.title, document.text)
        row = (*named, blocks, pages, document.unread, document.author, document.date)
        leads = ["", *(document.text[one.span.end : other.span.start] for one, other in pairwise(passages))]
        columns = [
            (passage_key(passage), *_columns(passage), _place(lead, document.excerpt(passage.span)))
            for lead, passage in zip(leads, passages, strict=False)
        ]
        last_page = max((page.page for page in document.pages), default=0)
        counted = (json.dumps(_last_headings(passages)), len(passages), last_page)
        listed = (document.path, document.title, *counted, document.author, document.date)
        self._insert((_checksum(row), *row), columns, (_checksum(listed), *listed))

    def copy(self, other: "Texts", path: str) -> list[int]:
        """Append a document and its passages as another generation has them, and list their rows there.

        Raises:
            CorruptIndexError: they are damaged.
        """
        with other._sound():
            document = other._fetch(f"{DOCUMENT} WHERE path = ?", path)[0]
            listed = other._fetch(f"{LISTING} WHERE path = ?", path)[0]
            for row in (document, listed):
                _checked(*row)
            rows = other._fetch(f"{PASSAGE} {OF_PASSAGES} WHERE d.path = ? ORDER BY p.row", path)
            passages = [_checked(*row) for row in rows]
        self._insert(document, [passage[3:] for passage in passages], listed)
        return [row for row, *_ in passages]

    def passage(self, row: int) -> Passage:
        """Return the passage of a row of the index; see `passages_at` for what is raised."""
        return self.passages_at([row])[0]

    def passages_at(self, rows: Sequence[int]) -> list[Passage]:
        """List the passages of some rows of the index, each another.

        Raises:
            CorruptIndexError: one is damaged.
        """
        some = f"{OF_PASSAGES} WHERE p.row IN ({', '.join('?' * len(rows))})"
        with self._sound():
            found = {row[1]: row for row in self._fetch(f"{PASSAGE} {some}", *rows)}
            return [_passage(found[row]) for row in rows]

    def excerpt(self, first: int, last: int) -> Excerpt:
        """Return the part of a document that the passages of some rows, from the first to the last, make up.

        Raises:
            CorruptIndexError: one is damaged.
        """
        with self._sound():
            rows = self._fetch(f"{PASSAGE} {OF_PASSAGES} WHERE p.row BETWEEN ? AND ? ORDER BY p.row", first, last)
            return reduce(_join, (_excerpt(row) for row in rows))[1]

    def keys(self, first: int, count: int) -> list[bytes]:
        """List what the passages of so many rows embed (see `passage_key`), from the first on.

        Raises:
            CorruptIndexError: the list is damaged.
        """
        with self._sound():
            some = "SELECT key FROM passages WHERE row BETWEEN ? AND ? ORDER BY row"
            return [key for (key,) in self._fetch(some, first, first + count - 1)]

    def distinct_keys(self) -> list[bytes]:
        """List what the passages embed (see `passage_key`), each once.

        Raises:
            CorruptIndexError: the list is damaged.
        """
        with self._sound():
            return [key for (key,) in self._fetch("SELECT DISTINCT key FROM passages")]

    def __len__(self) -> int:
        with self._sound():
            return int(self._fetch("SELECT coalesce(max(row) + 1, 0) FROM passages")[0][0])

    def document(self, path: str) -> Document:
        """Return a document.

        Raises:
            KeyError: there is none of that path.
            CorruptIndexError: it is damaged.
        """
        if not _is_text(path):
            raise KeyError(path)
        with self._sound():
            found = self._fetch(f"{DOCUMENT} WHERE path = ?", path)
            if found:
                return _document(found[0])
        raise KeyError(path)

    def documents(self) -> list[IndexedDocument]:
        """List the documents by path, with their headings and numbers of passages.

        Raises:
            CorruptIndexError: one is damaged.
        """
        with self._sound():
            return [_listed(row) for row in self._fetch(f"{LISTING} ORDER BY path")]

    def rows_by_key(self) -> dict[bytes, int]:
        """Map what each passage embeds (see `passage_key`) to its row, the first of equal ones."""
        with self._sound():
            return dict(self._fetch("SELECT key, row FROM passages ORDER BY row DESC"))

    def _insert(
        self, document: tuple[object, ...], passages: Sequence[tuple[object, ...]], listed: tuple[object, ...]
    ) -> None:
        """Insert rows: a document's and its entry in the listing after their checksums, its passages' without."""
        _, path, _, title, *_ = document
        insert = f"INSERT INTO documents (checksum, {OF_DOCUMENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        number = self._connection.execute(insert, document).lastrowid
        self._connection.executemany(
            f"INSERT INTO passages (row, document, {OF_PASSAGE}, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (row, number, *passage, _checksum((row, path, title, *passage)))
                for row, passage in enumerate(passages, start=self._added)
            ],
        )
        self._added += len(passages)
        insert = f"INSERT INTO listing (checksum, {OF_LISTING}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        self._connection.execute(insert, listed)

    def _fetch(self, query: str, *parameters: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """Say of whatever damage makes of a row, a missing one or one that cannot be parsed, that it is damage.

        Raises:
            CorruptIndexError: it is.
            StoreError: the system refuses to read the file, which may be sound.
        """
        folder, name = self._path.parent, self._path.name
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, LookupError) as exc:
            if isinstance(exc, sqlite3.Error) and not _is_damage(exc):
                raise unreadable(folder.parent, f"{name}: {exc}") from exc
            reason = f"{name} is not as it was written"
            note_damage(folder, reason)
            raise CorruptIndexError(folder.parent, reason) from exc


def embedded_text(passage: Passage) -> tuple[str, list[Span]]:
    """Return what an embedder sees of a passage, its headings before its text, and the sentences as spans in that."""
    headings = " › ".join(passage.headings)[-MAX_HEADINGS:]
    text = f"{headings}\n\n{passage.text}" if headings else passage.text
    shift = len(text) - len(passage.text) - passage.span.start
    return text, [Span(span.start + shift, span.end + shift) for span in passage.sentences]


def passage_key(passage: Passage) -> bytes:
    """Digest what an embedder sees of a passage."""
    text, sentences = embedded_text(passage)
    return hashlib.sha256(json.dumps([text, [astuple(span) for span in sentences]]).encode()).digest()[:16]


def _columns(passage: Passage) -> tuple[object, ...]:
    sentences = json.dumps([astuple(span) for span in passage.sentences])
    return (*astuple(passage.span), json.dumps(passage.headings), passage.locator, passage.text, sentences)


def _place(lead: str, excerpt: Excerpt) -> str:
    blocks = [_of_block(block) for block in excerpt.blocks]
    return json.dumps([lead, excerpt.line, blocks, [astuple(page) for page in excerpt.pages]])


def _excerpt(row: tuple) -> tuple[str, Excerpt]:  # type: ignore[type-arg]
    """Return a passage as an excerpt, and what stands between it and the passage before."""
    _, _, _, _, start, _, _, _, text, _, place = _checked(*row)
    lead, line, blocks, pages = json.loads(place)
    return lead, Excerpt(start, text, line, _blocks(blocks), _pages(pages))


def _join(before: tuple[str, Excerpt], following: tuple[str, Excerpt]) -> tuple[str, Excerpt]:
    """Join two excerpts that follow one another or overlap."""
    (first_lead, one), (lead, other) = before, following
    shared = max(0, one.start + len(one.text) - other.start)
    joined = Excerpt(
        one.start,
        one.text + lead + other.text[shared:],
        one.line,
        tuple(dict.fromkeys(one.blocks + other.blocks)),
        tuple(dict.fromkeys(one.pages + other.pages)),
    )
    return first_lead, joined


def _passage(fetched: tuple) -> Passage:  # type: ignore[type-arg]
    _, path, title, _, start, end, headings, locator, text, sentences, _ = _checked(*fetched)
    spans = tuple(Span(*span) for span in json.loads(sentences))
    return Passage(path, title, tuple(json.loads(headings)), Span(start, end), locator, text, spans)


def _document(fetched: tuple) -> Document:  # type: ignore[type-arg]
    path, digest, title, text, blocks, pages, *rest = _checked(*fetched)
    return Document(path, digest, title, text, _blocks(json.loads(blocks)), _pages(json.loads(pages)), *rest)


def _listed(fetched: tuple) -> IndexedDocument:  # type: ignore[type-arg]
    path, title, headings, *rest = _checked(*fetched)
    return IndexedDocument(path, title, tuple(json.loads(headings)), *rest)


def _is_text(path: str) -> bool:
    """Tell whether a path can be in the store: one with a lone surrogate, which stands for no character, cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error is of the file; one that has no code is of text in it that is no UTF-8, or the caller's."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in DAMAGE or (code is None and isinstance(error, sqlite3.OperationalError))


def _checked(checksum: bytes, *values: Any) -> tuple[Any, ...]:
    if _checksum(values) != checksum:
        raise ValueError("the checksum is another")
    return values


def _checksum(values: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr(values).encode(), digest_size=8).digest()


def _of_block(block: Block) -> tuple[object, ...]:
    return (block.kind, block.span.start, block.span.end, block.headings, block.place)


def _blocks(blocks: list[Any]) -> tuple[Block, ...]:
    return tuple(Block(kind, Span(start, end), tuple(headings), place) for kind, start, end, headings, place in blocks)


def _pages(pages: list[Any]) -> tuple[PageStart, ...]:
    return tuple(PageStart(*page) for page in pages)


def _last_headings(passages: Sequence[Passage]) -> tuple[str, ...]:
    """List the innermost headings of passages, each once."""
    return tuple(dict.fromkeys(passage.headings[-1] for passage in passages if passage.headings))
