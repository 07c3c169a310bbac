"""Matching: compressed tokens keep angles, and every match against a double loop."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from docqa.machine import usable_cpus
from docqa.matching import NEAR, compress_tokens, match_tokens
from docqa.types import TokenEmbeddings

SEEDS = st.integers(0, 2**32 - 1)


def tokens(rows: np.ndarray) -> TokenEmbeddings:
    return TokenEmbeddings(np.arange(len(rows), dtype=np.int32), np.asarray(rows, np.float32))


def some(random: np.random.Generator, count: int, dimension: int = 8) -> TokenEmbeddings:
    """Make tokens of which compression changes but the length: their numbers are 0.5 or 1.5 times a step."""
    signs = random.choice([-1, 1], (count, dimension))
    sizes = np.array(
        [random.permutation([0.5] * (dimension // 2) + [1.5] * (dimension - dimension // 2)) for _ in range(count)]
    )
    return tokens(signs * sizes.reshape(count, dimension))


def unit(random: np.random.Generator, rows: int, dimension: int = 384) -> np.ndarray:
    values = random.standard_normal((rows, dimension)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def random_weights(random: np.random.Generator, count: int) -> np.ndarray:
    values = random.random(count).astype(np.float32) + np.float32(0.01)
    return values / values.sum()


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(float), other.astype(float)
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-12))


def match_by_loops(
    query: TokenEmbeddings, weights: np.ndarray, passage: TokenEmbeddings
) -> tuple[list[float], list[float]]:
    """Match as the docstrings say, without any array operation across tokens."""
    q, t = len(query), len(passage)
    table = [[cosine(query.rows[i], passage.rows[j]) for j in range(t)] for i in range(q)]
    best = [max(row) for row in table]
    anywhere = sum(float(weights[i]) * best[i] for i in range(q))
    in_order, total = 0.0, 0.0
    for i in range(q - 1):
        pair = float(weights[i]) + float(weights[i + 1])
        total += pair
        if t > 1:
            in_order += pair * max((table[i][j] + table[i + 1][j + 1]) / 2 for j in range(t - 1))
    in_order = in_order / total if total and t > 1 else anywhere
    windows = [range(j, min(j + NEAR, t)) for j in range(max(t - NEAR, 0) + 1)]
    together = max(sum(float(weights[i]) * max(table[i][j] for j in window) for i in range(q)) for window in windows)
    return best, [anywhere, in_order, together]


# compression


def found_cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine of a query's token with a stored one."""
    weights = np.ones(1, np.float32)
    matches, _ = match_tokens(tokens(one[None]), weights, compress_tokens(tokens(other[None])).rows, [np.array([1])])
    return float(matches[0][0, 0])


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 8, 384, 385])
def test_four_numbers_share_a_byte(dimension: int) -> None:
    found = compress_tokens(tokens(unit(np.random.default_rng(0), 5, dimension)))
    assert (found.rows.shape, found.rows.dtype) == ((5, -(-dimension // 4)), np.uint8)
    assert found.ids.tolist() == [0, 1, 2, 3, 4]


def test_compressed_tokens_are_what_they_were_in_every_version() -> None:
    """A store keeps compressed tokens for years: other values would need another format."""
    found = compress_tokens(TokenEmbeddings(np.array([2054, 7], np.int32), np.array([LEVELLED, LEVELLED[::-1]])))
    assert found.ids.tolist() == [2054, 7]
    assert found.rows.tolist() == [[0b11_10_01_00, 0b00_01_10_11], [0b11_10_01_00, 0b00_01_10_11]]


LEVELLED = np.array([-9, -0.5, 0.5, 9, 9, 0.5, -0.5, -9], np.float32)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_compressed_tokens_keep_the_cosines_of_random_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, others = unit(random, 1)[0], unit(random, 40)
    errors = [abs(found_cosine(one, other) - cosine(one, other)) for other in others]
    assert max(errors) < 0.1
    assert np.mean(errors) < 0.03


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.floats(0.5, 1))
def test_compressed_tokens_keep_close_rows_close(seed: int, closeness: float) -> None:
    one, other = unit(np.random.default_rng(seed), 2)
    near = closeness * one + (1 - closeness) * other
    # two bits a number keep 94 % of the cosine: Max 1960, of whose noise a part is across the direction
    assert found_cosine(one, near) == pytest.approx(0.94 * cosine(one, near), abs=0.06)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.floats(1e-3, 1e3))
def test_compression_depends_on_the_direction_of_each_row_alone(seed: int, length: float) -> None:
    rows = unit(np.random.default_rng(seed), 6)
    together = compress_tokens(tokens(rows)).rows
    for i in range(6):
        alone = compress_tokens(tokens(np.float32(length) * rows[i : i + 1])).rows[0]
        assert (alone != together[i]).sum() <= 2  # a number on the border may fall to either side
    assert_array_equal(compress_tokens(tokens(rows)).rows, together)


def test_no_tokens_can_be_compressed() -> None:
    none = compress_tokens(TokenEmbeddings(np.empty(0, np.int32), np.empty((0, 384), np.float32)))
    assert (none.ids.shape, none.rows.shape, none.rows.dtype) == ((0,), (0, 96), np.uint8)


# matches


def match_whole(query: TokenEmbeddings, weights: np.ndarray, passage: TokenEmbeddings) -> tuple[np.ndarray, np.ndarray]:
    """Match a passage of one sentence."""
    matches, means = match_tokens(query, weights, compress_tokens(passage).rows, [np.array([len(passage)])])
    assert [best.shape for best in matches] == [(1, len(query))]
    return matches[0][0], means[0]


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 12), st.integers(1, 3 * NEAR))
def test_matches_are_those_of_a_double_loop(seed: int, asked: int, found: int) -> None:
    random = np.random.default_rng(seed)
    query, passage, weights = some(random, asked), some(random, found), random_weights(random, asked)
    best, means = match_whole(query, weights, passage)
    expected_best, expected_means = match_by_loops(query, weights, passage)
    assert (best.dtype, means.dtype) == (np.float32, np.float32)
    assert_allclose(best, expected_best, atol=1e-5)
    assert_allclose(means, expected_means, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 12), st.integers(1, 3 * NEAR))
