import tempfile
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from docqa import PassageEmbeddings
from docqa.index import CANDIDATES, Candidates, Index, IndexWriter, Signal, StoredTerms
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

    def write(self, folder: Path, *cuts: int) -> Index:
        """Write an index in pieces, and read it."""
        writer = IndexWriter(folder, DIMENSION)
        for first, last in pairwise([0, *cuts, len(self.counts)]):
            writer.add(self.cut(first, last), self.terms[first:last], self.sentence_terms[first:last])
        writer.finish()
        return Index.read(folder)

    def build(self) -> Index:
        with tempfile.TemporaryDirectory() as folder:
            return self.write(Path(folder))

    def cut(self, first: int, last: int) -> PassageEmbeddings:
        """Cut the embeddings of some passages out."""
        sentences = slice(self.starts[first], self.starts[last])
        tokens = slice(self.token_starts[sentences.start], self.token_starts[sentences.stop])
        every = self.embeddings
        return PassageEmbeddings(
            every.passages[first:last],
            every.sentences[sentences],
            TokenEmbeddings(every.tokens.ids[tokens], every.tokens.rows[tokens]),
            every.token_counts[sentences],
        )

    def tokens_of(self, sentence: int) -> TokenEmbeddings:
        span = slice(self.token_starts[sentence], self.token_starts[sentence + 1])
        return TokenEmbeddings(self.embeddings.tokens.ids[span], self.embeddings.tokens.rows[span])

    def ids_of(self, row: int) -> set[int]:
        bounds = self.token_starts[self.starts[row]], self.token_starts[self.starts[row + 1]]
        return set(self.embeddings.tokens.ids[slice(*bounds)].tolist())


def unit(random: np.random.Generator, rows: int) -> np.ndarray:
    """Make unit rows that float16 holds exactly."""
    values = random.standard_normal((rows, DIMENSION))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


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
    assert_array_equal(one.sentences, other.sentences)
    assert_array_equal(one.starts, other.starts)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 600), st.integers(0, 5), st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=4))
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
    for i, row in enumerate(found.rows):
        own = slice(parts.starts[row], parts.starts[row + 1])
        assert_allclose(found.sentences_of(i), [all_sentences[own], all_sentence_terms[own]], atol=1e-5)
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
    assert set(np.argsort(-by_passage)[:CANDIDATES].tolist()) <= set(found.rows.tolist())
    last = np.sort(by_terms)[-CANDIDATES:][0]
    assert set(np.flatnonzero(by_terms > last + 1e-5).tolist()) <= set(found.rows.tolist())
    assert found.rows.tolist() == sorted(set(found.rows.tolist()))


@pytest.mark.parametrize(("k", "rows"), [(1, 20), (20, 20), (21, 20), (1_000_000, 20)])
def test_k_above_the_number_of_passages_gives_them_all(k: int, rows: int) -> None:
    parts = Parts(rows)
    assert parts.build().search(parts.query, {1.0: ["bee"]}, k).rows.tolist() == list(range(rows))


def test_a_large_k_is_granted_in_a_large_index() -> None:
    parts = Parts(600)
    assert len(parts.build().search(parts.query, {}, 550).rows) >= 550


@pytest.mark.parametrize("terms", [[], ["unknown"], ["unknown", "unknown"]])
def test_a_query_without_known_terms_is_searched_by_its_embedding(terms: list[str]) -> None:
    parts = Parts(30)
    found = parts.build().search(parts.query, {1.0: terms}, 5)
    for signal in (found.terms, found.pairs):
        assert_array_equal(signal.scores, np.zeros(30, np.float32))
        assert_array_equal(signal.standardised(), np.zeros(30, np.float32))
    assert found.rows[np.argmax(found.passage.scores)] == np.argmax(parts.embeddings.passages @ parts.query)


