"""What a sync has embedded before its generation is complete, so that no interruption makes it embed that again.

Every batch is a piece, a file of its own in ``unfinished/``: a SHA-256, then numpy's ``.npz`` of the passages' keys
(see `texts.passage_key`) and their embeddings. A piece that is damaged or made with another model counts as not there.
"""

import hashlib
import io
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from docqa.durable import flush, replacing
from docqa.types import PassageEmbeddings, TokenEmbeddings

SUFFIX = ".piece"
DIGEST_SIZE = hashlib.sha256().digest_size

logger = logging.getLogger(__name__)


class Unfinished:
    """Embeddings of passages by their keys, kept in a folder until they are part of a generation."""

    def __init__(self, folder: Path, made_with: str) -> None:
        """Open a folder, which need not be there yet; pieces count that were ``made_with`` the same."""
        self._folder = folder
        self._made_with = made_with
        self._places: dict[bytes, tuple[Path, int]] = {}
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            self._note(path, self._keys(path))

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def add(self, parts: Mapping[bytes, PassageEmbeddings]) -> None:
        """Keep the embeddings of some passages; when this returns they are on the disk.

        Raises:
            OSError: they cannot be written.
        """
        if not self._folder.exists():
            self._folder.mkdir()
            flush(self._folder.parent)
        path = self._folder / f"{secrets.token_hex(6)}{SUFFIX}"
        data = self._pack(parts)
        with replacing(path) as file:
            file.write(hashlib.sha256(data).digest())
            file.write(data)
        self._note(path, list(parts))

    def embeddings(self, keys: Iterable[bytes]) -> dict[bytes, PassageEmbeddings]:
        """Return the embeddings of passages that are here, every piece read once.

        Raises:
            OSError: a piece is not as it was when it was opened or added.
        """
        wanted: dict[Path, dict[bytes, int]] = {}
        for key in keys:
            if key in self._places:
                path, number = self._places[key]
                wanted.setdefault(path, {})[key] = number
        found = {}
        for path, numbers in wanted.items():
            parts = self._parts(path)
            found.update({key: parts[number] for key, number in numbers.items()})
        return found

    def _note(self, path: Path, keys: Sequence[bytes]) -> None:
        self._places.update((key, (path, number)) for number, key in enumerate(keys))

    def _keys(self, path: Path) -> list[bytes]:
        try:
            return [bytes(key) for key in self._arrays(path)["keys"]]
        except OSError as exc:
            logger.warning("'%s' is of no use and is left out: %s", path, exc)
            return []

    def _pack(self, parts: Mapping[bytes, PassageEmbeddings]) -> bytes:
        joined = PassageEmbeddings.join(list(parts.values()))
        packed = io.BytesIO()
        np.savez(
            packed,
            made_with=np.array(self._made_with),
            keys=np.frombuffer(b"".join(parts), np.uint8).reshape(len(parts), -1),
            sentence_counts=np.array([len(part.sentences) for part in parts.values()], np.int64),
            passages=joined.passages,
            sentences=joined.sentences,
            token_ids=joined.tokens.ids,
            tokens=joined.tokens.rows,
            token_counts=joined.token_counts,
        )
        return packed.getvalue()

    def _parts(self, path: Path) -> list[PassageEmbeddings]:
        arrays = self._arrays(path)
        tokens = TokenEmbeddings(arrays["token_ids"], arrays["tokens"])
        joined = PassageEmbeddings(arrays["passages"], arrays["sentences"], tokens, arrays["token_counts"])
        return joined.split(arrays["sentence_counts"])

    def _arrays(self, path: Path) -> Mapping[str, np.ndarray]:
        data = path.read_bytes()
        if hashlib.sha256(data[DIGEST_SIZE:]).digest() != data[:DIGEST_SIZE]:
            raise OSError(f"{path.name} is not as it was written")
        arrays: Mapping[str, np.ndarray] = np.load(io.BytesIO(data[DIGEST_SIZE:]), allow_pickle=False)
        if str(arrays["made_with"]) != self._made_with:
            raise OSError(f"{path.name} was made with another model")
        return arrays
