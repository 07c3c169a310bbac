"""Feedback: what is written, what the last vote leaves, and that `docqa evaluate` reads it."""

import json
import threading
from pathlib import Path

import pytest

from docqa import feedback
from docqa.cli import main
from docqa.errors import EvaluationError
from docqa.evaluation import measure, prepare
from docqa.evaluation.questions import check_questions, read_questions
from docqa.feedback import read_votes, record_feedback, vote_key
from docqa.retrieval import Retriever
from docqa.syncing import sync
from docqa.types import Exchange, Hit, Passage, Span


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.jsonl"


def hit_in(document: str, start: int = 10, text: str = "Bees make honey. They swarm.", *, evidence: int = 16) -> Hit:
    span = Span(start, start + len(text))
    passage = Passage(document, "Bees", (), span, "line 1", text, (span,))
    return Hit(passage, 1.0, 1, (Span(start, start + evidence),) if evidence else ())


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def down(file: Path) -> Path:
    return file.with_name("feedback-down.jsonl")


def test_a_helpful_passage_becomes_a_question_with_its_answer(file):
    record_feedback(file, "Who makes “honey”?", hit_in("bees.md"), True)
    (line,) = lines(file)

    assert line.pop("time").endswith("+00:00")
    assert line == {
        "question": "Who makes “honey”?",
        "document": "bees.md",
        "spans": [[10, 26]],
        "answerable": True,
        "passage": [10, 38],
        "feedback": "up",
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert not down(file).exists()


def test_without_evidence_the_passage_is_the_answer(file):
    record_feedback(file, "Who?", hit_in("bees.md", evidence=0), True)

    assert lines(file)[0]["spans"] == [[10, 38]]


def test_what_a_follow_up_was_understood_from_is_kept(file):
    record_feedback(file, "And when?", hit_in("bees.md"), True, history=[Exchange("Who makes honey?", "Bees.")])

    assert lines(file)[0]["history"] == [{"query": "Who makes honey?", "reply": "Bees."}]


def test_a_passage_that_does_not_help_is_kept_beside_and_is_no_answer(file):
    record_feedback(file, "Who?", hit_in("bees.md"), False)

    assert not file.exists()
    assert [(line["question"], line["passage"], line["feedback"]) for line in lines(down(file))] == [
        ("Who?", [10, 38], "down")
    ]
    with pytest.raises(EvaluationError, match="'spans' must be a list"):
        read_questions(down(file))


@pytest.mark.parametrize(
    ("votes", "ups", "downs"),
    [
        ([True, True], 1, 0),
        ([True, False], 0, 1),
        ([False, True], 1, 0),
        ([False, False, True, False], 0, 1),
        ([True, None], 0, 0),
        ([False, None], 0, 0),
        ([None], 0, 0),
    ],
)
def test_of_several_votes_the_last_counts(file, votes, ups, downs):
    other = hit_in("other.md")
    record_feedback(file, "Who?", other, True)
    record_feedback(file, "Whose?", other, False)
    for helpful in votes:
        record_feedback(file, "Who?", hit_in("bees.md"), helpful)

    assert (len(lines(file)), len(lines(down(file)))) == (1 + ups, 1 + downs)
    expected = {vote_key("Who?", other): True, vote_key("Whose?", other): False}
    if votes[-1] is not None:
        expected[vote_key("Who?", hit_in("bees.md"))] = votes[-1]
    assert read_votes(file) == expected


def test_what_others_wrote_is_kept_as_it_is(file):
    foreign = b'{"question": "Mine?", "spans": []}\nno JSON \xff\n[1]\n'
    foreign += b'{"passage": [1, 2]}\r\n{"question": "Last?", "spans": []}'
    file.write_bytes(foreign)
    file.chmod(0o644)
    record_feedback(file, "Who?", hit_in("bees.md"), True)
    record_feedback(file, "Who?", hit_in("bees.md"), False)

    assert file.read_bytes() == foreign + b"\n"
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_link_stays_a_link(tmp_path, file):
    (tmp_path / "elsewhere").mkdir()
    file.symlink_to(tmp_path / "elsewhere" / "kept.jsonl")
    record_feedback(file, "Who?", hit_in("bees.md"), True)

    assert file.is_symlink()
    assert len(lines(tmp_path / "elsewhere" / "kept.jsonl")) == 1


def test_halves_of_characters_do_no_harm(file):
    record_feedback(file, "Who \ud800?", hit_in("bees.md"), True)

    assert [question.text for question in read_questions(file)] == ["Who ??"]
    assert read_votes(file) == {vote_key("Who \ud800?", hit_in("bees.md")): True}


def test_line_ends_in_a_question_do_not_end_the_line(file):
    record_feedback(file, "One\ntwo\r\u2028three?", hit_in("bees.md"), True)
    record_feedback(file, "Who?", hit_in("bees.md"), True)

    assert [question.text for question in read_questions(file)] == ["One\ntwo\r\u2028three?", "Who?"]


def test_votes_are_read_anew_only_when_a_file_is_another(file, monkeypatch):
    looked, key_of = [], feedback._key_of
    monkeypatch.setattr(feedback, "_key_of", lambda line: looked.append(line) or key_of(line))
    record_feedback(file, "Who?", hit_in("bees.md"), True)
    looked.clear()
    assert [read_votes(file), read_votes(file)] == [{vote_key("Who?", hit_in("bees.md")): True}] * 2
    assert len(looked) == 1
    record_feedback(file, "Who?", hit_in("bees.md"), False)
    assert read_votes(file) == {vote_key("Who?", hit_in("bees.md")): False}


def test_votes_at_the_same_time_are_all_kept(file):
    def vote(number: int) -> None:
        for document in ("a.md", "b.md"):
            record_feedback(file, f"Question {number}?", hit_in(document), number % 2 == 0)

    threads = [threading.Thread(target=vote, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(lines(file)), len(lines(down(file)))) == (12, 12)
    assert len(read_votes(file)) == 24


def test_where_nothing_can_be_written_nothing_is_lost(file, monkeypatch):
    record_feedback(file, "Who?", hit_in("bees.md"), True)
    before = file.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("docqa.feedback.os.fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        record_feedback(file, "Whose?", hit_in("bees.md"), True)

    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["feedback.jsonl"]


def test_a_missing_folder_is_an_error_and_nothing_has_been_said_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        record_feedback(tmp_path / "no" / "feedback.jsonl", "Who?", hit_in("bees.md"), True)

    assert read_votes(tmp_path / "no" / "feedback.jsonl") == {}


def test_a_follow_up_is_measured_as_it_was_asked_with_every_passage_that_helped(corpus, store, file, embedder):
    sync(corpus, store, embedder=embedder)
    history = [Exchange("When does a swarm of bees leave?", "A swarm leaves in May.")]
    retriever = Retriever.open(store, embedder=embedder)
    asked = retriever.ask("When exactly?", history=history)
    for hit in asked.hits[:2]:
        record_feedback(file, asked.query, hit, True, history=history)
    with prepare(file, store, embedder=embedder) as trial:
        (outcome,) = measure(trial).outcomes

    found = {(document, span) for document, spans in outcome.question.answers.items() for span in spans}
    assert found == {(hit.passage.document, span) for hit in asked.hits[:2] for span in hit.evidence}
    assert (outcome.rank, outcome.confidence) == (1, asked.confidence)
    assert asked.confidence != retriever.ask(asked.query).confidence


def test_feedback_is_a_set_of_questions_for_evaluate(corpus, store, file, embedder, capsys):
    sync(corpus, store, embedder=embedder)
    retriever = Retriever.open(store, embedder=embedder)
    for query in ("What do bees make honey from?", "When was the bridge built?"):
        record_feedback(file, query, retriever.retrieve(query, 1)[0], True)
    record_feedback(file, "Who is the king?", retriever.retrieve("Who is the king?", 1)[0], False)
    questions = read_questions(file)
    check_questions(file, questions, retriever)

    assert [(question.text, question.answerable) for question in questions] == [
        ("What do bees make honey from?", True),
        ("When was the bridge built?", True),
    ]
    assert main(["evaluate", str(file), "--embeddings", str(store), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["questions"], result["measures"]["success@1"]) == (2, 1.0)
