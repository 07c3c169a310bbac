"""Matching: how well the tokens of a query are met by the tokens of a passage ("late interaction").

Each token of the query looks for its best match among the tokens of the passage (ColBERT's MaxSim, Khattab and Zaharia
2020, arXiv:2004.12832), with the token embeddings of the one forward pass over the passage.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from docqa.types import Embeddings, TokenEmbeddings

STEP = 0.9957
"""Between the four levels that a number is rounded to, in deviations of its row: the best for a normal distribution
(Max, "Quantizing for minimum distortion", 1960)."""
LEVELS = np.stack([(np.arange(256) >> shift & 3) - 1.5 for shift in (0, 2, 4, 6)], axis=1).astype(np.float32)
"""The four numbers that a byte holds."""
NEAR = 30
"""Tokens; how far apart the matches of a query's tokens may stand to count as together."""

Scores = NDArray[np.float32]


def compress_tokens(tokens: TokenEmbeddings) -> TokenEmbeddings:
    """Keep of each token's embedding the direction, four numbers in a byte; the last byte may be partly unused.

    With 384 numbers of two bits the right passage is first nearly as often as with float32, and more often than with 96
    numbers of eight: docs/retrieval.md.
    """
    rows = np.asarray(tokens.rows, np.float32)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    deviations = np.maximum(np.sqrt(np.mean(rows**2, axis=1, keepdims=True)), 1e-12)
    levels = np.clip(np.floor(rows / (STEP * deviations)) + 2, 0, 3).astype(np.uint8)
    return TokenEmbeddings(
        tokens.ids, levels[:, ::4] | levels[:, 1::4] << 2 | levels[:, 2::4] << 4 | levels[:, 3::4] << 6
    )


def match_tokens(
    query: TokenEmbeddings, weights: Scores, passage: TokenEmbeddings, token_counts: NDArray[np.int64]
) -> tuple[Scores, Scores]:
    """Compare the tokens of a query with the compressed ones of a passage.

    Args:
        query: q tokens, not compressed.
        weights: ``(q,)``, how much each counts; their sum is 1.
        passage: t tokens, compressed.
        token_counts: ``(m,)``, how many of them each sentence of the passage has.

    Returns:
        The best cosine of each query token in each sentence, ``(m, q)``, 0 in one without tokens; and three weighted
        means of best cosines: of the tokens anywhere, of pairs of neighbours matched by neighbours, and within
        ``NEAR`` tokens.
    """
    best = np.zeros((len(token_counts), len(query)), np.float32)
    if not len(query) or not len(passage):
        return best, np.zeros(3, np.float32)
    dimension = query.rows.shape[1]
    rows = LEVELS[passage.rows].reshape(len(passage), -1)[:, :dimension]
    cosines = _unit(np.asarray(query.rows, np.float32)) @ rows.T / np.sqrt(np.einsum("ij,ij->i", rows, rows))
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
