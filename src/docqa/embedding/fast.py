"""Which form of a model is computed: the fast one where there is one, else the one that sentence-transformers loads."""

import hashlib
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from platform import machine

from docqa.embedding.caching import find_entry, save_entry
from docqa.embedding.exporting import RECIPE, ExportError, export
from docqa.embedding.modelling import Model, ModelSettings
from docqa.embedding.onnx_runtime import OnnxModel, runtime_version
from docqa.embedding.reference import ReferenceModel

logger = logging.getLogger(__name__)

EIGHT_BITS = {"avx512_vnni", "avx_vnni", "asimddp"}
"""The flags of processors that multiply and add bytes in one instruction. Others gain less, and their sums overflow."""

PROCESSOR = Path("/proc/cpuinfo")
GRAPH, TOKENIZER, SETTINGS, REFUSAL = "graph.onnx", "tokenizer.json", "settings.json", "refusal.txt"


def find_model(name: str, digest: str, load_reference: Callable[[], ReferenceModel]) -> Model:
    """Load the fast form of a model, and make it if it was never made; where there is none, the model itself.

    Args:
        name: what messages call the model.
        digest: of all the fast form is made of.
        load_reference: loads it with sentence-transformers, which takes seconds.

    Raises:
        ModelNotFoundError: the model cannot be loaded.
    """
    compact = multiplies_bytes()
    key = json.dumps([digest, RECIPE, runtime_version(), version("sentence_transformers"), machine(), compact])
    entry = f"models/{hashlib.sha256(key.encode()).hexdigest()}"
    files = find_entry(entry)
    if files and REFUSAL in files:
        _explain(name, files[REFUSAL].read_text("utf-8"))
        return load_reference()
    return (_open(files) if files else None) or _make(name, entry, load_reference(), compact=compact)


def multiplies_bytes() -> bool:
    """Tell whether this machine's processor gains from weights of eight bits."""
    if sys.platform == "darwin":
        return machine() == "arm64"
    try:
        return not EIGHT_BITS.isdisjoint(PROCESSOR.read_text().split())
    except OSError:
        return False


def _open(files: dict[str, Path]) -> OnnxModel | None:
    """Load what was saved; nothing where this machine cannot, so that it is made anew."""
    try:
        settings = json.loads(files[SETTINGS].read_bytes())
        pooling, special_ids = settings.pop("pooling"), tuple(settings.pop("special_ids"))
        tokenizer = files[TOKENIZER].read_text("utf-8")
        return OnnxModel(files[GRAPH], tokenizer, ModelSettings(special_ids=special_ids, **settings), pooling)
    except Exception as exc:  # whatever the libraries raise for what they cannot read
        logger.info("the fast form of a model cannot be loaded from %s: %s", sorted(files.values()), exc)
        return None


def _make(name: str, entry: str, reference: ReferenceModel, *, compact: bool) -> Model:
    try:
        exported, fast = export(reference, compact=compact)
    except ExportError as exc:
        _explain(name, str(exc))
        _save(name, entry, {REFUSAL: str(exc).encode()})
        return reference
    except Exception as exc:  # whatever the libraries raise: torch computes the same, and the next run tries again
        _explain(name, f"{type(exc).__name__}: {exc}".splitlines()[0])
        return reference
    settings = {**asdict(exported.settings), "pooling": exported.pooling}
    parts = {GRAPH: exported.graph, TOKENIZER: exported.tokenizer.encode(), SETTINGS: json.dumps(settings).encode()}
    _save(name, entry, parts)
    return fast


def _save(name: str, entry: str, files: dict[str, bytes]) -> None:
    try:
        save_entry(entry, files)
    except OSError as exc:
        reason = f"{exc.strerror or exc}; set DOCQA_CACHE to a folder that you alone can write to"
        logger.warning("the fast form of the model '%s' is made in every run, not kept: %s", name, reason)


def _explain(name: str, reason: str) -> None:
    logger.warning(
        "the model '%s' is computed by torch, several times slower: it has no fast form, for %s", name, reason
    )
