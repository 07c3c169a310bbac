"""The fast form of a model: made from the one that sentence-transformers loads, trusted only once the two agree."""

from typing import Any, get_args

import numpy as np

from docqa.embedding.graphs import Architecture, write_graph
from docqa.embedding.modelling import Pooling, TextEmbeddings
from docqa.embedding.onnx_runtime import Exported, OnnxModel
from docqa.embedding.probes import PASSAGES, QUERIES
from docqa.embedding.reference import ReferenceModel
from docqa.types import Embeddings

RECIPE = 1
"""Raised with every change of what is exported, so that what an older docqa exported is left alone."""

PADDED_POSITIONS = {"BertModel": False, "RobertaModel": True, "XLMRobertaModel": True}
"""The architectures that are known, and whether their positions are counted from behind the padding token's number."""

LEAST_COSINE = 0.98
"""Of a text's two embeddings, and of the mean of its tokens'."""

MOST_DIFFERENCE = 0.03
"""Between the two scores of a query and a passage, so that passages twice as far apart are in the same order."""


class ExportError(Exception):
    """A model has no fast form, or one that is another model; says why."""


def export(reference: ReferenceModel, *, compact: bool) -> tuple[Exported, OnnxModel]:
    """Make the fast form of a model, and check that it is the same model.

    Args:
        reference: the model.
        compact: multiply in eight bits, unless the model is one that this changes too much.

    Raises:
        ExportError: it is of a kind that cannot be proved equal, or is not.
    """
    model: Any = reference.model
    pooling = _pooling(model)
    transformer = model[0].model
    architecture = _architecture(transformer)
    weights = {name: _array(tensor) for name, tensor in transformer.state_dict().items()}
    try:
        graph = write_graph(architecture, weights, compact=compact)
    except OverflowError as exc:
        raise ExportError("its weights are too large for one file") from exc
    exported = Exported(graph, reference.tokenizing.description, reference.settings, pooling)
    fast = OnnxModel(exported.graph, exported.tokenizer, exported.settings, exported.pooling)
    try:
        check(fast, reference)
    except ExportError:
        if not compact:
            raise
        return export(reference, compact=False)
    return exported, fast


def check(fast: OnnxModel, reference: ReferenceModel) -> None:
    """Check on real sentences that two models say the same.

    Raises:
        ExportError: tokens differ, an embedding is further away than ``LEAST_COSINE``, or scores than
            ``MOST_DIFFERENCE``.
    """
    passages = [list(model.embed_passages(PASSAGES)) for model in (fast, reference)]
    queries = [[model.embed_query(query) for query in QUERIES] for model in (fast, reference)]
    for mine, theirs in zip(passages[0] + queries[0], passages[1] + queries[1], strict=True):
        if not np.array_equal(mine.ids, theirs.ids) or not np.array_equal(mine.offsets, theirs.offsets):
            raise ExportError("its tokens came out differently")
        likeness = min(
            _cosine(mine.embedding, theirs.embedding), _cosine(mine.rows.mean(axis=0), theirs.rows.mean(axis=0))
        )
        if not likeness >= LEAST_COSINE:  # so that what is not a number does not pass
            raise ExportError(f"an embedding has a cosine of {likeness:.3f} with the right one")
    difference = float(np.abs(_scores(queries[0], passages[0]) - _scores(queries[1], passages[1])).max())
    if difference > MOST_DIFFERENCE:
        raise ExportError(f"a passage's score is {difference:.3f} away from the right one")


def _pooling(model: Any) -> Pooling:
    parts = [type(module).__name__ for module in model]
    if parts not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ExportError(f"its parts are {', '.join(parts)}")
    if model.truncate_dim:
        raise ExportError(f"its embeddings are cut to {model.truncate_dim} numbers")
    transformer, pooling = model[0], model[1]
    if transformer.query_length or transformer.document_length or transformer.query_expansion:
        raise ExportError("it treats queries and documents differently")
    if pooling.pooling_mode not in get_args(Pooling):
        raise ExportError(f"its pooling is {pooling.pooling_mode}")
    if not pooling.include_prompt:
        raise ExportError("its pooling leaves the prompt out")
    mode: Pooling = pooling.pooling_mode
    return mode


def _architecture(transformer: Any) -> Architecture:
    name, config = type(transformer).__name__, transformer.config
    if name not in PADDED_POSITIONS:
        raise ExportError(f"its architecture is {name}")
    if config.hidden_act != "gelu" or getattr(config, "position_embedding_type", "absolute") != "absolute":
        raise ExportError("its activation function or its positions are unusual")
    first = config.pad_token_id + 1 if PADDED_POSITIONS[name] else 0
    return Architecture(config.num_hidden_layers, config.num_attention_heads, config.layer_norm_eps, first)


def _scores(queries: list[TextEmbeddings], passages: list[TextEmbeddings]) -> Embeddings:
    return np.array([[_cosine(query.embedding, passage.embedding) for passage in passages] for query in queries])


def _cosine(one: Embeddings, other: Embeddings) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))


def _array(tensor: Any) -> Embeddings:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