def test_means_with_weights_that_sum_to_one_are_cosines(seed: int, asked: int, found: int) -> None:
    random = np.random.default_rng(seed)
    query, passage, weights = some(random, asked), some(random, found), random_weights(random, asked)
    best, (anywhere, in_order, together) = match_whole(query, weights, passage)
    assert best.min() >= -1 - 1e-5
    assert best.max() <= 1 + 1e-5
    assert -1 - 1e-5 <= together <= anywhere + 1e-5
    assert anywhere <= 1 + 1e-5
    assert -1 - 1e-5 <= in_order <= 1 + 1e-5


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, NEAR), st.integers(0, 40), st.integers(0, 40))
def test_a_passage_that_holds_the_query_matches_fully(seed: int, asked: int, before: int, after: int) -> None:
    random = np.random.default_rng(seed)
    query, others = some(random, asked), some(random, before + after)
    passage = tokens(np.concatenate([others.rows[:before], query.rows, others.rows[before:]]))
    best, means = match_whole(query, random_weights(random, asked), passage)
    assert_allclose(best, np.ones(asked), atol=1e-5)
    assert_allclose(means, [1, 1, 1], atol=1e-5)


ACROSS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]], np.float32)
"""At right angles, and kept by compression."""


@pytest.mark.parametrize(("gap", "together"), [(0, 1.0), (NEAR - 2, 1.0), (NEAR - 1, 0.5), (3 * NEAR, 0.5)])
def test_tokens_are_together_within_near_tokens(gap: int, together: float) -> None:
    rows = np.array([ACROSS[0], *[ACROSS[2]] * gap, ACROSS[1]])
    query = tokens(ACROSS[:2])
    best, means = match_whole(query, np.array([0.5, 0.5], np.float32), tokens(rows))
    assert_allclose(best, [1, 1])
    assert_allclose(means, [1, 1.0 if gap == 0 else 0.5, together])


def test_neighbours_match_in_order_only() -> None:
    query = tokens(ACROSS[:2])
    turned = tokens(query.rows[::-1])
    weights = np.array([0.25, 0.75], np.float32)
    assert_allclose(match_whole(query, weights, query)[1], [1, 1, 1], atol=1e-6)
    assert_allclose(match_whole(query, weights, turned)[1], [1, 0, 1], atol=1e-6)


@pytest.mark.parametrize(("asked", "found"), [(0, 3), (3, 0), (0, 0)])
def test_an_empty_query_or_passage_matches_nothing(asked: int, found: int) -> None:
    random = np.random.default_rng(0)
    weights = np.full(asked, 1 / max(asked, 1), np.float32)
    best, means = match_whole(some(random, asked), weights, some(random, found))
    assert best.tolist() == [0] * asked
    assert means.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("asked", "found"), [(1, 1), (1, 40), (5, 1)])
def test_with_a_single_token_all_means_are_the_same(asked: int, found: int) -> None:
    random = np.random.default_rng(1)
    weights = random_weights(random, asked)
    best, means = match_whole(some(random, asked), weights, some(random, found))
    assert_allclose(means, [weights @ best] * 3, atol=1e-6)


def test_a_token_without_direction_matches_nothing() -> None:
    random = np.random.default_rng(2)
    query = tokens(np.zeros((2, 8), np.int8))
    best, means = match_whole(query, np.array([0.5, 0.5], np.float32), some(random, 9))
    assert (best.tolist(), means.tolist()) == ([0, 0], [0, 0, 0])


