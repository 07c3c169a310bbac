"""The Documents tab: what it shows, what it changes, and that nobody else can."""

import gc
import json
import queue
import re
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

import docqa
from conftest import BEES, CAKE, FakeEmbedder
from docqa.chat import is_loopback
from docqa.chat.guarding.health import Health
from docqa.chat.library import READ_ONLY, Library
from docqa.chat.rendering import render_desk, render_listing, render_notice, render_sync, render_tabs, render_welcome
from docqa.chat.rendering.documents import MOST_LISTED
from docqa.chat.state import Overview, SyncState
from docqa.store import read_manifest, write_lock
from docqa.types import CorpusDiff, IndexedDocument, SkippedDocument, StoreSummary, SyncReport
from docqa.watching import Watcher
from format_files import docx, word
from test_chat_page import CONTRASTS, Server, ask, browser, last_answer, open_page, photograph, serve  # noqa: F401
from test_chat_rendering import HOSTILE, Reading

LONG_AGO = datetime(2001, 9, 9, 12, 0, tzinfo=UTC)
SUMMARY = StoreSummary("1", "small-model", 2, 1204, LONG_AGO, (SkippedDocument("a.bin", "not text"),))
OVERVIEW = Overview(
    SUMMARY,
    (IndexedDocument("b.md", "Beta", (), 1), IndexedDocument("notes/a.pdf", "Alpha", (), 1203, 12)),
    CorpusDiff(("new.txt",), ("b.md",), ("notes/a.pdf",), ()),
    changed={"b.md": LONG_AGO},
)


# What is shown


def actions(html: str) -> list[str | None]:
    return Reading(html).attributes("data-action")


def test_every_document_is_listed_with_what_is_known_of_it():
    text = Reading(render_listing(OVERVIEW)).text
    assert "2 documents with 1,204 passages, indexed 9 September 2001 at " in text
    assert re.search(r"Beta Changed on diskb\.mdMarkdown · 1 passage · changed 9 September 2001 at \d\d:\d\d", text)
    assert "Alpha Deleted on disknotes/a.pdfPDF · 12 pages · 1,203 passages" in text
    assert "new.txt New, not embedded yetPlain text" in text
    assert text.endswith("1 file skippeda.binnot textRemove")


def test_a_document_read_in_part_is_not_called_skipped_and_is_removed_where_it_is_listed():
    part = SkippedDocument("b.md", "page 2 is damaged", in_part=True)
    reading = Reading(render_listing(replace(OVERVIEW, summary=replace(SUMMARY, skipped=(part, *SUMMARY.skipped)))))
    assert reading.text.endswith("1 file skippeda.binnot textRemove1 file read in partb.mdpage 2 is damaged")
    removing = [one["data-document"] for tag, one in reading.elements if one.get("data-action") == "confirm"]
    assert removing == ["b.md", "new.txt", "a.bin"]


def test_documents_are_listed_by_name_and_what_is_indexed_can_be_opened_and_what_is_there_removed():
    reading = Reading(render_listing(OVERVIEW))
    assert reading.attributes("data-path") == ["b.md", "new.txt", "notes/a.pdf"]
    buttons = [(one["data-action"], one["data-document"]) for tag, one in reading.elements if tag == "button"]
    assert buttons == [
        ("document", "b.md"),
        ("confirm", "b.md"),
        ("confirm", "new.txt"),
        ("document", "notes/a.pdf"),
        ("confirm", "a.bin"),
    ]
    assert reading.attributes("aria-label") == ["Remove b.md", "Remove new.txt", "Remove a.bin"]


def test_a_page_that_is_read_only_offers_nothing_that_changes_anything():
    overview = replace(OVERVIEW, read_only=True)
    empty = Overview(changes=CorpusDiff((), (), (), ()), read_only=True)
    desk = render_desk(frozenset({".md"}), 1, read_only=True)
    pages = [render_listing(overview), render_notice(overview), render_welcome(empty), desk, render_listing(empty)]
    assert set().union(*map(actions, pages)) == {"document"}
    assert "input" in Reading(desk).tags()
    assert "file" not in Reading(desk).attributes("type")
    assert "Run docqa sync" in Reading(pages[2]).text
    assert "No documents yet: copy files into the corpus folder." in Reading(pages[4]).text


