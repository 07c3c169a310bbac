"""Serving the chat: on this machine only unless told otherwise, and nothing but the chat."""

import errno
import socket
import sys
import time
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docqa.chat.receiving import Chat
from docqa.corpus import MAX_BYTES
from docqa.errors import PortInUseError, ServingError

LOOPBACK = ("127.0.0.1", "localhost", "::1")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Lets the page load from and speak to its own server only; Gradio's page needs inline scripts and ``eval``."""

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
SYSTEM_MONOSPACE_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def launch(chat: Chat, *, host: str = "127.0.0.1", port: int = 7860, open_browser: bool = False) -> None:
    """Serve the chat until it is interrupted; raise ``PortInUseError`` when the port is taken."""
    check_port(host, port)
    chat.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        theme=_theme(),
        head=_style(),
        app_kwargs={"middleware": _middleware(host), "routes": list(chat.own_routes)},
        max_file_size=MAX_BYTES,
        **_nothing_else(),
    )
    sys.stderr.write(f"docqa chat: {chat.local_url}  (Ctrl+C stops it)\n")
    _wait(chat)


def _nothing_else() -> dict[str, Any]:
    return {
        "quiet": True,
        "inline": False,
        "share": False,
        "run_history": False,
        "footer_links": [],
        "ssr_mode": False,
        "mcp_server": False,
        "pwa": False,
        "num_workers": 0,
        "enable_monitoring": False,
    }


def _style() -> str:
    # in the head and not as `css`, which Gradio confines to its own container: the announcer stands outside of it
    names = ("chat.css", "documents.css", "pages.css")
    files = (resources.files("docqa.chat").joinpath(name) for name in names)
    return f"<style>{''.join(file.read_text(encoding='utf-8') for file in files)}</style>"


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        font=[gr.themes.Font(name) for name in SYSTEM_FONTS],
        font_mono=[gr.themes.Font(name) for name in SYSTEM_MONOSPACE_FONTS],
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what is served on a host."""
    return host in LOOPBACK


def check_port(host: str, port: int) -> None:
    """Check that the chat can be served there.

    Raises:
        PortInUseError: something else uses the port.
        ServingError: the host is not this machine, or the port is not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                raise PortInUseError(host, port) from problem
            raise ServingError(host, port, problem.strerror or str(problem)) from problem


def _middleware(host: str) -> list[Middleware]:
    own = [Middleware(ContentSecurityPolicyMiddleware), Middleware(OwnPageMiddleware)]
    if not is_loopback(host):
        return own
    # a page from elsewhere must not reach the chat by making its own name point at this machine
    return [Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"]), *own]


@dataclass(frozen=True, slots=True)
class ContentSecurityPolicyMiddleware:
    """Adds the content security policy to every response."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the header to what comes back."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", CONTENT_SECURITY_POLICY.encode())
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self.app(scope, receive, send_with_policy)


@dataclass(frozen=True, slots=True)
class OwnPageMiddleware:
    """Refuses what the chat's own page never sends: requests from other sites' pages, and forms."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say why not."""
        reason = _why_refused(Headers(scope=scope)) if scope["type"] == "http" and scope["method"] == "POST" else ""
        if reason:
            await PlainTextResponse(reason, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _why_refused(headers: Headers) -> str:
    if headers.get("content-type", "").strip().lower().startswith("multipart/"):
        return "no forms are taken"  # Gradio writes their files to the disk, whoever sends them
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None:  # browsers leave it out where the connection is not trusted
        own = origin is None or urlsplit(origin).netloc == headers.get("host")
    else:
        own = site in ("same-origin", "none")
    return "" if own else "pages of other sites cannot use this chat"


def _wait(chat: gr.Blocks) -> None:
    try:
        while chat.is_running:
            time.sleep(0.2)
    finally:
        chat.close(verbose=False)