@pytest.mark.parametrize("passages", [1, 7, 150])
def test_an_index_holds_the_same_bits_and_written_again_finds_the_same(passages: int, tmp_path: Path) -> None:
    parts = Parts(passages)
    index = parts.build()
    assert (len(index), index.dimension) == (passages, DIMENSION)
    for row in range(passages):
        expected = parts.embeddings.sentences[parts.starts[row] : parts.starts[row + 1]]
        found = index.embeddings(row)
        assert (found.passages.dtype, found.sentences.dtype) == (np.float32, np.float32)
        assert found.passages.tobytes() == parts.embeddings.passages[row].tobytes()
        assert found.passages.shape == (1, DIMENSION)
        assert found.sentences.tobytes() == expected.tobytes()
        sentences = range(parts.starts[row], parts.starts[row + 1])
        assert_same_tokens([found.tokens], [joined([parts.tokens_of(i) for i in sentences])])
        assert found.token_counts.tolist() == [len(parts.tokens_of(i)) for i in sentences]
    again = IndexWriter(tmp_path, DIMENSION)
    for row in range(passages):
        again.add(index.embeddings(row), [parts.terms[row]], [parts.sentence_terms[row]])
    again.finish()
    for terms in ({}, {1.0: ["bee"]}, {1.0: ["honey", "honey", "мост"], 0.2: ["bee", "cake"]}, {1.0: ["unknown"]}):
        assert_same(Index.read(tmp_path).search(parts.query, terms, 5), index.search(parts.query, terms, 5))


@pytest.mark.parametrize("count", [1, 4, 7])
def test_the_embeddings_of_rows_that_follow_one_another_are_read_together(count: int) -> None:
    index = Parts(9).build()
    one_by_one, together = (
        PassageEmbeddings.join([index.embeddings(2 + i) for i in range(count)]),
        index.embeddings(2, count),
    )
    assert_array_equal(together.passages, one_by_one.passages)
    assert_array_equal(together.sentences, one_by_one.sentences)
    assert_array_equal(together.tokens.ids, one_by_one.tokens.ids)
    assert_array_equal(together.tokens.rows, one_by_one.tokens.rows)
    assert_array_equal(together.token_counts, one_by_one.token_counts)


def test_stored_terms_are_those_that_were_added(tmp_path: Path) -> None:
    parts = Parts(7)
    parts.write(tmp_path)
    stored = StoredTerms.read(tmp_path)
    assert [stored.terms(row) for row in range(7)] == [*zip(parts.terms, parts.sentence_terms, strict=True)]


def test_embeddings_are_rounded_once(tmp_path: Path) -> None:
    parts = Parts(3)
    parts.embeddings.passages[:] += np.float32(1e-6)
    stored = parts.write(tmp_path).embeddings(2).passages[0]
    assert stored.tolist() == parts.embeddings.passages[2].astype(np.float16).astype(np.float32).tolist()
    assert stored.tolist() != parts.embeddings.passages[2].tolist()


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
    ids = np.array([*range(TOKEN_IDS), 3, TOKEN_IDS + 1, 30_000, 2**31 - 1], np.int32)
    frequencies = [sum(int(number) in parts.ids_of(row) for row in range(25)) for number in ids]
    assert frequencies[-3:] == [0, 0, 0]
    index = parts.write(tmp_path, 10, 11)
    found = index.token_rarity(ids)
    assert found.dtype == np.float32
    assert_allclose(found, [rarity(25, frequency) for frequency in frequencies], rtol=1e-6)
    assert found[-1] == found.max()
    assert index.token_rarity(ids[:0]).shape == (0,)


def test_without_any_token_every_one_is_as_rare_as_can_be(tmp_path: Path) -> None:
    parts = Parts(3)
    none = np.zeros(sum(parts.counts), np.int64)
    tokens = TokenEmbeddings(np.empty(0, np.int32), np.empty((0, TOKEN_LENGTH), np.uint8))
    writer = IndexWriter(tmp_path, DIMENSION)
    embeddings = PassageEmbeddings(parts.embeddings.passages, parts.embeddings.sentences, tokens, none)
    writer.add(embeddings, parts.terms, parts.sentence_terms)
    writer.finish()
    index = Index.read(tmp_path)
    assert_allclose(index.token_rarity(np.array([0, 7], np.int32)), [rarity(3, 0)] * 2, rtol=1e-6)
    assert index.embeddings(0).token_counts.tolist() == [0] * parts.counts[0]
    assert index.embeddings(2).tokens.rows.shape == (0, TOKEN_LENGTH)


@pytest.mark.parametrize("cuts", [(), (1, 2, 39), (20, 20), range(40)])
def test_the_same_parts_give_the_same_bytes_however_they_are_cut(cuts: Sequence[int], tmp_path: Path) -> None:
    contents = []
    for name, places in (("one", []), ("other", cuts)):
        (tmp_path / name).mkdir()
        Parts(40).write(tmp_path / name, *places)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert set(FILES) == contents[0].keys()


