"""Evaluation: every measure against values computed by hand, every complaint about bad input, and the command line."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import docqa
from conftest import BRIDGE, CAKE, SHARED, FakeEmbedder
from docqa import Answer, EvaluationError, Exchange, Hit, Passage, Retriever, Span
from docqa.cli import main
from docqa.evaluation import Question, Trial, evaluation_to_json, measure, prepare, write_outcomes
from docqa.evaluation.beir import read_beir
from docqa.evaluation.measures import compute_auroc
from docqa.evaluation.overlapping import count_evidence, group_regions, join_evidence, measure_overlap
from docqa.evaluation.reporting import MEANINGS

BUILT = "It was built in 1887 by William Arrol."

CRANFIELD = SHARED / "eval/cranfield"
needs_cranfield = pytest.mark.skipif(not CRANFIELD.exists(), reason="Cranfield is not beside the project")


def hit(
    start: int, end: int, *, document: str = "a.txt", rank: int = 1, evidence: Sequence[Span] = (), step: int = 10
) -> Hit:
    """Make a hit whose sentences are ten characters long and divided by a blank."""
    sentences = tuple(Span(place, min(place + step, end)) for place in range(start, end, step + 1))
    passage = Passage(document, "A", (), Span(start, end), "line 1", "x" * (end - start), sentences)
    return Hit(passage, -float(rank), rank, tuple(evidence))


class Scripted:
    """Stand in for a retriever: give the hits and the confidence written down for each question with its history."""

    def __init__(self, script: dict[str, tuple[list[Hit], float]]) -> None:
        self.script = script
        self.summary = docqa.StoreSummary("0" * 12, "fake", 1, 1, None, ())  # type: ignore[arg-type]
        self.reranker = None

    def retrieve(self, query: str, k: int = 5) -> list[Hit]:
        return self.script[query][0][:k]

    def ask(self, query: str, k: int = 5, *, history: Sequence[Exchange] = ()) -> Answer:
        query = " / ".join([*(exchange.query for exchange in history), query])
        confidence = self.script[query][1]
        verdict = "answered" if confidence >= 0.5 else "uncertain" if confidence >= 0.2 else "unanswered"
        return Answer(query, (), tuple(self.retrieve(query, k)), confidence, verdict)


def measured(script: dict[str, tuple[list[Hit], float]], questions: list[Question], k: int = 5) -> dict[str, object]:
    evaluation = measure(Trial(questions, Scripted(script)), k)  # type: ignore[arg-type]
    return evaluation.measures  # type: ignore[return-value]


def asked(text: str, *spans: tuple[int, int], **fields: object) -> Question:
    answers = {"a.txt": [Span(*span) for span in spans]} if spans else {}
    return Question(text, text, 1, answers, **fields)  # type: ignore[arg-type]


def write_lines(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), "utf-8")
    return path


# spans


def test_overlap_by_hand() -> None:
    hits = [hit(0, 10), hit(5, 15), hit(0, 5, document="b.txt")]
    overlap = measure_overlap(hits, {"a.txt": [Span(8, 12), Span(10, 11), Span(20, 24)]})
    assert overlap.recall == 4 / 8
    assert overlap.precision == 4 / 25
    assert overlap.iou == 4 / (25 + 4)


def test_overlap_with_spans_of_two_documents() -> None:
    hits = [hit(0, 10), hit(0, 20, document="b.txt")]
    overlap = measure_overlap(hits, {"a.txt": [Span(8, 12)], "b.txt": [Span(0, 6)], "c.txt": [Span(0, 2)]})
    assert overlap.recall == (2 + 6) / (4 + 6 + 2)
    assert overlap.precision == (2 + 6) / 30
    assert overlap.iou == (2 + 6) / (30 + 4)


def test_overlap_of_nothing() -> None:
    overlap = measure_overlap([], {"a.txt": [Span(8, 12)]})
    assert (overlap.recall, overlap.precision, overlap.iou) == (0, 0, 0)


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=5).map(
    lambda pairs: [Span(start, start + length) for start, length in pairs]
)


@given(retrieved=spans, gold=spans)
def test_overlap_counts_characters(retrieved: list[Span], gold: list[Span]) -> None:
    def characters(some: list[Span]) -> set[int]:
        return {place for span in some for place in range(span.start, span.end)}

    overlap = measure_overlap([hit(span.start, span.end) for span in retrieved], {"a.txt": gold})
    found = len(characters(retrieved) & characters(gold))
    length, missed = sum(map(len, retrieved)), len(characters(gold)) - found
    assert overlap.recall == found / len(characters(gold))
    assert overlap.precision == found / length
    assert overlap.iou == found / (length + missed)


def test_overlapping_spans_are_one_region() -> None:
    spans = [Span(550, 572), Span(554, 572), Span(0, 4), Span(4, 6), Span(555, 560)]
    assert group_regions(spans) == [[Span(0, 4)], [Span(4, 6)], [Span(550, 572), Span(554, 572), Span(555, 560)]]


def test_evidence_is_joined_unless_a_sentence_lies_between() -> None:
    first, second, third = Span(0, 10), Span(11, 21), Span(22, 32)
    assert join_evidence(hit(0, 32, evidence=[first, second])) == [Span(0, 21)]
    assert join_evidence(hit(0, 32, evidence=[first, third])) == [first, third]
    assert count_evidence(hit(0, 32, evidence=[first, third])) == 2
    assert count_evidence(hit(0, 32, evidence=[Span(0, 21)])) == 2


# the measures


def test_ranking_by_hand() -> None:
    script = {
        "first": ([hit(0, 10), hit(11, 21, rank=2)], 1.0),
        "third": ([hit(0, 10), hit(0, 10, document="b.txt", rank=2), hit(30, 40, rank=3)], 1.0),
        "seventh": ([hit(100 * i, 100 * i + 10, rank=i + 1) for i in range(8)], 1.0),
        "cut": ([hit(0, 10)], 1.0),
    }
    questions = [
        asked("first", (2, 5)),
        asked("third", (31, 35)),
        asked("seventh", (600, 605)),
        asked("cut", (5, 11)),  # only a part of the span is in the hit
    ]
    measures = measured(script, questions)
    assert measures["success@1"] == 1 / 4
    assert measures["success@5"] == 2 / 4
    assert measures["mrr@10"] == pytest.approx((1 + 1 / 3 + 1 / 7 + 0) / 4)
    assert measures["ndcg@10"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 0) / 4)  # 1 / log2(1 + rank)
    assert measures["recall@10"] is None


def test_ndcg_counts_every_region_once() -> None:
    hits = [hit(0, 10), hit(0, 10, rank=2), hit(20, 30, rank=3)]
    measures = measured({"q": (hits, 1.0)}, [asked("q", (1, 4), (2, 4), (22, 25))])
    ideal = 1 + 1 / math.log2(3)
    assert measures["ndcg@10"] == pytest.approx((1 + 1 / math.log2(4)) / ideal)
    together = measured({"q": ([hit(0, 30)], 1.0)}, [asked("q", (1, 4), (22, 25))])
    assert together["ndcg@10"] == 1.0


def test_places_in_two_documents_are_two_regions() -> None:
    hits = [hit(0, 10, document="c.txt"), hit(0, 10, document="b.txt", rank=2), hit(0, 10, rank=3)]
    question = Question("q", "q", 1, {"a.txt": [Span(2, 4)], "b.txt": [Span(2, 4)]})
    measures = measured({"q": (hits, 1.0)}, [question])
    gained, ideal = 1 / math.log2(3) + 1 / math.log2(4), 1 + 1 / math.log2(3)
    assert measures["ndcg@10"] == pytest.approx(gained / ideal)
    assert measures["mrr@10"] == 1 / 2
    assert measures["span_recall"] == 1


@pytest.mark.parametrize("k", [1, 10])
def test_a_follow_up_is_asked_with_its_history(k: int) -> None:
    script = {
        "When?": ([hit(0, 10)], 0.9),
        "Who? / When?": ([hit(0, 10, document="b.txt"), hit(20, 30, rank=2)], 0.1),
    }
    questions = [asked("When?", (2, 5)), asked("When?", (22, 25), history=(Exchange("Who?", "Arrol."),))]
    questions[1] = replace(questions[1], id="follow-up")
    measures = measured(script, questions, k)
    assert measures["mrr@10"] == (1 + 1 / 2) / 2
    assert measures["wrongly_refused"] == 1 / 2


def test_a_rank_beyond_ten_counts_nothing() -> None:
    hits = [hit(100 * i, 100 * i + 10, rank=i + 1) for i in range(12)]
    measures = measured({"q": (hits, 1.0)}, [asked("q", (1100, 1105))], k=12)
    assert (measures["mrr@10"], measures["ndcg@10"], measures["span_recall"]) == (0, 0, 1)


def test_an_index_without_hits() -> None:
    measures = measured({"q": ([], 0.0)}, [asked("q", (0, 5))])
    assert (measures["success@1"], measures["mrr@10"], measures["span_precision"]) == (0, 0, 0)
    assert measures["evidence_accuracy"] is None
    assert measures["wrongly_refused"] == 1


def test_span_measures_are_of_the_first_k_hits() -> None:
    script = {"q": ([hit(0, 10), hit(20, 40, rank=2)], 1.0), "r": ([hit(0, 10)], 1.0)}
    questions = [asked("q", (8, 22)), asked("r", (0, 10))]
    two, one = measured(script, questions, k=2), measured(script, questions, k=1)
    assert two["span_recall"] == pytest.approx((4 / 14 + 1) / 2)
    assert two["span_precision"] == pytest.approx((4 / 30 + 1) / 2)
    assert two["span_iou"] == pytest.approx((4 / (30 + 10) + 1) / 2)
    assert one["span_recall"] == pytest.approx((2 / 14 + 1) / 2)


def test_documents_are_ranked_by_their_best_hit_and_graded() -> None:
    hits = [
        hit(0, 10, document="b"),
        hit(20, 30, document="b", rank=2),
        hit(0, 10, document="a", rank=3),
        hit(0, 10, document="c", rank=4),
    ]
    question = Question("q", "q", 1, relevant={"a": 1, "c": 2, "missing": 1})
    measures = measured({"q": (hits, 1.0)}, [question])
    discounts = [1 / math.log2(1 + rank) for rank in (1, 2, 3)]
    gained, ideal = 1 * discounts[1] + 2 * discounts[2], 2 * discounts[0] + discounts[1] + discounts[2]
    assert measures["ndcg@10"] == pytest.approx(gained / ideal)
    assert measures["mrr@10"] == 1 / 2
    assert (measures["success@1"], measures["success@5"]) == (0, 1)
    assert measures["recall@10"] == pytest.approx(2 / 3)
    assert measures["span_recall"] is None


def test_documents_are_looked_for_until_there_are_ten() -> None:
    many = [hit(20 * i, 20 * i + 10, document="long", rank=i + 1) for i in range(70)]
    script = {"q": ([*many, hit(0, 10, document="a", rank=71)], 1.0)}
    assert measured(script, [Question("q", "q", 1, relevant={"a": 1})])["mrr@10"] == 1 / 2


def test_evidence_by_hand() -> None:
    first, second, third = Span(0, 10), Span(11, 21), Span(22, 32)
    script = {
        "one": ([hit(0, 32, evidence=[second])], 1.0),
        "across": ([hit(0, 32, evidence=[first, second])], 1.0),
        "apart": ([hit(0, 32, evidence=[first, third])], 1.0),
        "wrong": ([hit(100, 132, evidence=[Span(100, 110)])], 1.0),
    }
    questions = [
        asked("one", (12, 20)),
        asked("across", (8, 13)),
        asked("apart", (8, 24)),
        asked("wrong", (0, 5)),
    ]
    measures = measured(script, questions)
    assert measures["evidence_accuracy"] == 2 / 3
    assert measures["evidence_sentences"] == (1 + 2 + 2) / 3


def test_refusal_by_hand() -> None:
    confidences = {"a1": 0.9, "a2": 0.8, "a3": 0.4, "u1": 0.1, "u2": 0.6, "u3": 0.4}
    questions = [asked(name, (0, 5)) if name[0] == "a" else asked(name) for name in confidences]
    measures = measured({name: ([hit(0, 10)], value) for name, value in confidences.items()}, questions)
    assert measures["refusal_precision"] == 2 / 3  # a3, u1 and u3 are refused
    assert measures["refusal_recall"] == 2 / 3
    assert measures["wrongly_refused"] == 1 / 3
    assert measures["confidence_auroc"] == pytest.approx((3 + 3 + 1.5) / 9)
    assert measures["success@1"] == 1  # of the answerable ones


def test_only_unanswerable_questions() -> None:
    measures = measured({"u": ([hit(0, 10)], 0.1)}, [asked("u")])
    assert (measures["refusal_precision"], measures["refusal_recall"]) == (1, 1)
    absent = {name for name, value in measures.items() if value is None}
    assert absent == MEANINGS.keys() - {
        "refusal_precision",
        "refusal_recall",
        "latency_median_ms",
        "latency_p95_ms",
    }


def test_nothing_refused_has_no_precision() -> None:
    assert measured({"u": ([hit(0, 10)], 0.9)}, [asked("u")])["refusal_precision"] is None


@pytest.mark.parametrize(
    ("positive", "negative", "area"),
    [
        ([0.9, 0.5], [0.5, 0.1], 3.5 / 4),
        ([1.0], [0.0], 1.0),
        ([0.0], [1.0], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([], [0.5], None),
        ([0.5], [], None),
    ],
)
def test_auroc_by_hand(positive: list[float], negative: list[float], area: float | None) -> None:
    assert compute_auroc(positive, negative) == area


def test_latency_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 1.01, 2.0, 2.02, 3.0, 3.06, 4.0])  # measure begins and ends; three questions between
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    questions = [asked("a"), asked("b"), asked("c")]
    measures = measured({name: ([], 0.0) for name in "abc"}, questions)
    assert measures["latency_median_ms"] == pytest.approx(20)
    assert measures["latency_p95_ms"] == pytest.approx(56)  # nine tenths of the way from 20 to 60


def test_every_measure_has_a_meaning_and_is_documented() -> None:
    measures = measured({"q": ([hit(0, 10)], 1.0)}, [asked("q", (0, 5))])
    assert list(measures) == list(MEANINGS)
    page = (Path(__file__).parents[1] / "docs/evaluation.md").read_text("utf-8")
    assert [name for name in MEANINGS if f"`{name}`" not in page] == []


def test_progress_and_k(fake: FakeEmbedder) -> None:
    steps: list[tuple[int, int]] = []
    trial = Trial([asked("a"), asked("b")], Scripted({"a": ([], 0.0), "b": ([], 0.0)}))  # type: ignore[arg-type]
    assert measure(trial, progress=lambda done, total, _: steps.append((done, total))).k == 5
    assert steps == [(1, 2), (2, 2)]


# files of questions


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    start = BRIDGE.index(BUILT)
    return write_lines(
        tmp_path / "questions.jsonl",
        {
            "id": "built",
            "question": "When was the old bridge built?",
            "document": "bridge.txt",
            "spans": [[start + 16, start + 20]],
            "answerable": True,
            "note": "ignored",
        },
        "",
        {
            "id": 7,
            "question": "What does bread need?",
            "document": "cake.md",
            "spans": [[CAKE.index("yeast"), CAKE.index("yeast") + 5]],
        },
        {"question": "Who won the world cup?", "document": "gone.txt", "spans": []},
        {"question": "How tall is Everest?", "answerable": False},
    )


@pytest.fixture
def store_of_fakes(corpus: Path, store: Path, fake: FakeEmbedder) -> Path:
    docqa.sync(corpus, store, embedder=fake)
    return store


def test_questions_against_an_index(questions: Path, store_of_fakes: Path, fake: FakeEmbedder) -> None:
    with prepare(questions, store_of_fakes, embedder=fake) as trial:
        assert [question.id for question in trial.questions] == ["built", "7", "line 4", "line 5"]
        assert [question.answerable for question in trial.questions] == [True, True, False, False]
        values = evaluation_to_json(measure(trial, 2))
    counts = {name: values[name] for name in ("questions", "answerable", "unanswerable", "documents", "passages", "k")}
    assert counts == {
        "questions": 4,
        "answerable": 2,
        "unanswerable": 2,
        "documents": 3,
        "passages": 4,
        "k": 2,
    }
    assert values["model"] == "fake"
    assert values["measures"]["success@1"] == 1
    assert values["measures"]["mrr@10"] == 1


def test_documents_given_are_indexed_for_the_occasion(questions: Path, corpus: Path, fake: FakeEmbedder) -> None:
    (corpus / "photo.jpg").write_bytes(b"x")
    with prepare(questions, Path("none"), corpus_dir=corpus, embedder=fake) as trial:
        assert trial.notes == [
            "skipped photo.jpg: docqa does not read .jpg; save it in a format it reads, as .docx, .html or .txt"
        ]
        assert measure(trial).measures["success@1"] == 1
    assert sorted(path.name for path in corpus.iterdir()) == ["bridge.txt", "cake.md", "notes", "photo.jpg"]


def test_lines_that_ask_the_same_are_one_question(tmp_path: Path, store_of_fakes: Path, fake: FakeEmbedder) -> None:
    line = {"question": "What is said?", "document": "bridge.txt", "spans": [[4, 9], [0, 3]]}
    history = [{"query": "Who?", "reply": ""}]
    path = write_lines(
        tmp_path / "questions.jsonl",
        line,
        {**line, "spans": [[20, 30], [4, 9]], "history": []},
        {**line, "document": "cake.md", "spans": [[0, 8]]},
        {**line, "history": history},
        {**line, "history": history, "spans": [[20, 30]]},
        {**line, "id": "named"},
        {**line, "id": "other"},
        {**line, "spans": []},
    )
    with prepare(path, store_of_fakes, embedder=fake) as trial:
        first, follow_up, *others = trial.questions
        evaluation = measure(trial)
    assert (first.id, first.history) == ("line 1", ())
    assert first.answers == {"bridge.txt": [Span(0, 3), Span(4, 9), Span(20, 30)], "cake.md": [Span(0, 8)]}
    assert (follow_up.id, follow_up.history) == ("line 4", (Exchange("Who?", ""),))
    assert follow_up.answers == {"bridge.txt": [Span(0, 3), Span(4, 9), Span(20, 30)]}
    assert [(question.id, question.answerable) for question in others] == [
        ("named", True),
        ("other", True),
        ("line 8", False),
    ]
    write_outcomes(path, evaluation)
    assert [json.loads(line)["documents"] for line in path.read_text("utf-8").splitlines()] == [
        ["bridge.txt", "cake.md"],
        *[["bridge.txt"]] * 3,
        [],
    ]


GOOD = {"id": "a", "question": "When?", "document": "bridge.txt", "spans": [[0, 5]]}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"question": '], "broken JSON at column 13 (Expecting value); write one object a line"),
        (["[1, 2]"], "[1, 2] is no JSON object; write one a line"),
        (["[" * 100_000], "JSON that is too deep or too long; simplify it"),
        ([{**GOOD, "question": " "}], "'question' must be a text, not \" \"; add it or correct it"),
        ([{**GOOD, "question": 3}], "'question' must be a text, not 3; add it or correct it"),
        ([{"spans": []}], "'question' must be a text, not null; add it or correct it"),
        ([{**GOOD, "question": "\ud800"}], "'question' holds half a character"),
        ([{**GOOD, "id": ["a"]}], "'id' must be a text, not [\"a\"]; add it or correct it"),
        ([{**GOOD, "id": "b"}, GOOD], "line 3 of 'Q': the id 'a' is on line 1 too; give every line its own"),
        ([{**GOOD, "id": "b", "document": None}], "'document' must be a text, not null"),
        (
            [{**GOOD, "id": "b", "document": "bridge.md"}],
            "the document 'bridge.md' is not in the index; add it to the corpus and sync, or correct its path",
        ),
        (
            [{**GOOD, "id": "b", "spans": [[0, 5], [100, 200]]}],
            "the span [100, 200] ends beyond the 106 characters of 'bridge.txt'; correct it, or sync",
        ),
        ([{**GOOD, "id": "b", "spans": [[5, 5]]}], "the span [5, 5] is not [start, end) with 0 <= start < end"),
        ([{**GOOD, "id": "b", "spans": [[-1, 5]]}], "the span [-1, 5] is not [start, end)"),
        ([{**GOOD, "id": "b", "spans": [[1, 5, 6]]}], "the span [1, 5, 6] is not [start, end)"),
        ([{**GOOD, "id": "b", "spans": [[1, 5.5]]}], "the span [1, 5.5] is not [start, end)"),
        ([{**GOOD, "id": "b", "spans": [[False, True]]}], "the span [False, True] is not [start, end)"),
        ([{**GOOD, "id": "b", "spans": ["x"]}], "the span x is not [start, end)"),
        ([{"question": "When?", "document": "bridge.txt"}], "'spans' must be a list of [start, end); add it, empty if"),
        ([{**GOOD, "id": "b", "spans": 3}], "'spans' must be a list of [start, end)"),
        (
            [{"question": "When?", "spans": [], "answerable": True}],
            "the question is answerable but has no spans; add them, or set 'answerable' to false",
        ),
        *(
            (
                [{**GOOD, "id": "b", "history": history}],
                '\'history\' must be a list of {"query": text, "reply": text}, oldest first; correct it',
            )
            for history in ("Who?", {"query": "Who?", "reply": ""}, ["Who?"], [{"query": "Who?"}], [{"reply": ""}], [3])
        ),
        (
            [{"question": "When?", "document": "bridge.txt", "spans": [[0, 5]]}] * 2
            + [{"question": "When?", "document": "bridge.txt", "spans": [[0, 107]]}],
            "the span [0, 107] ends beyond the 106 characters of 'bridge.txt'",
        ),
        ([{**GOOD, "id": "b", "answerable": "no"}], "'answerable' must be true or false; correct it or leave it out"),
    ],
)
def test_bad_lines(lines: list[object], message: str, tmp_path: Path, store_of_fakes: Path, fake: FakeEmbedder) -> None:
    path = write_lines(tmp_path / "q.jsonl", GOOD, *lines)
    with pytest.raises(EvaluationError) as caught, prepare(path, store_of_fakes, embedder=fake):
        pass
    assert message.replace("'Q'", f"'{path}'") in str(caught.value)
    assert str(caught.value).startswith(f"line {len(lines) + 1} of '{path}': ")
    assert (caught.value.path, caught.value.line) == (path, len(lines) + 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "'{}': the file holds no question; write one JSON object a line"),
        (b"\n \n", "'{}': the file holds no question; write one JSON object a line"),
        (b"\xef\xbb\xbf\r\n", "'{}': the file holds no question; write one JSON object a line"),
        (
            b'{"question": "a", "spans": []}\r\n\r\n{"question": \r\n',
            "line 3 of '{}': broken JSON at column 13 (Expecting value); write one object a line",
        ),
        ('{"question": "a"}'.encode("utf-16"), "line 1 of '{}': byte 1 is not UTF-8; save the file as UTF-8"),
        (b'\n{"question": "\xff"}', "line 2 of '{}': byte 15 is not UTF-8; save the file as UTF-8"),
        (None, "'{}': the file cannot be read: No such file or directory; check its name"),
    ],
)
def test_bad_files(data: bytes | None, message: str, tmp_path: Path, store_of_fakes: Path, fake: FakeEmbedder) -> None:
    path = tmp_path / "q.jsonl"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(EvaluationError) as caught, prepare(path, store_of_fakes, embedder=fake):
        pass
    assert str(caught.value) == message.format(path)


def test_a_byte_order_mark_and_unicode_line_ends(tmp_path: Path, store_of_fakes: Path, fake: FakeEmbedder) -> None:
    lines = [{"question": "one\u2028two", "spans": []}, {"question": "three", "spans": []}]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\r\n" for line in lines)
    path = tmp_path / "q.jsonl"
    path.write_bytes(text.encode("utf-8-sig"))
    with prepare(path, store_of_fakes, embedder=fake) as trial:
        assert [(question.text, question.line) for question in trial.questions] == [("one\u2028two", 1), ("three", 2)]


# folders in BEIR form


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    write_lines(
        folder / "corpus.jsonl",
        {"_id": "../../cake", "title": "Baking", "text": CAKE},
        {"_id": "empty", "title": "", "text": " "},
        {"_id": "bridge", "text": BRIDGE + "\0"},
    )
    write_lines(
        folder / "queries.jsonl",
        {"_id": "1", "text": "When was the old bridge built?"},
        {"_id": 2, "text": "What does bread need?"},
        {"_id": "3", "text": "Never judged to be answered"},
    )
    lines = ["query-id\tcorpus-id\tscore", "1\tbridge\t1", "1\tempty\t1", "2\t../../cake\t2", "2\tbridge\t0"]
    write_lines(folder / "qrels/test.tsv", *lines, "3\tbridge\t0", "")
    return folder


def test_beir_documents_are_files_with_numbers(beir: Path, tmp_path: Path) -> None:
    read = read_beir(beir, tmp_path / "corpus")
    files = sorted((tmp_path / "corpus").iterdir())
    assert [file.name for file in files] == ["00000001.txt", "00000003.txt"]
    assert files[0].read_text("utf-8") == "Baking\n\n" + CAKE.strip()
    assert files[1].read_text("utf-8") == BRIDGE + " "
    assert read.names["00000001.txt"] == "../../cake"
    assert read.notes == ["left out 1 empty document"]
    assert [(one.id, dict(one.relevant)) for one in read.questions] == [
        ("1", {"00000003.txt": 1, "00000002.txt": 1}),
        ("2", {"00000001.txt": 2}),
    ]


def test_beir_measures(beir: Path, fake: FakeEmbedder) -> None:
    with prepare(beir, embedder=fake) as trial:
        measures = measure(trial).measures
    assert measures["success@1"] == 1
    assert measures["recall@10"] == (1 / 2 + 1) / 2
    assert measures["ndcg@10"] == pytest.approx((1 / (1 + 1 / math.log2(3)) + 1) / 2)
    assert measures["span_recall"] is None
    assert measures["confidence_auroc"] is None


@pytest.mark.parametrize(
    ("file", "line", "place", "message"),
    [
        ("corpus.jsonl", "{", 4, "broken JSON at column "),
        ("corpus.jsonl", {"_id": "bridge", "text": "x"}, 4, "the id 'bridge' is on line 3 too"),
        ("corpus.jsonl", {"text": "x"}, 4, "'_id' must be a text, not null"),
        ("corpus.jsonl", {"_id": "x"}, 4, "'title' and 'text' must be texts; correct them"),
        ("corpus.jsonl", {"_id": "x", "title": 3, "text": "x"}, 4, "'title' and 'text' must be texts"),
        ("queries.jsonl", {"_id": "2", "text": "x"}, 4, "the id '2' is on line 2 too"),
        ("queries.jsonl", {"_id": "x", "text": ""}, 4, "'text' must be a text, not \"\""),
        ("qrels/test.tsv", "1\tgone\t1", 8, "the document 'gone' is not in corpus.jsonl; add it, or remove the line"),
        ("qrels/test.tsv", "9\tbridge\t1", 8, "the query '9' is not in queries.jsonl; add it, or remove the line"),
        ("qrels/test.tsv", "1 bridge 1", 8, "not query-id, corpus-id and a whole number as the score, divided by"),
        ("qrels/test.tsv", "1\tbridge\t0.5", 8, "not query-id, corpus-id and a whole number"),
    ],
)
def test_bad_beir_lines(beir: Path, file: str, line: object, place: int, message: str, fake: FakeEmbedder) -> None:
    with (beir / file).open("a") as opened:
        opened.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    with pytest.raises(EvaluationError) as caught, prepare(beir, embedder=fake):
        pass
    assert str(caught.value).startswith(f"line {place} of '{beir / file}': {message}")


def test_beir_files_with_byte_order_marks_and_other_line_ends(beir: Path, tmp_path: Path) -> None:
    before = read_beir(beir, tmp_path / "before")
    for file in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        (beir / file).write_bytes(b"\xef\xbb\xbf" + (beir / file).read_bytes().replace(b"\n", b"\r\n"))
    assert read_beir(beir, tmp_path / "after") == before


def test_a_folder_that_is_not_in_beir_form(corpus: Path, synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(corpus), *synced]) == 1
    reason = "the folder has no corpus.jsonl; give a JSONL file of questions or a folder in BEIR form"
    assert capsys.readouterr() == ("", f"docqa: '{corpus}': {reason}\n")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("corpus.jsonl", "'{}': no document holds a word; give each a 'title' or a 'text'"),
        ("queries.jsonl", "line 2 of '{}': the query '1' is not in queries.jsonl; add it, or remove the line"),
        ("qrels/test.tsv", "'{}': no document is judged to answer a query; add a line with a score of 1"),
    ],
)
def test_empty_beir_files(beir: Path, file: str, message: str) -> None:
    (beir / file).write_bytes(b"")
    with pytest.raises(EvaluationError) as caught, prepare(beir):
        pass
    named = "qrels/test.tsv" if file == "queries.jsonl" else file
    assert str(caught.value) == message.format(beir / named)


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_folder_without_a_file(beir: Path, file: str) -> None:
    (beir / file).unlink()
    with pytest.raises(EvaluationError, match=f"'{beir}': the folder has no {file}; give"), prepare(beir):
        pass


def test_nothing_judged(beir: Path) -> None:
    write_lines(beir / "qrels/test.tsv", "query-id\tcorpus-id\tscore", "1\tbridge\t0")
    with pytest.raises(EvaluationError, match="no document is judged to answer a query; add a line"), prepare(beir):
        pass
    (beir / "qrels/test.tsv").write_bytes(b"1\t\xff\t1")
    with pytest.raises(EvaluationError, match="the file cannot be read; save it as UTF-8"), prepare(beir):
        pass


def test_only_empty_documents(beir: Path) -> None:
    documents = [{"_id": name, "text": ""} for name in ("../../cake", "empty", "bridge")]
    write_lines(beir / "corpus.jsonl", *documents)
    with pytest.raises(EvaluationError, match="no document holds a word; give each a 'title' or"), prepare(beir):
        pass


# the command line


@pytest.fixture
def synced(corpus: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["sync", "--corpus", str(corpus), "--embeddings", str(store)]) == 0
    capsys.readouterr()
    return ["--embeddings", str(store)]


def test_the_table(questions: Path, synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(questions), *synced]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0] == "4 questions (2 with an answer, 2 without) on 3 documents, 4 passages, all-MiniLM-L6-v2"
    assert lines[2] == "success@1           100.0 %  questions whose first hit is right"
    assert "of the characters that answer, among the first 5 hits" in out
    assert "recall@10" not in out
    assert {line.index(MEANINGS[line.split()[0]].format(k=5)) for line in lines[2:]} == {29}


def test_json_and_per_question(
    questions: Path, synced: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = write_lines(tmp_path / "outcomes.jsonl", "old")
    assert main(["evaluate", str(questions), *synced, "-k", "1", "--json", "--per-question", str(target)]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values.pop("seconds") >= 0
    measures = values.pop("measures")
    assert values == {
        "questions": 4,
        "answerable": 2,
        "unanswerable": 2,
        "documents": 3,
        "passages": 4,
        "model": "all-MiniLM-L6-v2",
        "reranker": None,
        "k": 1,
    }
    assert list(measures) == list(MEANINGS)
    assert measures["recall@10"] is None
    outcomes = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [outcome["id"] for outcome in outcomes] == ["built", "7", "line 4", "line 5"]
    first = outcomes[0]
    assert 0.5 < first.pop("confidence") <= 1
    assert first.pop("milliseconds") > 0
    assert first == {
        "id": "built",
        "question": "When was the old bridge built?",
        "answerable": True,
        "documents": ["bridge.txt"],
        "rank": 1,
        "top_document": "bridge.txt",
        "top_locator": "lines 1–3",
        "top_span": [0, 105],
        "answered": True,
        "evidence_right": True,
    }
    assert (outcomes[3]["rank"], outcomes[3]["documents"], outcomes[3]["evidence_right"]) == (None, [], None)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_beir_on_the_command_line(beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "outcomes.jsonl"
    assert main(["evaluate", str(beir), "--json", "--per-question", str(target)]) == 0
    out, err = capsys.readouterr()
    assert err == "left out 1 empty document\n"
    assert json.loads(out)["measures"]["success@1"] == 1
    outcomes = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [(one["top_document"], one["documents"]) for one in outcomes] == [
        ("bridge", ["bridge", "empty"]),
        ("../../cake", ["../../cake"]),
    ]


@pytest.mark.parametrize("name", ["questions.jsonl", "embeddings/x", "corpus/x", "folder", "none/x", "link"])
def test_outcomes_never_go_where_they_must_not(
    name: str, questions: Path, corpus: Path, tmp_path: Path, synced: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(questions)
    before = questions.read_bytes()
    target = str(tmp_path / name)
    assert main(["evaluate", str(questions), *synced, "--corpus", str(corpus), "--per-question", target]) == 1
    reasons = {
        "folder": "the outcomes need a file, and this is none; choose another name",
        "none/x": "the outcomes cannot be written there; choose a folder that you may write to",
    }
    protected = "the outcomes must not go over or into what is measured; choose another file"
    assert capsys.readouterr() == ("", f"docqa: '{target}': {reasons.get(name, protected)}\n")
    assert questions.read_bytes() == before


def test_outcomes_that_cannot_be_written_leave_nothing(
    questions: Path,
    synced: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = write_lines(tmp_path / "outcomes.jsonl", "old")
    monkeypatch.setattr(Path, "replace", refuse)
    assert main(["evaluate", str(questions), *synced, "--per-question", str(target)]) == 1
    out, err = capsys.readouterr()
    assert "success@1" in out
    assert err.endswith("the outcomes cannot be written: No space left on device; choose another file\n")
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_usage(
    questions: Path, beir: Path, corpus: Path, synced: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["evaluate", str(questions), *synced, "-k", "0"]) == 2
    assert capsys.readouterr() == ("", "docqa: k must be at least 1, not 0\n")
    assert main(["evaluate", str(beir), "--corpus", str(corpus)]) == 2
    message = "docqa: a folder in BEIR form has its own documents; leave --corpus out\n"
    assert capsys.readouterr() == ("", message)
    none = tmp_path / "none"
    assert main(["evaluate", str(questions), "--embeddings", str(none)]) == 1
    remedy = f"run 'docqa sync --embeddings {none}' to build it"
    assert capsys.readouterr() == ("", f"docqa: no index in '{none}'; {remedy}\n")
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "example: docqa evaluate questions.jsonl" in capsys.readouterr().out.splitlines()[-1]


def test_a_missing_package_is_named_at_once(
    questions: Path, synced: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    assert main(["evaluate", str(questions), *synced]) == 1
    message = "docqa: measuring needs the package ir-measures; run pip install 'ir-measures>=0.4.3'\n"
    assert capsys.readouterr() == ("", message)


# real sets, where they stand beside the project


def test_squad(tmp_path: Path, shared_store: Path, embedder: docqa.SentenceTransformerEmbedder) -> None:
    some = (SHARED / "eval/squad/questions.jsonl").read_text("utf-8").splitlines()[::40]
    path = write_lines(tmp_path / "questions.jsonl", *some)
    with prepare(path, shared_store, embedder=embedder) as trial:
        evaluation = measure(trial)
        retriever = trial.retriever
        rights = [_is_right(retriever, json.loads(line)) for line in some if json.loads(line)["answerable"]]
    measures = {name: value for name, value in evaluation.measures.items() if value is not None}
    assert 40 < evaluation.answerable < len(evaluation.outcomes)
    assert measures["success@1"] == pytest.approx(sum(rights) / len(rights))
    assert 0.7 < measures["success@1"] <= measures["mrr@10"] <= measures["success@5"] + 0.05
    assert 0 < measures["span_iou"] <= measures["span_precision"] < 0.2 < measures["span_recall"]
    assert 0 <= measures["confidence_auroc"] <= 1
    assert measures.keys() == MEANINGS.keys() - {"recall@10"}


def _is_right(retriever: Retriever, question: dict) -> bool:  # type: ignore[type-arg]
    top = retriever.retrieve(question["question"], 1)[0].passage
    return top.document == question["document"] and any(
        top.span.start <= start and end <= top.span.end for start, end in question["spans"]
    )


@needs_cranfield
def test_cranfield(tmp_path: Path, embedder: docqa.SentenceTransformerEmbedder) -> None:
    documents = (CRANFIELD / "corpus.jsonl").read_text("utf-8").split("\n")[:60]
    kept = {json.loads(line)["_id"] for line in documents}
    judged = [line for line in (CRANFIELD / "qrels/test.tsv").read_text().split("\n")[1:] if line]
    write_lines(tmp_path / "beir/corpus.jsonl", *documents)
    write_lines(tmp_path / "beir/queries.jsonl", *(CRANFIELD / "queries.jsonl").read_text("utf-8").split("\n"))
    write_lines(tmp_path / "beir/qrels/test.tsv", *(line for line in judged if line.split("\t")[1] in kept))
    with prepare(tmp_path / "beir", embedder=embedder) as trial:
        evaluation = measure(trial)
    assert evaluation.documents == 60
    assert 0.5 < (evaluation.measures["ndcg@10"] or 0) < 1
    assert 0.5 < (evaluation.measures["recall@10"] or 0) <= 1
