from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from docqa import PassageEmbeddings
from docqa.index import CANDIDATES, Candidates, Index, Signal

DIMENSION = 16
WORDS = ["bee", "honey", "bridg", "river", "cake", "мост", "日本", "7"]


class Parts:
    """What an index is built from, made at random."""

    def __init__(self, passages: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.counts = random.integers(1, 5, passages).tolist()
        self.starts = [0, *accumulate(self.counts)]
        self.embeddings = PassageEmbeddings(unit(random, passages), unit(random, sum(self.counts)))
        self.terms = [random.choice(WORDS, random.integers(0, 9)).tolist() for _ in range(passages)]
        self.query = unit(random, 1)[0]

    def build(self) -> Index:
        return Index.build(self.embeddings, self.counts, self.terms)


def unit(random: np.random.Generator, rows: int) -> np.ndarray:
    values = random.standard_normal((rows, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def bm25(query: Sequence[str], rows: Sequence[Sequence[str]]) -> np.ndarray:
    """Score rows as Lucene does, written out from the formula."""
    mean = sum(map(len, rows)) / len(rows)
    scores = np.zeros(len(rows))
    for term in query:
        frequency = sum(term in row for row in rows)
        if frequency:
            rarity = np.log(1 + (len(rows) - frequency + 0.5) / (frequency + 0.5))
            for i, row in enumerate(rows):
                count = row.count(term)
                scores[i] += rarity * count / (count + 1.5 * (1 - 0.75 + 0.75 * len(row) / mean)) if count else 0
    return scores


def assert_same(one: Candidates, other: Candidates) -> None:
    assert_array_equal(one.rows, other.rows)
    for signal in ("passage", "sentence", "terms"):
        assert_array_equal(getattr(one, signal).scores, getattr(other, signal).scores)
        assert getattr(one, signal).mean == getattr(other, signal).mean
        assert getattr(one, signal).deviation == getattr(other, signal).deviation


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(0, 5), st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=4))
def test_candidates_are_scored_as_by_brute_force(passages: int, seed: int, terms: list[str]) -> None:
    parts = Parts(passages, seed)
    found = parts.build().search(parts.query, terms, 5)
    by_passage = parts.embeddings.passages @ parts.query
    all_sentences = parts.embeddings.sentences @ parts.query
    by_sentence = np.array([max(all_sentences[a:b]) for a, b in zip(parts.starts, parts.starts[1:], strict=False)])
    by_terms = bm25(terms, parts.terms) if any(parts.terms) else np.zeros(passages)
    for signal, expected in ((found.passage, by_passage), (found.sentence, by_sentence), (found.terms, by_terms)):
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
    assert parts.build().search(parts.query, ["bee"], k).rows.tolist() == list(range(rows))


def test_a_large_k_is_granted_in_a_large_index() -> None:
    parts = Parts(400)
    assert len(parts.build().search(parts.query, [], 250).rows) >= 250


@pytest.mark.parametrize("terms", [[], ["unknown"], ["unknown", "unknown"]])
def test_a_query_without_known_terms_is_searched_by_its_embedding(terms: list[str]) -> None:
    parts = Parts(30)
    found = parts.build().search(parts.query, terms, 5)
    assert_array_equal(found.terms.scores, np.zeros(30, np.float32))
    assert_array_equal(found.terms.standardised(), np.zeros(30, np.float32))
    assert found.rows[np.argmax(found.passage.scores)] == np.argmax(parts.embeddings.passages @ parts.query)


@pytest.mark.parametrize("passages", [1, 7, 150])
def test_an_index_read_back_finds_the_same_and_holds_the_same_bits(passages: int, tmp_path: Path) -> None:
    parts = Parts(passages)
    built = parts.build()
    built.write(tmp_path)
    read = Index.read(tmp_path)
    assert (len(read), read.dimension) == (len(built), built.dimension) == (passages, DIMENSION)
    for terms in ([], ["bee"], ["honey", "honey", "мост"], ["unknown"]):
        assert_same(read.search(parts.query, terms, 5), built.search(parts.query, terms, 5))
    for row in range(passages):
        expected = parts.embeddings.sentences[parts.starts[row] : parts.starts[row + 1]]
        for index in (built, read):
            found = index.embeddings(row)
            assert found.passages.tobytes() == parts.embeddings.passages[row].tobytes()
            assert found.passages.shape == (1, DIMENSION)
            assert found.sentences.tobytes() == expected.tobytes()
            assert_allclose(index.sentence_scores(row, parts.query), expected @ parts.query, atol=1e-6)
    assert [read.rarity(word) for word in [*WORDS, "unknown"]] == [built.rarity(word) for word in [*WORDS, "unknown"]]


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        Parts(40).build().write(tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert {"passages.faiss", "sentences.npy", "starts.npy", "terms/data.csc.index.npy"} <= contents[0].keys()


def test_passages_without_any_term_are_found_by_their_embedding(tmp_path: Path) -> None:
    parts = Parts(3)
    parts.terms = [[], [], []]
    parts.build().write(tmp_path)
    found = Index.read(tmp_path).search(parts.query, ["bee"], 5)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.terms.scores.tolist() == [0, 0, 0]


def test_an_index_of_no_passages_can_be_written_and_read(tmp_path: Path) -> None:
    parts = Parts(0)
    parts.build().write(tmp_path)
    assert (len(Index.read(tmp_path)), Index.read(tmp_path).dimension) == (0, DIMENSION)


def test_a_rarer_term_has_a_higher_rarity_and_an_unknown_one_the_highest() -> None:
    parts = Parts(4)
    parts.terms = [["bee"], ["bee", "cake"], ["bee", "bee"], ["honey", "cake"]]
    index = parts.build()
    assert [index.rarity(term) for term in ("bee", "cake", "honey", "unknown")] == pytest.approx(
        [np.log(1 + (4 - n + 0.5) / (n + 0.5)) for n in (3, 2, 1, 0)]
    )


def test_parts_that_do_not_belong_together_are_refused() -> None:
    parts = Parts(4)
    with pytest.raises(ValueError, match="4 passages, 4 starts and 3 rows of terms"):
        Index.build(parts.embeddings, parts.counts, parts.terms[:3])
    with pytest.raises(ValueError, match="4 passages, 3 starts"):
        Index.build(parts.embeddings, parts.counts[:3], parts.terms)


def test_sentence_counts_that_do_not_add_up_are_refused() -> None:
    parts = Parts(4)
    with pytest.raises(ValueError, match="sentences"):
        Index.build(parts.embeddings, [count + 1 for count in parts.counts], parts.terms)


@pytest.mark.parametrize("name", ["passages.faiss", "sentences.npy", "starts.npy", "terms/data.csc.index.npy"])
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
