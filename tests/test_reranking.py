"""Rerankers: a real cross-encoder, small enough to be made here, and what a retriever does with any."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import docqa
import docqa.chat
from conftest import BRIDGE, FakeEmbedder, write_corpus
from docqa import CrossEncoderReranker, EmbeddingError, Exchange, ModelNotFoundError, Retriever
from docqa.chat.library import Library
from docqa.chat.state import Turn
from docqa.cli import main
from docqa.embedding.sentence_transformer import _default_folder
from docqa.evaluation import describe_evaluation, evaluation_to_json, measure, prepare
from docqa.retrieval import RERANKED, open_retriever
from test_offline import run

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789.,:?!"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *[f"##{letter}" for letter in LETTERS]]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever tries to connect fail."""

    def refuse(*_: object) -> None:
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("models") / "tiny")


def make_tiny(folder: Path, *, labels: int = 1) -> Path:
    """Make a cross-encoder of one layer with random weights, that reads 60 tokens."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(7)
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    settings = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=60,
        initializer_range=1.0,
        num_labels=labels,
    )
    BertForSequenceClassification(settings).save_pretrained(folder)
    return folder


# the cross-encoder

TEXTS = ["bees make honey", "an old bridge, built in 1887", "bread", "a " * 500]


def test_a_cross_encoder_scores_each_text_for_the_query(tiny: Path) -> None:
    from torch import sigmoid, tensor

    reranker = CrossEncoderReranker(str(tiny))
    scores = reranker.score("who makes honey?", TEXTS)
    assert (scores.shape, scores.dtype) == ((4,), np.float32)
    assert len(set(scores.tolist())) == 4
    pairs = [("who makes honey?", text) for text in TEXTS]
    assert_allclose(sigmoid(tensor(scores)), reranker._model.predict(pairs), atol=1e-6)
    assert_array_equal(CrossEncoderReranker(str(tiny)).score("who makes honey?", TEXTS), scores)
    alone = [reranker.score("who makes honey?", [text])[0] for text in TEXTS]
    assert_allclose(alone, scores, atol=1e-5)
    assert not np.allclose(reranker.score("what is old?", TEXTS), scores, atol=1e-3)


def test_no_texts_have_no_scores(tiny: Path) -> None:
    scores = CrossEncoderReranker(str(tiny)).score("bees", [])
    assert (scores.shape, scores.dtype) == ((0,), np.float32)


def test_what_is_too_long_is_cut_off(tiny: Path) -> None:
    reranker = CrossEncoderReranker(str(tiny))
    kept = "a " * 56  # of 60 tokens, three are special and one is the query
    scores = reranker.score("b", [kept, kept + "c", "c " + kept, kept * 100])
    assert scores[0] == scores[1] == scores[3] != scores[2]
    assert np.isfinite(reranker.score("b " * 500, ["c " * 500])).all()


def test_nearly_certain_scores_differ(tiny: Path) -> None:
    import torch

    reranker = CrossEncoderReranker(str(tiny))
    with torch.no_grad():
        reranker._model[0].model.classifier.bias.fill_(100)
    assert len(set(reranker.score("who makes honey?", TEXTS).tolist())) == 4


def test_scores_that_are_not_finite_are_an_error(tiny: Path) -> None:
    import torch

    reranker = CrossEncoderReranker(str(tiny))
    with torch.no_grad():
        reranker._model[0].model.classifier.bias.fill_(float("nan"))
    with pytest.raises(EmbeddingError, match=f"the model '{tiny}' gave scores that are not finite; use another model"):
        reranker.score("bees", TEXTS)


def test_threads_may_share_a_reranker(tiny: Path) -> None:
    reranker = CrossEncoderReranker(str(tiny))
    asked = [("b " * i, ["c " * j for j in range(1, 30, i)]) for i in range(1, 9)]
    expected = [CrossEncoderReranker(str(tiny)).score(*pair) for pair in asked]
    problems: list[str] = []

    def check(i: int) -> None:
        for _ in range(20):
            try:
                if not np.array_equal(reranker.score(*asked[i]), expected[i]):
                    problems.append("another value")
            except Exception as exc:
                problems.append(repr(exc))

    threads = [threading.Thread(target=check, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_making_a_reranker_loads_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CrossEncoderReranker("no such model").name == "no such model"
    monkeypatch.chdir(tiny.parent)
    reranker = CrossEncoderReranker("tiny")
    assert reranker.name == str(tiny)
    assert "_loaded" not in vars(reranker)
    monkeypatch.chdir("/")
    reranker.load()
    assert "_loaded" in vars(reranker)


@pytest.mark.parametrize("name", ["no-such-model", "no/such", "a/b/c", "with space", "../up", "", "x" * 300])
def test_an_unknown_model_is_an_error_with_a_remedy(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="give a folder, or fetch it with 'hf download'") as caught:
        CrossEncoderReranker(name).score("bees", TEXTS)
    assert caught.value.name == name


@pytest.mark.parametrize("content", [{}, {"model_type": "bert"}, {"model_type": "no such"}])
def test_a_folder_without_a_model_is_an_error(tmp_path: Path, content: dict[str, str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelNotFoundError, match="sentence-transformers says"):
        CrossEncoderReranker(str(tmp_path)).load()


def test_a_model_of_several_scores_is_refused(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker(str(make_tiny(tmp_path / "model", labels=3)))
    with pytest.raises(ModelNotFoundError, match="it gives 3 scores for a pair of texts, not one; use a cross-encoder"):
        reranker.load()


def test_an_embedding_model_is_refused() -> None:
    with pytest.raises(ModelNotFoundError, match="it is no cross-encoder; use one made for ranking"):
        CrossEncoderReranker(str(_default_folder())).load()


# the retriever


class FakeReranker:
    """Score by the words given, else 0; ``asked`` records every query and ``read`` the texts of the last."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.name = "fake reranker"
        self.scores = scores
        self.asked: list[str] = []
        self.read: list[str] = []

    def score(self, query: str, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(query)
        self.read = list(texts)
        found = [sum(score for word, score in self.scores.items() if word in text) for text in texts]
        return np.array(found, np.float32)


@pytest.fixture
def synced(corpus: Path, store: Path, fake: FakeEmbedder) -> Path:
    docqa.sync(corpus, store, embedder=fake)
    return store


@pytest.fixture
def forty(tmp_path: Path, store: Path, fake: FakeEmbedder) -> Path:
    texts = {f"{i:02}.txt": f"Number {i:02} tells of honey {'and bees ' * (i % 7)}." for i in range(40)}
    docqa.sync(write_corpus(tmp_path / "forty", texts), store, embedder=fake)
    return store


def test_hits_are_in_the_order_of_the_reranker(synced: Path, fake: FakeEmbedder) -> None:
    query = "old bridge built by William Arrol"
    plain = Retriever.open(synced, embedder=fake)
    assert plain.retrieve(query)[0].passage.document == "bridge.txt"
    assert plain.reranker is None
    reranker = FakeReranker({"yeast": 3, "honey": 2, "swarm": -1, "sponge": 4, "bridge": -7})
    retriever = Retriever.open(synced, embedder=fake, reranker=reranker)
    hits = retriever.retrieve(query)
    assert [(hit.passage.document, hit.passage.headings, hit.rank) for hit in hits] == [
        ("cake.md", (), 1),
        ("notes/bees.md", ("Honey",), 2),
        ("notes/bees.md", ("Swarms",), 3),
        ("bridge.txt", (), 4),
    ]
    assert [hit.score for hit in hits] == [hit.score for hit in plain.retrieve(query)]
    assert retriever.reranker == "fake reranker"
    assert "It was built in 1887 by William Arrol." in [hits[3].passage.quote(span) for span in hits[3].evidence]


def test_what_the_reranker_puts_last_is_not_shown_at_length(synced: Path, fake: FakeEmbedder) -> None:
    query = "old bridge built by William Arrol"
    first = Retriever.open(synced, embedder=fake).retrieve(query)[0]
    assert first.passage.text == BRIDGE.strip()
    reranker = FakeReranker({"bridge": -1})
    last = Retriever.open(synced, embedder=fake, reranker=reranker).retrieve(query)[-1]
    assert last.passage.text == "It was built in 1887 by William Arrol."
    assert last.passage.sentences == last.evidence == first.passage.sentences[1:2]


def test_the_reranker_reads_what_the_embedder_has_seen(synced: Path, fake: FakeEmbedder) -> None:
    reranker = FakeReranker({})
    Retriever.open(synced, embedder=fake, reranker=reranker).retrieve("  honey? ")
    assert reranker.asked == ["honey?"]
    assert sorted(reranker.read) == sorted(fake.embedded)
    assert "Honey\n\nBees make honey from nectar." in reranker.read


@pytest.mark.parametrize("score", [0, -1e6, 1e6, 3e38])
def test_ties_and_what_the_reranker_has_not_read_stay_in_order(forty: Path, fake: FakeEmbedder, score: float) -> None:
    plain = Retriever.open(forty, embedder=fake).retrieve("honey bees", 100)
    reranker = FakeReranker({"tells": score})
    assert Retriever.open(forty, embedder=fake, reranker=reranker).retrieve("honey bees", 100) == plain
    assert [hit.rank for hit in plain] == list(range(1, 41))
    assert len(reranker.read) == RERANKED


def test_only_the_best_are_reordered_whatever_k(forty: Path, fake: FakeEmbedder) -> None:
    plain = Retriever.open(forty, embedder=fake).retrieve("honey bees", 100)
    last = plain[RERANKED - 1].passage
    reranker = FakeReranker({last.text[:9]: 1, plain[RERANKED].passage.text[:9]: 2})
    retriever = Retriever.open(forty, embedder=fake, reranker=reranker)
    every = retriever.retrieve("honey bees", 100)
    expected = [last, *(hit.passage for hit in plain if hit.passage != last)]
    assert [hit.passage for hit in every] == expected
    assert [hit.score for hit in every] == [hit.score for hit in plain]
    for k in (1, 5, RERANKED, RERANKED + 1):
        assert retriever.retrieve("honey bees", k) == every[:k]


def test_a_follow_up_is_reranked_with_what_it_asks_about(synced: Path, fake: FakeEmbedder) -> None:
    reranker = FakeReranker({"swarm": 1})
    retriever = Retriever.open(synced, embedder=fake, reranker=reranker)
    answer = retriever.ask("And when?", history=[Exchange("When does a swarm of bees leave \ud800?", "In May.")])
    assert reranker.asked == ["When does a swarm of bees leave ?? And when?"]
    assert answer.hits[0].passage.text == "A swarm leaves in May."
    retriever.ask("And when?")
    assert reranker.asked[1] == "And when?"


def test_the_confidence_is_that_of_the_evidence(synced: Path, fake: FakeEmbedder) -> None:
    query = "When was the old bridge built by William Arrol?"
    plain = Retriever.open(synced, embedder=fake).ask(query)
    for score in (-50, 50):
        answer = Retriever.open(synced, embedder=fake, reranker=FakeReranker({"bridge": score})).ask(query)
        assert (answer.verdict, answer.quotes) == (plain.verdict, plain.quotes)
        assert answer.hits[0 if score > 0 else -1].passage.document == "bridge.txt"


@pytest.mark.parametrize("found", [np.zeros(3), np.zeros((4, 1)), np.array([0, 1, np.nan, 2]), np.full(4, np.inf)])
def test_a_reranker_that_errs(synced: Path, fake: FakeEmbedder, found: np.ndarray) -> None:
    reranker = FakeReranker({})
    reranker.score = lambda query, texts: found  # type: ignore[method-assign]
    with pytest.raises(EmbeddingError, match="the model 'fake reranker' gave scores of a wrong shape or value"):
        Retriever.open(synced, embedder=fake, reranker=reranker).retrieve("bees")


def test_an_empty_index_asks_no_reranker(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.txt": " "})
    docqa.sync(corpus, store, embedder=fake)
    retriever = Retriever.open(store, embedder=fake, reranker=CrossEncoderReranker("no such model"))
    assert retriever.retrieve("bees") == []
    assert retriever.ask("bees").hits == ()


def test_one_retriever_is_kept_for_each_reranker(synced: Path, fake: FakeEmbedder) -> None:
    first, second = FakeReranker({}), FakeReranker({})
    kept = [open_retriever(synced, fake, reranker=reranker) for reranker in (None, first, second)]
    assert len(set(map(id, kept))) == 3
    assert [open_retriever(synced, fake, reranker=reranker) for reranker in (None, first, second)] == kept


def test_the_real_one_decides(synced: Path, fake: FakeEmbedder, tiny: Path) -> None:
    reranker, query = CrossEncoderReranker(str(tiny)), "Who built the bridge?"
    hits = Retriever.open(synced, embedder=fake, reranker=reranker).retrieve(query)
    judged = dict(zip(reranker.score(query, fake.embedded).tolist(), fake.embedded, strict=True))
    assert len(judged) == len(hits) == 4
    for hit, (_, text) in zip(hits, sorted(judged.items(), reverse=True), strict=True):
        assert hit.passage.text in text
    plain = Retriever.open(synced, embedder=fake).retrieve(query)
    scores = [max(hit.score for hit in plain if hit.passage.text in text) for text in fake.embedded]
    assert [hit.score for hit in hits] == sorted(scores, reverse=True)
    assert hits[0].score > hits[1].score > hits[2].score > hits[3].score


def test_the_chat_asks_with_its_reranker(corpus: Path, synced: Path, fake: FakeEmbedder) -> None:
    library = Library(corpus, synced, fake, reranker=FakeReranker({"yeast": 1}))
    turn = library.answer(Turn("Who built the bridge?"))
    assert turn.answer
    assert turn.answer.hits[0].passage.document == "cake.md"


def test_an_evaluation_names_its_reranker(tmp_path: Path, corpus: Path, fake: FakeEmbedder) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": "What does bread need?", "document": "cake.md", "spans": [[2, 8]]}))
    reranker = FakeReranker({"yeast": -1})
    with prepare(questions, corpus_dir=corpus, embedder=fake, reranker=reranker) as trial:
        evaluation = measure(trial, 2)
    assert evaluation.measures["success@1"] == 0
    assert evaluation_to_json(evaluation)["reranker"] == "fake reranker"
    assert "4 passages, fake, reranked by fake reranker\n" in describe_evaluation(evaluation)


RERANKING = """
import docqa
docqa.sync(sys.argv[1], sys.argv[2])
for name in (sys.argv[3], "no/such-model"):
    try:
        retriever = docqa.Retriever.open(sys.argv[2], reranker=docqa.CrossEncoderReranker(name))
        print(len(retriever.retrieve("Who built the bridge?")))
    except docqa.ModelNotFoundError as problem:
        print(problem.name)
"""


def test_reranking_without_a_network(corpus: Path, store: Path, tiny: Path) -> None:
    assert run(RERANKING, str(corpus), str(store), str(tiny)) == ["4", "no/such-model"]


# the command line

QUESTION = "Who built the bridge?"


@pytest.fixture
def embedded(corpus: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["sync", "--corpus", str(corpus), "--embeddings", str(store)]) == 0
    capsys.readouterr()
    return ["--embeddings", str(store)]


def test_the_command_line_takes_a_reranker(
    embedded: list[str], tiny: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hits = Retriever.open(store, reranker=CrossEncoderReranker(str(tiny))).retrieve(QUESTION)
    assert main(["retrieve", *embedded, "--reranker", str(tiny), "--json", QUESTION]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [hit["score"] for hit in found] == pytest.approx([hit.score for hit in hits], abs=1e-4)
    assert [(hit["document"], hit["span"][0]) for hit in found] == [
        (hit.passage.document, hit.passage.span.start) for hit in hits
    ]
    assert main(["ask", *embedded, "--reranker", str(tiny), "--json", QUESTION]) == 0
    assert json.loads(capsys.readouterr().out)["hits"] == found
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": QUESTION, "document": "bridge.txt", "spans": [[4, 10]]}))
    assert main(["evaluate", str(questions), *embedded, "--reranker", str(tiny), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reranker"] == str(tiny)


def test_the_chat_takes_a_reranker(
    corpus: Path, store: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: dict[str, object] = {}
    monkeypatch.setattr(docqa.chat, "check_port", lambda *_: None)
    monkeypatch.setattr(docqa.chat, "launch", lambda *_, **__: None)
    monkeypatch.setattr(docqa.chat, "build_chat", lambda **options: built.update(options))
    folders = ["--corpus", str(corpus), "--embeddings", str(store)]
    assert main(["chat", *folders, "--reranker", str(tiny)]) == 0
    assert isinstance(built["reranker"], CrossEncoderReranker)
    assert built["reranker"].name == str(tiny)
    assert main(["chat", *folders]) == 0
    assert built["reranker"] is None


@pytest.mark.parametrize("verb", ["ask", "retrieve", "chat", "evaluate"])
def test_an_unknown_reranker_is_said_at_once(
    verb: str, corpus: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": QUESTION, "spans": []}))
    given = {"chat": ["--port", "0"], "evaluate": [str(questions)]}.get(verb, [QUESTION])
    folders = ["--embeddings", str(store)] + (["--corpus", str(corpus)] if verb in ("chat", "evaluate") else [])
    assert main([verb, *folders, "--reranker", "no/such-model", *given]) == 1
    message = "cannot load the model 'no/such-model': it is neither a folder nor in the local model cache; "
    assert capsys.readouterr() == ("", f"docqa: {message}give a folder, or fetch it with 'hf download'\n")
    assert not store.exists()


def test_a_reranker_from_the_environment(embedded: list[str]) -> None:
    command = [sys.executable, "-m", "docqa", "retrieve", *embedded, QUESTION]
    environment = os.environ | {"DOCQA_RERANKER": "no/such-model"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert "cannot load the model 'no/such-model'" in result.stderr
    result = subprocess.run([*command, "--reranker", ""], env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
