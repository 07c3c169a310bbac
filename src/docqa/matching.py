"""Matching: how well the tokens of a query are met by the tokens of a passage ("late interaction").

Each token of the query looks for its best match among the tokens of the passage (ColBERT's MaxSim, Khattab and Zaharia
2020, arXiv:2004.12832), with the token embeddings of the one forward pass over the passage.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from docqa.types import Embeddings, TokenEmbeddings

TOKEN_DIMENSION = 96
"""Numbers kept of a token's embedding. With 128 the right passage is first 0.2 points more often, with 384 0.3."""
NEAR = 30
"""Tokens; how far apart the matches of a query's tokens may stand to count as together."""

Scores = NDArray[np.float32]


def compress_tokens(tokens: TokenEmbeddings) -> TokenEmbeddings:
    """Keep of each token's embedding the direction, in one byte for each of ``TOKEN_DIMENSION`` numbers.

    The projection is random, orthogonal and always the same: it keeps angles (Johnson and Lindenstrauss 1984) and,
    unlike principal directions, does not depend on the corpus, so that stored tokens stay valid when it changes.
    """
    rows = _unit(np.asarray(tokens.rows, np.float32)) @ _projection(tokens.rows.shape[1])
    largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True, initial=0), 1e-12)
    return TokenEmbeddings(tokens.ids, np.round(rows * (127 / largest)).astype(np.int8))


def match_tokens(
    query: TokenEmbeddings, weights: Scores, passage: TokenEmbeddings, token_counts: NDArray[np.int64]
) -> tuple[Scores, Scores]:
    """Compare compressed tokens.

    Args:
        query: q tokens.
        weights: ``(q,)``, how much each counts; their sum is 1.
        passage: t tokens.
        token_counts: ``(m,)``, how many of them each sentence of the passage has.

    Returns:
        The best cosine of each query token in each sentence, ``(m, q)``, 0 in one without tokens; and three weighted
        means of best cosines: of the tokens anywhere, of pairs of neighbours matched by neighbours, and within
        ``NEAR`` tokens.
    """
    best = np.zeros((len(token_counts), len(query)), np.float32)
    if not len(query) or not len(passage):
        return best, np.zeros(3, np.float32)
    cosines = _unit(np.asarray(query.rows, np.float32)) @ _unit(np.asarray(passage.rows, np.float32)).T
    starts = np.cumsum(token_counts) - token_counts
    best[token_counts > 0] = np.maximum.reduceat(cosines, starts[token_counts > 0], axis=1).T
    together = (weights @ maximum_filter1d(cosines, NEAR, axis=1, mode="nearest")).max()
    return best, np.array([weights @ cosines.max(axis=1), _in_order(cosines, weights), together], np.float32)


def _in_order(cosines: Scores, weights: Scores) -> float:
    if min(cosines.shape) < 2:
        return float(weights @ cosines.max(axis=1))
    pairs = weights[:-1] + weights[1:]
    neighbours = (cosines[:-1, :-1] + cosines[1:, 1:]).max(axis=1) / 2
    return float(pairs @ neighbours / max(float(pairs.sum()), 1e-9))


def _unit(rows: Embeddings) -> Embeddings:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


@lru_cache(4)
def _projection(dimension: int) -> Embeddings:
    if dimension <= TOKEN_DIMENSION:
        return np.eye(dimension, dtype=np.float32)
    # by Gram and Schmidt, for what a linear algebra library makes of it differs in sign from version to version
    signs = 2.0 * np.random.default_rng(0).integers(0, 2, (TOKEN_DIMENSION, dimension)) - 1
    directions = np.empty_like(signs)
    for i, row in enumerate(signs):
        for other in directions[:i]:
            row -= (row @ other) * other
        directions[i] = row / np.linalg.norm(row)
    return np.ascontiguousarray(directions.T, np.float32)
