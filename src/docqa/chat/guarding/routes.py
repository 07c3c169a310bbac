"""The routes that the chat has. Gradio has many more, for uploads, files, proxies and development; they are closed."""

import re
from dataclasses import dataclass
from typing import Literal

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Access = Literal["open", "here", "users"]
"""Who may use a route: everyone, this machine, or, where there is a login, who is logged in."""

READ, WRITE = frozenset({"GET", "HEAD"}), frozenset({"POST"})
BOTH = READ | WRITE

PAID, FILE_COST, PAGE_COST, EVENT_COST = 0.0, 0.1, 1.0, 10.0
"""What a request takes of a client's allowance, see ``rates``: what an event has paid for, a file of the page, a page,
something to compute."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route, or a family of them under one ``name``, the only thing of a path that logs and metrics show."""

    name: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    access: Access = "users"
    cost: float = PAGE_COST
    parameters: frozenset[str] = frozenset()
    """What of a query is passed on; Gradio understands more, and some of it ends in an error."""


def _route(
    name: str,
    methods: frozenset[str],
    *parameters: str,
    access: Access = "users",
    cost: float = PAGE_COST,
) -> Route:
    pattern = re.escape(name).replace(r"\{id\}", r"[A-Za-z0-9-]{1,64}")
    pattern = pattern.replace(r"\{file\}", r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")
    return Route(name, methods, re.compile(pattern, re.ASCII), access, cost, frozenset(parameters))


LOGIN, LOGOUT, UPLOAD, METRICS = "/login", "/logout", "/docqa/documents", "/metrics"
JOIN, DATA = "/gradio_api/queue/join", "/gradio_api/queue/data"
CALL = "/gradio_api/call/retrieve"
HEARTBEAT = "/gradio_api/heartbeat"

ROUTES = (
    _route("/", READ),
    _route("/config", READ),
    _route("/theme.css", READ),
    _route("/favicon.ico", READ),
    _route("/assets/{file}", READ, cost=FILE_COST),
    _route("/static/{file}", READ, cost=FILE_COST),
    _route("/gradio_api/info", READ),
    _route("/gradio_api/app_id", READ, cost=FILE_COST),  # a page that has lost its stream asks, and loads itself again
    _route(f"{HEARTBEAT}/{{id}}", READ),
    _route(DATA, READ, "session_hash", cost=PAID),  # a page whose stream is refused has to be loaded again
    _route(f"{CALL}/{{id}}", READ, cost=PAID),
    _route(JOIN, WRITE, cost=EVENT_COST),
    _route(CALL, WRITE, cost=EVENT_COST),
    _route(UPLOAD, WRITE, "name"),
    _route(LOGIN, BOTH, access="open"),
    _route(LOGOUT, WRITE, access="open"),
    _route("/healthz", READ, access="open"),
    _route("/readyz", READ, access="open"),
    _route(METRICS, READ, access="here"),
)
"""The page's own, those of ``gradio_client`` for the endpoint ``/retrieve``, and docqa's."""


def find_route(path: str) -> Route | None:
    """Find the route of a path."""
    return next((route for route in ROUTES if route.pattern.fullmatch(path)), None)


@dataclass(frozen=True, slots=True)
class KnownRoutesMiddleware:
    """Answers 404 to every path that is no route of the chat, and 405 to a method that its route does not have.

    Where there is no login, its routes are none.
    """

    app: ASGIApp
    with_login: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if there is something to pass it to."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # the chat uses no websockets
            await send({"type": "websocket.close", "code": 1008})
            return
        route = find_route(scope["path"])
        if route is None or (route.name in (LOGIN, LOGOUT) and not self.with_login):
            await PlainTextResponse("there is nothing here", 404)(scope, receive, send)
        elif scope["method"] not in route.methods:
            allowed = {"allow": ", ".join(sorted(route.methods))}
            await PlainTextResponse("that cannot be done here", 405, allowed)(scope, receive, send)
        else:
            await self.app({**scope, "query_string": _known(scope["query_string"], route)}, receive, send)


def _known(query: bytes, route: Route) -> bytes:
    parts = (part for part in query.split(b"&") if part.partition(b"=")[0].decode("latin-1") in route.parameters)
    return b"&".join(parts)
