from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from docqa import PassageEmbeddings
from docqa.index import CANDIDATES, Candidates, Index, Signal
from docqa.types import TokenEmbeddings

DIMENSION = 16
TOKEN_LENGTH = 12
TOKEN_IDS = 30
WORDS = ["bee", "honey", "bridg", "river", "cake", "мост", "日本", "7"]


class Parts:
    """What an index is built from, made at random."""

    def __init__(self, passages: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.counts = random.integers(1, 5, passages).tolist()
        self.starts = [0, *accumulate(self.counts)]
        rows = unit(random, passages), unit(random, sum(self.counts))
        self.terms = [random.choice(WORDS, random.integers(0, 9)).tolist() for _ in range(passages)]
        self.sentence_terms = [
            [random.choice(WORDS, random.integers(0, 5)).tolist() for _ in range(count)] for count in self.counts
        ]
        self.query = unit(random, 1)[0]
        token_counts = random.integers(0, 6, sum(self.counts))
        self.token_starts = [0, *accumulate(token_counts.tolist())]
        ids = random.integers(0, TOKEN_IDS, self.token_starts[-1]).astype(np.int32)
        values = random.integers(0, 256, (len(ids), TOKEN_LENGTH)).astype(np.uint8)
        self.embeddings = PassageEmbeddings(*rows, TokenEmbeddings(ids, values), token_counts)

    def build(self) -> Index:
        return Index.build(self.embeddings, self.terms, self.sentence_terms)

    def tokens_of(self, sentence: int) -> TokenEmbeddings:
        span = slice(self.token_starts[sentence], self.token_starts[sentence + 1])
        return TokenEmbeddings(self.embeddings.tokens.ids[span], self.embeddings.tokens.rows[span])

    def ids_of(self, row: int) -> set[int]:
        bounds = self.token_starts[self.starts[row]], self.token_starts[self.starts[row + 1]]
        return set(self.embeddings.tokens.ids[slice(*bounds)].tolist())


def unit(random: np.random.Generator, rows: int) -> np.ndarray:
    values = random.standard_normal((rows, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def bm25(query: Sequence[str], rows: Sequence[Sequence[str]]) -> np.ndarray:
    """Score rows as Lucene does, written out from the formula."""
    scores = np.zeros(len(rows))
    if not any(rows):
        return scores
    mean = sum(map(len, rows)) / len(rows)
    for term in query:
        frequency = sum(term in row for row in rows)
        if frequency:
            rarity = np.log(1 + (len(rows) - frequency + 0.5) / (frequency + 0.5))
            for i, row in enumerate(rows):
                count = row.count(term)
                scores[i] += rarity * count / (count + 1.5 * (1 - 0.75 + 0.75 * len(row) / mean)) if count else 0
    return scores


def pair(terms: Sequence[str]) -> list[str]:
    return [" ".join(terms[i : i + 2]) for i in range(len(terms) - 1)]


def rarity(passages: int, frequency: int) -> float:
    return float(np.log(1 + (passages - frequency + 0.5) / (frequency + 0.5)))


def assert_same(one: Candidates, other: Candidates) -> None:
    assert_array_equal(one.rows, other.rows)
    for signal in ("passage", "sentence", "terms", "sentence_terms", "pairs"):
        assert_array_equal(getattr(one, signal).scores, getattr(other, signal).scores)
        assert getattr(one, signal).mean == getattr(other, signal).mean
        assert getattr(one, signal).deviation == getattr(other, signal).deviation
    assert_array_equal(one.every_sentence, other.every_sentence)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(0, 5), st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=4))
def test_candidates_are_scored_as_by_brute_force(passages: int, seed: int, terms: list[str]) -> None:
    parts = Parts(passages, seed)
    found = parts.build().search(parts.query, {1.0: terms}, 5)
    by_passage = parts.embeddings.passages @ parts.query
    all_sentences = parts.embeddings.sentences @ parts.query
    by_sentence = np.array([max(all_sentences[a:b]) for a, b in pairwise(parts.starts)])
    by_terms = bm25(terms, parts.terms)
    by_pairs = bm25(pair(terms), [pair(row) for row in parts.terms])
    all_sentence_terms = bm25(terms, [row for rows in parts.sentence_terms for row in rows])
    by_sentence_terms = np.array([max(all_sentence_terms[a:b]) for a, b in pairwise(parts.starts)])
    assert_allclose(found.every_sentence, [all_sentences, all_sentence_terms], atol=1e-5)
    for signal, expected in (
        (found.passage, by_passage),
        (found.sentence, by_sentence),
        (found.terms, by_terms),
        (found.sentence_terms, by_sentence_terms),
        (found.pairs, by_pairs),
    ):
        assert_allclose(signal.scores, expected[found.rows], atol=1e-5)
        assert signal.mean == pytest.approx(expected.mean(), abs=1e-5)
        assert signal.deviation == pytest.approx(expected.std(), abs=1e-5)
    wanted = min(passages, CANDIDATES)
    for expected in (by_passage, by_sentence):
        assert set(np.argsort(-expected)[:wanted].tolist()) <= set(found.rows.tolist())
    assert found.rows.tolist() == sorted(set(found.rows.tolist()))


@pytest.mark.parametrize(("k", "rows"), [(1, 20), (20, 20), (21, 20), (1_000_000, 20)])
def test_k_above_the_number_of_passages_gives_them_all(k: int, rows: int) -> None:
    parts = Parts(rows)
    assert parts.build().search(parts.query, {1.0: ["bee"]}, k).rows.tolist() == list(range(rows))


def test_a_large_k_is_granted_in_a_large_index() -> None:
    parts = Parts(400)
    assert len(parts.build().search(parts.query, {}, 250).rows) >= 250


@pytest.mark.parametrize("terms", [[], ["unknown"], ["unknown", "unknown"]])
def test_a_query_without_known_terms_is_searched_by_its_embedding(terms: list[str]) -> None:
    parts = Parts(30)
    found = parts.build().search(parts.query, {1.0: terms}, 5)
    for signal in (found.terms, found.pairs):
        assert_array_equal(signal.scores, np.zeros(30, np.float32))
        assert_array_equal(signal.standardised(), np.zeros(30, np.float32))
    assert found.rows[np.argmax(found.passage.scores)] == np.argmax(parts.embeddings.passages @ parts.query)


@pytest.mark.parametrize("passages", [1, 7, 150])
def test_an_index_read_back_finds_the_same_and_holds_the_same_bits(passages: int, tmp_path: Path) -> None:
    parts = Parts(passages)
    built = parts.build()
    built.write(tmp_path)
    read = Index.read(tmp_path)
    assert (len(read), read.dimension) == (len(built), built.dimension) == (passages, DIMENSION)
    for terms in ({}, {1.0: ["bee"]}, {1.0: ["honey", "honey", "мост"], 0.2: ["bee", "cake"]}, {1.0: ["unknown"]}):
        assert_same(read.search(parts.query, terms, 5), built.search(parts.query, terms, 5))
    for row in range(passages):
        expected = parts.embeddings.sentences[parts.starts[row] : parts.starts[row + 1]]
        for index in (built, read):
            found = index.embeddings(row)
            assert found.passages.tobytes() == parts.embeddings.passages[row].tobytes()
            assert found.passages.shape == (1, DIMENSION)
            assert found.sentences.tobytes() == expected.tobytes()
            assert index.sentences(row) == slice(parts.starts[row], parts.starts[row + 1])
            sentences = range(parts.starts[row], parts.starts[row + 1])
            assert_same_tokens([found.tokens], [joined([parts.tokens_of(i) for i in sentences])])
            assert found.token_counts.tolist() == [len(parts.tokens_of(i)) for i in sentences]
    assert [read.rarity(word) for word in [*WORDS, "unknown"]] == [built.rarity(word) for word in [*WORDS, "unknown"]]


def joined(tokens: Sequence[TokenEmbeddings]) -> TokenEmbeddings:
    return TokenEmbeddings(*(np.concatenate([getattr(each, name) for each in tokens]) for name in ("ids", "rows")))


def assert_same_tokens(found: Sequence[TokenEmbeddings], expected: Sequence[TokenEmbeddings]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.ids.dtype, one.rows.dtype) == (np.int32, np.uint8)
        assert (one.ids.tobytes(), one.rows.tobytes()) == (other.ids.tobytes(), other.rows.tobytes())
        assert (one.ids.shape, one.rows.shape) == ((len(other),), (len(other), TOKEN_LENGTH))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 60), st.integers(0, 5), st.lists(st.sampled_from(WORDS), max_size=4), st.floats(0.05, 2))
