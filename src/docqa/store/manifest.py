"""The manifest: what a store says of its current generation and of the one before, sealed and in one file.

Each of the two has a checksum of its own, so that a manifest that was altered is known for it.
"""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from docqa.corpus import FileState
from docqa.durable import UnflushedError, replacing
from docqa.errors import CorruptIndexError, IndexNotFoundError, StoreError, unreadable
from docqa.store.locking import writing
from docqa.types import Chunking, SkippedDocument, StoreSummary

Read = TypeVar("Read")
FORMAT = 5
"""Another one when anything is stored otherwise, or when other terms are taken from a text: a sync copies terms too."""
MANIFEST_FILE = "manifest.json"
PREVIOUS = "previous"
"""The field of a manifest's file in which the one before it is, with a checksum of its own."""
GENERATION = re.compile(r"generation-[0-9a-f]{12}")
"""The name of a generation's folder, unlike any that people give: others in the store's folder are theirs."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a generation as it was written: its size in bytes and its SHA-256."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store says of itself.

    ``documents`` maps paths to the files as they were read; ``refused`` maps the paths of files whose bytes are no
    document to their digests; ``files`` are the generation's.
    """

    model: str
    model_digest: str
    dimension: int
    chunking: Chunking
    reader_version: str
    documents: dict[str, FileState]
    refused: dict[str, str]
    skipped: tuple[SkippedDocument, ...]
    passages: int
    generation: str = ""
    synced: str = ""
    files: dict[str, StoredFile] = field(default_factory=dict)
    format: int = FORMAT

    def summary(self) -> StoreSummary:
        """Sum up what the store holds."""
        synced = datetime.fromisoformat(self.synced)
        size = sum(file.size for file in self.files.values())
        return StoreSummary(self.generation, self.model, len(self.documents), self.passages, synced, self.skipped, size)


def read_manifest(embeddings_dir: Path) -> Manifest:
    """Read a store's manifest.

    Raises:
        IndexNotFoundError: there is none; nothing has been synced yet.
        CorruptIndexError: it cannot be understood.
        StoreError: the system refuses to read it.
    """
    return _read_manifest(embeddings_dir, _current)


def read_previous(embeddings_dir: Path) -> Manifest | None:
    """Read the manifest of the generation before the current one, if it is kept and can be understood.

    Raises:
        StoreError: the system refuses to read it.
    """
    with suppress(IndexNotFoundError, CorruptIndexError):
        return _read_manifest(embeddings_dir, _previous)
    return None


def read_older_settings(embeddings_dir: Path) -> tuple[str, Chunking] | None:
    """Read the model and chunking of a store that an older version made, if it tells."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        fields = json.loads((embeddings_dir / MANIFEST_FILE).read_text("utf-8"))
        if fields["format"] < FORMAT:
            return str(fields["model"]), Chunking(**fields["chunking"])
    return None


def write_manifest(embeddings_dir: Path, manifest: Manifest, previous: Manifest | None) -> None:
    """Put the manifests of the current generation and of the one before it, if any, in place, both or none.

    Raises:
        StoreError: they cannot be written, and those before are in place; or a power cut could still undo it.
    """
    both = _sealed(manifest) | {PREVIOUS: _sealed(previous) if previous else None}
    # all in one line, for with indents it takes Python five times as long
    data = (json.dumps(both, default=_fields, ensure_ascii=False) + "\n").encode()
    with writing(embeddings_dir):
        try:
            with replacing(embeddings_dir / MANIFEST_FILE) as file:
                file.write(data)
        except UnflushedError as exc:
            raise StoreError(
                f"the new index is in place in '{embeddings_dir}', but a power cut could bring the previous one back: "
                f"{exc.strerror}; check the disk"
            ) from exc


def _read_manifest(embeddings_dir: Path, parse: Callable[[Path, dict[str, Any]], Read]) -> Read:
    try:
        found = (embeddings_dir / MANIFEST_FILE).stat()
        manifest: Read = _parse_manifest(embeddings_dir, parse, (found.st_ino, found.st_size, found.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise IndexNotFoundError(embeddings_dir) from exc
    except OSError as exc:
        raise unreadable(embeddings_dir, str(exc.strerror)) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CorruptIndexError(embeddings_dir, f"its {MANIFEST_FILE} cannot be understood") from exc
    return manifest


@lru_cache(8)
def _parse_manifest(embeddings_dir: Path, parse: Callable[[Path, Any], Any], state: tuple[int, ...]) -> Any:
    """Parse a manifest, or return the one parsed before while the file's state is the same: every query asks."""
    return parse(embeddings_dir, json.loads((embeddings_dir / MANIFEST_FILE).read_text("utf-8")))


def _current(embeddings_dir: Path, fields: dict[str, Any]) -> Manifest:
    return _unsealed(embeddings_dir, {name: value for name, value in fields.items() if name != PREVIOUS})


def _previous(embeddings_dir: Path, fields: dict[str, Any]) -> Manifest | None:
    return _unsealed(embeddings_dir, fields[PREVIOUS]) if fields[PREVIOUS] else None


def _unsealed(embeddings_dir: Path, fields: dict[str, Any]) -> Manifest:
    if fields["format"] != FORMAT:
        reason = f"another version of docqa made it (format {fields['format']}, not {FORMAT})"
        raise CorruptIndexError(embeddings_dir, reason)
    if fields.pop("checksum") != _seal(fields):
        raise ValueError("the checksum is another")
    fields["documents"] = {path: FileState(**state) for path, state in fields["documents"].items()}
    fields["chunking"] = Chunking(**fields["chunking"])
    fields["skipped"] = tuple(SkippedDocument(**skipped) for skipped in fields["skipped"])
    fields["files"] = {path: StoredFile(**file) for path, file in fields["files"].items()}
    manifest = Manifest(**fields)
    if not GENERATION.fullmatch(manifest.generation):
        raise CorruptIndexError(embeddings_dir, f"its {MANIFEST_FILE} names no generation")
    return manifest


def _sealed(manifest: Manifest) -> dict[str, Any]:
    fields = _fields(manifest)
    return fields | {"checksum": _seal(fields)}


def _seal(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, default=_fields).encode()).hexdigest()


def _fields(of: Any) -> dict[str, Any]:
    """Return what a dataclass holds, as it is: `asdict` copies it all, which takes a sync longer than to write it."""
    return {name: getattr(of, name) for name in of.__slots__}
