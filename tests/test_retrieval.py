"""Retrieval and answers through the real model, and the rules every query obeys."""

import threading
from pathlib import Path

import numpy as np
import pytest

import docqa
from conftest import BRIDGE, FakeEmbedder
from docqa import Retriever, SentenceTransformerEmbedder
from docqa.retrieval import open_retriever


@pytest.fixture
def retriever(corpus: Path, store: Path, embedder: SentenceTransformerEmbedder) -> Retriever:
    docqa.sync(corpus, store, embedder=embedder)
    return Retriever.open(store, embedder=embedder)


@pytest.mark.parametrize(
    ("query", "quote", "citation"),
    [
        ("When was the bridge built?", "It was built in 1887 by William Arrol.", "bridge, line 1"),
        ("How long does a sponge cake bake?", "It bakes for forty minutes.", "Baking, line 3"),
        ("What do bees make honey from?", "Bees make honey from nectar.", "Keeping bees, § Honey, line 7"),
    ],
)
def test_a_question_is_answered_by_a_quote(retriever: Retriever, query: str, quote: str, citation: str) -> None:
    answer = retriever.ask(query)
    assert answer.answered
    assert quote in answer.quotes[0].text
    assert answer.quotes[0].citation == citation
    document = retriever.document(answer.quotes[0].document)
    assert document[answer.quotes[0].span] == answer.quotes[0].text


@pytest.mark.parametrize("query", ["Who won the world cup in 1990?", "What is the boiling point of lead?"])
def test_a_question_the_documents_do_not_answer(retriever: Retriever, query: str) -> None:
    answer = retriever.ask(query)
    assert not answer.answered
    assert answer.quotes == ()
    assert answer.confidence < 0.5
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4]


def test_hits_are_ranked_and_verbatim(retriever: Retriever) -> None:
    hits = retriever.retrieve("trains on the bridge", k=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]
    assert hits[0].passage.text == BRIDGE.strip()
    assert [hits[0].passage.quote(span) for span in hits[0].evidence][-1] == "Trains cross it every hour."
    for hit in hits:
        document = retriever.document(hit.passage.document)
        assert document[hit.passage.span] == hit.passage.text
        assert all(hit.passage.span.start <= span.start < span.end <= hit.passage.span.end for span in hit.evidence)


@pytest.mark.parametrize("k", [1, 2, 4, 5, 10_000])
def test_k_is_how_many_at_most(retriever: Retriever, k: int) -> None:
    assert [hit.rank for hit in retriever.retrieve("bridge", k)] == list(range(1, min(k, 4) + 1))


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one(retriever: Retriever, k: int) -> None:
    with pytest.raises(ValueError, match=f"k must be at least 1, not {k}"):
        retriever.retrieve("bridge", k)


@pytest.mark.parametrize("query", ["", " ", "\n\t"])
def test_blank_query(retriever: Retriever, query: str) -> None:
    with pytest.raises(ValueError, match="the query is blank; ask a question"):
        retriever.ask(query)


@pytest.mark.parametrize(
    ("query", "k"), [(None, 5), (b"bridge", 5), ("bridge", "5"), ("bridge", 2.0), ("bridge", True)]
)
def test_wrong_types(retriever: Retriever, query: object, k: object) -> None:
    with pytest.raises(TypeError):
        retriever.retrieve(query, k)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query",
    [
        "what is it of the to be",
        "?",
        "?!… -- ///",
        "x",
        "橋はいつ建てられましたか",
        "' OR 1=1; DROP TABLE documents; --",
        "<script>alert(1)</script>",
        "\x00\x1b[31m",
        "🐝",
        "word " * 10_000,
        "a" * 100_000,
    ],
)
def test_odd_queries_behave(retriever: Retriever, query: str) -> None:
    answer = retriever.ask(query, 2)
    assert [hit.rank for hit in answer.hits] == [1, 2]
    assert 0 <= answer.confidence < 0.5
    assert not answer.answered


def test_functions_notice_a_new_generation(corpus: Path, store: Path, embedder: SentenceTransformerEmbedder) -> None:
    docqa.sync(corpus, store, embedder=embedder)
    assert docqa.retrieve("bridge built", 1, embeddings_dir=store)[0].passage.document == "bridge.txt"
    (corpus / "bridge.txt").write_text("The bridge was built in 1899.")
    docqa.sync(corpus, store, embedder=embedder)
    assert (
        docqa.ask("When was the bridge built?", embeddings_dir=store).quotes[0].text == "The bridge was built in 1899."
    )


def test_the_same_store_asked_twice_gives_the_same(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    first, second = (Retriever.open(store, embedder=fake) for _ in range(2))
    for query in ("bees", "built bridge", "flour and eggs", "it"):
        assert first.retrieve(query) == second.retrieve(query)


def test_equal_passages_are_ordered_by_document(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    (tmp_path / "corpus").mkdir()
    for name in ("b.txt", "a.txt", "c.txt"):
        (tmp_path / "corpus" / name).write_text(
            "Word for word the same text, at some length, to have no title of its own " * 3
        )
    docqa.sync(tmp_path / "corpus", store, embedder=fake)
    hits = Retriever.open(store, embedder=fake).retrieve("same text", 3)
    assert [hit.passage.document for hit in hits] == ["a.txt", "b.txt", "c.txt"]


def test_an_unknown_document(retriever: Retriever) -> None:
    with pytest.raises(KeyError):
        retriever.document("../../etc/passwd")


@pytest.mark.parametrize("value", [np.zeros(3, np.float32), np.full(64, np.nan, np.float32)])
def test_an_embedder_that_errs_on_a_query(corpus: Path, store: Path, fake: FakeEmbedder, value: np.ndarray) -> None:
    docqa.sync(corpus, store, embedder=fake)
    fake.embed_query = lambda query: value  # type: ignore[method-assign]
    with pytest.raises(docqa.EmbeddingError, match="the model 'fake' gave an embedding of a wrong shape or value"):
        docqa.Retriever.open(store, embedder=fake).retrieve("bees")


def test_questions_are_answered_while_a_sync_embeds(
    corpus: Path, store: Path, embedder: SentenceTransformerEmbedder
) -> None:
    docqa.sync(corpus, store, embedder=embedder)
    (corpus / "long.txt").write_text("\n\n".join(f"Paragraph {i} speaks of topic {i * i}. " * 6 for i in range(60)))
    syncing = threading.Thread(target=docqa.sync, args=[corpus, store], kwargs={"embedder": embedder})
    syncing.start()
    answers = set()
    while syncing.is_alive():
        answers.add(first_quote(store, embedder))
    syncing.join()
    assert answers == {BRIDGE[:76]}
    assert "long.txt" in {document.path for document in Retriever.open(store, embedder=embedder).documents()}


def first_quote(store: Path, embedder: SentenceTransformerEmbedder) -> str:
    return open_retriever(store, embedder).ask("When was the bridge built?").quotes[0].text