def test_without_documents_the_list_says_how_to_begin():
    assert "No documents yet: drop files here." in Reading(render_listing(Overview())).text


def test_the_desk_says_what_may_be_added():
    reading = Reading(render_desk(frozenset({".txt", ".md"}), 50_000_000, read_only=False))
    assert "Up to 50 MB each: Markdown, Plain text" in reading.text
    assert reading.attributes("accept") == [".md,.txt"]
    assert reading.attributes("data-most") == ["50000000"]
    assert {"sync", "choose", "clear"} == set(reading.attributes("data-action"))


def test_the_tabs_are_tabs():
    reading = Reading(render_tabs())
    assert reading.attributes("role") == ["tablist", "tab", "tab"]
    assert reading.attributes("aria-selected") == ["true", "false"]
    assert reading.attributes("aria-controls") == ["docqa-talk", "docqa-documents"]


def test_a_very_long_list_is_cut_and_says_so():
    documents = tuple(IndexedDocument(f"{n:05}.md", "x", (), 1) for n in range(MOST_LISTED + 2))
    reading = Reading(render_listing(Overview(SUMMARY, documents)))
    assert len(reading.attributes("data-path")) == MOST_LISTED
    assert "and 2 more documents, by name after these" in reading.text


def test_hostile_names_and_titles_stay_words():
    hostile = Overview(
        replace(SUMMARY, model=HOSTILE, skipped=(SkippedDocument(HOSTILE, HOSTILE),)),
        (IndexedDocument(f"{HOSTILE}.<b>", HOSTILE, (), 1),),
        CorpusDiff((f"new {HOSTILE}",), (), (), ()),
    )
    reading = Reading(render_listing(hostile))
    assert reading.tags() <= {"section", "p", "ul", "li", "div", "span", "bdi", "button", "h3"}
    assert reading.attributes("data-path") == [f"{HOSTILE}.<b>", f"new {HOSTILE}"]
    assert reading.text.count(HOSTILE) == 6


def test_where_changes_are_embedded_on_their_own_the_notice_offers_nothing():
    watched = replace(OVERVIEW, watched=True)
    reading = Reading(render_notice(watched))
    assert reading.text == "1 document changed, 1 new, 1 removed. Being embedded…"
    assert actions(render_notice(watched)) == []
    assert render_notice(replace(watched, changes=CorpusDiff((), (), (), ()))) == ""
    assert "Wait a moment while they are embedded" in Reading(render_welcome(Overview(watched=True))).text


def test_what_keeps_a_change_from_being_embedded_is_said_with_a_way_to_try_again():
    reading = Reading(render_notice(replace(OVERVIEW, watched=True, problem="The disk is full.")))
    assert reading.text == "The disk is full.Re-embed"


def test_a_change_that_waits_for_another_says_so():
    assert "Another change is being made; yours comes next" in Reading(render_sync(SyncState(waiting=True))).text


# What is changed


@pytest.fixture
def library(corpus: Path, store: Path, fake) -> Library:
    library = Library(corpus, store, fake)
    assert list(library.sync())[-1].report
    return library


def traces(store: Path, *words: bytes) -> list[str]:
    """List the files of a store that hold words in the clear."""
    found = [file for file in store.rglob("*") if file.is_file()]
    return [str(file.relative_to(store)) for file in found if any(word in file.read_bytes() for word in words)]


def test_a_sync_does_not_keep_a_stopping_chat_and_the_index_stays(
    library: Library, corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
):
    at_work, go_on, before = threading.Event(), threading.Event(), read_manifest(store)

    def embed(*arguments):
        at_work.set()
        go_on.wait(60)
        return type(fake).embed_passages(fake, *arguments)

    monkeypatch.setattr(fake, "embed_passages", embed, raising=False)
    (corpus / "plant.md").write_text("The office plant is called Rosalind.")
    syncing = threading.Thread(target=lambda: list(library.sync()), daemon=True)
    syncing.start()
    assert at_work.wait(60)
    library.stopping.set()
    syncing.join(60)
    assert not syncing.is_alive()
    go_on.set()
    with library.turn:
        assert read_manifest(store) == before


def test_the_last_document_that_can_be_read_is_removed_from_the_index(library: Library, corpus: Path, store: Path):
    (corpus / "chat.docx").write_bytes(b"no words")
    for path in ("bridge.txt", "cake.md", "notes/bees.md"):
        assert list(library.sync(without=path))[-1].problem == ""
    assert read_manifest(store).documents == {}
    assert not traces(store, b"sponge", b"honey")


