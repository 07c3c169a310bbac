"""Put the web chat under load: many users who log in, open the page, ask, look and ask again, for a given time.

Most of them send what the page sends; some (``--browsers``) use the page itself, in a real Chromium.

After some questions a user begins a new conversation, so that what grows is not what the chat keeps of conversations.

A chat is started with the project's own corpus (or ``--corpus``) and the real model; each user has an account of their
own. What is reported: failures, what was told to come back, latencies, and how the server's memory grew.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as BrowserError

from docqa.chat.guarding.passwords import write_hash

ROOT = Path(__file__).parents[1]
QUESTIONS = (
    "How do I add my own documents?",
    "What happens when a document changes?",
    "Who leads the Three Seas Initiative?",
    "Why can Russia no longer subsidise oil for Belarus?",
    "What is the capital of Australia?",
)
THINKING = 8.0
"""How many seconds a user reads before the next question, on average."""
TURNS = 10
"""How many questions a conversation has, unless ``--turns`` says otherwise."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
BUSY = (429, 503)
"""What a client is told that should come back later; no failure, but counted."""


@dataclass
class Figures:
    """What the users met."""

    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {"question": [], "look": [], "restart": [], "page": [], "browser": []}
    )
    failures: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Events:
    """The numbers by which the page calls Python."""

    ask: int
    look: int
    restart: int

    @classmethod
    def of(cls, config: dict[str, object]) -> "Events":
        """Find them in the page's configuration."""
        named = {event["api_name"]: event for event in config["dependencies"]}  # type: ignore[attr-defined]
        return cls(named["ask"]["id"], named["look_1"]["id"], named["restart"]["id"])


def main() -> None:
    """Run the load and print what came of it; exit code 1 when a request failed."""
    options = _options()
    with _chat(Path(options.corpus), options.users + options.browsers) as (url, password, process):
        figures = asyncio.run(_run(url, password, process.pid, options))
    report = _report(figures, options)
    print(json.dumps(report, indent=2))
    sys.exit(1 if report["failed"] else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--browsers", type=int, default=5, help="users of the page itself (%(default)s)")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--turns", type=int, default=TURNS, help="questions in a conversation (%(default)s)")
    parser.add_argument("--corpus", default=str(ROOT / "corpus"))
    return parser.parse_args()


@contextmanager
def _chat(corpus: Path, users: int) -> Iterator[tuple[str, str, "subprocess.Popen[bytes]"]]:
    """Start a chat with a login and yield its address, the password and the process."""
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        write_hash(Path(folder) / "load.hash", password)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, "-m", "docqa", "chat", "--port", str(port), "--corpus", str(corpus)]
        command += ["--embeddings", f"{folder}/embeddings", "--no-allow-edits"]
        command += [f"--auth=user{number}:{folder}/load.hash" for number in range(users)]
        with subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}) as process:
            url = f"http://127.0.0.1:{port}"
            try:
                _await_ready(url, process)
                yield url, password, process
            finally:
                process.terminate()


def _await_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit("the chat did not become ready within three minutes")


async def _run(url: str, password: str, pid: int, options: argparse.Namespace) -> Figures:
    figures, end = Figures(), time.monotonic() + options.seconds
    watcher = asyncio.create_task(_watch(pid, figures, end))
    # they come one after the other over the first tenth of the time, as people do
    arrivals = enumerate(options.seconds / 10 * number / options.users for number in range(options.users))
    await asyncio.gather(
        *(_user(url, f"user{number}", password, figures, arrival, end, options.turns) for number, arrival in arrivals),
        _browse(url, password, figures, end, options),
    )
    await watcher
    return figures


async def _watch(pid: int, figures: Figures, end: float) -> None:
    began = time.monotonic()
    while time.monotonic() < end:
        figures.memory.append((time.monotonic() - began, _resident_mb(pid)))
        await asyncio.sleep(1.0)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _user(url: str, name: str, password: str, figures: Figures, arrival: float, end: float, turns: int) -> None:
    await asyncio.sleep(arrival)
    session = secrets.token_hex(6)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=6)) as client:
        while (await client.post("/login", data={"username": name, "password": password})).status_code in BUSY:
            await asyncio.sleep(1)
        began = time.perf_counter()
        await client.get("/")
        events = Events.of((await client.get("/config")).json())
        figures.seconds["page"].append(time.perf_counter() - began)
        for asked in count():
            if time.monotonic() > end:
                return
            if asked and asked % turns == 0:
                await _timed(figures, "restart", _event(client, events.restart, [None], session))
            await _timed(figures, "look", _event(client, events.look, [None], session))
            question = random.choice(QUESTIONS)
            given: list[object] = [None, question, True]
            await _timed(figures, "question", _event(client, events.ask, given, session, expected=question))
            await asyncio.sleep(min(random.expovariate(1 / THINKING), 30.0))