def test_lists_of_terms_count_by_their_weight(passages: int, seed: int, terms: list[str], weight: float) -> None:
    parts = Parts(passages, seed)
    own = ["cake", "bee", "honey"]
    found = parts.build().search(parts.query, {1.0: own, weight + 1: terms}, 5)
    paired = [pair(row) for row in parts.terms]
    by_terms = bm25(own, parts.terms) + (weight + 1) * bm25(terms, parts.terms)
    by_pairs = bm25(pair(own), paired) + (weight + 1) * bm25(pair(terms), paired)
    assert_allclose(found.terms.scores, by_terms[found.rows], atol=1e-5)
    assert_allclose(found.pairs.scores, by_pairs[found.rows], atol=1e-5)


def test_terms_that_follow_one_another_make_pairs_in_that_order_only() -> None:
    parts = Parts(4)
    parts.terms = [["bee", "honey", "cake"], ["honey", "bee"], ["bee", "cake", "honey"], ["bee"]]
    scores = parts.build().search(parts.query, {1.0: ["bee", "honey"]}, 4).pairs.scores
    assert (scores > 0).tolist() == [True, False, False, False]


def test_the_rarity_of_a_token_counts_the_passages_it_is_in(tmp_path: Path) -> None:
    parts = Parts(25)
    built = parts.build()
    built.write(tmp_path)
    ids = np.array([*range(TOKEN_IDS), 3, TOKEN_IDS + 1, 30_000, 2**31 - 1], np.int32)
    frequencies = [sum(int(number) in parts.ids_of(row) for row in range(25)) for number in ids]
    assert frequencies[-3:] == [0, 0, 0]
    for index in (built, Index.read(tmp_path)):
        found = index.token_rarity(ids)
        assert found.dtype == np.float32
        assert_allclose(found, [rarity(25, frequency) for frequency in frequencies], rtol=1e-6)
        assert found[-1] == found.max()
        assert index.token_rarity(ids[:0]).shape == (0,)


