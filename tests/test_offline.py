"""With the network cut off, everything works."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import write_corpus
from test_chat_documents import await_sync, remove, show_documents, upload
from test_chat_page import HANDBOOK, Server, ask, browser, serve  # noqa: F401
from test_chat_pages import LIGHTHOUSE

SCRIPT = """
import socket, sys

def refuse(self, address, *rest):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "localhost", "::1"):
        print("CONNECTED", address, flush=True)
        raise OSError("the network is cut off")
    return connect(self, address, *rest)

def refuse_name(host, *rest, **options):
    if host not in (None, "", b"", "127.0.0.1", "localhost", "::1", "0.0.0.0"):
        print("LOOKED UP", host, flush=True)
        raise OSError("the network is cut off")
    return look_up(host, *rest, **options)

connect, look_up = socket.socket.connect, socket.getaddrinfo
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse_name
"""

ENGINE = """
import docqa
docqa.sync(sys.argv[1], sys.argv[2])
print(docqa.ask("When was the bridge built?", embeddings_dir=sys.argv[2]).quotes[0].text)
"""

CHAT = """
import threading
from gradio_client import Client
import docqa
from docqa.chat import build_chat, launch

docqa.sync(sys.argv[1], sys.argv[2])
page = build_chat(corpus_dir=sys.argv[1], embeddings_dir=sys.argv[2])
threading.Thread(target=launch, args=[page], kwargs={"port": int(sys.argv[3])}, daemon=True).start()
for attempt in range(100):
    try:
        client = Client(f"http://127.0.0.1:{sys.argv[3]}", verbose=False)
        break
    except Exception:
        import time
        time.sleep(0.2)
print(client.predict("When was the bridge built?", 1, api_name="/retrieve")[0]["text"])
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", {"bridge.txt": "The bridge was built in 1887."})


def run(script: str, *arguments: str) -> list[str]:
    """Run a script in a process that cannot reach beyond this machine; list what it printed."""
    # without HF_HUB_OFFLINE: docqa itself has to keep quiet
    environment = {"PATH": "/usr/bin:/bin", "DOCQA_CACHE": f"{arguments[1]}-cache"}
    command = [sys.executable, "-c", SCRIPT + script, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.splitlines() if not line.startswith("docqa chat:")]


def test_sync_and_ask_without_a_network(corpus: Path, store: Path) -> None:
    assert run(ENGINE, str(corpus), str(store)) == ["The bridge was built in 1887."]


def test_chat_without_a_network(corpus: Path, store: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run(CHAT, str(corpus), str(store), str(port)) == ["The bridge was built in 1887."]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("session"), {"handbook.md": HANDBOOK, "lighthouse.pdf": LIGHTHOUSE})


def test_a_whole_session_in_the_browser_asks_this_machine_only(server: Server, browser: Browser) -> None:  # noqa: F811
    seen: list[str] = []
    context = browser.new_context(accept_downloads=True, color_scheme="dark")
    context.on("request", lambda request: seen.append(request.url))
    page = context.new_page()
    page.on("websocket", lambda socket: seen.append(socket.url))
    page.on("worker", lambda worker: seen.append(worker.url))
    page.goto(server.url)
    use_everything(page)
    context.close()
    elsewhere = {url for url in seen if not url.startswith((server.url, f"blob:{server.url}", "data:"))}
    assert elsewhere == set()
    paths = {url.removeprefix(server.url).partition("?")[0] for url in seen}
    assert {"", "theme.css", "docqa/documents", "gradio_api/queue/join"} <= paths


def use_everything(page: Page) -> None:
    """Ask, open a source and a page of a PDF, vote, copy, look at the documents, add one, remove it, take all home."""
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
    ask(page, "How long does the battery last?")
    page.locator(".docqa-card .docqa-open").first.click()
    expect(page.locator(".docqa-source .docqa-document")).to_contain_text("eleven hours")
    page.locator(".docqa-thumb").first.click()
    page.locator(".docqa-copy").first.click()
    page.emulate_media(color_scheme="light")
    ask(page, "When was the lamp of the lighthouse lit for the first time?")
    page.locator(".docqa-turn").last.locator(".docqa-card .docqa-open").first.click()
    expect(page.locator("#docqa-picture img")).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as Markdown").click()
    assert "1824" in download.value.path().read_text("utf-8")
    page.keyboard.press("Escape")
    show_documents(page)
    upload(page, ("plants.md", "# Plants\n\nThe office plant is called Rosalind.\n"))
    await_sync(page)
    remove(page, "plants.md")
    await_sync(page)
    page.get_by_role("tab", name="Chat").click()
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".docqa-welcome")).to_be_visible()
    page.reload()
    expect(page.locator(".docqa-welcome")).to_be_visible(timeout=30_000)