async def _browse(url: str, password: str, figures: Figures, end: float, options: argparse.Namespace) -> None:
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    names = [f"user{options.users + number}" for number in range(options.browsers)]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        pages = (_use_page(browser, url, name, password, figures, end, options.turns) for name in names)
        await asyncio.gather(*pages)
        await browser.close()


async def _use_page(
    browser: Browser, url: str, name: str, password: str, figures: Figures, end: float, turns: int
) -> None:
    page = await browser.new_page()
    shown = page.locator("article.docqa-turn")
    try:
        await page.goto(url)
        await _log_in(page, name, password, figures)
        while time.monotonic() < end:
            await page.locator("textarea").first.wait_for()
            for asked in range(turns):
                began = time.perf_counter()
                await page.locator("textarea").first.fill(random.choice(QUESTIONS))
                await page.keyboard.press("Enter")
                await page.locator("article.docqa-turn[data-state=done]").nth(asked).wait_for()
                figures.seconds["browser"].append(time.perf_counter() - began)
                await asyncio.sleep(min(random.expovariate(1 / THINKING), 30.0))
                if time.monotonic() > end:
                    return
            await page.get_by_role("button", name="New conversation").click()
            await shown.first.wait_for(state="detached")
    except BrowserError as problem:
        figures.failures[f"browser: {str(problem).splitlines()[0]}"] += 1


async def _log_in(page: Page, name: str, password: str, figures: Figures) -> None:
    while True:
        await page.fill("#username", name)
        await page.fill("#password", password)
        async with page.expect_navigation() as navigation:
            await page.press("#password", "Enter")
        answered = await navigation.value
        if answered is None or answered.status not in BUSY:
            return
        figures.busy += 1
        await asyncio.sleep(1)


async def _timed(figures: Figures, kind: str, event: "asyncio.Future[str] | object") -> None:
    began = time.perf_counter()
    try:
        outcome = await event  # type: ignore[misc]
    except httpx.HTTPError as problem:
        outcome = type(problem).__name__
    if outcome == "busy":
        figures.busy += 1
    elif outcome:
        figures.failures[f"{kind}: {outcome}"] += 1
    else:
        figures.seconds[kind].append(time.perf_counter() - began)


async def _event(client: httpx.AsyncClient, number: int, data: list[object], session: str, expected: str = "") -> str:
    """Send an event and wait for its end; return what went wrong, or nothing."""
    body = {"fn_index": number, "data": data, "session_hash": session, "trigger_id": None, "event_data": None}
    joined = await client.post("/gradio_api/queue/join", json=body)
    if joined.status_code in BUSY:
        return "busy"
    if joined.status_code != 200:
        return f"status {joined.status_code}"
    event, heard = joined.json()["event_id"], ""
    async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        async for line in stream.aiter_lines():
            heard += line
            if '"process_completed"' in line and event in line:
                said = json.loads(line.removeprefix("data: "))
                if not said["success"]:
                    return "the event failed"
                return "" if not expected or "docqa-turn" in heard else "no answer"
    return "the stream ended early"


def _report(figures: Figures, options: argparse.Namespace) -> dict[str, object]:
    late = figures.memory[len(figures.memory) // 2 :]
    times, megabytes = np.array(late).T
    slope = np.polyfit(times, megabytes, 1)[0] * 60
    return {
        "users": options.users,
        "browsers": options.browsers,
        "seconds": options.seconds,
        "questions in a conversation": options.turns,
        "failed": sum(figures.failures.values()),
        "failures": dict(figures.failures),
        "told to come back": figures.busy,
        **{kind: _latencies(seconds) for kind, seconds in figures.seconds.items()},
        "memory at the end, MB": round(figures.memory[-1][1], 1),
        "memory of the last half, MB a minute": round(float(slope), 2),
    }


def _latencies(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {"count": 0}
    figures = {f"p{part} ms": round(float(np.percentile(seconds, part)) * 1000, 1) for part in (50, 95, 99)}
    return {"count": len(seconds), **figures}


if __name__ == "__main__":
    main()
