"""Real documents and questions that stand beside the project and are no part of it: skipped where they are absent."""

import json
import re
import runpy
from pathlib import Path

import pytest

import docqa
from docqa import Retriever, SentenceTransformerEmbedder
from docqa.reading import SUFFIXES, read_document

SHARED = Path(__file__).parents[2] / "shared"
ARTICLE = SHARED / "article"
SQUAD = SHARED / "eval/squad"

DOCUMENTS = SHARED / "eval/documents"
order_f1 = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/reading.py"))["order_f1"]

needs_article = pytest.mark.skipif(not ARTICLE.exists(), reason="the article is not beside the project")
needs_documents = pytest.mark.skipif(not DOCUMENTS.exists(), reason="the documents are not beside the project")
needs_squad = pytest.mark.skipif(not SQUAD.exists(), reason="the question set is not beside the project")


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


@needs_squad
def test_quotes_are_verbatim_and_the_right_passage_mostly_first(
    tmp_path: Path, embedder: SentenceTransformerEmbedder
) -> None:
    names = ("normans.txt", "black-death.txt", "force.txt", "geology.txt")
    (tmp_path / "corpus").mkdir()
    for name in names:
        (tmp_path / "corpus" / name).write_bytes((SQUAD / "documents" / name).read_bytes())
    docqa.sync(tmp_path / "corpus", tmp_path / "store", embedder=embedder)
    retriever = Retriever.open(tmp_path / "store", embedder=embedder)
    lines = (SQUAD / "questions.jsonl").read_text("utf-8").splitlines()
    questions = [one for one in map(json.loads, lines) if one["answerable"] and one["document"] in names][::5]
    first = 0
    for question in questions:
        answer = retriever.ask(question["question"])
        for quote in answer.quotes:
            text = (SQUAD / "documents" / quote.document).read_bytes().decode()
            assert text[quote.span.start : quote.span.end] == quote.text
        top = answer.hits[0].passage
        first += top.document == question["document"] and any(
            top.span.start <= start and end <= top.span.end for start, end in question["spans"]
        )
    assert first / len(questions) > 0.8


def words(*paths: Path) -> list[str]:
    documents = [read_document(path.name, path.read_bytes(), "") for path in paths]
    return [
        word for document in documents for block in document.blocks for word in re.findall(r"\w+", document[block.span])
    ]


def policy_pages() -> list[Path]:
    folder = DOCUMENTS / "html/debian-policy"
    links = re.findall(
        r'"toctree-l1"><a class="reference internal" href="([^"#]+)', (folder / "index.html").read_text()
    )
    return [folder / name for name in dict.fromkeys(["index.html", *links])]


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
    assert order_f1(words(*policy_pages()), words(DOCUMENTS / "txt/debian-policy.txt")) >= 0.998


@needs_documents
def test_restructured_text_reads_like_its_web_pages() -> None:
    sources = sorted((DOCUMENTS / "rst/python-tutorial").iterdir())
    pages = [DOCUMENTS / f"html/python-tutorial/{source.stem}.html" for source in sources]
    assert order_f1(words(*sources), words(*pages)) >= 0.98


@needs_documents
def test_every_document_of_a_known_format_is_read() -> None:
    for path in DOCUMENTS.rglob("*"):
        if path.suffix in SUFFIXES - {".tsv"}:
            assert words(path)
