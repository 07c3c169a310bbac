"""Whether the chat runs, and whether it can answer."""

import gc
import ipaddress
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from docqa.chat.guarding.observing import Measurements
from docqa.chat.guarding.rates import address_of
from docqa.chat.guarding.routes import METRICS
from docqa.chat.library import Library
from docqa.errors import DocqaError, IndexNotFoundError

STOPPING = "the chat is being stopped"


@dataclass(slots=True)
class Health:
    """What a chat over a library is able to do."""

    library: Library
    stopping: bool = False
    loaded: bool = False
    loading: threading.Lock = field(default_factory=threading.Lock)

    def warm_up(self) -> None:
        """Load the model in the background, so that the first question need not wait for it."""
        threading.Thread(target=self._load_once, daemon=True).start()

    def _load_once(self) -> None:
        if self.loading.acquire(blocking=False):
            try:
                self._load()
            finally:
                self.loading.release()

    def _load(self) -> None:
        try:
            self.library.retriever().retrieve("ready?", 1)
        except (DocqaError, OSError, ValueError):
            return
        gc.collect()
        gc.freeze()  # what is loaded stays; to go through all of it would halt an answer for up to 47 ms
        self.loaded = True
        with suppress(DocqaError, OSError):  # as when the index is gone, which is said elsewhere
            self.library.verify()

    def why_not_ready(self) -> str:
        """Say why no question can be answered; empty when it can. Paths are left out, for anyone may ask."""
        if self.stopping:
            return STOPPING
        try:
            damage = self.library.damage()
        except IndexNotFoundError:
            return "there is no index yet"
        except (DocqaError, OSError):
            return "the index cannot be opened"
        if damage:
            return "the index is damaged"
        if not self.loaded:
            self.warm_up()  # there was no index when the chat began
            return "the model is not loaded yet"
        return ""


def health_routes(health: Health, measurements: Measurements) -> list[BaseRoute]:
    """Make the routes that tell of a chat: ``/healthz``, ``/readyz`` and ``/metrics``."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("alive")

    async def ready(_: Request) -> Response:
        reason = await run_in_threadpool(health.why_not_ready)
        return PlainTextResponse(reason or "ready", 503 if reason else 200)

    async def metrics(request: Request) -> Response:
        if not _from_here(request.scope):
            return PlainTextResponse("metrics are for this machine only", 403)
        text = await run_in_threadpool(generate_latest, measurements.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    handlers: dict[str, Callable[[Request], object]] = {"/healthz": alive, "/readyz": ready, METRICS: metrics}
    return [Route(path, handler, methods=["GET"]) for path, handler in handlers.items()]


def _from_here(scope: Scope) -> bool:
    try:
        return ipaddress.ip_address(address_of(scope)).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class StoppingMiddleware:
    """Takes nothing new while the chat is being stopped; what was begun is finished."""

    app: ASGIApp
    health: Health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it begins something."""
        if self.health.stopping and scope["type"] == "http" and scope["method"] == "POST":
            await JSONResponse({"detail": STOPPING}, 503, {"retry-after": "5"})(scope, receive, send)
        else:
            await self.app(scope, receive, send)