def match_sentences(query: TokenEmbeddings, sentences: list[TokenEmbeddings]) -> np.ndarray:
    whole = tokens(np.concatenate([sentence.rows for sentence in sentences]))
    counts = np.array([len(sentence) for sentence in sentences])
    weights = np.full(len(query), 1 / max(len(query), 1), np.float32)
    return match_tokens(query, weights, compress_tokens(whole).rows, [counts])[0][0]


def test_each_sentence_is_matched_by_itself_and_one_without_tokens_by_nothing() -> None:
    random = np.random.default_rng(3)
    query = some(random, 4)
    sentences = [some(random, count) for count in (3, 0, 1, 50)]
    found = match_sentences(query, sentences)
    assert (found.shape, found.dtype) == ((4, 4), np.float32)
    assert found[1].tolist() == [0, 0, 0, 0]
    for i in (0, 2, 3):
        assert_allclose(found[i], match_by_loops(query, np.ones(4), sentences[i])[0], atol=1e-5)


def test_a_passage_matches_as_well_as_the_best_of_its_sentences() -> None:
    random = np.random.default_rng(4)
    query, sentences = some(random, 6), [some(random, count) for count in (3, 8, 2)]
    whole = tokens(np.concatenate([sentence.rows for sentence in sentences]))
    best, _ = match_whole(query, random_weights(random, 6), whole)
    assert_allclose(match_sentences(query, sentences).max(axis=0), best, atol=1e-6)


def test_a_query_without_tokens_has_an_empty_row_for_each_sentence() -> None:
    random = np.random.default_rng(5)
    assert match_sentences(some(random, 0), [some(random, 2), some(random, 0)]).shape == (2, 0)


SIZES = st.lists(st.lists(st.integers(0, 2 * NEAR), max_size=4), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(0, 6), SIZES)
def test_passages_together_match_as_each_does_alone(seed: int, asked: int, sizes: list[list[int]]) -> None:
    random = np.random.default_rng(seed)
    query, weights = some(random, asked), random_weights(random, asked)
    counts = [np.array(each, np.int64) for each in sizes]
    passages = [compress_tokens(some(random, sum(each))).rows for each in sizes]
    together, means = match_tokens(query, weights, np.concatenate(passages), counts)
    assert means.shape == (len(sizes), 3)
    for passage, count, best, mean in zip(passages, counts, together, means, strict=True):
        alone, alone_mean = match_tokens(query, weights, passage, [count])
        assert best.shape == (len(count), asked)
        assert_allclose(best, alone[0], atol=1e-6)
        assert_allclose(mean, alone_mean[0], atol=1e-6)


def test_copies_match_equally_wherever_they_stand() -> None:
    """What BLAS rounds depends on the place in a product; copies must not be ranked by that."""
    random = np.random.default_rng(6)
    query, copy = tokens(unit(random, 13)), compress_tokens(tokens(unit(random, 47))).rows
    weights = random_weights(random, 13)
    others = [compress_tokens(tokens(unit(random, count))).rows for count in (1, 3, 31)]
    passages = [copy, others[0], copy, others[1], copy, others[2], copy]
    found, means = match_tokens(query, weights, np.concatenate(passages), [np.array([len(p)]) for p in passages])
    for i in (2, 4, 6):
        assert_array_equal(found[i], found[0])
        assert_array_equal(means[i], means[0])


def test_a_long_query_matches_as_each_of_its_tokens_does_alone() -> None:
    random = np.random.default_rng(7)
    query, rows = tokens(unit(random, 120)), compress_tokens(tokens(unit(random, 50))).rows
    (found,), _ = match_tokens(query, random_weights(random, 120), rows, [np.array([50])])
    one = np.ones(1, np.float32)
    alone = [match_tokens(tokens(row[None]), one, rows, [np.array([50])])[0][0] for row in query.rows]
    assert_allclose(found, np.concatenate(alone, axis=1), atol=1e-6)


BUSY = """
import time
import numpy as np
from docqa.matching import match_tokens
from docqa.types import TokenEmbeddings

query = TokenEmbeddings(np.arange(60, dtype=np.int32), np.ones((60, 384), np.float32))
rows, weights = np.ones((3000, 96), np.uint8), np.full(60, 1 / 60, np.float32)
time.sleep(0.5)  # threads that have just started are busy for a while
others, own = time.process_time(), time.thread_time()
for _ in range(20):
    match_tokens(query, weights, rows, [np.array([150])] * 20)
print((time.process_time() - others) / (time.thread_time() - own))
"""


@pytest.mark.skipif(usable_cpus() < 2, reason="libraries start no threads on one processor")
def test_matching_keeps_no_other_thread_busy() -> None:
    """A thread of BLAS that gets no processor holds up all who wait for it."""
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", BUSY], env=free, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.2
