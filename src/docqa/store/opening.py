"""Opening: a generation for those who ask, and what a sync copies from one.

A reader opens every file of a generation at once, so that a later sync may remove the folder under it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docqa.durable import note_damage
from docqa.errors import CorruptIndexError, StoreError, unreadable
from docqa.index import Index, StoredEmbeddings, StoredTerms
from docqa.store.checking import check_files, check_note, compare, with_current
from docqa.store.manifest import Manifest, read_manifest
from docqa.texts import Texts
from docqa.types import Document

TEXTS_FILE = "texts.sqlite"


@dataclass(frozen=True, slots=True)
class Generation:
    """One complete saved state of the index, open for reading."""

    manifest: Manifest
    index: Index
    texts: Texts
    embeddings_dir: Path

    def document(self, path: str) -> Document:
        """Return a document.

        Raises:
            KeyError: there is none of that path.
            CorruptIndexError: it is damaged.
        """
        try:
            return self.texts.document(path)
        except KeyError:
            if path not in self.manifest.documents:
                raise
            with self.blaming_damage():
                raise

    @contextmanager
    def blaming_damage(self) -> Iterator[None]:
        """Raise ``CorruptIndexError`` for an error that damage to the files explains, and others as they are."""
        try:
            yield
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as exc:
            if damage := self._find_damage():
                raise damage from exc
            raise

    def _find_damage(self) -> CorruptIndexError | None:
        """Find and note damage to the files, if they are still there: a later sync may have removed them."""
        folder = self.embeddings_dir / self.manifest.generation
        try:
            check_files(self.embeddings_dir, self.manifest, thorough=True)
        except CorruptIndexError as damage:
            if folder.is_dir():
                note_damage(folder, damage.reason)
                return damage
        except StoreError:  # which tells nothing of what is in them
            pass
        return None


@dataclass(frozen=True, slots=True)
class Sources:
    """Of a generation what the rest follows from, its texts and embeddings, and its terms; every byte compared.

    ``damage`` says what is wrong with the rest, if anything; there are no terms then.
    """

    manifest: Manifest
    embeddings: StoredEmbeddings
    terms: StoredTerms | None
    texts: Texts
    damage: CorruptIndexError | None


def open_generation(embeddings_dir: Path, *, thorough: bool = False) -> Generation:
    """Open the current generation, checked against the manifest: see above, or every byte if ``thorough``.

    Raises:
        IndexNotFoundError: nothing has been synced yet.
        CorruptIndexError: the files disagree with the manifest.
        StoreError: the system refuses to read them.
    """

    def open_it(manifest: Manifest) -> Generation:
        check_files(embeddings_dir, manifest, thorough=thorough)
        return _open(embeddings_dir, manifest)

    return with_current(embeddings_dir, open_it)


def open_sources(embeddings_dir: Path) -> Sources:
    """Open what a sync copies from the current generation, also when other files of it are damaged.

    Raises:
        IndexNotFoundError: nothing has been synced yet.
        CorruptIndexError: these files are damaged, or what is damaged cannot be told.
        StoreError: the system refuses to read them.
    """
    manifest = read_manifest(embeddings_dir)
    folder, names = embeddings_dir / manifest.generation, {TEXTS_FILE, *StoredEmbeddings.FILES}
    compare(embeddings_dir, manifest, manifest.files.keys() & names, thorough=True)
    damage = None
    try:
        compare(embeddings_dir, manifest, manifest.files.keys() - names, thorough=True)
    except CorruptIndexError as exc:
        damage = exc
    else:
        check_note(embeddings_dir, manifest)
    try:
        terms = None if damage else StoredTerms.read(folder)
        return Sources(manifest, StoredEmbeddings.read(folder), terms, Texts.open(folder / TEXTS_FILE), damage)
    except (OSError, ValueError, RuntimeError, MemoryError) as exc:
        # every byte is as it was written, so the system is to blame
        raise unreadable(embeddings_dir, str(exc) or type(exc).__name__) from exc


def _open(embeddings_dir: Path, manifest: Manifest) -> Generation:
    folder = embeddings_dir / manifest.generation
    try:
        texts = Texts.open(folder / TEXTS_FILE)
        index = Index.read(folder)
    except Exception as exc:  # a damaged file makes the libraries that read it raise anything, as a full memory does
        check_files(embeddings_dir, manifest, thorough=True)
        raise unreadable(embeddings_dir, str(exc) or type(exc).__name__) from exc
    if len(index) != manifest.passages:
        raise CorruptIndexError(embeddings_dir, f"{len(index)} passages instead of {manifest.passages}")
    return Generation(manifest, index, texts, embeddings_dir)
