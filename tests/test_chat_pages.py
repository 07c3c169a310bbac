"""The pages of a PDF in the source panel: what is marked on them, how they are rendered as HTML, and in a browser."""

import io
from dataclasses import replace
from itertools import pairwise
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect
from reportlab.pdfgen.canvas import Canvas

import test_chat_page as chat
from docqa.chat.paging import CHANGED, GONE, MOST_KEPT, Pages, marks_on, pages_of_evidence
from docqa.chat.rendering import render_page, render_source
from docqa.chat.state import PageView, Source
from docqa.corpus import digest
from docqa.reading import read_document
from docqa.reading.pdf.rendering import Picture
from docqa.types import Block, Document, PageStart, Span
from test_chat_page import ask, photograph
from test_chat_rendering import HOSTILE, Reading, hit_at

WIDTH, HEIGHT = 600, 800
LEFT, SIZE, LEADING = 60, 12, 16
KEEPERS = [
    "The lighthouse keepers of Skerry kept a garden and two goats, and every morning",
    "they wrote the weather down. Their logbook is kept in the library of the town.",
]
LAMP = [
    "The lamp of the lighthouse burns whale oil. It was lit for the first time in the year",
    "1824 by Anna Morrison. Since then it has shone every night but one.",
]
EVIDENCE = "It was lit for the first time in the year 1824 by Anna Morrison."
FIRST_LINE = 500
"""Where the baseline of the first line of LAMP stands, from the lower edge of the second page."""