def test_passages_without_any_term_are_found_by_their_embedding(tmp_path: Path) -> None:
    parts = Parts(3)
    parts.terms = [[], [], []]
    found = parts.write(tmp_path).search(parts.query, {1.0: ["bee", "cake"]}, 5)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.terms.scores.tolist() == found.pairs.scores.tolist() == [0, 0, 0]


def test_passages_of_one_term_have_no_pairs(tmp_path: Path) -> None:
    parts = Parts(3)
    parts.terms = [["bee"], [], ["cake"]]
    found = parts.write(tmp_path).search(parts.query, {1.0: ["bee", "cake"]}, 5)
    assert (found.terms.scores > 0).tolist() == [True, False, True]
    assert found.pairs.scores.tolist() == [0, 0, 0]


def test_an_index_of_no_passages_can_be_written_and_read(tmp_path: Path) -> None:
    IndexWriter(tmp_path, DIMENSION).finish()
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


def test_of_some_terms_each_sentence_tells_which_it_has() -> None:
    parts = Parts(40)
    index = parts.build()
    wanted = {"bee", "honey", "unknown", "nowhere"}
    for row in range(40):
        sentences = parts.sentence_terms[row]
        assert index.find_terms(wanted, row) == [wanted & set(terms) for terms in sentences]
        assert index.find_terms([], row) == [set() for _ in sentences]


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    parts, writer = Parts(4), IndexWriter(tmp_path, DIMENSION)
    with pytest.raises(ValueError, match=r"\(4, 16\) numbers of passages and 3 rows of terms for 4 passages of 16"):
        writer.add(parts.embeddings, parts.terms[:3], parts.sentence_terms)
    joined = [*parts.sentence_terms[:2], [[] for rows in parts.sentence_terms[2:] for _ in rows]]
    with pytest.raises(ValueError, match=r"\(4, 16\) numbers of passages and 4 rows of terms for 3 passages of 16"):
        writer.add(parts.embeddings, parts.terms, joined)


def test_sentence_counts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    parts, writer = Parts(4), IndexWriter(tmp_path, DIMENSION)
    with pytest.raises(ValueError, match="numbers of sentences for"):
        writer.add(parts.embeddings, parts.terms, [[*rows, []] for rows in parts.sentence_terms])


def test_a_passage_without_sentences_is_refused(tmp_path: Path) -> None:
    parts, writer = Parts(2), IndexWriter(tmp_path, DIMENSION)
    both = [row for rows in parts.sentence_terms for row in rows]
    with pytest.raises(ValueError, match="numbers of sentences for"):
        writer.add(parts.embeddings, parts.terms, [both, []])


def test_token_counts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    parts, writer = Parts(4), IndexWriter(tmp_path, DIMENSION)
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
            writer.add(
                PassageEmbeddings(rows.passages, rows.sentences, some, number), parts.terms, parts.sentence_terms
            )


FILES = [
    "passages.faiss",
    "passages.npy",
    "sentences.npy",
    "starts.npy",
    "tokens.npy",
    "token_ids.npy",
    "token_starts.npy",
    "token_frequency.npy",
    "terms/vocabulary.npy",
    "terms/vocabulary_starts.npy",
    "terms/numbers.npy",
    "terms/passages.npy",
    "terms/passages_starts.npy",
    "terms/sentences.npy",
    "terms/sentences_starts.npy",
    "terms/posting_starts.npy",
    "terms/posting_rows.npy",
    "terms/posting_weights.npy",
    "terms/sentence_frequency.npy",
    "terms/pairs.npy",
    "terms/pair_frequency.npy",
    "terms/pair_count.npy",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["gone", "empty", "half"])
def test_a_damaged_file_is_noticed(name: str, harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.index.NEAR", 0)  # or FAISS would not be read
    Parts(20).write(tmp_path)
    file = tmp_path / name
    data = file.read_bytes()
    file.unlink()
    if harm != "gone":
        file.write_bytes(data[: len(data) // 2] if harm == "half" else b"")
    with pytest.raises((RuntimeError, ValueError, OSError)):
        Index.read(tmp_path)


def test_standardised_scores_are_deviations_from_the_background() -> None:
    signal = Signal(np.array([1.0, 3.0], np.float32), mean=2.0, deviation=0.5)
    assert signal.standardised().tolist() == [-2.0, 2.0]


def test_a_background_without_deviation_divides_by_no_zero() -> None:
    assert Signal(np.array([2.0], np.float32), mean=2.0, deviation=0.0).standardised().tolist() == [0.0]
