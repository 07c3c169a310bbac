"""Matching: how well the tokens of a query are met by the tokens of a passage ("late interaction").

Each token of the query looks for its best match among the tokens of the passage (ColBERT's MaxSim, Khattab and Zaharia
2020, arXiv:2004.12832), with the token embeddings of the one forward pass over the passage.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docqa.types import Embeddings, TokenEmbeddings

STEP = 0.9957
"""Between the four levels that a number is rounded to, in deviations of its row: the best for a normal distribution
(Max, "Quantizing for minimum distortion", 1960)."""
LEVELS = np.stack([(np.arange(256) >> shift & 3) - 1.5 for shift in (0, 2, 4, 6)], axis=1).astype(np.float32)
"""The four numbers that a byte holds."""
ALONE = 9_000
"""Numbers of a matrix that OpenBLAS multiplies by a vector in the thread that asks it to. It divides larger ones, and
then waits for a processor that another thread or program may have: beside busy ones a query took thrice as long."""
TOGETHER = 512
"""Tokens that are compared at once, so that they stay in a processor's own cache."""
NEAR = 30
"""Tokens; how far apart the matches of a query's tokens may stand to count as together."""

Scores = NDArray[np.float32]
Counts = NDArray[np.int64]


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
    query: TokenEmbeddings, weights: Scores, rows: NDArray[np.uint8], token_counts: Sequence[Counts]
) -> tuple[list[Scores], Scores]:
    """Compare the tokens of a query with the compressed ones of n passages, all at once.

    Args:
        query: q tokens, not compressed.
        weights: ``(q,)``, how much each counts; their sum is 1.
        rows: ``(t, d / 4)``, the tokens of the passages, one after another.
        token_counts: for each passage ``(m,)``, how many of them each of its sentences has.

    Returns:
        For each passage, the best cosine of each query token in each sentence, ``(m, q)``, 0 in one without tokens; and
        ``(n, 3)``, weighted means of best cosines: of the tokens anywhere, of pairs of neighbours matched by
        neighbours, and within ``NEAR`` tokens.
    """
    counts = np.concatenate([np.empty(0, np.int64), *token_counts])
    best = np.zeros((len(counts), len(query)), np.float32)
    means = np.zeros((len(token_counts), 3), np.float32)
    if len(query) and len(rows):
        sizes = np.array([each.sum() for each in token_counts])
        passages = _Stretches(sizes)
        cosines = _cosines(np.asarray(query.rows, np.float32), rows)
        best[counts > 0] = _Stretches(counts).most(cosines).T
        means[sizes > 0] = _means(cosines, weights, passages)
    return np.split(best, np.cumsum([len(each) for each in token_counts])[:-1]), means


class _Stretches:
    """Where the passages, or the sentences, begin and end among the tokens; those without tokens are left out."""

    def __init__(self, sizes: Counts) -> None:
        self.sizes = sizes[sizes > 0]
        self.ends = np.cumsum(self.sizes)

    def most(self, values: Scores) -> Scores:
        """Find the most of each row in each stretch: ``(..., t)`` → ``(..., n)``."""
        return np.asarray(np.maximum.reduceat(values, self.ends - self.sizes, axis=-1), np.float32)

    def most_across(self, values: Scores, length: int) -> Scores:
        """Find the same for values of several tokens each; it is 0 where the stretch has fewer.

        The value at a place, ``(..., t - length + 1)``, is that of the tokens from there on.
        """
        within = np.full((*values.shape[:-1], self.ends[-1]), -np.inf, np.float32)
        within[..., : values.shape[-1]] = values
        within[..., np.repeat(self.ends, self.sizes) - np.arange(self.ends[-1]) < length] = -np.inf
        return np.where(self.sizes >= length, self.most(within), np.float32(0))


def _means(cosines: Scores, weights: Scores, passages: _Stretches) -> Scores:
    anywhere = _weighted(weights, passages.most(cosines))
    together = anywhere
    if cosines.shape[1] > NEAR:
        together = passages.most_across(_weighted(weights, _running_most(cosines, NEAR)), NEAR)
    in_order = anywhere
    if min(cosines.shape) > 1:
        pairs = weights[:-1] + weights[1:]
        neighbours = passages.most_across((cosines[:-1, :-1] + cosines[1:, 1:]) * np.float32(0.5), 2)
        in_order = np.where(passages.sizes > 1, _weighted(pairs, neighbours) / max(float(pairs.sum()), 1e-9), anywhere)
    return np.stack([anywhere, in_order, np.where(passages.sizes > NEAR, together, anywhere)], axis=1)


def _running_most(values: Scores, width: int) -> Scores:
    """Find the most of so many neighbours: ``(q, t)`` → ``(q, t - width + 1)``; windows of 2, 4, 8 ... make it up."""
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        values = np.maximum(values[:, :-step], values[:, step:])
        covered += step
    return values


def _cosines(query: Embeddings, rows: NDArray[np.uint8]) -> Scores:
    """Compute the cosines of a query's tokens with compressed ones: ``(q, d)`` and ``(t, d / 4)`` → ``(q, t)``.

    Token by token, for what BLAS rounds depends on the place in a product of matrices, and copies must stay equal.
    """
    parts = np.array_split(_unit(query), math.ceil(query.size / ALONE))
    cosines = np.empty((len(query), len(rows)), np.float32)
    for start in range(0, len(rows), TOGETHER):
        levels = np.take(LEVELS, rows[start : start + TOGETHER], axis=0)  # LEVELS[rows] takes ten times as long
        levels = levels.reshape(len(levels), -1)[:, : query.shape[1]]
        products = np.concatenate([(part @ levels[:, :, None])[:, :, 0] for part in parts], axis=1)
        np.divide(products.T, np.sqrt(np.vecdot(levels, levels)), out=cosines[:, start : start + TOGETHER])
    return cosines


def _weighted(weights: Scores, values: Scores) -> Scores:
    """Sum the rows by their weights, ``(q,)`` and ``(q, t)`` → ``(t,)``, each column as if it were alone."""
    return np.asarray(np.einsum("i,ij->j", weights, values), np.float32)


def _unit(rows: Embeddings) -> Embeddings:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