def test_an_added_document_is_found_after_a_sync(library: Library):
    added = library.add("../up/Rosalind.md", b"The office plant is called Rosalind.\n")
    assert (added.path, added.problem) == ("Rosalind.md", "")
    assert library.overview().changes.added == ("Rosalind.md",)
    assert list(library.sync())[-1].report.diff.added == ("Rosalind.md",)
    assert "Rosalind.md" in [document.path for document in library.overview().documents]


def test_what_cannot_be_added_comes_back_with_the_reason(library: Library):
    assert library.add("run.exe", b"x").problem.startswith("docqa does not read .exe; save it in ")
    assert library.add("cake copy.md", b"").problem == "the file is empty"
    assert library.add("cake.md", CAKE.encode()).problem == "it is there already, as 'cake.md'"


def test_a_removed_document_leaves_no_trace_in_the_index(library: Library, store: Path):
    words = (b"nectar", b"Keeping bees", b"bees.md")
    assert traces(store, *words)
    report = list(library.sync(without="notes/bees.md"))[-1].report
    assert report.diff.removed == ("notes/bees.md",)
    assert not (library.corpus_dir / "notes" / "bees.md").exists()
    assert traces(store, *words) == []
    assert len(list(store.glob("generation-*"))) == 1
    assert "notes/bees.md" not in [document.path for document in library.overview().documents]
    hits = library.retriever().retrieve("Bees make honey from nectar.", 10)
    assert {hit.passage.document for hit in hits} == {"cake.md", "bridge.txt"}


def test_the_last_document_can_be_removed_too(library: Library, store: Path):
    for path in ("cake.md", "bridge.txt", "notes/bees.md"):
        assert list(library.sync(without=path))[-1].report
    assert traces(store, b"nectar", b"sponge", b"bridge") == []
    assert library.overview().documents == ()


def test_a_skipped_file_can_be_removed(library: Library, store: Path):
    (library.corpus_dir / "photo.xyz").write_text("x")
    assert list(library.sync())[-1].report.skipped
    assert list(library.sync(without="photo.xyz"))[-1].report.skipped == ()
    assert traces(store, b"photo.xyz") == []


@pytest.mark.parametrize("path", ["../outside.md", "/etc/passwd", "gone.md"])
def test_what_is_no_document_is_not_removed_and_nothing_is_synced(library: Library, path: str):
    (library.corpus_dir.parent / "outside.md").write_text("x")
    (library.corpus_dir / "new.md").write_text("Something new is here.")
    assert list(library.sync(without=path))[-1].problem.startswith(f"Cannot remove '{path}'")
    assert (library.corpus_dir.parent / "outside.md").exists()
    assert library.overview().changes.added == ("new.md",)


def test_a_library_that_is_watched_says_so_and_finds_what_the_watch_embedded(corpus: Path, store: Path, fake):
    reports: queue.Queue[SyncReport] = queue.Queue()
    watcher = Watcher(corpus, store, sync=partial(docqa.sync, embedder=fake), on_report=reports.put)
    library = Library(corpus, store, fake, watcher=watcher)
    assert (library.overview().watched, library.overview().problem) == (True, "")
    watcher.problem = "no documents in 'corpus'; copy some"
    assert library.overview().problem == "No documents in 'corpus'; copy some"
    with watcher.in_background():
        reports.get(timeout=120)
        assert library.retriever().retrieve("Bees make honey.", 1)[0].passage.document == "notes/bees.md"
        (corpus / "plant.md").write_text("The office plant is called Rosalind.")
        reports.get(timeout=120)
        assert library.retriever().retrieve("the office plant", 1)[0].passage.document == "plant.md"
    assert not library.overview().changes
    assert library.overview().problem == ""


