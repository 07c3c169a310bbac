"""The chat as people use it: a real browser, the real model, a small corpus."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect, sync_playwright

from docqa.errors import PortInUseError

SCREENSHOTS = Path(__file__).parent / "screenshots"
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SERVER = """
import sys
from docqa.chat import build_chat, launch
from docqa.syncing import sync

corpus, embeddings, feedback, port, edits, *synced = sys.argv[1:]
if synced:
    sync(corpus, embeddings)
chat = build_chat(corpus_dir=corpus, embeddings_dir=embeddings, feedback_file=feedback, allow_edits=edits == "edits")
launch(chat, port=int(port))
"""

HANDBOOK = """# Lumen Lamp handbook

The Lumen Lamp is a battery-powered desk lamp with an aluminium body.

## How long does the battery last?

A full charge lasts eleven hours at medium brightness. Charging from empty takes two hours with the supplied adapter.

## Warranty and returns

The warranty covers defects for three years from the date of purchase. Refunds are paid within fourteen days.

| Model | Price |
|-------|-------|
| Lumen S | 79 euro |
"""
HOSTILE = """# Security <img src=x onerror="window.hacked = 'title'">

The vault password is rotated every ninety days. <img src=x onerror="window.hacked = 'text'">
<script>window.hacked = 'script'</script> Use `${window.hacked = 1}` and {{value}} with care.
"""
POLICY = """Travel policy

Hotels up to 140 euro a night need no approval. Receipts are handed in within thirty days of the journey.
"""
BEEKEEPING = """# Keeping bees

## Honey

Bees make honey from nectar. They store it in wax cells.

## Swarms

