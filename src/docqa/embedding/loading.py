"""Models on this machine: where they are, and what loading them has in common. Nothing is ever downloaded."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docqa.errors import ModelNotFoundError

load_lock = threading.Lock()
"""Held while a model is loaded: the libraries load one at a time."""


def is_folder(name: str) -> bool:
    """Tell whether a model's name is that of a folder."""
    return bool(name) and os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises when a name is too long


def find_folder(name: str, organisation: str) -> Path:
    """Find a model: a folder, or a name in the local model cache, with or without the organisation before it.

    Raises:
        ModelNotFoundError: it is neither.
    """
    if is_folder(name):
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    remedy = "it is neither a folder nor in the local model cache; give a folder, or fetch it with 'hf download'"
    for full_name in (name, f"{organisation}/{name}"):
        try:
            return Path(snapshot_download(full_name, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError):
            continue
    raise ModelNotFoundError(name, remedy)


@contextmanager
def explain_problems(name: str) -> Iterator[None]:
    """Keep sentence-transformers quiet while it loads a model, and turn what it raises into ``ModelNotFoundError``."""
    from safetensors import SafetensorError
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as exc:
        raise ModelNotFoundError(name, f"sentence-transformers says: {exc}") from exc
