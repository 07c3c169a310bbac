"""Retrieval and answers through the real model, and the rules every query obeys."""

import threading
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import docqa
from conftest import BRIDGE, FakeEmbedder, write_corpus
from docqa import Chunking, Hit, Retriever, SentenceTransformerEmbedder, Span
from docqa.answering import ANSWERED_FROM, UNCERTAIN_FROM
from docqa.framing import MOST_PASSAGES
from docqa.retrieval import RERANKED, open_retriever
from docqa.types import Exchange, QueryEmbeddings


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


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, embedder: SentenceTransformerEmbedder) -> Retriever:
    """Ask the documents that come with docqa."""
    store = tmp_path_factory.mktemp("shipped")
    docqa.sync(Path(__file__).parents[1] / "corpus", store, embedder=embedder)
    return Retriever.open(store, embedder=embedder)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("Q", id="one letter"),
        pytest.param("?!… -- ///", id="punctuation"),
        pytest.param(" ".join(f"word{number}" for number in range(10_000)), id="10,000 words"),
        pytest.param("How do I add my own documents? " * 1_667, id="10,002 words, of one question"),
        pytest.param("Warum kann Russland das Öl für Belarus nicht mehr subventionieren?", id="German"),
        pytest.param("为什么俄罗斯不能再补贴白俄罗斯的石油？", id="Chinese"),
        pytest.param("SELECT text FROM documents WHERE title = 'docqa' OR 1=1; DROP TABLE documents; --", id="SQL"),
        pytest.param("<b>How do I add my own documents?</b><script>alert('x')</script>&nbsp;", id="HTML"),
    ],
)
def test_odd_questions_of_the_shipped_corpus(shipped: Retriever, query: str) -> None:
    answer = shipped.ask(query, 3)
    assert shipped.retrieve(query, 3) == list(answer.hits)
    assert (answer.query, [hit.rank for hit in answer.hits]) == (query, [1, 2, 3])
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    assert np.isfinite([answer.confidence, *(hit.score for hit in answer.hits)]).all()
    assert 0 <= answer.confidence <= 1
    assert bool(answer.quotes) == answer.answered
    for quoted in [*answer.quotes, *(hit.passage for hit in answer.hits)]:
        assert shipped.document(quoted.document)[quoted.span] == quoted.text != ""


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


SHORT = "---\ntitle: Prices\n---\n\nThe same price everywhere: 49 EUR.\n"
COPIED = "---\ntitle: Candles\n---\n\nCandles of the keeper's own wax smell of honey and clover, and cost 7 EUR.\n"


