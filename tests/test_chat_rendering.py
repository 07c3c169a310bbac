import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from docqa.chat.citing import hit_citation, quote_citation
from docqa.chat.examples import example_questions
from docqa.chat.exporting import conversation_markdown
from docqa.chat.rendering import (
    render_conversation,
    render_feedback,
    render_header,
    render_listing,
    render_notice,
    render_source,
    render_sync,
    render_toolbar,
    render_welcome,
)
from docqa.chat.rendering.conversation import MOST_TURNS
from docqa.chat.rendering.marking import mark, mark_passage
from docqa.chat.rendering.source import AROUND, render_document, shown_span
from docqa.chat.rendering.wording import changes, count, moment, outcome, strength, verdict
from docqa.chat.session import MOST_TURNS as MOST_KEPT
from docqa.chat.session import Session
from docqa.chat.state import Feedback, Overview, Source, SyncState, Turn
from docqa.neutralising import escape_markdown
from docqa.types import (
    Answer,
    Block,
    CorpusDiff,
    Document,
    Exchange,
    Hit,
    IndexedDocument,
    PageStart,
    Passage,
    Quote,
    SkippedDocument,
    Span,
    StoreSummary,
    SyncReport,
    Verdict,
)

HOSTILE = "<script>alert('x')</script> & \"quoted\" <img src=x onerror=alert(1)> **bold** [link](http://example.org)"
PART = SkippedDocument("a.pdf", "page 2 is damaged", in_part=True)
VOID = {"img", "br", "input"}