def make_pdf(*pages: tuple[int, list[str]], title: str = "The lighthouse of Skerry") -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), invariant=1)
    canvas.setTitle(title)
    for y, lines in pages:
        canvas.setFont("Helvetica", SIZE)
        for i, line in enumerate(lines):
            canvas.drawString(LEFT, y - LEADING * i, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


LIGHTHOUSE = make_pdf((700, KEEPERS), (FIRST_LINE, LAMP))
HARBOUR = make_pdf((700, ["Ships may enter the harbour of Skerry from six in the morning."]), title="The harbour")
PATH = "lighthouse.pdf"


def lighthouse() -> Document:
    return read_document(PATH, LIGHTHOUSE, digest(LIGHTHOUSE))


def opened(*evidence: str, document: Document | None = None) -> Source:
    document = document or lighthouse()
    return Source(document, hit_at(document, document.text, *evidence), turn=0, hits=3)


PICTURE = Picture(2, 4, 600.0, 800.0, ((60.0, 200.0, 300.0, 220.0),), b"\x89PNG made up")


# What is marked


def test_evidence_is_divided_by_the_pages_it_stands_on():
    text = "One two three. Four five six."
    document = Document("a.pdf", "0", "A", text, (), (PageStart(0, 3), PageStart(8, 7), PageStart(20, 3)))
    hit = hit_at(document, text, "two three. Four five")

    assert pages_of_evidence(document, hit) == (3, 7)
    assert list(marks_on(document, hit, 7)) == [("One two ", "three. Four ")]
    assert list(marks_on(document, hit, 3)) == [("One ", "two "), (text[:20], "five")]
    assert list(marks_on(document, hit, 5)) == list(marks_on(document, None, 3)) == []
    assert pages_of_evidence(document, replace(hit, evidence=())) == (3, 7)
    assert pages_of_evidence(document, None) == ()


@pytest.fixture
def pages(tmp_path):
    (tmp_path / PATH).write_bytes(LIGHTHOUSE)
    made = Pages(tmp_path)
    yield made
    made.process.close()


def test_a_source_opens_at_the_page_of_its_evidence(pages):
    view = pages.view(opened(EVIDENCE))
    first = pages.view(opened(EVIDENCE), 1)

    assert (view.picture.page, view.picture.pages, view.marked, view.problem) == (2, 2, (2,), "")
    assert (first.picture.page, first.picture.rectangles) == (1, ())
    assert view.number < first.number
    upper, lower = view.picture.rectangles
    assert upper[3] < lower[1]
    assert lower[0] == pytest.approx(LEFT, abs=2)
    assert upper[2] == pytest.approx(LEFT + Canvas("").stringWidth(LAMP[0], "Helvetica", SIZE), abs=2)
    assert pages.view(Source(lighthouse())).picture.page == 1
    assert pages.view(opened(EVIDENCE), 99).picture.page == 2


def test_what_was_drawn_is_kept_for_a_while(pages):
    pictures = [pages.view(opened(EVIDENCE), page).picture for page in (1, 2, 1)]
    assert pictures[0] is pictures[2]
    for page in range(3, MOST_KEPT + 3):
        pages.view(opened(EVIDENCE), page)
    assert len(pages._kept) == MOST_KEPT
    assert pages.view(opened(EVIDENCE), 2).picture is not pictures[1]


def test_a_file_that_changed_or_is_gone_is_not_shown(pages, tmp_path):
    (tmp_path / PATH).write_bytes(HARBOUR)
    assert pages.view(opened(EVIDENCE)).problem == CHANGED
    (tmp_path / PATH).unlink()
    assert pages.view(opened(EVIDENCE)).problem == GONE
    assert pages.view(Source(problem="It is not in the index.")).problem == "It is not in the index."


def test_a_file_that_cannot_be_drawn_is_said_to_be_so(pages, tmp_path):
    (tmp_path / PATH).write_bytes(b"no PDF")
    source = opened(EVIDENCE, document=replace(lighthouse(), digest=digest(b"no PDF")))
    view = pages.view(source)
    assert (view.picture, view.problem) == (None, "It is no PDF, or a damaged one.")


# HTML


def test_a_page_is_a_picture_with_marks_in_percent():
    html = render_page(PageView(opened(EVIDENCE), PICTURE, (2, 3), 7))
    reading = Reading(html)

    assert reading.attributes("alt") == ["Page 2 of The lighthouse of Skerry"]
    assert 'style="left:10.000%;top:25.000%;width:40.000%;height:2.500%"' in html
    assert (reading.attributes("data-page"), reading.attributes("data-pages")) == (["2"], ["4"])
    assert (reading.attributes("max"), reading.attributes("value")) == (["4"], ["2"])
    assert "of 4" in reading.text
    assert "The quote also stands on page 3." in reading.text
    assert "disabled" not in html


def test_a_page_says_where_the_quote_stands_and_what_cannot_be_done():
    first = render_page(PageView(opened(EVIDENCE), replace(PICTURE, page=1, rectangles=()), (2,)))
    last = render_page(PageView(opened(EVIDENCE), replace(PICTURE, page=4), (4,)))
    lost = render_page(PageView(opened(EVIDENCE), replace(PICTURE, rectangles=()), (2,)))
    bare = render_page(PageView(Source(lighthouse()), replace(PICTURE, image=b"\xff\xd8", rectangles=())))

    assert "The quote stands on page 2." in Reading(first).text
    assert [label for label in ("Previous page", "Next page") if f'aria-label="{label}"' in disabled(first)] == [
        "Previous page"
    ]
    assert 'aria-label="Next page"' in disabled(last)
    assert "could not be found" in lost
    assert "docqa-hint" not in bare + last
    assert "data:image/jpeg;base64,/9g=" in bare


def test_recognised_words_are_said_to_be_so_beside_the_page_and_the_text():
    source = opened(EVIDENCE)
    starts = tuple(replace(start, recognised=start.page == 2) for start in source.document.pages)
    scanned = replace(source, document=replace(source.document, pages=starts))
    on_page, other = (render_page(PageView(scanned, replace(PICTURE, page=page))) for page in (2, 3))

    assert "recognised by a program (OCR)" in Reading(on_page).text
    assert "recognised" not in other
    assert "recognised by a program in pictures of pages" in Reading(render_source(scanned)).text
    assert "recognised" not in render_source(source)


def disabled(html: str) -> str:
    return "".join(tag for tag in html.split("<") if " disabled" in tag)


def test_a_problem_names_the_source_it_belongs_to():
    source = opened(EVIDENCE)
    html = render_page(PageView(source, None, (), 7, problem="The file is gone."))
    assert f'data-turn="{source.turn}" data-rank="{source.hit.rank}" data-problem="The file is gone."' in html


def test_a_source_offers_its_pages_and_the_quotes_of_its_answer():
    paged = render_source(opened(EVIDENCE))
    document = Document("a.md", "0", "A", "Some words.", (Block("paragraph", Span(0, 11)),))
    other = render_source(opened("Some words.", document=document))

    assert Reading(paged).attributes("data-view") == ["page", "text"]
    assert Reading(other).attributes("data-view") == []
    assert "Quote 1 of 3" in other
    assert Reading(other).attributes("data-step") == ["back", "on"]
    assert 'aria-label="Previous quote"' in disabled(other)
    assert "Quote 1 of" not in render_source(replace(opened(EVIDENCE), hits=1))
    assert Reading(render_source(Source(lighthouse()))).attributes("data-document") == [PATH]


def test_hostile_titles_and_problems_stay_words():
    document = replace(lighthouse(), title=HOSTILE, path=HOSTILE + ".pdf")
    for html in (
        render_page(PageView(opened(document=document), PICTURE)),
        render_page(PageView(Source(document), PICTURE)),
        render_page(PageView(Source(document), problem=HOSTILE)),
        render_source(Source(document)),
    ):
        reading = Reading(html)
        assert "script" not in reading.tags()
        assert not any("onerror" in attributes for _, attributes in reading.elements)
        assert all(src.startswith("data:image/") for src in reading.attributes("src"))


# In a browser

browser, open_page = chat.browser, chat.open_page


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    documents = {PATH: LIGHTHOUSE, "harbour.pdf": HARBOUR, "goats.md": "# Goats\n\nThe goats of Skerry give milk.\n"}
    yield from chat.serve(tmp_path_factory.mktemp("pages"), documents)


@pytest.fixture
def page(open_page) -> Page:
    return open_page()


QUESTION = "Who lit the lamp of the lighthouse for the first time?"


def open_citation(page: Page, question: str = QUESTION) -> None:
    ask(page, question)
    page.locator(".docqa-quote .docqa-link").first.click()
    await_page(page, 2)


def await_page(page: Page, number: int) -> None:
    expect(page.locator(f'.docqa-page[data-page="{number}"] img')).to_be_visible(timeout=30_000)
    expect(page.locator("#docqa-right")).not_to_have_attribute("data-loading", "page")


def places(page: Page) -> list[tuple[float, ...]]:
    """Return where the marks stand, in points of the page."""
    sheet = page.locator(".docqa-sheet img").bounding_box()
    boxes = [mark.bounding_box() for mark in page.locator(".docqa-place-mark").all()]
    across, down = WIDTH / sheet["width"], HEIGHT / sheet["height"]
    return [
        (
            (box["x"] - sheet["x"]) * across,
            (box["y"] - sheet["y"]) * down,
            (box["x"] + box["width"] - sheet["x"]) * across,
            (box["y"] + box["height"] - sheet["y"]) * down,
        )
        for box in boxes
    ]


def assert_marked(page: Page) -> None:
    """Check that the marks lie over the two lines that hold the evidence, from its first word to its last."""
    found, measure = places(page), Canvas("").stringWidth
    before, whole = (measure(text, "Helvetica", SIZE) for text in (LAMP[0].split("It was")[0], LAMP[0]))
    end = measure("1824 by Anna Morrison.", "Helvetica", SIZE)
    expected = [(LEFT + before, FIRST_LINE, LEFT + whole), (LEFT, FIRST_LINE - LEADING, LEFT + end)]
    assert len(found) == len(expected)
    for (left, top, right, bottom), (first, baseline, last) in zip(found, expected, strict=True):
        assert (left, right) == (pytest.approx(first, abs=5), pytest.approx(last, abs=5))
        assert HEIGHT - baseline - SIZE - 2 < top < HEIGHT - baseline - SIZE / 2
        assert HEIGHT - baseline - 1 < bottom < HEIGHT - baseline + 6


def test_a_citation_of_a_pdf_opens_its_page_with_the_quote_marked(page):
    open_citation(page)
    image = page.get_by_role("img", name="Page 2 of The lighthouse of Skerry")

    assert image.evaluate("image => image.complete && image.naturalWidth") == 1400
    assert image.get_attribute("src").startswith("data:image/png;base64,")
    assert_marked(page)
    expect(page.locator(".docqa-place-mark").first).to_be_in_viewport()
    expect(page.get_by_role("button", name="Page", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".docqa-document")).to_be_hidden()
    room = page.locator(".docqa-sheets").evaluate("area => area.clientWidth - 24")
    assert image.bounding_box()["width"] == pytest.approx(room, abs=1)
    photograph(page, "page-light")


def test_pages_are_turned_by_button_number_and_note(page):
    open_citation(page)
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    page.get_by_role("button", name="Previous page").click()
    await_page(page, 1)
    expect(page.locator("#docqa-announcer")).to_have_text("Page 1 of 2")
    expect(page.get_by_role("button", name="Previous page")).to_be_disabled()
    expect(page.locator(".docqa-sheets")).to_be_focused()  # the button that had the focus can do no more
    assert page.locator(".docqa-place-mark").count() == 0
    page.get_by_role("button", name="page 2", exact=True).click()
    await_page(page, 2)
    assert_marked(page)

    number = page.get_by_label("Page of 2")
    number.fill("1")
    number.press("Enter")
    await_page(page, 1)
    expect(number).to_be_focused()
    number.fill("99")
    number.press("Enter")
    await_page(page, 2)
    expect(number).to_have_value("2")


def test_a_page_is_enlarged_and_its_marks_with_it(page):
    open_citation(page)
    fit = page.locator(".docqa-sheet").bounding_box()["width"]
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.locator(".docqa-zoom")).to_have_text("250%")
    assert page.locator(".docqa-sheet").bounding_box()["width"] == pytest.approx(2.5 * fit, rel=0.02)
    assert_marked(page)
    expect(page.locator(".docqa-place-mark").first).to_be_in_viewport(ratio=0.5)
    photograph(page, "page-zoomed-light")
    page.get_by_role("button", name="Previous page").click()
    await_page(page, 1)
    expect(page.locator(".docqa-zoom")).to_have_text("250%")
    page.get_by_role("button", name="Fit to the panel's width").click()
    assert page.locator(".docqa-sheet").bounding_box()["width"] == pytest.approx(fit, abs=1)
    page.get_by_role("button", name="Zoom out").click()
    expect(page.locator(".docqa-zoom")).to_have_text("75%")