Honey bees swarm in May, when the hive is full.
"""


@dataclass(frozen=True)
class Server:
    corpus: Path
    port: int

    @property
    def feedback(self) -> Path:
        return self.corpus.parent / "feedback.jsonl"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(folder: Path, documents: dict[str, str | bytes], *, allow_edits: bool = True) -> Iterator[Server]:
    corpus, port = folder / "corpus", free_port()
    corpus.mkdir()
    for name, text in documents.items():
        (corpus / name).write_bytes(text.encode() if isinstance(text, str) else text)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    files = (corpus, folder / "embeddings", folder / "feedback.jsonl")
    command = [sys.executable, "-c", SERVER, *map(str, files), str(port), "edits" if allow_edits else "none"]
    if documents:
        command.append("synced")
    with (folder / "log").open("w+") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
        try:
            await_answer(port, process, folder / "log")
            yield Server(corpus, port)
        finally:
            process.terminate()


def await_answer(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while "docqa chat: " not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    documents = {
        "handbook.md": HANDBOOK,
        "security.md": HOSTILE,
        "travel.txt": POLICY,
        "wildlife.md": BEEKEEPING,
        "photo.xyz": "no document",
    }
    yield from serve(tmp_path_factory.mktemp("chat"), documents)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert executable, "the page is tested in Chromium, and there is none: install Debian's package 'chromium'"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, server):
    """Open pages; at the end, nothing but this machine may have been asked for anything, and no error have shown."""
    contexts, seen, problems = [], [], []

    def open_one(width: int = 1280, height: int = 860, scheme: str = "light", url: str = server.url) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: seen.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
        page.goto(url)
        expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
        return page

    yield open_one
    for context in contexts:
        context.close()
    away = [
        url for url in seen if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != "127.0.0.1"
    ]
    assert (away, problems) == ([], [])


@pytest.fixture
def page(open_page) -> Page:
    return open_page()


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")
    expect(page.locator(".docqa-turn").last).to_contain_text(question)
    expect(page.locator(".docqa-turn").last).to_have_attribute("data-state", "done", timeout=30_000)


def photograph(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def last_answer(page: Page):
    return page.locator(".docqa-turn").last


def test_a_question_is_answered_with_a_quote_and_cited_passages(page):
    ask(page, "How long does the battery last?")
    answer = last_answer(page)

    expect(answer.locator(".docqa-verdict")).to_contain_text("nswered from your documents")
    expect(answer.locator("blockquote").first).to_contain_text("A full charge lasts eleven hours at medium brightness.")
    card = answer.locator(".docqa-card").first
    expect(card.locator("h3")).to_have_text("Lumen Lamp handbook")
    expect(card.locator(".docqa-locator")).to_contain_text("How long does the battery last?")
    expect(card.locator(".docqa-path")).to_have_text("handbook.md")
    expect(card.locator("mark").first).to_have_text("A full charge lasts eleven hours at medium brightness.")
    expect(card.locator(".docqa-strength")).to_have_text("Best match")
    expect(page.get_by_label("Your question")).to_have_value("")
    photograph(page, "answered-light")


def test_what_is_indexed_is_shown_and_an_example_asks_its_question(page):
    expect(page.locator(".docqa-status")).to_contain_text("4 documents · ")
    expect(page.locator("#docqa-welcome .docqa-documents li").first).to_contain_text("Lumen Lamp handbook handbook.md")
    photograph(page, "welcome-light")
    page.get_by_role("button", name="How long does the battery last?").click()

    expect(page.locator(".docqa-question")).to_have_text("You asked: How long does the battery last?")
    expect(page.locator("blockquote").first).to_contain_text("eleven hours")


def test_a_click_on_a_card_opens_the_document_at_the_passage(page):
    ask(page, "How long does the battery last?")
    page.locator(".docqa-card .docqa-passage").first.click()
    source = page.locator(".docqa-source")

    expect(source.get_by_role("heading", level=2)).to_have_text("Lumen Lamp handbook")
    expect(source.locator(".docqa-place")).to_contain_text("handbook.md")
    expect(source.locator(".docqa-opened mark").first).to_have_text(
        "A full charge lasts eleven hours at medium brightness."
    )
    expect(source.locator(".docqa-opened mark").first).to_be_in_viewport()
    assert source.locator(".docqa-document").evaluate("element => element.textContent").strip() == HANDBOOK.strip()
    expect(page.locator(".docqa-card-open h3")).to_have_text("Lumen Lamp handbook")
    photograph(page, "source-light")
    source.get_by_role("button", name="Close the source").click()
    expect(page.locator(".docqa-closed")).to_be_visible()


def test_a_document_can_be_opened_from_the_list(page):
    page.locator("#docqa-welcome .docqa-documents").get_by_role("button", name="Travel policy").click()

    expect(page.locator(".docqa-source .docqa-document")).to_contain_text("Hotels up to 140 euro a night")
    assert page.locator(".docqa-source mark").count() == 0


def test_everything_can_be_done_with_the_keyboard(page):
    box = page.get_by_label("Your question")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("How long does")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("the battery last?")
    expect(box).to_have_value("How long does\nthe battery last?")
    page.keyboard.press("Enter")
    expect(page.locator(".docqa-card").first).to_be_visible(timeout=30_000)

    title = page.locator(".docqa-open").first
    for _ in range(12):
        page.keyboard.press("Tab")
        if title.evaluate("element => element === document.activeElement"):
            break
    expect(title).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".docqa-source h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(title).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator(".docqa-source mark").first).to_be_in_viewport()


def test_a_citation_is_copied_and_the_copying_is_said(page):
    ask(page, "Which hotels need no approval?")
    copy = last_answer(page).locator(".docqa-card").first.get_by_role("button", name="Copy citation")
    copy.click()

    expect(page.get_by_role("button", name="Copied ✓")).to_be_visible()
    expect(page.locator("#docqa-announcer")).to_have_text("Citation copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("“Hotels up to 140 euro a night need no approval.")
    assert copied.endswith("(travel.txt)")
    assert page.locator(".docqa-source").count() == 0


def test_the_conversation_is_downloaded_as_markdown_and_begun_anew(page, tmp_path):
    ask(page, "Which hotels need no approval?")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as Markdown").click()
    download.value.save_as(tmp_path / "conversation.md")
    markdown = (tmp_path / "conversation.md").read_text(encoding="utf-8")

    assert download.value.suggested_filename == "conversation.md"
    assert markdown.startswith(
        "# Conversation with your documents\n\n## Which hotels need no approval\\?\n\n"
        "**Answered from your documents**\n\n> Hotels up"
    )
    assert "travel\\.txt" in markdown
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".docqa-welcome")).to_be_visible()
    assert page.locator(".docqa-turn").count() == 0


def test_an_unanswered_question_is_said_to_be_one(page):
    ask(page, "Who painted the ceiling of the Sistine Chapel?")
    answer = last_answer(page)

    expect(answer.locator(".docqa-verdict")).to_have_text("These documents do not answer this.")
    expect(page.locator("#docqa-turns .docqa-unseen[role=status]")).to_contain_text("do not answer this. 5 passages")
    assert answer.locator("blockquote").count() == 0
    photograph(page, "unanswered-light")
    expect(answer.locator(".docqa-card").first).to_be_hidden()
    answer.get_by_text("Show the closest passages").focus()
    page.keyboard.press("Enter")
    expect(answer.locator(".docqa-card").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(answer.locator(".docqa-open").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".docqa-source")).to_be_visible()
    photograph(page, "unanswered-unfolded-light")


def test_a_follow_up_is_understood_from_the_question_before_it_unless_that_is_switched_off(page):
    ask(page, "What do bees make honey from?")
    expect(last_answer(page).locator("blockquote").first).to_contain_text("Bees make honey from nectar.")
    assert last_answer(page).locator(".docqa-about").count() == 0
    ask(page, "And when do they swarm?")
    about = last_answer(page).locator(".docqa-about")
    expect(about).to_contain_text("asking about: ")
    expect(last_answer(page).locator(".docqa-card mark").first).to_contain_text("swarm in May")
    photograph(page, "follow-up-light")

    alone = about.get_by_role("button", name="Ask it on its own")
    alone.focus()
    page.keyboard.press("Enter")
    expect(about).to_have_count(0, timeout=30_000)
    expect(last_answer(page)).to_have_attribute("data-state", "done")
    expect(page.locator(".docqa-question").last).to_be_focused()
    expect(page.locator("#docqa-announcer")).to_have_text(last_answer(page).locator(".docqa-verdict").text_content())
    expect(page.locator(".docqa-turn")).to_have_count(2)

    page.get_by_label("Follow the conversation").focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("Follow the conversation")).not_to_be_checked()
    ask(page, "And when do they swarm?")
    expect(last_answer(page).locator(".docqa-verdict")).to_be_visible()
    assert last_answer(page).locator(".docqa-about").count() == 0


def test_feedback_is_kept_in_a_file_and_the_last_word_counts(page, server):
    down_file = server.feedback.with_name("feedback-down.jsonl")
    for file in (server.feedback, down_file):
        file.unlink(missing_ok=True)
    ask(page, "Which hotels need no approval?")
    card = page.locator(".docqa-turn").first.locator(".docqa-card").first
    up = card.get_by_role("button", name="This passage answers the question")
    down = card.get_by_role("button", name="This passage does not answer the question")
    up.focus()
    page.keyboard.press("Enter")
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#docqa-feedback [role=status]")).to_have_text("Feedback saved on this machine")
    expect(up).to_be_focused()
    photograph(page, "feedback-light")
    (line,) = map(json.loads, server.feedback.read_text(encoding="utf-8").splitlines())
    assert (line["question"], line["document"], line["answerable"], line["feedback"]) == (
        "Which hotels need no approval?",
        "travel.txt",
        True,
        "up",
    )
    assert POLICY[slice(*line["spans"][0])].endswith("Hotels up to 140 euro a night need no approval.")
    assert page.locator(".docqa-source").count() == 0

    down.click()
    expect(down).to_have_attribute("aria-pressed", "true")
    expect(up).to_have_attribute("aria-pressed", "false")
    assert server.feedback.read_text() == ""
    assert json.loads(down_file.read_text(encoding="utf-8"))["feedback"] == "down"
    ask(page, "How often is the vault password rotated?")  # the conversation is drawn anew
    expect(down).to_have_attribute("aria-pressed", "true")

    down.click()
    expect(page.locator("#docqa-feedback [role=status]")).to_have_text("Feedback taken back")
    expect(down).to_have_attribute("aria-pressed", "false")
    assert down_file.read_text() == ""


def test_feedback_that_cannot_be_kept_is_said_to_be_lost(page, server):
    server.feedback.unlink(missing_ok=True)
    server.feedback.mkdir()
    try:
        ask(page, "Which hotels need no approval?")
        up = page.get_by_role("button", name="This passage answers the question").first
        up.click()
        expect(page.locator("#docqa-feedback [role=alert]")).to_contain_text("The feedback cannot be saved in")
        expect(up).to_have_attribute("aria-pressed", "false")
        photograph(page, "feedback-problem-light")
        page.get_by_role("button", name="Dismiss").click()
        expect(page.locator("#docqa-feedback [role=alert]")).to_have_count(0)
    finally:
        server.feedback.rmdir()


def test_questions_asked_in_two_ways_at_once_both_get_their_answers(page):
    box = page.get_by_label("Your question")
    box.fill("How long does the battery last?")
    box.press("Enter")
    expect(box).to_have_value("")
    box.fill("Which hotels need no approval?")
    page.get_by_role("button", name="Ask", exact=True).click()

    expect(page.locator(".docqa-turn[data-state=done]")).to_have_count(2, timeout=30_000)
    expect(page.locator(".docqa-turn").first.locator("blockquote").first).to_contain_text("eleven hours")
    expect(last_answer(page).locator("blockquote").first).to_contain_text("Hotels up to 140 euro")


def test_hostile_documents_and_questions_are_only_shown(page):
    ask(page, "How often is the vault password rotated? <img src=x onerror=\"window.hacked = 'question'\">")
    page.locator(".docqa-card").first.click()
    expect(page.locator(".docqa-source .docqa-document")).to_contain_text("<script>window.hacked = 'script'</script>")

    expect(page.locator("#docqa-turns")).to_contain_text("${window.hacked = 1}` and {{value}}")
    assert page.locator("#docqa-columns img, #docqa-columns script").count() == 0
    assert page.evaluate("window.hacked") is None


def test_a_blank_question_is_not_asked(page):
    ask(page, "How long does the battery last?")
    page.get_by_label("Your question").fill("   ")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)

    assert page.locator(".docqa-question").all_text_contents() == ["You asked: How long does the battery last?"]


def test_questions_sent_faster_than_they_are_answered_are_neither_lost_nor_asked_twice(page):
    box = page.get_by_label("Your question")
    box.fill("How long does the battery last?")
    box.press("Enter")
    box.press("Enter")
    expect(page.locator(".docqa-turn")).to_have_count(1)
    box.fill("Which hotels need no approval?")
    box.press("Enter")
    expect(page.locator(".docqa-turn")).to_have_count(2, timeout=30_000)
    expect(last_answer(page).locator("blockquote").first).to_contain_text("Hotels up to 140 euro")

    assert page.locator(".docqa-question").all_text_contents() == [
        "You asked: How long does the battery last?",
        "You asked: Which hotels need no approval?",
    ]


def test_a_page_that_loses_its_connection_loads_itself_again_and_keeps_the_question(browser, server):
    page = browser.new_page()
    page.goto(server.url)
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    page.route("**/queue/data*", lambda route: route.abort(), times=1)
    box = page.get_by_label("Your question")
    with page.expect_navigation():
        box.fill("How long does the battery last?")
        box.press("Enter")
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    expect(box).to_have_value("How long does the battery last?")
    box.press("Enter")
    expect(page.locator(".docqa-turn")).to_have_attribute("data-state", "done", timeout=30_000)
    expect(page.locator(".docqa-question")).to_contain_text("How long does the battery last?")
    page.reload()
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    expect(box).to_have_value("")
    page.close()


def test_a_changed_document_is_noticed_and_embedded_again(page, server):
    ask(page, "What is the office plant called?")
    expect(last_answer(page).locator(".docqa-uncertain, .docqa-unanswered")).to_be_visible()
    (server.corpus / "plants.md").write_text("# Plants\n\nThe office plant is called Rosalind.\n", encoding="utf-8")
    (server.corpus / "travel.txt").write_text(POLICY + "\nTaxis are not refunded.\n", encoding="utf-8")

    notice = page.locator("#docqa-notice .docqa-notice")
    expect(notice).to_contain_text("1 document changed, 1 new.", timeout=15_000)
    photograph(page, "changed-light")
    notice.get_by_role("button", name="Re-embed").click()
    course = page.locator("#docqa-course .docqa-done")
    expect(course).to_contain_text("1 document changed, 1 new; ", timeout=30_000)
    expect(course).not_to_contain_text("photo.xyz")  # it was skipped before, too
    expect(page.locator(".docqa-status")).to_contain_text("5 documents · ")
    assert notice.count() == 0
    course.get_by_role("button", name="Dismiss").click()

    ask(page, "What is the office plant called?")
    expect(last_answer(page).locator("blockquote").first).to_have_text("The office plant is called Rosalind.")
    ask(page, "Are taxis refunded?")
    expect(last_answer(page).locator("mark").first).to_contain_text("Taxis are not refunded.")


def test_a_passage_that_moved_is_found_again_and_one_that_is_gone_is_said_to_be(page, server):
    fair = server.corpus / "fair.md"
    fair.write_text("# Fair\n\nThe summer fair opens at noon on Saturday.\n", encoding="utf-8")
    re_embed(page)
    ask(page, "When does the summer fair open?")
    fair.write_text("# Fair\n\nNew here.\n\nThe summer fair opens at noon on Saturday.\n", encoding="utf-8")
    re_embed(page)
    last_answer(page).locator(".docqa-card").first.click()
    expect(page.locator(".docqa-source .docqa-hint")).to_contain_text("the passage is shown where it stands now")
    expect(page.locator(".docqa-source mark")).to_have_text("The summer fair opens at noon on Saturday.")
    fair.unlink()
    re_embed(page)
    last_answer(page).locator(".docqa-card").first.click()
    expect(page.locator(".docqa-source .docqa-hint")).to_contain_text("This document is no longer in the index.")


def re_embed(page: Page) -> None:
    page.locator("#docqa-notice").get_by_role("button", name="Re-embed").click(timeout=15_000)
    done = page.locator("#docqa-course .docqa-done")
    expect(done).to_be_visible(timeout=30_000)
    done.get_by_role("button", name="Dismiss").click()
    expect(done).to_have_count(0)


def test_a_small_window_shows_the_source_over_the_conversation_and_never_scrolls_sideways(open_page):
    page = open_page(width=390, height=844)
    photograph(page, "welcome-narrow")
    ask(page, "How much does the Lumen S cost?")
    photograph(page, "answered-narrow")
    ask(page, "And how long is its warranty?")
    photograph(page, "follow-up-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator(".docqa-card").first.click()
    expect(page.locator(".docqa-source")).to_be_in_viewport(ratio=1)
    photograph(page, "source-narrow")

    assert page.evaluate("document.getElementById('docqa-left').inert") is True
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Close the source").click()
    expect(page.locator(".docqa-open").first).to_be_focused()
    assert page.evaluate("document.getElementById('docqa-left').inert") is False
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_page_is_dark_where_the_system_is_or_the_address_says_so(open_page, server):
    page = open_page(scheme="dark")
    photograph(page, "welcome-dark")
    ask(page, "How long does the battery last?")
    page.locator(".docqa-card").first.click()
    expect(page.locator(".docqa-source")).to_be_visible()
    photograph(page, "source-dark")
    ask(page, "Who painted the ceiling of the Sistine Chapel?")
    photograph(page, "unanswered-dark")
    ask(page, "What do bees make honey from?")
    ask(page, "And when do they swarm?")
    photograph(page, "follow-up-dark")

    chosen = open_page(url=f"{server.url}?__theme=dark")
    for dark in (page, chosen):
        assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(open_page, scheme, server):
    server.feedback.unlink(missing_ok=True)
    page = open_page(scheme=scheme)
    ask(page, "How long does the battery last?")
    page.locator(".docqa-card").first.click()
    page.get_by_role("button", name="This passage answers the question").first.click()
    ask(page, "Who painted the ceiling of the Sistine Chapel?")
    page.get_by_text("Show the closest passages").click()
    faint = page.evaluate(CONTRASTS)

    assert faint == []


CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const shade = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * shade(r / 255) + 0.7152 * shade(g / 255) + 0.0722 * shade(b / 255);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('[id^="docqa-"] *')) {
    const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
    if (!words.length || !element.checkVisibility() || element.matches('.sr-only, .docqa-unseen')) continue;
    const [one, two] = [parse(getComputedStyle(element).color), ground(element)].map(luminance).sort((a, b) => b - a);
    if ((one + 0.05) / (two + 0.05) < 4.5) faint.push(element.className + ': ' + words[0].textContent);
  }
  return faint;
}"""


