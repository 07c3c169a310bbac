"""Real documents and questions that stand beside the project and are no part of it: skipped where they are absent."""

import json
import random
from pathlib import Path

import pytest

import docqa
from conftest import SHARED
from docqa import Retriever, SentenceTransformerEmbedder
from docqa.reading import SUFFIXES, read_document
from reading import list_pages
from word_order import find_words, order_f1, share_in_order

ARTICLE = SHARED / "article"
DOCUMENTS = SHARED / "eval/documents"
needs_article = pytest.mark.skipif(not ARTICLE.exists(), reason="the article is not beside the project")
needs_documents = pytest.mark.skipif(not DOCUMENTS.exists(), reason="the documents are not beside the project")


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory, embedder: SentenceTransformerEmbedder) -> Retriever:
    store = tmp_path_factory.mktemp("article")
    docqa.sync(ARTICLE, store, embedder=embedder)
    return Retriever.open(store, embedder=embedder)


@needs_article
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Why did Bolton's visit to Belarus surprise observers?", "highest official visit by an American dignitary"),
        ("Why was Moscow suspicious of Bolton's trip?", "extremely negative reputation in Russia"),
        ("When does Lukashenko use tough rhetoric about Russia?", "subsidies of his country’s economy are at risk"),
        ("Why can't Russia subsidise oil for Belarus any more?", "Russia can no longer afford to subsidize oil"),
        ("What did Belarus do with the subsidised Russian oil?", "sell for enormous profit further afield in Europe"),
        ("What damaged trust between Belarus and Russia?", "the mysterious contamination of oil exports"),
        ("Why might Lukashenko buy American oil?", "get him further on Trump’s good side"),
        ("Which country is the leader of the Three Seas Initiative?", "Poland is the leader"),
        (
            "How can Russia realistically improve relations with Belarus?",
            "is to integrate with it into the “Union State”",
        ),
        ("What is the Great Society built upon?", "National Development Projects"),
    ],
)
def test_the_article_answers(article: Retriever, query: str, words: str) -> None:
    answer = article.ask(query)
    assert answer.answered
    assert words in " ".join(" ".join(quote.text for quote in answer.quotes).split())


@needs_article
@pytest.mark.parametrize(
    "query",
    [
        "When was the Union State treaty signed?",
        "Who caused the contamination of the oil?",
        "What is the population of Belarus?",
        "Who won the 2019 parliamentary election in Belarus?",
        "How do I bake sourdough bread?",
    ],
)
def test_the_article_does_not_answer(article: Retriever, query: str) -> None:
    assert not article.ask(query).answered


@needs_article
def test_a_sentence_torn_by_a_page_is_whole(article: Retriever) -> None:
    hit = article.retrieve("Which country is the leader of the Three Seas Initiative?", 1)[0]
    assert any("”, which\n\nfunctions as a structure" in hit.passage.quote(span) for span in hit.passage.sentences)


def test_a_thousand_answers_are_verbatim(shared_store: Path, embedder: SentenceTransformerEmbedder) -> None:
    squad, chunking = SHARED / "eval/squad", SHARED / "eval/chunking"
    files = [file for folder in (squad, chunking) for file in (folder / "documents").iterdir()]
    texts = {file.name: file.read_bytes().decode("utf-8") for file in files}
    questions = random.Random(0).sample(_questions(squad), 769) + _questions(chunking)
    assert len(questions) == 1000
    retriever, quoted = Retriever.open(shared_store, embedder=embedder), 0
    for question in questions:
        answer = retriever.ask(question)
        quoted += bool(answer.quotes)
        for quote in answer.quotes:
            assert texts[quote.document][quote.span.start : quote.span.end] == quote.text != ""
        for hit in answer.hits:
            span = hit.passage.span
            assert texts[hit.passage.document][span.start : span.end] == hit.passage.text != ""
            assert hit.evidence
            assert all(span.start <= one.start < one.end <= span.end for one in hit.evidence)
    assert quoted > 800


def _questions(folder: Path) -> list[str]:
    return [json.loads(line)["question"] for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()]


def words(*paths: Path) -> list[str]:
    documents = [read_document(path.name, path.read_bytes(), "") for path in paths]
    return [word for document in documents for block in document.blocks for word in find_words(document[block.span])]


def test_share_in_order_counts_the_words_that_others_hold_in_order() -> None:
    assert share_in_order("a c".split(), "a b c d".split()) == 1
    assert share_in_order("c a x".split(), "a b c d".split()) == 1 / 3
    assert share_in_order([], ["a"]) == 1


def test_order_f1_counts_the_words_in_order() -> None:
    assert order_f1("a b c d".split(), "a b c d".split()) == 1
    assert order_f1("a b c d".split(), "b a d c".split()) == 0.5
    assert order_f1("a b".split(), "x a y b".split()) == 2 / 3
    assert (order_f1([], []), order_f1(["a"], []), order_f1(["a"], ["b"])) == (1, 0, 0)


@needs_documents
@pytest.mark.parametrize("name", ["debian-policy", "debmake-doc.en"])
def test_an_e_book_reads_like_its_plain_text(name: str) -> None:
    assert order_f1(words(DOCUMENTS / f"epub/{name}.epub"), words(DOCUMENTS / f"txt/{name}.txt")) >= 0.98


@needs_documents
def test_web_pages_read_like_their_plain_text() -> None:
    assert (
        order_f1(words(*list_pages(DOCUMENTS / "html/debian-policy")), words(DOCUMENTS / "txt/debian-policy.txt"))
        >= 0.998
    )


@needs_documents
def test_restructured_text_reads_like_its_web_pages() -> None:
    sources = sorted((DOCUMENTS / "rst/python-tutorial").iterdir())
    pages = [DOCUMENTS / f"html/python-tutorial/{source.stem}.html" for source in sources]
    assert order_f1(words(*sources), words(*pages)) >= 0.98


@needs_documents
def test_a_pdf_reads_like_its_plain_text_but_for_the_places_of_footnotes() -> None:
    pdf, text = words(DOCUMENTS / "pdf/debian-policy.pdf"), words(DOCUMENTS / "txt/debian-policy.txt")
    assert order_f1(pdf, text) >= 0.91
    assert order_f1(pdf, text, threads=2) >= 0.98


@needs_documents
def test_every_document_is_read_or_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # nor with it Tesseract
    refused = {}
    for path in DOCUMENTS.rglob("*"):
        if path.suffix in SUFFIXES:
            try:
                assert words(path)
            except docqa.DocumentReadError as error:
                refused[path.name] = error.reason
    assert set(refused) == {"file_scanned.pdf"}
    assert refused["file_scanned.pdf"].startswith("page 1 holds a picture, but no text, as a scan does; install")