def test_everything_about_pages_can_be_done_with_the_keyboard(page):
    open_citation(page)
    expect(page.locator(".docqa-source h2")).to_be_focused()
    # the first PageUp leads from the quote to the head of its page, the second to the foot of the page before
    for key, number in [("ArrowLeft", 1), ("ArrowRight", 2), ("PageUp", 2), ("PageUp", 1), ("PageDown", 2)]:
        page.keyboard.press(key)
        page.wait_for_timeout(300)
        await_page(page, number)
    page.keyboard.press("+")
    expect(page.locator(".docqa-zoom")).to_have_text("125%")
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(page.locator(".docqa-zoom")).to_have_text("75%")
    page.keyboard.press("0")
    expect(page.locator(".docqa-zoom")).to_have_text("100%")

    order = []
    for _ in range(12):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
    wanted = ["Text", "Next quote", "Previous page", "Page of 2", "Zoom out", "Fit to the panel's width", "Zoom in"]
    places = [order.index(name) for name in [*wanted, "Picture of the page"]]
    assert all(one < other for one, other in pairwise(places))
    page.keyboard.press("Escape")
    expect(page.locator(".docqa-source")).to_have_count(0)
    expect(page.locator(".docqa-page")).to_be_hidden()


def test_the_text_stands_beside_and_the_choice_is_remembered(page):
    open_citation(page)
    page.get_by_role("button", name="Text", exact=True).click()
    expect(page.locator(".docqa-sheet")).to_be_hidden()
    expect(page.locator(".docqa-document mark")).to_have_text(EVIDENCE)
    expect(page.locator(".docqa-document mark")).to_be_in_viewport()
    photograph(page, "page-text-light")
    page.reload()
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    ask(page, QUESTION)
    page.locator(".docqa-quote .docqa-link").first.click()
    expect(page.locator(".docqa-document mark")).to_have_text(EVIDENCE)
    expect(page.locator(".docqa-sheet")).to_have_count(0)
    page.get_by_role("button", name="Page", exact=True).click()
    await_page(page, 2)
    assert_marked(page)


