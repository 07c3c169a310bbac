"""The store: the index on disk as immutable generations. Only this package and `unfinished` write ``embeddings/``.

    embeddings/
    ├── manifest.json         the commit point: replaced as a whole, last of all; in it the manifest before it, whose
    │                         generation is kept for `rollback`
    ├── writer.json           while a sync writes: which process, where, since when
    ├── unfinished/           what an interrupted sync embedded: see `unfinished`
    └── generation-3f9c2a1047be/
        ├── texts.sqlite      documents, blocks, passages, sentences, by row
        ├── passages.faiss    row i is passage i
        ├── passages.npy      the same as they were embedded, memory-mapped as all that follows
        ├── sentences.npy     row-aligned through starts.npy
        ├── tokens.npy        of the sentences, through token_starts.npy
        └── terms/            BM25

Its modules, each importing those before it: `locking`, `manifest`, `checking`, `opening` and `generations`.
"""

from docqa.store.checking import CHECKED_ON_OPENING, check, check_files, check_model, verify
from docqa.store.generations import UNFINISHED_FOLDER, commit, new_generation, remove_leftovers, roll_back, tidy
from docqa.store.locking import write_lock, writing
from docqa.store.manifest import (
    FORMAT,
    Manifest,
    StoredFile,
    read_manifest,
    read_older_settings,
    read_previous,
    write_manifest,
)
from docqa.store.opening import TEXTS_FILE, Generation, Sources, open_generation, open_sources

__all__ = [
    "CHECKED_ON_OPENING",
    "FORMAT",
    "Generation",
    "Manifest",
    "Sources",
    "StoredFile",
    "TEXTS_FILE",
    "UNFINISHED_FOLDER",
    "check",
    "check_files",
    "check_model",
    "commit",
    "new_generation",
    "open_generation",
    "open_sources",
    "read_manifest",
    "read_older_settings",
    "read_previous",
    "remove_leftovers",
    "roll_back",
    "tidy",
    "verify",
    "write_lock",
    "write_manifest",
    "writing",
]