def test_damage_that_opening_does_not_see_is_found_and_shown(
    library: Library, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for module in ("docqa.store.checking", "docqa.chat.library"):
        monkeypatch.setattr(f"{module}.CHECKED_ON_OPENING", 0)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    (file,) = store.glob("generation-*/tokens.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    health = Health(library)
    health._load()
    remedy = f"run 'docqa sync --embeddings {store}' to rebuild it"
    problem = f"he index in '{store}' cannot be used: tokens.npy is not as it was written; {remedy}"
    assert health.why_not_ready() == "the index is damaged"
    assert library.overview().problem == f"T{problem}"
    assert caplog.messages == [f"t{problem}"]
    assert list(library.sync())[-1].problem == ""
    assert (health.why_not_ready(), library.overview().problem) == ("", "")


def test_nothing_is_removed_while_another_program_syncs(library: Library, store: Path):
    with write_lock(store):
        problem = list(library.sync(without="cake.md"))[-1].problem
    assert problem.startswith("Another sync is writing")
    assert (library.corpus_dir / "cake.md").exists()


def test_changes_are_made_one_after_the_other_while_questions_are_answered(library: Library):
    states: list[SyncState] = []
    with library.turn:
        waiting = threading.Thread(target=lambda: states.extend(library.sync(without="cake.md")))
        waiting.start()
        waiting.join(0.5)
        assert [state.waiting for state in states] == [True]
        assert library.retriever().ask("sponge cake").hits[0].passage.document == "cake.md"
        assert (library.corpus_dir / "cake.md").exists()
    waiting.join(30)
    assert states[-1].report.diff.removed == ("cake.md",)


def test_a_library_that_is_read_only_changes_nothing(library: Library):
    closed = replace(library, read_only=True)
    assert closed.add("new.md", b"words").problem == READ_ONLY
    assert [state.problem for state in closed.sync(without="cake.md")] == [READ_ONLY]
    assert [state.problem for state in closed.sync()] == [READ_ONLY]
    assert closed.overview().read_only
    assert sorted(file.name for file in closed.corpus_dir.iterdir()) == ["bridge.txt", "cake.md", "notes"]


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False)])
def test_only_this_machine_reaches_a_loopback_address(host: str, own: bool):
    assert is_loopback(host) is own


# The server