def test_the_quotes_of_an_answer_are_leafed_through_whatever_their_documents_are(page):
    open_citation(page)
    seen = []
    for step in ("Next quote", "Next quote", "Previous quote"):
        page.get_by_role("button", name=step).click()
        expect(page.locator(".docqa-source h2")).to_be_visible()
        expect(page.locator(".docqa-card-open .docqa-rank")).to_have_text(str([2, 3, 2][len(seen)]))
        expect(page.get_by_text(f"Quote {[2, 3, 2][len(seen)]} of")).to_be_visible()
        page.wait_for_timeout(600)
        paged = page.locator(".docqa-views").count()
        assert page.locator(".docqa-sheet").is_visible() is bool(paged)
        assert page.locator(".docqa-document").is_visible() is not bool(paged)
        seen.append(page.locator(".docqa-path").last.text_content())
    expect(page.get_by_role("button", name="Previous quote")).to_be_focused()
    assert seen[0] == seen[2]


def test_a_pdf_from_the_list_of_documents_opens_at_its_first_page(page):
    page.locator("#docqa-welcome .docqa-documents").get_by_role("button", name="The harbour").click()
    await_page(page, 1)
    expect(page.get_by_role("img", name="Page 1 of The harbour")).to_be_visible()
    assert page.locator(".docqa-place-mark").count() == page.locator(".docqa-steps-between").count() == 0


