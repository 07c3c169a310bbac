"""What is measured on the public question sets, against values computed by hand."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from docqa import Exchange, Hit, Passage, Quote, Span
from figures import describe_columns, merge_columns
from measuring import (
    Reply,
    Shortening,
    compute_ndcg,
    make_hit,
    measure_answers,
    measure_excerpts,
    measure_refusals,
)
from quality import main
from question_sets import Question, load_followups, load_sets, sample_by_document
from reading import PAGES, Reading, describe, measure_files
from reading_answers import are_alike, find_values

TEXT = "One two three four. Five six seven. Eight nine ten eleven. Twelve."
ONE, FIVE, EIGHT, TWELVE = (
    Span(TEXT.index(word), TEXT.index(".", TEXT.index(word)) + 1) for word in ("One", "Five", "Eight", "Twelve")
)
WHOLE = Span(0, len(TEXT))


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def shortening(most: int) -> Shortening:
    return Shortening({"a.txt": TEXT}, count_words, most)


def marked(*evidence: Span, span: Span = WHOLE) -> Hit:
    sentences = tuple(one for one in (ONE, FIVE, EIGHT, TWELVE) if span.start <= one.start and one.end <= span.end)
    return Hit(Passage("a.txt", "", (), span, "", "", sentences), 0.0, 1, evidence)


@pytest.mark.parametrize(
    ("most", "evidence", "kept"),
    [
        (12, [EIGHT], WHOLE),
        (8, [EIGHT], Span(FIVE.start, TWELVE.end)),
        (7, [EIGHT], Span(FIVE.start, EIGHT.end)),
        (5, [EIGHT], Span(EIGHT.start, TWELVE.end)),
        (11, [FIVE, TWELVE], Span(FIVE.start, TWELVE.end)),
        (7, [ONE, TWELVE], Span(ONE.start, FIVE.end)),  # not all evidence fits: around the first
        (7, [], Span(ONE.start, FIVE.end)),
        (3, [EIGHT], Span(EIGHT.start, EIGHT.start)),  # nothing fits, so nothing counts
    ],
)
def test_a_long_hit_is_cut_to_whole_sentences(most: int, evidence: list[Span], kept: Span) -> None:
    assert shortening(most)(marked(*evidence)).passage.span == kept


def test_answers_by_hand() -> None:
    questions = [
        Question("right", "a.txt", (Span(FIVE.start, FIVE.start + 4),)),
        Question("second", "a.txt", (Span(TWELVE.start, TWELVE.end - 1),)),
        Question("other document", "b.txt", (Span(0, 3),)),
        Question("nothing answers", "a.txt"),
    ]
    replies = [
        Reply([marked(FIVE)], 0.9),
        Reply([marked(ONE, span=ONE), marked(TWELVE)], 0.5),
        Reply([marked(ONE, span=ONE)], 0.4),
        Reply([marked(ONE)], 0.5),
    ]
    assert measure_answers(questions, replies, shortening(7)) == {
        "squad.first": 1 / 3,
        "squad.five": 2 / 3,
        "squad.tokens": (12 + 4 + 12 + 4) / 4,
        "squad.most_tokens": 12,
        "squad.short_first": 1 / 3,
        "squad.short_five": 2 / 3,
        "squad.evidence": 1,
        "adversarial.auroc": (1 + 0.5 + 0) / 3,
    }


def test_what_is_cut_off_is_not_found() -> None:
    question = Question("?", "a.txt", (Span(TWELVE.start, TWELVE.end - 1),))
    figures = measure_answers([question], [Reply([marked(ONE)])], shortening(7))
    assert (figures["squad.first"], figures["squad.short_first"], figures["squad.short_five"]) == (1, 0, 0)
    assert figures["squad.evidence"] == 0
    assert figures["adversarial.auroc"] is None


def test_three_marked_sentences_are_too_many() -> None:
    question = Question("?", "a.txt", (Span(0, 3),))
    figures = measure_answers([question], [Reply([marked(ONE, FIVE, EIGHT)])], shortening(12))
    assert figures["squad.evidence"] == 0


def test_without_evidence_there_is_no_figure_for_it() -> None:
    question = Question("?", "a.txt", (Span(0, 3),))
    assert measure_answers([question], [Reply([make_hit("a.txt", WHOLE)])], shortening(12))["squad.evidence"] is None


def test_excerpts_by_hand() -> None:
    questions = [Question("?", "a.txt", (Span(8, 12), Span(20, 24)))]
    hits = [make_hit("a.txt", Span(0, 10)), make_hit("a.txt", Span(5, 15)), make_hit("b.txt", Span(0, 5))]
    assert measure_excerpts(questions, [Reply(hits)]) == {
        "chunking.recall": 4 / 8,
        "chunking.precision": 4 / 25,
        "chunking.characters": 25,
    }


def test_documents_rank_at_their_best_hit() -> None:
    questions = [Question("?", relevant={"b.txt": 1, "d.txt": 1}), Question("?", relevant={"a.txt": 1})]
    hits = [make_hit(name, Span(0, 1)) for name in ("a.txt", "a.txt", "b.txt", "a.txt", "c.txt", "d.txt")]
    best = 1 + 1 / math.log2(3)
    assert compute_ndcg(questions, [Reply(hits), Reply([])], 3) == pytest.approx(1 / math.log2(3) / best / 2)


def test_refusals_by_hand() -> None:
    answered = [Reply([], 0.9), Reply([], 0.5, answered=False)]
    others = [Reply([], 0.5, answered=False), Reply([], 0.7), Reply([], 0.1, answered=False), Reply([], 0.2)]
    figures = {"removed.auroc": (4 + 2.5) / 8, "removed.refused": 0.5, "removed.wrongly": 0.5}
    assert measure_refusals(answered, others, refuses=True) == figures
    assert measure_refusals(answered, others, refuses=False)["removed.refused"] is None


def test_the_same_questions_are_drawn_every_time() -> None:
    questions = [Question(f"{name} {i}", name, (Span(0, 1),)) for name in ("b", "a") for i in range(60)]
    drawn = sample_by_document([*questions, Question("unanswerable", "a")])
    assert {name: len(some) for name, some in drawn.items()} == {"a": 50, "b": 50}
    assert drawn == sample_by_document([*questions, Question("unanswerable", "a")])
    assert all(question.document == name for name, some in drawn.items() for question in some)


def test_followups_are_tasks_with_history_and_gold(tmp_path: Path) -> None:
    said = [{"speaker": "user", "text": "Who?"}, {"speaker": "agent", "text": "Arrol."}]
    task = {"question": "When?", "rewrite": "When did Arrol?", "history": said, "gold": ["p2"]}
    tasks = [task, task | {"history": []}, task | {"gold": []}]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(one) + "\n" for one in tasks))
    passages = [{"_id": "p1", "text": "A cake.\r\n"}, {"_id": "p2", "text": "In 1887\u2028he did."}]
    (tmp_path / "passages.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in passages))
    (question,) = load_followups(tmp_path, tmp_path / "corpus")
    assert question.relevant == {"00000002.txt": 1}
    assert (question.text, question.rewrite) == ("When?", "When did Arrol?")
    assert question.history == (Exchange("Who?", "Arrol."),)
    assert (tmp_path / "corpus/00000001.txt").read_bytes() == b"A cake.\r\n"


def test_figures_are_replaced_row_by_row_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "build/figures.json"
    merge_columns(path, {"peer": {"squad.first": 0.5, "passages": "200 words"}, "docqa": {"squad.first": 0.8}})
    columns = merge_columns(path, {"docqa": {"latency": 16.44}, "peer": {"squad.first": None}})
    table = describe_columns(columns).splitlines()
    assert table[0] == "|  | peer | docqa |"
    assert table[2] == "| what is indexed and shown | 200 words | – |"
    assert table[3] == "| SQuAD: the first hit holds the answer, % | – | 80.0 |"
    assert table[-1] == "| median ms a question (SQuAD) | – | 16.4 |"


def test_a_missing_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FileNotFoundError, match="no question set at"):
        list(load_sets(tmp_path, tmp_path / "corpora"))
    monkeypatch.setattr("sys.argv", ["quality.py", str(tmp_path)])
    assert main() == 2
    assert f"no question set at '{tmp_path / 'squad'}'" in capsys.readouterr().err


def test_the_page_shows_the_figures_kept_beside_it() -> None:
    docs = Path(__file__).parent.parent / "docs"
    columns = json.loads((docs / "benchmarks.json").read_text("utf-8"))
    assert describe_columns(columns) in (docs / "benchmarks.md").read_text("utf-8")


def test_read_refused_and_silent_files_are_counted_and_pages_timed() -> None:
    read = {path: Reading("Words.", "", pages / 100) for path, pages in PAGES.items()}
    figures = measure_files({**read, "a.pdf": Reading("", "a scan", 9), "b.pdf": Reading(" ", "", 9)})
    assert list(figures.values()) == ["100", str(len(PAGES)), "1", "1"]
    assert list(figures)[1] == f"of {len(PAGES) + 2} files: read"


def test_figures_of_reading_are_a_table_with_dashes() -> None:
    columns = {"docqa": {"words": "0.999", "pages": "50 of 50"}, "other": {"words": "0.9"}}
    assert describe(columns).splitlines() == [
        "|  | docqa | other |",
        "| --- | ---: | ---: |",
        "| words | 0.999 | 0.9 |",
        "| pages | 50 of 50 | – |",
    ]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("It is kept\nin `/srv`.", "It is kept in /srv", True),
        ("Use it, never by force.", "Use it, never with force.", True),
        ("Use it.", "Do not use it.", False),
    ],
)
def test_quotes_are_alike_when_most_words_are_the_same_in_order(one: str, other: str, alike: bool) -> None:
    quotes = [Quote("a.txt", Span(0, len(text)), text, "a, line 1") for text in (one, other)]
    assert are_alike(*quotes) is alike


def test_a_row_of_a_table_is_looked_for_by_its_values() -> None:
    assert find_values("Pilot: Ann; Age: 38\nPilot: Bo; Age: 41") == ["Ann", "38", "Bo", "41"]
