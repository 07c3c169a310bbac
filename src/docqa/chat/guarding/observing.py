"""What is known of a running chat: metrics for Prometheus and, if asked for, a log. No document's words are in it."""

import hashlib
import hmac
import json
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docqa.chat.guarding.rates import client_of
from docqa.chat.guarding.routes import find_route
from docqa.chat.state import Turn
from docqa.types import StoreSummary

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# a second series for every counter, which nobody reads
disable_created_metrics()  # type: ignore[no-untyped-call]

MOST_LINES = 1_000
"""How many lines of the log may wait to be written."""

LogLevel = Literal["requests", "questions"]


@dataclass(frozen=True, slots=True)
class Served:
    """One request that was answered; ``seconds`` until the answer began, for some streams never end."""

    method: str
    route: str
    status: int
    seconds: float
    client: str


@dataclass(frozen=True, slots=True)
class ObservingMiddleware:
    """Tells of every request when its answer begins."""

    app: ASGIApp
    observers: Sequence[Callable[[Served], None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and listen."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        route = find_route(scope["path"])
        method = scope["method"] if route and scope["method"] in route.methods else "other"
        scope.setdefault("state", {})

        async def send_and_tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - began
                served = Served(method, route.name if route else "other", message["status"], seconds, client_of(scope))
                for observer in self.observers:
                    observer(served)
            await send(message)

        await self.app(scope, receive, send_and_tell)


class Measurements:
    """Counts for Prometheus, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("docqa_requests", "Requests answered", ("method", "route", "status"))
        self._request_seconds = self._histogram("docqa_request_seconds", "Seconds until a response began", ("route",))
        self._answers = self._counter("docqa_answers", "Questions answered in the chat, by verdict", ("verdict",))
        self._answer_seconds = self._histogram("docqa_answer_seconds", "Seconds a question took", ())

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, text, labels, buckets=SECONDS, registry=self.registry)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a value that is looked up whenever it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def watch_index(self, summary: Callable[[], StoreSummary | None]) -> None:
        """Add what there is to know of the index; without one there is nothing in it, of no age."""

        def passages() -> float:
            held = summary()
            return held.passages if held else 0

        def age() -> float:
            held = summary()
            return (datetime.now(UTC) - held.synced).total_seconds() if held else float("nan")

        self.watch("docqa_index_passages", "Passages in the index", passages)
        self.watch("docqa_index_age_seconds", "Seconds since the index was made", age)

    def served(self, served: Served) -> None:
        """Count a request."""
        self._requests.labels(served.method, served.route, str(served.status)).inc()
        self._request_seconds.labels(served.route).observe(served.seconds)

    def answered(self, turn: Turn, seconds: float) -> None:
        """Count a question."""
        self._answers.labels(turn.answer.verdict if turn.answer else "problem").inc()
        self._answer_seconds.observe(seconds)


class Writer:
    """Writes lines to stderr in a thread of its own: the chat does not wait for who reads them, or does not any more.

    A line for which there is no room is left out.
    """

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        self._lines: queue.Queue[str] = queue.Queue(most_lines)
        threading.Thread(target=self._write, daemon=True).start()

    def __call__(self, line: str) -> None:
        """Have a line written."""
        with suppress(queue.Full):
            self._lines.put_nowait(line)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError, ValueError):  # nobody reads, or it is closed
                sys.stderr.write(line)


@dataclass(frozen=True, slots=True)
class Log:
    """Writes a line of JSON for every request and every answer; the question only if asked to.

    A client is named by a keyed hash of its address or session: the same within one run, of no use elsewhere.
    """

    level: LogLevel
    write: Callable[[str], object] = field(default_factory=Writer)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def served(self, served: Served) -> None:
        """Log a request."""
        client = hmac.new(self._key, served.client.encode(), hashlib.sha256).hexdigest()[:12]
        self._line(
            "request",
            method=served.method,
            route=served.route,
            status=served.status,
            ms=round(served.seconds * 1000, 1),
            client=client,
        )

    def answered(self, turn: Turn, seconds: float) -> None:
        """Log an answer."""
        verdict = turn.answer.verdict if turn.answer else "problem"
        question = {"question": turn.question} if self.level == "questions" else {}
        self._line("answer", verdict=verdict, ms=round(seconds * 1000, 1), **question)

    def _line(self, event: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.write(json.dumps({"time": now, "event": event} | fields) + "\n")