def test_a_file_that_changed_since_is_shown_as_text(page, server):
    ask(page, QUESTION)
    (server.corpus / PATH).write_bytes(HARBOUR)
    try:
        page.locator(".docqa-quote .docqa-link").first.click()
        expect(page.locator(".docqa-no-page")).to_have_text(CHANGED, timeout=30_000)
        expect(page.locator(".docqa-document mark")).to_have_text(EVIDENCE)
        expect(page.locator(".docqa-document mark")).to_be_in_viewport()
        photograph(page, "page-changed-light")
        (server.corpus / PATH).unlink()
        page.get_by_role("button", name="Page", exact=True).click()
        expect(page.locator(".docqa-no-page")).to_have_text(GONE)
    finally:
        (server.corpus / PATH).write_bytes(LIGHTHOUSE)
    page.get_by_role("button", name="Page", exact=True).click()
    await_page(page, 2)
    expect(page.locator(".docqa-no-page")).to_be_hidden()


def test_the_file_itself_is_never_served(server):
    for address in (f"gradio_api/file={server.corpus / PATH}", f"file={server.corpus / PATH}", f"corpus/{PATH}"):
        with pytest.raises(HTTPError) as refused:
            urlopen(server.url + address)
        refused.value.close()
        assert refused.value.code in (403, 404)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_pages_fit_small_windows_and_stay_white_in_dark_ones(open_page, width, scheme):
    page = open_page(width=width, height=844, scheme=scheme)
    open_citation(page)
    photograph(page, "page-narrow" if width == 390 else "page-dark")

    assert_marked(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".docqa-sheet").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(chat.CONTRASTS) == []