class Reading(HTMLParser):
    """What a browser would make of some HTML: its text, the marked words, the elements and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.marked = "", []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "mark":
            self.marked.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if "mark" in self._open:
            self.marked[-1] += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def attributes(self, name: str) -> list[str | None]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def document_of(text: str, *blocks: Block, title: str = "Handbook", path: str = "handbook.md") -> Document:
    return Document(path, "0" * 64, title, text, blocks)


def hit_at(document: Document, words: str, *evidence: str, rank: int = 1, score: float = 2.0) -> Hit:
    start = document.text.index(words)
    span = Span(start, start + len(words))
    found = tuple(Span(document.text.index(one), document.text.index(one) + len(one)) for one in evidence)
    passage = Passage(document.path, document.title, (), span, document.locate(span), words, found)
    return Hit(passage, score, rank, found)


def answer_of(*hits: Hit, verdict: Verdict = "answered", query: str = "How long?", asking_about: str = "") -> Answer:
    quotes = ()
    if verdict == "answered":
        first, span = hits[0].passage, hits[0].evidence[0]
        quotes = (Quote(first.document, span, first.quote(span), f"{first.title}, {first.locator}"),)
    return Answer(query, quotes, hits, 0.5, verdict, asking_about)


LAMP = document_of("The lamp is blue. A charge lasts eleven hours. Charging takes two.")
LAMP_HIT = hit_at(LAMP, LAMP.text, "A charge lasts eleven hours.")


# Marking


@pytest.mark.parametrize(
    ("text", "start", "evidence", "marked"),
    [
        ("one two three", 0, [Span(4, 7)], ["two"]),
        ("one two three", 100, [Span(104, 107)], ["two"]),
        ("one two three", 0, [Span(8, 13), Span(0, 3)], ["one", "three"]),
        ("one two three", 0, [Span(0, 7), Span(4, 13)], ["one two", " three"]),
        ("one two three", 10, [Span(0, 13), Span(18, 40)], ["one", "three"]),
        ("one two three", 10, [Span(0, 5), Span(50, 60)], []),
        ("a < b & c", 0, [Span(2, 7)], ["< b &"]),
    ],
)
def test_marks_stand_at_the_spans_of_the_evidence(text, start, evidence, marked):
    reading = Reading(mark(text, start, evidence))

    assert reading.text == text
    assert reading.marked == marked


@pytest.mark.parametrize(
    "text",
    [
        "One paragraph.\nStill the same one.\n\n  \n\nAnother.",
        "- one\n- two\n\n1. first\n2. second",
        "Look:\n\n```\ncode()\n\nmore()\n```\n\n| a | b |\n|---|---|",
        HOSTILE,
        "\n\nblank lines first and last\n\n",
    ],
)
def test_a_rendered_passage_gives_its_text_back(text):
    document = document_of(f"before {text} after")
    hit = hit_at(document, text, text.split()[0])

    assert Reading(mark_passage(hit.passage, hit.evidence)).text == text


def test_code_and_tables_keep_their_whitespace_and_paragraphs_do_not():
    text = "Prose\nhere.\n\n- item\n\n```\na = 1\n\nb = 2\n```\n\n| a | b |"
    hit = hit_at(document_of(text), text)

    layouts = Reading(mark_passage(hit.passage, ())).attributes("class")

    assert layouts == [
        f"docqa-part docqa-{kind}" for kind in ("prose", "listed", "preformatted", "preformatted", "preformatted")
    ]


# Escaping


def shown_everywhere(text: str) -> list[str]:
    """Render a text in every place where the page shows words of documents, names of files or questions."""
    block = Block("paragraph", Span(0, len(text)), (text,), f"sheet {text}")
    document = Document(text, "0" * 64, text, text, (block,), author=text, date=text)
    hit = hit_at(document, text, text)
    turns = (
        Turn(text, answer_of(hit, query=text, asking_about=text)),
        Turn(text, answer_of(hit, query=text, verdict="unanswered")),
        Turn(text, problem=text),
        Turn(text),
    )
    skipped = (SkippedDocument(text, text), SkippedDocument(text, text, in_part=True))
    overview = Overview(
        StoreSummary("1", text, 1, 1, datetime.now(UTC), skipped),
        (IndexedDocument(text, text, (text,), 1, author=text, date=text), IndexedDocument("a.md", text, (), 1)),
        CorpusDiff((text,), (), (), ()),
    )
    return [
        render_conversation(turns),
        render_welcome(overview),
        render_listing(overview),
        render_header(overview),
        render_notice(Overview(problem=text)),
        render_sync(SyncState(problem=text)),
        render_sync(SyncState(report=SyncReport(CorpusDiff((), (), (), ()), skipped, 1, 1, 1.0, skipped))),
        render_feedback(Feedback(0, 1, True, problem=text)),
        render_source(Source(document, hit, turn=0)),
        render_source(Source(document)),
        render_source(Source(hit=hit, problem=text)),
    ]


def test_hostile_words_stay_words_everywhere():
    for page in shown_everywhere(HOSTILE):
        reading = Reading(page)
        assert reading.tags().isdisjoint({"script", "img", "a", "iframe", "style"})
        assert reading.attributes("onerror") == []
        assert HOSTILE in reading.text or "docqa-header" in page
        assert "<script" not in page


def test_unseen_characters_are_shown_wherever_words_are():
    for page in shown_everywhere("fact\u202e\U000e0041sheet\x9b.md"):
        shown = re.sub(r' data-(document|path|question)="[^"]*"', "", page)  # read back, not shown
        assert not re.search("[\x80-\x9f\u202a-\u202e\U000e0000-\U000e007f]", shown)
        assert "fact⟨U+202E and 1 more⟩sheet⟨U+009B⟩.md" in shown


def test_what_is_read_back_is_verbatim():
    name = "fact\u202esheet.md"
    reading = Reading(render_listing(Overview(documents=(IndexedDocument(name, "Facts", (), 1),))))
    assert set(reading.attributes("data-document")) == {name}
    assert reading.attributes("data-name") == ["fact⟨U+202E⟩sheet.md"]


def test_text_from_right_to_left_does_not_move_what_stands_beside_it():
    html = render_conversation(
        (Turn("מה?", answer_of(hit_at(document_of("א ב.", title="ג", path="ד.md"), "א ב.", "א ב."))),)
    )

    assert '<blockquote dir="auto">א ב.</blockquote>' in html
    assert "<bdi>ג</bdi></button></h3>" in html
    assert '<span class="docqa-path"><bdi>ד.md</bdi></span>' in html


def test_what_no_encoding_can_hold_does_not_break_the_page():
    assert render_conversation((Turn("a \ud800 b"),)).encode()


# Answers


def test_an_answer_shows_quote_citation_and_marked_passages():
    other = hit_at(
        document_of("Damage by water is not covered.", title="Terms"), "Damage by water is not covered.", rank=2
    )
    html = render_conversation((Turn("How long?", answer_of(LAMP_HIT, other)),))
    reading = Reading(html)

    assert '<blockquote dir="auto">A charge lasts eleven hours.</blockquote>' in html
    assert reading.marked == ["A charge lasts eleven hours."]
    assert "Answered from your documents" in reading.text
    assert "docqa-unanswered" not in html
    assert reading.attributes("data-citation") == [
        "“A charge lasts eleven hours.” — Handbook, line 1 (handbook.md)",
        "“A charge lasts eleven hours.” — Handbook, line 1 (handbook.md)",
        "“Damage by water is not covered.” — Terms, line 1 (handbook.md)",
    ]


def test_an_unanswered_question_is_said_to_be_one_and_its_closest_passages_are_folded_away():
    html = render_conversation((Turn("Who?", answer_of(LAMP_HIT, verdict="unanswered")),))
    folded = html[html.index("<details") : html.index("</details>")]

    assert "These documents do not answer this." in html
    assert "docqa-answer docqa-unanswered" in html
    assert "<blockquote" not in html
    assert "<summary>Show the closest passages</summary>" in folded
    assert LAMP.text in Reading(folded + "</details>").text


def test_a_question_that_may_not_be_answered_shows_its_closest_passages_without_a_quote():
    html = render_conversation((Turn("Who?", answer_of(LAMP_HIT, verdict="uncertain")),))

    assert "These are the closest passages, but they may not answer this." in html
    assert "docqa-answer docqa-uncertain" in html
    assert "<blockquote" not in html
    assert "<details" not in html
    assert LAMP.text in Reading(html).text


def test_without_any_passage_there_is_nothing_to_unfold():
    html = render_conversation((Turn("Who?", answer_of(verdict="unanswered")),))

    assert "These documents do not answer this." in html
    assert "<details" not in html


@pytest.mark.parametrize(
    ("answer", "words", "breath"),
    [
        (
            answer_of(LAMP_HIT),
            "Answered from your documents",
            "Answered from your documents. A charge lasts eleven hours. 1 passage below.",
        ),
        (
            answer_of(LAMP_HIT, verdict="uncertain"),
            "These are the closest passages, but they may not answer this.",
            "These are the closest passages, but they may not answer this. 1 passage below.",
        ),
        (
            answer_of(LAMP_HIT, verdict="unanswered"),
            "These documents do not answer this.",
            "These documents do not answer this. 1 passage folded away below.",
        ),
        (
            answer_of(verdict="unanswered"),
            "These documents do not answer this.",
            "These documents do not answer this.",
        ),
    ],
)
def test_a_verdict_is_said_in_words_and_to_screen_readers(answer, words, breath):
    status = render_conversation((Turn("Who?", answer),)).split("</p>", 1)[0]

    assert verdict(answer) == words
    assert Reading(status + "</p>").text == breath


def test_a_follow_up_says_what_it_was_understood_to_be_about():
    html = render_conversation(
        (Turn("Alone?", answer_of(LAMP_HIT)), Turn("And?", answer_of(LAMP_HIT, asking_about="<b>")))
    )
    buttons = [a for tag, a in Reading(html).elements if tag == "button" and a.get("data-action") == "alone"]

    assert html.count("asking about: ") == 1
    assert "asking about: <bdi>&lt;b&gt;</bdi>" in html
    assert [button["data-turn"] for button in buttons] == ["1"]


def test_a_confidence_that_was_not_calibrated_is_said_to_be_a_guess():
    for calibrated in (True, False):
        page = render_conversation((Turn("Why?", replace(answer_of(LAMP_HIT), calibrated=calibrated)),))
        assert ("was not calibrated for this model" in page) is not calibrated


def test_every_passage_can_be_voted_on_and_shows_what_was_said():
    first, second, third = (hit_at(LAMP, LAMP.text, rank=rank) for rank in (1, 2, 3))
    said = {1: True, 2: False, 3: None}
    turn = Turn("How long?", answer_of(first, second, third, verdict="uncertain"))
    html = render_conversation((turn,), lambda question, hit: said[hit.rank] if question == "How long?" else None)
    thumbs = [a for tag, a in Reading(html).elements if tag == "button" and a.get("data-action") == "vote"]

    assert [(t["data-rank"], t["data-vote"], t["aria-pressed"]) for t in thumbs] == [
        ("1", "up", "true"),
        ("1", "down", "false"),
        ("2", "up", "false"),
        ("2", "down", "true"),
        ("3", "up", "false"),
        ("3", "down", "false"),
    ]
    assert [t["aria-label"] for t in thumbs[:2]] == [
        "This passage answers the question",
        "This passage does not answer the question",
    ]


def test_kept_feedback_is_said_and_so_is_what_kept_it_from_being_kept():
    kept = render_feedback(Feedback(2, 1, False, 7))
    refused = render_feedback(Feedback(2, 1, True, 8, "It cannot be saved."))

    assert 'role="status" data-number="7" data-turn="2" data-rank="1" data-vote="down">Feedback saved' in kept
    assert 'data-vote=""' in render_feedback(Feedback(2, 1, None, 9))
    assert 'role="alert"' in refused
    assert "It cannot be saved." in refused
    assert "data-vote" not in refused


def test_strength_is_said_in_words():
    hits = [hit_at(LAMP, LAMP.text, rank=rank, score=score) for rank, score in enumerate((2.0, 1.8, 1.1, 0.2, -1.0), 1)]
    answered, unanswered = (
        Answer("?", (), tuple(hits), 0.9, "answered"),
        Answer("?", (), tuple(hits), 0.1, "unanswered"),
    )

    words = ["Best match", "Strong match", "Related", "Loosely related", "Loosely related"]
    assert [strength(hit, answered) for hit in hits] == words
    assert [strength(hit, unanswered) for hit in hits[:2]] == ["Closest passage", "Further passage"]


def test_a_question_is_shown_while_its_answer_is_looked_for():
    html = render_conversation((Turn("How long?"),))

    assert "How long?" in html
    assert "Searching…" in html
    assert 'data-state="pending"' in html


def test_a_problem_is_shown_in_place_of_the_answer():
    html = render_conversation((Turn("How long?", problem="No index in 'embeddings'"),))

    assert "No index in &#x27;embeddings&#x27;" in html
    assert 'role="alert"' in html


def test_a_long_conversation_is_shown_from_its_last_turns():
    turns = tuple(Turn(f"question {number}.", problem="none") for number in range(MOST_TURNS + 2))
    reading = Reading(render_conversation(turns))

    assert "2 earlier questions in the download." in reading.text
    assert "question 1." not in reading.text
    assert reading.attributes("data-turn") == [str(number) for number in range(2, MOST_TURNS + 2)]


def test_turns_that_are_not_shown_are_not_rendered():
    asked = []
    turns = tuple(Turn(f"question {number}.", answer_of(LAMP_HIT)) for number in range(MOST_TURNS + 2))
    render_conversation(turns, lambda question, hit: asked.append(question))
    assert asked == [turn.question for turn in turns[2:]]


def test_turns_keep_their_numbers_when_those_before_them_are_forgotten():
    session = Session()
    for number in range(MOST_KEPT + 3):
        turn = session.begin(f"question {number}.", follow=False)
        session.settle(turn, replace(turn, answer=answer_of(LAMP_HIT)))

    assert (len(session.conversation), session.forgotten) == (MOST_KEPT, 3)
    assert session.turn_and_hit(2, 1) is None
    found = session.turn_and_hit(3, 1)
    assert found and found[0].question == "question 3."
    again = session.begin_again(5)
    assert again and again.question == "question 5."
    reading = Reading(render_conversation(session.conversation, forgotten=session.forgotten))
    assert "80 earlier questions in the download. Those before are forgotten." in reading.text
    assert reading.attributes("data-turn")[-1] == str(MOST_KEPT + 2)
    downloaded = re.findall(r"^## question (\d+)", conversation_markdown(session.conversation), re.MULTILINE)
    assert downloaded == [str(number) for number in range(3, MOST_KEPT + 3)]
    session.restart()
    assert (session.conversation, session.forgotten) == ((), 0)


def test_the_toolbar_comes_with_the_first_question():
    assert render_toolbar(()) == ""
    assert Reading(render_toolbar((Turn("How long?"),))).attributes("data-action") == ["download", "restart"]


# The conversation


def test_a_question_is_understood_from_the_three_turns_before_it():
    session = Session()
    for question in ("One?", "Two?", "Three?"):
        session.settle(session.begin(question, follow=True), Turn(question, answer_of(LAMP_HIT)))
    closest = answer_of(hit_at(LAMP, LAMP.text, "The lamp is blue."), LAMP_HIT, verdict="uncertain")
    session.settle(session.begin("Four?", follow=True), Turn("Four?", closest))
    session.settle(session.begin("Five?", follow=True), Turn("Five?", problem="No index."))

    assert session.begin("Six?", follow=True).history == (
        Exchange("Two?", "A charge lasts eleven hours."),
        Exchange("Three?", "A charge lasts eleven hours."),
        Exchange("Four?", "The lamp is blue."),
    )
    assert session.begin("Seven?", follow=False).history == ()


def test_a_question_asked_on_its_own_takes_the_place_of_the_one_asked_before():
    session = Session()
    for question in ("One?", "Two?"):
        session.settle(session.begin(question, follow=True), Turn(question, answer_of(LAMP_HIT)))
    again = session.begin_again(0)

    assert again == Turn("One?")
    assert session.begin_again(0) is None  # it is being asked
    assert session.begin_again(2) is None
    assert session.begin_again(-1) is None
    assert [turn.pending for turn in session.conversation] == [True, False]


def test_answers_that_come_late_or_in_another_order_find_their_question():
    session = Session()
    first, second = session.begin("Same?", follow=True), session.begin("Same?", follow=True)
    session.settle(second, Turn("Same?", problem="second"))
    session.settle(first, Turn("Same?", problem="first"))
    assert [turn.problem for turn in session.conversation] == ["first", "second"]

    late = session.begin("Late?", follow=True)
    session.restart()
    session.settle(late, Turn("Late?", problem="late"))
    assert session.conversation == ()


# What is indexed


def test_before_the_first_question_documents_and_examples_are_offered():
    documents = (IndexedDocument("a.md", "Alpha", ("How long?",), 2), IndexedDocument("b.md", "Beta", (), 1))
    reading = Reading(render_welcome(Overview(documents=documents)))

    assert "your 2 documents with 3 passages" in reading.text
    assert reading.attributes("data-question") == ["How long?", "What is “Alpha” about?", "What is “Beta” about?"]
    assert reading.attributes("data-document") == ["a.md", "b.md"]


def test_without_an_index_the_page_says_what_to_do():
    empty = Reading(render_welcome(Overview(changes=CorpusDiff((), (), (), ()))))
    waiting = Reading(render_welcome(Overview(changes=CorpusDiff(("a.md",), (), (), ()))))

    assert "Drop your files on this page, or copy them into the corpus folder, corpus/." in empty.text
    assert "1 document waiting in the corpus folder." in waiting.text
    assert empty.attributes("data-action") == ["sync"]


def test_the_header_says_what_is_indexed_and_how_much_was_skipped():
    summary = StoreSummary(
        "1", "makers/small-model", 1, 1204, datetime.now(UTC), (PART, SkippedDocument("b.bin", "not text"), PART)
    )
    reading = Reading(render_header(Overview(summary, (IndexedDocument("a.md", "Alpha", (), 1204),))))

    assert "1 document · 1,204 passages · small-model · synced today at " in reading.text
    assert reading.text.endswith("· 1 skipped · 2 read in part")


def test_changes_on_disk_are_noticed_once_there_is_an_index():
    summary = StoreSummary("1", "model", 1, 1, datetime.now(UTC), ())
    changed = CorpusDiff(("new.md",), ("a.md", "b.md"), ("old.md",), ())

    assert "2 documents changed, 1 new, 1 removed." in render_notice(Overview(summary, (), changed))
    assert render_notice(Overview(summary, (), CorpusDiff((), (), (), ("a.md",)))) == ""
    assert render_notice(Overview(None, (), changed)) == ""


def test_a_sync_shows_how_far_it_is_and_what_it_did():
    report = SyncReport(
        CorpusDiff(("b.md",), (), (), ("a.md",)),
        (PART, SkippedDocument("c.bin", "not text"), SkippedDocument("known.bin", "not text")),
        80,
        12,
        1.234,
        newly_skipped=(PART, SkippedDocument("c.bin", "not text")),
    )

    assert '<progress id="docqa-progress" value="3" max="12"></progress>' in render_sync(SyncState(3, 12))
    assert "Re-embedding… 3 of 12 passages" in render_sync(SyncState(3, 12))
    assert "Reading… 3 of 12 documents" in render_sync(SyncState(3, 12, "reading"))
    done = Reading(render_sync(SyncState(report=report))).text
    assert done.startswith("Done in 1.2 s: 1 document new; 12 of 80 passages embedded.")
    assert "1 file skippedc.bin: not text1 file read in parta.pdf: page 2 is damaged" in done
    assert "known.bin" not in done


def test_numbers_and_times_are_put_into_words():
    now = datetime(2025, 5, 12, 14, 3).astimezone()

    assert [count(number, "document") for number in (0, 1, 2, 1204)] == [
        "0 documents",
        "1 document",
        "2 documents",
        "1,204 documents",
    ]
    assert moment(now, now) == "today at 14:03"
    assert moment(now - timedelta(days=1), now) == "yesterday at 14:03"
    assert moment(now - timedelta(days=40), now) == "2 April 2025 at 14:03"
    assert changes(CorpusDiff(("a",), (), (), ())) == "1 document new"
    nothing = SyncReport(CorpusDiff((), (), (), ("a",)), (), 5, 0, 0.04)
    assert outcome(nothing) == "Done in 0.0 s: nothing had changed; 0 of 5 passages embedded."


# The source panel


STRUCTURED = "# Title\n\nFirst one.\n\n- item <b>\n\n```\ncode  here\n```\n\nLast paragraph is long. And it goes on."


def structured() -> Document:
    def block(kind, words):
        start = STRUCTURED.index(words)
        return Block(kind, Span(start, start + len(words)))

    return document_of(
        STRUCTURED,
        block("heading", "Title"),
        block("paragraph", "First one."),
        block("list_item", "item <b>"),
        block("code", "code  here"),
        block("paragraph", "Last paragraph is long. And it goes on."),
    )


def test_a_document_is_shown_by_its_blocks_word_for_word():
    reading = Reading(render_document(structured(), None))

    assert reading.text == STRUCTURED
    assert [
        (tag, attributes["class"]) for tag, attributes in reading.elements if "docqa-block" in attributes["class"]
    ] == [
        ("h3", "docqa-block docqa-heading"),
        ("p", "docqa-block docqa-paragraph"),
        ("p", "docqa-block docqa-item"),
        ("div", "docqa-block docqa-preformatted"),
        ("p", "docqa-block docqa-paragraph"),
    ]


def test_the_pages_of_a_document_are_named_where_they_begin():
    pages = (PageStart(0, 1), PageStart(STRUCTURED.index("item"), 2), PageStart(STRUCTURED.index("And it"), 3))
    reading = Reading(render_document(replace(structured(), pages=pages), None))

    assert reading.text == STRUCTURED
    assert reading.attributes("data-place") == ["Page 1", "Page 2"]


def test_slides_sheets_and_rows_are_named_where_they_begin():
    places = ["slide 4", "slide 4", "sheet Q3, row 14", "§ A › B", "paragraph 7"]
    blocks = [replace(block, place=place) for block, place in zip(structured().blocks, places, strict=True)]
    reading = Reading(render_document(document_of(STRUCTURED, *blocks), None))

    assert reading.text == STRUCTURED
    assert reading.attributes("data-place") == ["Slide 4", "Sheet Q3, row 14"]


def test_the_passage_is_outlined_and_its_evidence_marked():
    document = structured()
    hit = hit_at(
        document, "item <b>\n\n```\ncode  here\n```\n\nLast paragraph is long.", "item <b>", "Last paragraph is long."
    )
    html = render_document(document, hit)
    reading = Reading(html)

    assert reading.text == STRUCTURED
    assert reading.marked == ["item <b>", "Last paragraph is long."]
    assert html.count('class="docqa-opened"') == 1
    opened = Reading(html[html.index('<div class="docqa-opened"') :]).text
    assert opened == STRUCTURED[STRUCTURED.index("- item") :]
    assert '<span class="docqa-outside"> And it goes on.</span>' in html


@pytest.mark.parametrize("start", [0, 1, 7, 8, 17, 25, 40, 60, 80])
@pytest.mark.parametrize("length", [1, 10, 25])
def test_any_passage_gives_the_document_back(start, length):
    words = STRUCTURED[start : start + length]
    hit = hit_at(structured(), words)

    assert Reading(render_document(structured(), hit)).text == STRUCTURED


def test_of_a_huge_document_what_lies_around_the_passage_is_shown():
    lines = [f"Line number {number} of this document.\n" for number in range(1, 20_001)]
    text = "".join(lines)
    blocks, start = [], 0
    for line in lines:
        blocks.append(Block("paragraph", Span(start, start + len(line) - 1)))
        start += len(line)
    document = document_of(text, *blocks)
    hit = hit_at(document, lines[9_999].strip(), lines[9_999].strip())
    shown = shown_span(document, hit)
    reading = Reading(render_document(document, hit))

    assert shown == Span(hit.passage.span.start - AROUND, hit.passage.span.end + AROUND)
    assert reading.text == document[shown]
    assert reading.marked == ["Line number 10000 of this document."]
    first, last = text.count("\n", 0, shown.start) + 1, text.count("\n", 0, shown.end) + 1
    assert f"Lines {first:,}–{last:,} of 20,001 are shown." in render_source(Source(document, hit, turn=0))


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"pages": (PageStart(0, 1),)}, "The text of page 1 is shown."),
        ({"pages": (PageStart(0, 1), PageStart(9, 2))}, "The text of pages 1–2 is shown."),
        (
            {"blocks": (Block("table", Span(0, 4), (), "row 1"),)},
            "A part of the document is shown, 15,000 of its 120,000 characters.",
        ),
    ],
)
def test_of_a_huge_converted_document_no_lines_are_counted(change, shown):
    document = replace(document_of("Word. " * 20_000, Block("paragraph", Span(0, 120_000))), **change)
    rendered = render_source(Source(document))

    assert shown in rendered
    assert "Lines" not in rendered


def test_the_source_says_what_it_cannot_show():
    gone = Reading(render_source(Source(hit=LAMP_HIT, turn=0, problem="This document is gone.")))
    moved = Reading(render_source(Source(LAMP, LAMP_HIT, turn=0, moved=True)))

    assert "This document is gone." in gone.text
    assert LAMP.text in gone.text
    assert "the passage is shown where it stands now" in moved.text
    assert "Choose a passage" in Reading(render_source(None)).text


# Citations and examples


def test_citations_hold_quote_title_locator_and_path():
    document = document_of(
        "One is here. Two is\nthere. Three is not. Four is.", title="Counting", path="deep/counting.md"
    )
    hit = hit_at(document, document.text, "One is here.", "Two is\nthere.", "Four is.")
    quote = Quote("deep/counting.md", Span(13, 26), "Two is\nthere.", "Counting, lines 1–2")

    assert hit_citation(hit) == "“One is here. Two is there. … Four is.” — Counting, lines 1–2 (deep/counting.md)"
    assert quote_citation(quote) == "“Two is there.” — Counting, lines 1–2 (deep/counting.md)"


def test_headings_that_are_questions_come_first_and_from_every_document():
    documents = [
        IndexedDocument("a.md", "Alpha", ("Alpha", "Why?", "How?", "Setup"), 3),
        IndexedDocument("b.md", "Beta", ("When?", "Prices"), 3),
    ]
    assert example_questions(documents) == ["Why?", "When?", "How?", "What does “Alpha” say about Setup?"]


def test_examples_are_distinct_and_at_most_four():
    same = [IndexedDocument(f"{name}.md", "Same", ("Why?", "—", "x" * 200), 1) for name in "abcdef"]
    titled = [IndexedDocument(f"{name}.md", name, (), 1) for name in "abcdef"]

    assert example_questions(same) == ["Why?", "What is “Same” about?"]
    assert example_questions(titled) == [f"What is “{name}” about?" for name in "abcd"]
    assert example_questions([]) == []


# Export


def test_a_conversation_is_exported_with_its_citations():
    turns = (
        Turn("How long?", answer_of(LAMP_HIT)),
        Turn("And then?", answer_of(LAMP_HIT, verdict="uncertain", asking_about="the *lamp*")),
        Turn("Who?", answer_of(LAMP_HIT, verdict="unanswered")),
        Turn("What?", problem="No index."),
    )
    assert conversation_markdown(turns) == (
        "# Conversation with your documents\n\n"
        "## How long\\?\n\n"
        "**Answered from your documents**\n\n"
        "> A charge lasts eleven hours\\.\n\n— Handbook\\, line 1 (handbook\\.md)\n\n"
        "Passages:\n\n"
        "1. Handbook\\, line 1 (handbook\\.md)\n\n   > A charge lasts eleven hours\\.\n\n\n"
        "## And then\\?\n\n"
        "asking about: the \\*lamp\\*\n\n"
        "**These are the closest passages, but they may not answer this.**\n\n"
        "The closest passages:\n\n"
        "1. Handbook\\, line 1 (handbook\\.md)\n\n   > A charge lasts eleven hours\\.\n\n\n"
        "## Who\\?\n\n"
        "**These documents do not answer this.**\n\n"
        "The closest passages:\n\n"
        "1. Handbook\\, line 1 (handbook\\.md)\n\n   > A charge lasts eleven hours\\.\n\n\n"
        "## What\\?\n\n_No index\\._\n\n"
    )
    assert conversation_markdown(()) == "# Conversation with your documents\n\n_No questions yet._\n"


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "# heading\n===\n---\n    code\n> quote\n- item\n1. item\n| a | b |\n|---|---|",
        "![image](http://example.org/x.png) <http://example.org> http://example.org [a]: http://example.org",
        "``` `code` ``` ~~~ &amp; &#60;script&#62; \\* end\\",
    ],
)
def test_exported_words_stay_words(text):
    document = document_of(text, title=text.replace("\n", " "))
    markdown = conversation_markdown((Turn(text, answer_of(hit_at(document, text, text))),))
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    inline = [child.type for token in tokens for child in token.children or ()]

    assert set(inline) <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    assert inline.count("strong_open") == 1  # the verdict
    assert {token.type for token in tokens}.isdisjoint({"html_block", "fence", "code_block", "table_open", "hr"})
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2"]
    words = " ".join(text.split())
    assert words in ["".join(child.content for child in token.children or ()) for token in tokens]


def test_escaping_is_undone_by_reading_the_markdown():
    token = MarkdownIt().parseInline(escape_markdown(HOSTILE))[0]

    assert "".join(child.content for child in token.children) == HOSTILE