def post(server: Server, path: str, body: bytes = b"words", **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", path, body, given)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def in_corpus(server: Server) -> list[str]:
    return sorted(str(file.relative_to(server.corpus)) for file in server.corpus.rglob("*"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from serve(tmp_path_factory.mktemp("documents"), {"bees.md": BEES, "cake.md": CAKE, "photo.xyz": "x"})


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    documents = {"bees.md": BEES, "cake.md": CAKE}
    yield from serve(tmp_path_factory.mktemp("closed"), documents, allow_edits=False)


def test_a_file_larger_than_allowed_is_refused_whether_or_not_it_says_so(server: Server):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/docqa/documents?name=large.md")
    connection.putheader("Content-Length", "50000001")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()

    before = in_corpus(server)
    chunks = (b"x" * 1_000_000 for _ in range(51))
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    status = 413
    with suppress(ConnectionError):  # the server need not wait for the rest
        connection.request("POST", "/docqa/documents?name=large.md", chunks, encode_chunked=True)
        status = connection.getresponse().status
    connection.close()
    assert status == 413
    assert in_corpus(server) == before


def test_pages_of_other_sites_are_refused(server: Server):
    before = in_corpus(server)
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        for path in ("/docqa/documents?name=evil.md", "/gradio_api/queue/join"):
            assert post(server, path, **headers) == (403, "pages of other sites cannot use this chat")
    assert in_corpus(server) == before


def test_gradio_takes_no_files_of_its_own(server: Server):
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\nwords\r\n--x--\r\n'
    for path in ("/gradio_api/upload", "/gradio_api/component_server", "/gradio_api/process_recording"):
        answer = post(server, path, form, Content_Type="multipart/form-data; boundary=x")
        assert answer == (404, "there is nothing here")


def test_a_read_only_chat_refuses_changes_that_are_asked_of_it_directly(closed: Server):
    status, said = post(closed, "/docqa/documents?name=new.md")
    assert (status, json.loads(said)["problem"]) == (403, READ_ONLY)
    for number in range(60):
        event = {"fn_index": number, "session_hash": "s", "data": [], "event_data": {"document": "cake.md"}}
        post(closed, "/gradio_api/queue/join", json.dumps(event).encode(), Content_Type="application/json")
        post(closed, "/gradio_api/run/predict", json.dumps(event).encode(), Content_Type="application/json")
    assert in_corpus(closed) == ["bees.md", "cake.md"]
    assert events(closed).isdisjoint({"sync", "added", "remove"})


def test_the_events_that_change_documents_are_for_the_page_alone(server: Server):
    assert events(server) >= {"sync", "added", "remove"}
    with urlopen(f"{server.url}gradio_api/info") as response:
        assert list(json.load(response)["named_endpoints"]) == ["/retrieve"]


def events(server: Server) -> set[str]:
    """Name the events that a server takes from its page."""
    with urlopen(f"{server.url}config") as response:
        config = json.load(response)
    return {target[1] for dependency in config["dependencies"] for target in dependency["targets"]}


# The page


@pytest.fixture
def page(open_page) -> Page:  # noqa: F811
    opened = open_page()
    show_documents(opened)
    return opened


def show_documents(page: Page) -> None:
    page.get_by_role("tab", name="Documents").click()
    expect(page.locator(".docqa-listing")).to_be_visible()


def upload(page: Page, *files: tuple[str, str]) -> None:
    chosen = [{"name": name, "mimeType": "text/markdown", "buffer": text.encode()} for name, text in files]
    page.locator(".docqa-zone input").set_input_files(chosen)
    expect(page.locator(".docqa-uploads progress")).to_have_count(0, timeout=30_000)


def await_sync(page: Page) -> None:
    done = page.locator("#docqa-course .docqa-done")
    expect(done).to_be_visible(timeout=30_000)
    done.get_by_role("button", name="Dismiss").click()
    expect(done).to_have_count(0)


def remove(page: Page, path: str) -> None:
    page.get_by_role("button", name=f"Remove {path}", exact=True).click()
    page.get_by_role("button", name="Remove it").click()


def test_an_uploaded_document_is_asked_and_gone_from_the_answers_once_it_is_removed(page, server):
    upload(page, ("plants.md", "# Plants\n\nThe office plant is called Rosalind.\n"))
    expect(page.locator(".docqa-uploads")).to_contain_text("plants.md✓ Added")
    await_sync(page)
    expect(page.locator(".docqa-rows").first).to_contain_text("Plantsplants.mdMarkdown · 1 passage · changed today at")
    photograph(page, "documents-light")
    page.get_by_role("button", name="Plants", exact=True).click()
    expect(page.locator(".docqa-source .docqa-document")).to_contain_text("Rosalind")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Plants", exact=True)).to_be_focused()
    page.get_by_role("tab", name="Chat").click()
    ask(page, "What is the office plant called?")
    expect(last_answer(page).locator("blockquote").first).to_have_text("The office plant is called Rosalind.")

    page.get_by_role("tab", name="Documents").click()
    page.get_by_role("button", name="Remove plants.md").click()
    expect(page.locator(".docqa-confirm")).to_contain_text("The file plants.md is deleted from the corpus folder")
    photograph(page, "documents-confirm-light")
    page.get_by_role("button", name="Keep it").click()
    assert (server.corpus / "plants.md").exists()
    remove(page, "plants.md")
    await_sync(page)
    expect(page.get_by_role("button", name="Remove plants.md")).to_have_count(0)
    assert not (server.corpus / "plants.md").exists()
    assert traces(server.corpus.parent / "embeddings", b"Rosalind", b"plants.md") == []
    page.get_by_role("tab", name="Chat").click()
    ask(page, "What is the office plant called?")
    expect(last_answer(page)).not_to_contain_text("Rosalind")


def test_an_uploaded_word_document_is_asked(page, server):
    data = docx(word("Plants", "Heading1") + word("The cactus in the kitchen is called Ignatius."))
    chosen = {"name": "plants.docx", "mimeType": "application/octet-stream", "buffer": data}
    page.locator(".docqa-zone input").set_input_files([chosen])
    await_sync(page)
    expect(page.locator(".docqa-rows").first).to_contain_text("plants.docxWord · 1 passage")
    page.get_by_role("tab", name="Chat").click()
    ask(page, "What is the cactus in the kitchen called?")
    expect(last_answer(page).locator("blockquote").first).to_have_text("The cactus in the kitchen is called Ignatius.")
    page.get_by_role("tab", name="Documents").click()
    remove(page, "plants.docx")
    await_sync(page)


def test_hostile_names_and_oversized_files_do_no_harm(page, server):
    before = in_corpus(server)
    page.locator(".docqa-zone").evaluate("""zone => {
      const files = new DataTransfer();
      files.items.add(new File(['Oranges are picked in January.'], '../..\\\\<img src=x onerror=hacked=1>\\u202e.md'));
      files.items.add(new File(['x'], 'run.exe'));
      files.items.add(new File([], 'empty.md'));
      files.items.add(new File([new Uint8Array(50000001)], 'large.txt'));
      zone.dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true}));
    }""")
    uploads = page.locator(".docqa-uploads li")
    expect(uploads).to_have_count(4)
    expect(uploads.nth(0)).to_contain_text("✓ Added as “_img src=x onerror=hacked=1_.md”")
    expect(uploads.nth(1)).to_contain_text("✗ Not added: docqa does not read .exe; save it in ")
    expect(uploads.nth(2)).to_contain_text("✗ Not added: the file is empty")
    expect(uploads.nth(3)).to_contain_text("✗ Not added: it is larger than the 50 MB docqa reads; divide it")
    expect(page.locator("#docqa-announcer")).to_have_text("1 of 4 files added")
    photograph(page, "documents-problems-light")
    await_sync(page)
    added = sorted({*in_corpus(server)} - {*before})
    assert added == ["_img src=x onerror=hacked=1_.md"]
    assert page.evaluate("window.hacked") is None
    page.get_by_role("button", name="Clear").click()
    expect(uploads).to_have_count(0)
    remove(page, added[0])
    await_sync(page)
    assert in_corpus(server) == before


def test_why_a_file_is_refused_before_it_is_looked_at_is_said(browser, server):  # noqa: F811
    page = browser.new_page()
    page.goto(server.url)
    show_documents(page)
    page.route("**/docqa/documents?*", lambda route: route.fulfill(status=401, json={"detail": "log in first"}))
    upload(page, ("new.md", "New."))
    expect(page.locator(".docqa-uploads li")).to_have_text("new.md✗ Not added: log in first")
    page.close()


def test_documents_are_searched_and_sorted(page):
    titles = page.locator("#docqa-listing .docqa-rows").first.locator(".docqa-link:visible")
    expect(titles).to_have_text(["Keeping bees", "Baking"])
    page.get_by_label("Sort by").select_option("Title")
    expect(titles).to_have_text(["Baking", "Keeping bees"])
    page.keyboard.press("Escape")
    page.locator("#docqa-documents-title").focus()
    page.keyboard.press("/")
    expect(page.get_by_label("Search the documents")).to_be_focused()
    page.keyboard.type("BEES keep")
    expect(titles).to_have_text(["Keeping bees"])
    expect(page.locator(".docqa-found")).to_have_text("1 of 2 documents")


def test_everything_can_be_done_with_the_keyboard(page, server):
    tab = page.get_by_role("tab", name="Documents")
    tab.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Chat")).to_be_focused()
    expect(page.get_by_label("Your question")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(tab).to_be_focused()
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel", name="Documents")).to_be_visible()
    button = page.get_by_role("button", name="Remove cake.md")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    assert (server.corpus / "cake.md").exists()


def test_many_documents_stay_readable_in_a_small_dark_window(open_page, server):  # noqa: F811
    page = open_page(width=390, height=844, scheme="dark")
    show_documents(page)
    for number in range(300):
        (server.corpus / f"note {number}.md").write_text(
            f"# Note {number}\n\nNote {number} is about number {number}.\n"
        )
    try:
        expect(page.locator(".docqa-row")).to_have_count(303, timeout=20_000)
        photograph(page, "documents-many-narrow-dark")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_label("Search the documents").fill("note 17")
        expect(page.locator(".docqa-found")).to_have_text("13 of 302 documents")
        assert page.evaluate(CONTRASTS) == []
    finally:
        for number in range(300):
            (server.corpus / f"note {number}.md").unlink()


def test_a_read_only_page_shows_documents_and_no_way_to_change_them(closed, open_page):  # noqa: F811
    page = open_page(url=closed.url)
    show_documents(page)
    expect(page.locator(".docqa-row")).to_have_count(2)
    photograph(page, "documents-read-only-light")
    assert page.locator(".docqa-zone, .docqa-remove, [data-action=sync]").count() == 0
    page.get_by_role("button", name="Keeping bees").click()
    expect(page.locator(".docqa-source .docqa-document")).to_contain_text("Bees make honey from nectar.")
