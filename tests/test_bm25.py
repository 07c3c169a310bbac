from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from docqa import bm25
from docqa.bm25 import Terms, TermsWriter

WORDS = ["bee", "honey", "bridg", "river", "cake", "мост", "日本", "7", "be", "beez", "\udc80"]


def draw(passages: int, seed: int = 0) -> list[list[list[str]]]:
    """Draw the terms of the sentences of passages."""
    random = np.random.default_rng(seed)
    return [
        [random.choice(WORDS, random.integers(0, 7)).tolist() for _ in range(random.integers(1, 4))]
        for _ in range(passages)
    ]


def write(folder: Path, sentences: list[list[list[str]]]) -> Terms:
    passages = [[term for row in rows for term in row] for rows in sentences]
    writer = TermsWriter(folder)
    writer.add(passages, sentences)
    writer.finish()
    return Terms.read(folder, len(passages), sum(map(len, sentences)))


@pytest.mark.parametrize(("part", "chunk"), [(1, 1), (5, 7), (1 << 22, 3)])
def test_it_is_the_same_however_much_is_sorted_at_once(
    part: int, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = draw(40)
    write(tmp_path / "whole", sentences)
    monkeypatch.setattr(bm25, "PART", part)
    monkeypatch.setattr(bm25, "CHUNK", chunk)
    write(tmp_path / "parts", sentences)
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "parts" / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("term", [*WORDS, "a", "bees", "zz", "", "本"])
def test_the_rarity_of_a_term_counts_the_passages_that_have_it(term: str, tmp_path: Path) -> None:
    sentences = draw(30)
    frequency = sum(any(term in row for row in rows) for rows in sentences)
    assert (frequency > 0) == (term in WORDS)
    found = write(tmp_path / "terms", sentences).rarity(term)
    assert found == pytest.approx(np.log(1 + (30 - frequency + 0.5) / (frequency + 0.5)))


def test_a_pair_is_not_made_over_the_end_of_a_passage(tmp_path: Path) -> None:
    terms = write(tmp_path / "terms", [[["bee"]], [[]], [["honey", "bee"]], [["honey"]], [["bee", "honey"]]])
    scores = terms.score_pairs(terms.ask({1.0: ["bee", "honey"]}), terms.passages)
    assert (scores > 0).tolist() == [False, False, False, False, True]


def test_a_pair_weighs_less_the_more_passages_have_it(tmp_path: Path) -> None:
    terms = write(tmp_path / "terms", [[["bee", "cake"]], [["bee", "honey"]], [["bee", "honey"]], [["river", "river"]]])
    rare, common = (terms.score_pairs(terms.ask({1.0: ["bee", word]}), terms.passages) for word in ("cake", "honey"))
    rarity = {frequency: np.log(1 + (4 - frequency + 0.5) / (frequency + 0.5)) for frequency in (1, 2)}
    assert_allclose(rare, [rarity[1] / (1 + 1.5), 0, 0, 0], rtol=1e-6)
    assert_allclose(common, [0, rarity[2] / (1 + 1.5), rarity[2] / (1 + 1.5), 0], rtol=1e-6)


def test_some_rows_are_scored_as_among_all(tmp_path: Path) -> None:
    terms = write(tmp_path / "terms", draw(50))
    asked = terms.ask({1.0: ["bee", "honey", "bee", "cake"], 0.3: ["river", "7"]})
    some = np.array([3, 17, 18, 49])
    for score, rows in ((terms.score_sentences, terms.sentences), (terms.score_pairs, terms.passages)):
        assert score(asked, rows).any()
        assert score(asked, rows.select(some)).tolist() == score(asked, rows)[some].tolist()


@pytest.mark.parametrize("words", [["bee", "honey", "bee", "cake", "zz"], ["zz"], []])
def test_terms_counted_once_score_as_those_counted_for_a_query(words: list[str], tmp_path: Path) -> None:
    terms = write(tmp_path / "terms", draw(50))
    passages, sentences = terms.passages.select(np.arange(0, 50, 3)), terms.sentences.select(np.arange(9, 30))
    asked = terms.ask({1.0: words, 0.3: ["river", "7"]})
    by_sentence, by_pairs = terms.count_once(passages, sentences).score(asked)
    assert by_sentence.any()
    assert_allclose(by_sentence, terms.score_sentences(asked, sentences), rtol=1e-6)
    assert_allclose(by_pairs, terms.score_pairs(asked, passages), rtol=1e-6)


def test_a_frequent_term_is_counted_beyond_a_byte(tmp_path: Path) -> None:
    terms = write(tmp_path / "terms", [[["bee"] * 1_000], [["cake"] * 1_000]])
    rarity, norm = np.log(1 + 1.5 / 1.5), 1.5
    assert terms.score_all(terms.ask({1.0: ["bee"]})).tolist() == pytest.approx([rarity * 1000 / (1000 + norm), 0])


def test_postings_of_other_files_raise_and_do_not_crash(tmp_path: Path) -> None:
    terms = write(tmp_path / "terms", draw(20))
    rows = np.load(tmp_path / "terms" / bm25.POSTING_ROWS_FILE)
    np.save(tmp_path / "terms" / bm25.POSTING_ROWS_FILE, rows + 1_000)
    broken = Terms.read(tmp_path / "terms", 20, len(terms.sentences))
    with pytest.raises(IndexError):
        broken.score_all(broken.ask({1.0: ["bee"]}))