def test_equal_passages_are_ordered_by_document(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(write_corpus(tmp_path / "corpus", dict.fromkeys(("b.md", "a.md", "c.md"), SHORT)), store, embedder=fake)
    hits = Retriever.open(store, embedder=fake).retrieve("which price?", 3)
    assert [hit.passage.document for hit in hits] == ["a.md", "b.md", "c.md"]
    assert hits[0].score == hits[1].score == hits[2].score
    assert {hit.passage.text for hit in hits} == {"The same price everywhere: 49 EUR."}


def test_copies_are_shown_once(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    texts = {"b.md": COPIED, "a.md": COPIED, "c.md": COPIED.replace(" wax smell", "\nWAX smell")}
    others = {"d.md": COPIED.replace("7", "9"), "e.txt": "The old bridge crosses the river Tay."}
    docqa.sync(write_corpus(tmp_path / "corpus", texts | others), store, embedder=fake)
    retriever = Retriever.open(store, embedder=fake)
    every = retriever.retrieve("Which candles cost 7 EUR?", 100)
    assert [hit.passage.document for hit in every] == ["a.md", "d.md", "e.txt"]
    assert [hit.rank for hit in every] == [1, 2, 3]
    for k in (1, 2, 3, 4):
        assert retriever.retrieve("Which candles cost 7 EUR?", k) == every[:k]


def test_an_unknown_document(retriever: Retriever) -> None:
    with pytest.raises(KeyError):
        retriever.document("../../etc/passwd")


@pytest.mark.parametrize("value", [np.zeros(3, np.float32), np.full(64, np.nan, np.float32)])
def test_an_embedder_that_errs_on_a_query(corpus: Path, store: Path, fake: FakeEmbedder, value: np.ndarray) -> None:
    docqa.sync(corpus, store, embedder=fake)
    tokens = fake.embed_query("bees").tokens
    fake.embed_query = lambda query: QueryEmbeddings(value, tokens)  # type: ignore[method-assign]
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
    assert answers == {"It was built in 1887 by William Arrol."}
    assert "long.txt" in {document.path for document in Retriever.open(store, embedder=embedder).documents()}


def first_quote(store: Path, embedder: SentenceTransformerEmbedder) -> str:
    return open_retriever(store, embedder).ask("When was the bridge built?").quotes[0].text


ASKED = ["amber", "falcon", "guards", "hidden", "treasure"]
TALE = (
    "under grey mountains people planted barley while merchants carried salt across valleys and shepherds counted "
    "sheep before winter storms closed every road between villages so children learned songs about rivers ships "
    "lanterns bridges gardens mills orchards wells towers bells candles harvests wolves and the moon above"
)
FILLING = TALE.split()
TOGETHER = " ".join(["Long", "ago", *FILLING[:20], *ASKED, *FILLING[20:]]) + "."
SCATTERED = " ".join(
    ["Long", "ago", *[word for i in range(5) for word in [ASKED[4 - i], *FILLING[9 * i : 9 * i + 9]]], *FILLING[45:]]
)


@pytest.mark.parametrize("real", [False, True])
def test_words_that_stand_together_beat_the_same_words_scattered(
    tmp_path: Path, store: Path, fake: FakeEmbedder, embedder: SentenceTransformerEmbedder, real: bool
) -> None:
    assert sorted(TOGETHER.removesuffix(".").split()) == sorted(SCATTERED.split())
    folder = write_corpus(tmp_path / "corpus", {"a.txt": SCATTERED + ".", "b.txt": TOGETHER, "c.txt": BRIDGE})
    chosen = embedder if real else fake
    docqa.sync(folder, store, embedder=chosen)
    hits = Retriever.open(store, embedder=chosen).retrieve("Which amber falcon guards hidden treasure?", 3)
    assert [hit.passage.document for hit in hits] == ["b.txt", "a.txt", "c.txt"]
    assert hits[0].score > hits[1].score > hits[2].score


WORDS = ["honey", "bees", "swarm", "queen", "nectar", "hive", "wax", "drone", "clover", "meadow"]
QUERIES = ["honey bees", "Which queen of the swarm eats clover nectar?", "unknown words only", "?"]


def assert_sound(retriever: Retriever, every: Sequence[Hit]) -> None:
    """Assert what holds for the hits of any query, best first."""
    assert [hit.rank for hit in every] == list(range(1, len(every) + 1))
    assert [hit.score for hit in every] == sorted((hit.score for hit in every), reverse=True)
    for hit in every:
        passage, document = hit.passage, retriever.document(hit.passage.document)
        assert document[passage.span] == passage.text != ""
        assert passage.locator == document.locate(passage.span)
        assert (passage.sentences[0].start, passage.sentences[-1].end) == (passage.span.start, passage.span.end)
        assert hit.evidence
        assert set(hit.evidence) <= set(passage.sentences)
    for one, other in combinations([hit.passage for hit in every], 2):
        assert one.document != other.document or not one.span.overlaps(other.span)


@pytest.mark.parametrize("query", QUERIES)
def test_more_hits_than_are_reranked_stay_in_order(tmp_path: Path, store: Path, fake: FakeEmbedder, query: str) -> None:
    texts = {
        f"{i:02}.txt": f"Number {i} tells of {WORDS[i % 10]} and {WORDS[i // 4]}. Then {WORDS[i * 7 % 10]} number {i}."
        for i in range(40)
    }
    docqa.sync(write_corpus(tmp_path / "corpus", texts), store, embedder=fake)
    retriever = Retriever.open(store, embedder=fake)
    every = retriever.retrieve(query, 100)
    assert {hit.passage.document for hit in every} == set(texts)
    assert len(every) >= 40 > RERANKED
    assert_sound(retriever, every)
    for k in range(1, len(every) + 2):
        assert retriever.retrieve(query, k) == every[:k]


SECTIONS = [
    "# Bees\n\n",
    "## Hive\n\n",
    "Bees make honey from nectar. ",
    "The queen lays eggs in the hive. ",
    "A swarm leaves the hive in May. ",
    "It is cold. ",
    "Wax melts at 62 degrees.\n\n",
    "\n\n- Clover\n- Honey\n\n",
    "| wax | 5 |\n|--|--|\n| honey | 7 |\n\n",
    "No drone has a sting, so it is said in the meadow beside the old house of the keeper. ",
]
TEXTS = st.lists(st.sampled_from(SECTIONS), min_size=1, max_size=20).map("".join)


@settings(deadline=None, max_examples=40)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=6),
    chunking=st.builds(Chunking, st.integers(8, 20)),
    query=st.sampled_from([*QUERIES, "Does the queen leave the hive?"]),
)
def test_hits_of_any_documents_are_verbatim_apart_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], chunking: Chunking, query: str
) -> None:
    folder, fake = tmp_path_factory.mktemp("any"), FakeEmbedder()
    corpus = write_corpus(folder / "corpus", {f"{i}.md": text for i, text in enumerate(texts)})
    docqa.sync(corpus, folder / "embeddings", embedder=fake, chunking=chunking)
    retriever = Retriever.open(folder / "embeddings", embedder=fake)
    every = retriever.retrieve(query, 1_000)
    assert every
    assert_sound(retriever, every)
    for hit in every:
        tokens = sum(fake.count_tokens([hit.passage.quote(span) for span in hit.passage.sentences]))
        tables = 2 if "|" in hit.passage.text else 0  # at either end one may be completed
        assert len(hit.passage.sentences) == 1 or tokens <= (MOST_PASSAGES + tables) * chunking.size
    for k in range(1, len(every) + 2):
        assert retriever.retrieve(query, k) == every[:k]


