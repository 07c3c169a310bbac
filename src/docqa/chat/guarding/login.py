"""The login: a page of its own, a session cookie, and a gate before everything else.

``gradio_client`` logs in by the same form: ``Client(url, auth=(user, password))``.
"""

import asyncio
import html
import math
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from urllib.parse import parse_qs

from argon2.exceptions import VerificationError
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from docqa.chat.guarding.passwords import MOST_CHARACTERS, Accounts
from docqa.chat.guarding.rates import address_of, network_of
from docqa.chat.guarding.routes import LOGIN, LOGOUT, find_route
from docqa.chat.guarding.sessions import LONGEST_SECONDS, Attempts, Sessions, session_name

COOKIE = "docqa-session"
MOST_WAITING = 8
"""How many logins may wait: a password is checked with 64 MiB of memory, so only one is at a time."""

WRONG = "The user or the password is wrong."
BUSY = "Many are logging in; try again in a moment."
UNCHECKED = "The password cannot be checked just now, for memory is short; try again in a moment."
PAUSED = "That was wrong too often; try again in {seconds}."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody was logged in, and after how many seconds it may be tried again."""

    status: int
    reason: str
    wait: float = 0.0


@dataclass(slots=True)
class Login:
    """Who may log in, who is logged in, and who has to wait.

    An address pauses after 5 wrong passwords, up to a quarter of an hour. A user pauses after 20 from anywhere, up to a
    minute only: otherwise whoever knows the name could lock its owner out.
    """

    accounts: Accounts
    sessions: Sessions = field(default_factory=Sessions)
    by_address: Attempts = field(default_factory=lambda: Attempts(free=5, longest=900.0))
    by_user: Attempts = field(default_factory=lambda: Attempts(free=20, longest=60.0))
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    _waiting: int = 0

    async def attempt(self, user: str, password: str, address: str) -> str | Refusal:
        """Log a user in and return the session's token, or say why not."""
        network = network_of(address)
        if refusal := self._paused(user, network):
            return refusal
        if self._waiting >= MOST_WAITING:
            return Refusal(503, BUSY, 1.0)
        self._waiting += 1
        try:
            async with self._turn:
                # those tried at the same time count too
                return self._paused(user, network) or await self._check(user, password, network)
        finally:
            self._waiting -= 1

    async def _check(self, user: str, password: str, network: str) -> str | Refusal:
        try:
            right = len(password) <= MOST_CHARACTERS and await asyncio.to_thread(self.accounts.check, user, password)
        except VerificationError:
            return Refusal(503, UNCHECKED, 5.0)
        if right:
            self.by_user.forget(
                session_name(user)
            )  # not the address: an own account must not reset the count of guesses at another
            return self.sessions.begin(user)
        self.by_address.fail(network)
        self.by_user.fail(session_name(user))
        return Refusal(401, WRONG)

    def _paused(self, user: str, network: str) -> Refusal | None:
        wait = max(self.by_address.pause(network), self.by_user.pause(session_name(user)))
        if not wait:
            return None
        seconds = math.ceil(wait)
        return Refusal(429, PAUSED.format(seconds="a second" if seconds == 1 else f"{seconds} seconds"), wait)


def login_routes(login: Login) -> list[BaseRoute]:
    """Make the routes of the login."""

    async def show(request: Request) -> Response:
        if login.sessions.use(token_of(request.scope)):
            return RedirectResponse("/", 303)
        return HTMLResponse(render_login())

    async def enter(request: Request) -> Response:
        user, password = _read_form(await request.body())
        outcome = await login.attempt(user, password, address_of(request.scope))
        if isinstance(outcome, Refusal):
            return _refuse(request, user, outcome)
        login.sessions.end(token_of(request.scope))
        response = RedirectResponse("/", 303) if _is_browser(request.headers) else JSONResponse({"success": True})
        response.set_cookie(
            COOKIE,
            outcome,
            max_age=int(LONGEST_SECONDS),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def leave(request: Request) -> Response:
        login.sessions.end(token_of(request.scope))
        response = RedirectResponse(LOGIN, 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return [
        Route(LOGIN, show, methods=["GET"]),
        Route(LOGIN, enter, methods=["POST"]),
        Route(LOGOUT, leave, methods=["POST"]),
    ]


def _read_form(body: bytes) -> tuple[str, str]:
    try:
        form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
    except ValueError:  # too many fields
        form = {}
    return form.get("username", [""])[0], form.get("password", [""])[0]


def _refuse(request: Request, user: str, refusal: Refusal) -> Response:
    headers = {"retry-after": str(math.ceil(refusal.wait))} if refusal.wait else {}
    if _is_browser(request.headers):
        return HTMLResponse(render_login(user, refusal.reason), refusal.status, headers)
    return JSONResponse({"detail": refusal.reason}, refusal.status, headers)


def render_login(user: str = "", problem: str = "") -> str:
    """Render the page that asks for user and password; it works without scripts."""
    alert = f'<p class="problem" id="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if problem else ""
    return (
        _page()
        .replace("{{problem}}", alert)
        .replace("{{described}}", described)
        .replace("{{first}}", "" if user else " autofocus")
        .replace("{{second}}", " autofocus" if user else "")
        .replace("{{user}}", html.escape(user))  # last: what was typed is not looked at for places
    )


@cache
def _page() -> str:
    return resources.files("docqa.chat.guarding").joinpath("login.html").read_text(encoding="utf-8")


def token_of(scope: Scope) -> str:
    """Return the session's token in a request's cookie; empty when it has none."""
    return cookie_parser(Headers(scope=scope).get("cookie", "")).get(COOKIE, "")


def _is_browser(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "")


@dataclass(frozen=True, slots=True)
class LoginMiddleware:
    """Lets only those in who are logged in. Browsers are shown the login page, programs are told."""

    app: ASGIApp
    login: Login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the user's name, or ask for a login."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = token_of(scope)
        session = self.login.sessions.use(token) if token else None
        if session:
            scope.setdefault("state", {})["docqa_user"] = session.user
        route = find_route(scope["path"])
        if session or (route and route.access != "users"):
            await self.app(scope, receive, send)
        elif scope["method"] == "GET" and _is_browser(Headers(scope=scope)):
            await RedirectResponse(LOGIN, 303)(scope, receive, send)
        else:
            await JSONResponse({"detail": "log in first"}, 401)(scope, receive, send)