@pytest.fixture
def empty_server(tmp_path):
    yield from serve(tmp_path, {})


def test_without_an_index_the_page_says_what_to_do_and_embeds_the_first_document(empty_server, open_page):
    page = open_page(url=empty_server.url)
    expect(page.locator(".docqa-welcome")).to_contain_text(
        "Drop your files on this page, or copy them into the corpus folder, corpus/."
    )
    ask(page, "Anything?")
    expect(last_answer(page).get_by_role("alert")).to_contain_text("No index in")
    expect(page.get_by_label("Your question")).to_have_value("Anything?")
    page.get_by_role("button", name="New conversation").click()
    (empty_server.corpus / "first.md").write_text("# First\n\nThe first document is short.\n", encoding="utf-8")
    expect(page.locator(".docqa-welcome")).to_contain_text("1 document waiting", timeout=15_000)
    photograph(page, "empty-light")
    page.locator(".docqa-welcome").get_by_role("button", name="Re-embed").click()
    expect(page.locator(".docqa-welcome")).to_contain_text("your 1 document with 1 passage", timeout=60_000)


def test_retrieval_is_offered_to_programs(server):
    client = Client(server.url, verbose=False, analytics_enabled=False)
    hits = client.predict("How long does the battery last?", 2, api_name="/retrieve")
    first = hits[0]
    start, end = first["span"]

    assert [hit["rank"] for hit in hits] == [1, 2]
    assert set(first) == {"rank", "score", "document", "title", "locator", "headings", "span", "text", "evidence"}
    assert (first["document"], first["title"]) == ("handbook.md", "Lumen Lamp handbook")
    assert HANDBOOK[start:end] == first["text"]
    assert HANDBOOK[slice(*first["evidence"][0])] == "A full charge lasts eleven hours at medium brightness."
    assert first["score"] > hits[1]["score"]
    with pytest.raises(AppError, match="blank"):
        client.predict(" ", 2, api_name="/retrieve")
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == {"/retrieve"}


def test_the_server_answers_to_its_own_names_only_and_keeps_the_page_at_home(server):
    with urlopen(server.url) as response:
        policy = response.headers["Content-Security-Policy"]
        config = json.loads(response.read().decode().split("window.gradio_config = ", 1)[1].split(";</script>", 1)[0])
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(server.url, headers={"Host": "elsewhere.example"}))
    refused.value.close()

    assert refused.value.code == 400
    assert policy.startswith("default-src 'self'; ")
    assert (config["analytics_enabled"], config["run_history"]) == (False, False)


def test_a_taken_port_is_said_to_be_taken(server):
    from docqa.chat import build_chat, launch

    chat = build_chat(corpus_dir=server.corpus, embeddings_dir=server.corpus.parent / "embeddings")
    with pytest.raises(PortInUseError) as taken:
        launch(chat, port=server.port)

    assert str(taken.value) == (
        f"cannot serve the chat on 127.0.0.1, port {server.port}: something else uses the port; "
        "choose another with --host or --port"
    )