TORN = (
    "# Apiary\n\nThe keeper has nine hives beside the river. Honey is made from clover nectar by the bees.\n"
    "Clover honey of these bees is sold in May. The shop has a green door and one window.\n"
)


def test_a_hit_may_reach_over_passages(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    query = "clover honey of the bees"
    corpus = write_corpus(tmp_path / "corpus", {"a.md": TORN})
    docqa.sync(corpus, store, embedder=fake, chunking=Chunking(20))
    retriever = Retriever.open(store, embedder=fake)
    assert retriever.summary.passages == 2
    hit = retriever.retrieve(query, 1)[0]
    honey, sold = "Honey is made from clover nectar by the bees.", "Clover honey of these bees is sold in May."
    assert hit.passage.text == f"{honey}\n{sold}"
    assert [hit.passage.quote(span) for span in hit.passage.sentences] == [honey, sold]
    assert hit.passage.span == Span(TORN.index(honey), TORN.index(sold) + len(sold))
    assert (hit.passage.document, hit.passage.title, hit.passage.locator) == ("a.md", "Apiary", "lines 3–4")
    assert {hit.passage.quote(span) for span in hit.evidence} <= {honey, sold}
    assert_sound(retriever, retriever.retrieve(query, 5))


LEAVING = Exchange("When does a swarm of bees leave?", "A swarm leaves in May.")
ALONE = "Which old bridge crosses the river Tay near Dundee, built in 1887 by William Arrol for trains?"


@pytest.mark.parametrize("reply", ["A swarm leaves in May.", "", " "])
@pytest.mark.parametrize("query", ["And when does it leave?", "When exactly?"])
def test_a_follow_up_is_understood_with_the_question_before_it(retriever: Retriever, query: str, reply: str) -> None:
    answer = retriever.ask(query, history=[Exchange("Who built the bridge?"), Exchange(LEAVING.query, reply)])
    assert (answer.query, answer.asking_about) == (query, LEAVING.query)
    assert answer.hits[0].passage.document == "notes/bees.md"
    assert "A swarm leaves in May." in answer.hits[0].passage.text
    assert retriever.ask(query).asking_about == ""


def test_the_last_question_is_the_one_a_follow_up_leans_on(retriever: Retriever) -> None:
    bridge = Exchange("When was the old bridge across the Tay built?", "It was built in 1887 by William Arrol.")
    for history, document in (([LEAVING, bridge], "bridge.txt"), ([bridge, LEAVING], "notes/bees.md")):
        answer = retriever.ask("Tell me more about that", history=history)
        assert answer.asking_about == history[-1].query
        assert answer.hits[0].passage.document == document


def test_a_question_that_stands_alone_is_not_changed_by_what_was_said_before(retriever: Retriever) -> None:
    answer = retriever.ask(ALONE, history=[LEAVING])
    assert answer.asking_about == ""
    assert answer == retriever.ask(ALONE) == retriever.ask(ALONE, history=[])
    assert answer.hits[0].passage.document == "bridge.txt"
    leaning = retriever.ask(f"{ALONE} And who uses it?", history=[LEAVING])
    assert leaning.asking_about == LEAVING.query
    assert leaning.hits[0].passage.document == "bridge.txt"


def test_a_new_subject_is_found_whatever_was_said_before(retriever: Retriever) -> None:
    answer = retriever.ask("How long does a sponge cake bake?", history=[LEAVING])
    assert answer.hits[0].passage.document == "cake.md"
    assert answer.answered


def test_the_least_confidence_decides_what_counts_as_answered(retriever: Retriever) -> None:
    for query in ("When was the bridge built?", "Who won the world cup in 1990?"):
        usual, none, full = (retriever.ask(query, min_confidence=least) for least in (None, 0, 1))
        assert none.verdict == "answered"
        assert none.quotes != ()
        assert full.verdict == ("uncertain" if usual.confidence >= UNCERTAIN_FROM else "unanswered")
        assert full.quotes == ()
        assert usual == retriever.ask(query, min_confidence=ANSWERED_FROM)
        assert usual.confidence == none.confidence == full.confidence
        assert usual.hits == none.hits == full.hits


@pytest.mark.parametrize("least", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_least_confidence_that_is_none(retriever: Retriever, least: float) -> None:
    with pytest.raises(ValueError, match="min_confidence must be between 0 and 1, not"):
        retriever.ask("bridge", min_confidence=least)


@pytest.mark.parametrize("before", ["", "  ", "?", "\ud800"])
def test_a_wordless_turn_changes_nothing(retriever: Retriever, before: str) -> None:
    alone = retriever.ask("When does it leave?")
    assert retriever.ask("When does it leave?", history=[Exchange(before, before)]) == alone


def test_an_answer_tells_whether_its_confidence_was_calibrated(
    retriever: Retriever, corpus: Path, tmp_path: Path, fake: FakeEmbedder
) -> None:
    assert retriever.ask("When was the bridge built?").calibrated
    docqa.sync(corpus, tmp_path / "other", embedder=fake)
    assert not Retriever.open(tmp_path / "other", embedder=fake).ask("When was the bridge built?").calibrated
