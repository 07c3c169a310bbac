"""The errors docqa raises on purpose.

    DocqaError                    everything docqa raises on purpose
    ├── CorpusError
    │   ├── CorpusNotFoundError   the corpus folder is missing
    │   ├── EmptyCorpusError      no document is in it, or none that can be read
    │   ├── DocumentReadError     one document cannot be read           .path .reason
    │   └── DocumentEditError     one cannot be added or removed        .path .reason
    ├── EmbeddingError
    │   └── ModelNotFoundError    the model cannot be loaded            .name
    ├── StoreError
    │   ├── IndexNotFoundError    nothing has been synced yet           .embeddings_dir
    │   ├── IndexMismatchError    the store was made with another model .stored .given
    │   ├── StoreLockedError      another sync is writing               .embeddings_dir
    │   └── CorruptIndexError     the store's files disagree with its manifest
    ├── ServingError              the web chat cannot be served
    │   └── PortInUseError        its port is taken                     .port
    ├── AccessError               who may use the chat is not settled
    │   ├── UnprotectedHostError  others would reach it without a login .host
    │   └── PasswordFileError     a password's file cannot be used      .path .reason
    └── EvaluationError           a measurement cannot be made          .path .line

A caller's mistake (``k`` below 1, a blank query) is a ``ValueError`` or ``TypeError`` instead.
Every message says what is wrong with which thing, then the remedy; why a document cannot be read says it where it is
not plain from what is the matter.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

NAMED = 3
"""How many of the files that are skipped a message names."""


class DocqaError(Exception):
    """Everything docqa raises on purpose."""


class CorpusError(DocqaError):
    """Something is wrong with the corpus."""


class CorpusNotFoundError(CorpusError):
    """The corpus folder is missing."""

    def __init__(self, corpus_dir: Path) -> None:
        if corpus_dir.exists():
            message = f"the corpus '{corpus_dir}' is no folder; give the folder that the documents are in"
        else:
            message = f"no corpus folder at '{corpus_dir}'; create it and copy documents into it"
        super().__init__(message)
        self.corpus_dir = corpus_dir


class EmptyCorpusError(CorpusError):
    """No document is in the corpus folder, or none that can be read."""

    def __init__(self, corpus_dir: Path, indexed: int, skipped: Sequence[str] = ()) -> None:
        reasons = "; ".join([*skipped[:NAMED], *([f"{len(skipped) - NAMED} more"] if skipped[NAMED:] else [])])
        no_documents = f"no documents in '{corpus_dir}'" + (
            f" but files that are skipped ({reasons})" if skipped else ""
        )
        kept = f"; the index keeps its documents ({indexed}), 'docqa sync --force' would empty it" if indexed else ""
        super().__init__(f"{no_documents}; copy files that docqa reads into it{kept}")
        self.corpus_dir = corpus_dir


class DocumentReadError(CorpusError):
    """One document cannot be read; a sync reports it as skipped and goes on."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot read '{path}': {reason}")
        self.path = path
        self.reason = reason


class DocumentEditError(CorpusError):
    """One document cannot be added to the corpus or removed from it."""

    def __init__(self, verb: str, path: str, reason: str) -> None:
        super().__init__(f"cannot {verb} '{path}': {reason}")
        self.path = path
        self.reason = reason


class EmbeddingError(DocqaError):
    """The embedder cannot do its work, or did it wrongly."""


class ModelNotFoundError(EmbeddingError):
    """The model cannot be loaded."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"cannot load the model '{name}': {reason}")
        self.name = name


class StoreError(DocqaError):
    """Something is wrong with the store, the index on disk."""


class IndexNotFoundError(StoreError):
    """Nothing has been synced yet."""

    def __init__(self, embeddings_dir: Path) -> None:
        super().__init__(f"no index in '{embeddings_dir}'; run '{sync_command(embeddings_dir)}' to build it")
        self.embeddings_dir = embeddings_dir


class IndexMismatchError(StoreError):
    """The store was made with another model."""

    def __init__(self, stored: str, given: str) -> None:
        if stored == given:
            message = f"the index was made with other weights of the model '{given}'; run 'docqa sync --force'"
        else:
            message = (
                f"the index was made with the model '{stored}', not with '{given}'; leave --model and DOCQA_MODEL out"
            )
            message += f" to use '{stored}', or run 'docqa sync --force --model {shlex.quote(given)}'"
        super().__init__(f"{message} to embed anew")
        self.stored = stored
        self.given = given


class StoreLockedError(StoreError):
    """Another sync is writing the store."""

    def __init__(self, embeddings_dir: Path, writer: str = "") -> None:
        who = f" ({writer})" if writer else ""
        super().__init__(f"another sync is writing '{embeddings_dir}'{who}; wait until it has finished, then try again")
        self.embeddings_dir = embeddings_dir


class CorruptIndexError(StoreError):
    """The store's files disagree with its manifest."""

    def __init__(self, embeddings_dir: Path, reason: str) -> None:
        remedy = f"run '{sync_command(embeddings_dir)}' to rebuild it"
        super().__init__(f"the index in '{embeddings_dir}' cannot be used: {reason}; {remedy}")
        self.embeddings_dir = embeddings_dir
        self.reason = reason


def sync_command(embeddings_dir: Path) -> str:
    """Write the command that makes a store agree with its corpus."""
    return f"docqa sync{_option(embeddings_dir)}"


def _option(embeddings_dir: Path) -> str:
    return "" if embeddings_dir == Path("embeddings") else f" --embeddings {shlex.quote(str(embeddings_dir))}"


def unreadable(embeddings_dir: Path, reason: str) -> StoreError:
    """Say that the system refuses to read the store, which may be sound: the next sync does not rebuild it."""
    return StoreError(
        f"cannot read the index in '{embeddings_dir}': {reason}; check its permissions, disk space and memory, "
        f"then try again; 'docqa status --verify{_option(embeddings_dir)}' tells whether it is damaged"
    )


class ServingError(DocqaError):
    """The web chat cannot be served."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot serve the chat on {host}, port {port}: {reason}; choose another with --host or --port"
        )


class PortInUseError(ServingError):
    """The port of the web chat is taken."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, "something else uses the port")
        self.port = port


class AccessError(DocqaError):
    """Who may use the web chat is not settled."""


class UnprotectedHostError(AccessError):
    """Other machines would reach the web chat without a login."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"on '{host}' everyone who reaches the chat could read the documents; make a password with "
            "'docqa password FILE' and give --auth USER:FILE, or give --insecure if that is meant"
        )
        self.host = host


class PasswordFileError(AccessError):
    """A password's file cannot be used."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"cannot use the password file '{path}': {reason}; {remedy}")
        self.path = path
        self.reason = reason


class EvaluationError(DocqaError):
    """A measurement cannot be made: mostly for what stands in a file, or on a line of it."""

    def __init__(self, reason: str, *, path: Path | None = None, line: int | None = None) -> None:
        place = f"'{path}'" if line is None else f"line {line} of '{path}'"
        super().__init__(reason if path is None else f"{place}: {reason}")
        self.path = path
        self.line = line
