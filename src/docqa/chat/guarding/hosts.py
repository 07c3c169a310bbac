"""The names the chat answers to, and the pages that may speak to it.

A page of another site can make its own name point at this machine (DNS rebinding), and can send requests here from the
browser of someone who may use the chat (cross-site request forgery). The first needs a ``Host`` that is not ours, the
second comes with headers that no page can forge: https://web.dev/articles/fetch-metadata
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what is served on a host."""
    return host in LOOPBACK


@dataclass(frozen=True, slots=True)
class HostNames:
    """The names in ``Host`` that are ours; an address can be ours too where we listen ``everywhere``."""

    names: frozenset[str]
    everywhere: bool = False

    @classmethod
    def of(cls, host: str, allowed: Iterable[str] = ()) -> "HostNames":
        """List the names under which what listens on a host is reached."""
        own = {socket.gethostname(), f"{socket.gethostname()}.local"} if host in EVERYWHERE else {host}
        names = frozenset(name.lower() for name in (*LOOPBACK, *own, *allowed))
        return cls(names, everywhere=host in EVERYWHERE)

    def __contains__(self, header: object) -> bool:
        """Tell whether a ``Host`` header is ours."""
        name = _host_name(str(header))
        # an address is safe: only names can be made to point here
        return name in self.names or (self.everywhere and _is_address(name))


def _host_name(header: str) -> str:
    try:
        parts = urlsplit(f"//{header}")
        name, _ = parts.hostname, parts.port  # the port is read for its ValueError
    except ValueError:
        return ""
    return name if name and parts.netloc == header and "@" not in header else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class OwnHostMiddleware:
    """Refuses requests for other names, and those of which two servers could disagree where they end."""

    app: ASGIApp
    hosts: HostNames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say why not; what only proxies say is for the server, not for Gradio."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.getlist("host")
        if len(given) != 1 or given[0] not in self.hosts:
            await PlainTextResponse("this chat has another address", 400)(scope, receive, send)
        elif "transfer-encoding" in headers and "content-length" in headers:
            # what one of the two calls the body the other may take for the next request
            await PlainTextResponse("the length is said twice", 400, {"connection": "close"})(scope, receive, send)
        else:
            kept = [field for field in scope["headers"] if not field[0].startswith((b"x-forwarded-", b"x-gradio-"))]
            await self.app({**scope, "headers": kept}, receive, send)


@dataclass(frozen=True, slots=True)
class OwnPageMiddleware:
    """Refuses what the chat's own page never sends: requests from other sites' pages, and forms with files."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say why not."""
        reason = _why_refused(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else ""
        if reason:
            await PlainTextResponse(reason, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _why_refused(method: str, headers: Headers) -> str:
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        return "no forms are taken"  # Gradio writes their files to the disk, whoever sends them
    return "" if _is_own(method, headers) else "pages of other sites cannot use this chat"


def _is_own(method: str, headers: Headers) -> bool:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None:  # browsers leave it out where the connection is not trusted
        return origin is None or _place(origin) == headers.get("host")
    # a link to the chat may be followed from anywhere
    link = (
        method == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    return site in ("same-origin", "none") or link


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
