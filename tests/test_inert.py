"""Hostile documents, names and questions in a real Chromium: nothing of them runs, asks anyone or is lost to sight."""

from collections.abc import Iterator
from html import escape

import pytest
from playwright.sync_api import Browser, Page, expect

from docqa.neutralising import neutral, neutral_name, one_line
from docqa.reading import read_document
from payloads import ADDRESSES, HANDLERS, PAYLOADS, SCRIPTS, VECTORS
from test_chat_page import ask, browser, last_answer, open_page, serve  # noqa: F401
from test_chat_rendering import shown_everywhere

OWN_ELEMENTS = set(
    "article bdi blockquote button details div figcaption figure h1 h2 h3 header li mark ol p path section span "
    "strong summary svg time ul".split()
)
INSERT = """fragments => fragments.map((html) => {
  const place = document.createElement('div');
  place.innerHTML = html;
  place.innerHTML = place.innerHTML; // what is parsed and written once more must not become something else
  document.body.append(place);
  const elements = [...place.querySelectorAll('*')];
  return {
    text: place.textContent,
    names: elements.map((element) => element.localName),
    handlers: elements.flatMap((element) => element.getAttributeNames().filter((name) => /^on|href|src/.test(name))),
  };
})"""


class Watched:
    """A page of which is kept what hostile words may make it do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def far(self) -> list[str]:
        return [url for url in self.asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:", "about:"))]

    def hacked(self) -> object:
        return self.page.evaluate("window.hacked")


@pytest.fixture
def blank(browser: Browser) -> Iterator[Watched]:  # noqa: F811
    context = browser.new_context()
    context.route("**/*", lambda route: route.abort())
    yield Watched(context.new_page())
    context.close()


def test_there_are_more_than_200_payloads_and_titles_hold_them() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 200
    titles = " ".join(shown_titles())
    assert [payload for payload in PAYLOADS if one_line(neutral(payload)) not in titles] == []


@pytest.mark.parametrize("payload", [SCRIPTS[0], HANDLERS[0], VECTORS[0]])
def test_where_nothing_is_escaped_a_payload_runs(blank: Watched, payload: str) -> None:
    blank.page.set_content(payload)
    blank.page.wait_for_function("window.hacked === 1")


def test_where_nothing_is_escaped_another_host_is_asked(blank: Watched) -> None:
    blank.page.set_content(next(payload for payload in ADDRESSES if payload.startswith("<img")))
    assert blank.far() == ["http://evil.example/x"]


def test_no_payload_runs_in_any_place_of_the_page_even_without_a_policy(blank: Watched) -> None:
    for first in range(0, len(PAYLOADS), 30):
        shown = [(payload, html) for payload in PAYLOADS[first : first + 30] for html in shown_everywhere(payload)]
        for (payload, html), found in zip(shown, blank.page.evaluate(INSERT, [html for _, html in shown]), strict=True):
            assert set(found["names"]) <= OWN_ELEMENTS
            assert found["handlers"] == []
            assert "docqa-header" in html or one_line(neutral(payload)) in one_line(found["text"])
    blank.page.wait_for_timeout(500)
    assert (blank.hacked(), blank.dialogs, blank.asked) == (None, [], [])


# The whole way: files, reading, index, server, Gradio, browser


def by_length(longest: int) -> list[list[str]]:
    """Divide the payloads into runs that are together so long at most, in bytes."""
    found: list[list[str]] = [[]]
    for payload in PAYLOADS:
        if found[-1] and len(" ".join([*found[-1], payload]).encode()) > longest:
            found.append([])
        found[-1].append(payload)
    return found


def file_name(number: int, payloads: list[str]) -> str:
    return f"{number} {' '.join(payloads)}".replace("/", "\u2215").encode()[:240].decode(errors="ignore") + ".html"


TITLED = {
    file_name(number, payloads): f"<title>{escape(' '.join(payloads))}</title><p>Here stands nothing of note.</p>"
    for number, payloads in enumerate(by_length(220))
}
HALF = len(PAYLOADS) // 2
TEXTS = {
    f"{name}.md": f"# {name}\n\n" + "\n\n".join(f"Item: {payload}" for payload in payloads) + "\n"
    for name, payloads in (("Armoury", PAYLOADS[:HALF]), ("Magazine", PAYLOADS[HALF:]))
}
DOCUMENTS = TITLED | TEXTS


def shown_titles() -> list[str]:
    """List the documents' titles as the page is to show them."""
    titles = (read_document(name, text.encode(), "0" * 64).title for name, text in TITLED.items())
    return [one_line(neutral(title)) for title in titles]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    skipped = {name.removesuffix(".html") + ".bin": "no document" for name in list(TITLED)[:10]}
    yield from serve(tmp_path_factory.mktemp("hostile"), DOCUMENTS | skipped)


def words(page: Page, selector: str) -> str:
    return one_line(" ".join(page.locator(selector).all_text_contents()))


def test_hostile_documents_names_titles_and_questions_are_shown_as_words_and_do_nothing(open_page) -> None:  # noqa: F811
    page = open_page()
    watched = Watched(page)
    page.reload()
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)

    for place in ("#docqa-welcome", "#docqa-listing"):
        listed = words(page, place)
        assert [name for name in DOCUMENTS if one_line(neutral_name(name)) not in listed] == []
        assert [title for title in shown_titles() if title not in listed] == []
    assert "10 files skipped" in listed

    for path, text in TEXTS.items():
        page.locator("#docqa-welcome .docqa-documents button").get_by_text(path.removesuffix(".md"), exact=True).click()
        expect(page.locator(".docqa-source .docqa-path")).to_have_text(path)
        assert words(page, ".docqa-source .docqa-document") == one_line(neutral(text))

    for payloads in by_length(1900):
        question = one_line(" ".join(payloads))
        page.get_by_label("Your question").fill(question)
        page.get_by_label("Your question").press("Enter")
        expect(page.locator(".docqa-turn").last).to_contain_text(one_line(neutral(question))[:80])
        expect(page.locator(".docqa-turn").last).to_have_attribute("data-state", "done", timeout=30_000)
        asked = words(page, ".docqa-turn:last-child .docqa-question")
        assert [payload for payload in payloads if one_line(neutral(payload)) not in asked] == []
    for summary in page.get_by_text("Show the closest passages").all():
        summary.click()
    for place in range(100, 800, 100):
        page.mouse.move(place, place)
    page.wait_for_timeout(500)

    assert page.locator("#docqa-columns").locator("img, script, iframe, a, style, form:not([method])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert (watched.hacked(), watched.dialogs, watched.far()) == (None, [], [])


LONG = "W" * 3_000


@pytest.fixture(scope="module")
def long_server(tmp_path_factory: pytest.TempPathFactory):
    documents = {f"{'n' * 240}.md": f"# {LONG}\n\n{LONG} is what the longest word of this document is.\n"}
    yield from serve(tmp_path_factory.mktemp("long"), documents)


@pytest.mark.parametrize("width", [390, 1280])
def test_very_long_words_do_not_break_the_layout(open_page, long_server, width: int) -> None:  # noqa: F811
    page = open_page(width=width, height=844, url=long_server.url)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ask(page, "What is the longest word?")
    last_answer(page).locator(".docqa-card").first.click()
    expect(page.locator(".docqa-source")).to_be_visible()
    wide = """selector => [...document.querySelectorAll(selector)]
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
        .map((element) => element.className)"""
    assert page.evaluate(wide, "#docqa-columns .docqa-card, #docqa-columns .docqa-source *, .docqa-question") == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