def test_without_any_token_every_one_is_as_rare_as_can_be(tmp_path: Path) -> None:
    parts = Parts(3)
    none = np.zeros(sum(parts.counts), np.int64)
    tokens = TokenEmbeddings(np.empty(0, np.int32), np.empty((0, TOKEN_LENGTH), np.uint8))
    embeddings = PassageEmbeddings(parts.embeddings.passages, parts.embeddings.sentences, tokens, none)
    Index.build(embeddings, parts.terms, parts.sentence_terms).write(tmp_path)
    index = Index.read(tmp_path)
    assert_allclose(index.token_rarity(np.array([0, 7], np.int32)), [rarity(3, 0)] * 2, rtol=1e-6)
    assert index.embeddings(0).token_counts.tolist() == [0] * parts.counts[0]
    assert index.embeddings(2).tokens.rows.shape == (0, TOKEN_LENGTH)


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        Parts(40).build().write(tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert {*FILES, "pairs/vocab.index.json"} <= contents[0].keys()


def test_passages_without_any_term_are_found_by_their_embedding(tmp_path: Path) -> None:
    parts = Parts(3)
    parts.terms = [[], [], []]
    parts.build().write(tmp_path)
    found = Index.read(tmp_path).search(parts.query, {1.0: ["bee", "cake"]}, 5)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.terms.scores.tolist() == found.pairs.scores.tolist() == [0, 0, 0]


def test_passages_of_one_term_have_no_pairs(tmp_path: Path) -> None:
    parts = Parts(3)
    parts.terms = [["bee"], [], ["cake"]]
    parts.build().write(tmp_path)
    found = Index.read(tmp_path).search(parts.query, {1.0: ["bee", "cake"]}, 5)
    assert (found.terms.scores > 0).tolist() == [True, False, True]
    assert found.pairs.scores.tolist() == [0, 0, 0]


def test_an_index_of_no_passages_can_be_written_and_read(tmp_path: Path) -> None:
    parts = Parts(0)
    parts.build().write(tmp_path)
    index = Index.read(tmp_path)
    assert (len(index), index.dimension) == (0, DIMENSION)
    assert_allclose(index.token_rarity(np.array([3], np.int32)), [np.log(2)], rtol=1e-6)


def test_a_rarer_term_has_a_higher_rarity_and_an_unknown_one_the_highest() -> None:
    parts = Parts(4)
    parts.terms = [["bee"], ["bee", "cake"], ["bee", "bee"], ["honey", "cake"]]
    index = parts.build()
    assert [index.rarity(term) for term in ("bee", "cake", "honey", "unknown")] == pytest.approx(
        [rarity(4, n) for n in (3, 2, 1, 0)]
    )


def test_parts_that_do_not_belong_together_are_refused() -> None:
    parts = Parts(4)
    with pytest.raises(ValueError, match="4 passages, 4 starts and 3 rows of terms"):
        Index.build(parts.embeddings, parts.terms[:3], parts.sentence_terms)
    with pytest.raises(ValueError, match="4 passages, 3 starts"):
        Index.build(
            parts.embeddings,
            parts.terms,
            [*parts.sentence_terms[:2], [[] for rows in parts.sentence_terms[2:] for _ in rows]],
        )


def test_sentence_counts_that_do_not_add_up_are_refused() -> None:
    parts = Parts(4)
    with pytest.raises(ValueError, match="sentences"):
        Index.build(parts.embeddings, parts.terms, [[*rows, []] for rows in parts.sentence_terms])


def test_token_counts_that_do_not_add_up_are_refused() -> None:
    parts = Parts(4)
    rows, tokens, counts = parts.embeddings, parts.embeddings.tokens, parts.embeddings.token_counts
    wrong = [
        (tokens, counts + np.eye(1, len(counts), dtype=np.int64)[0]),
        (tokens, counts[:-1]),
        (tokens, np.append(counts, 0)),
        (TokenEmbeddings(tokens.ids[1:], tokens.rows), counts),
        (TokenEmbeddings(tokens.ids, tokens.rows[1:]), counts),
    ]
    for some, number in wrong:
        with pytest.raises(ValueError, match=r"\d+ tokens in \d+ sentences instead of \d+"):
            Index.build(
                PassageEmbeddings(rows.passages, rows.sentences, some, number), parts.terms, parts.sentence_terms
            )


FILES = [
    "passages.faiss",
    "sentences.npy",
    "starts.npy",
    "tokens.npy",
    "token_ids.npy",
    "token_starts.npy",
    "terms/data.csc.index.npy",
    "pairs/data.csc.index.npy",
    "sentence_terms/data.csc.index.npy",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["gone", "empty", "half"])
def test_a_damaged_file_is_noticed(name: str, harm: str, tmp_path: Path) -> None:
    Parts(20).build().write(tmp_path)
    file = tmp_path / name
    data = file.read_bytes()
    file.unlink()
    if harm != "gone":
        file.write_bytes(data[: len(data) // 2] if harm == "half" else b"")
    with pytest.raises((RuntimeError, ValueError, OSError, EOFError)):
        Index.read(tmp_path)


def test_standardised_scores_are_deviations_from_the_background() -> None:
    signal = Signal(np.array([1.0, 3.0], np.float32), mean=2.0, deviation=0.5)
    assert signal.standardised().tolist() == [-2.0, 2.0]


def test_a_background_without_deviation_divides_by_no_zero() -> None:
    assert Signal(np.array([2.0], np.float32), mean=2.0, deviation=0.0).standardised().tolist() == [0.0]
