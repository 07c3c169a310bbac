"""Serving the chat: on this machine only unless told otherwise, and nothing but the chat."""

import errno
import socket
import sys
import time
from dataclasses import dataclass
from importlib import resources
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


def launch(chat: gr.Blocks, *, host: str = "127.0.0.1", port: int = 7860, open_browser: bool = False) -> None:
    """Serve the chat until it is interrupted; raise ``PortInUseError`` when the port is taken."""
    check_port(host, port)
    chat.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        theme=_theme(),
        head=_style(),
        app_kwargs={"middleware": _middleware(host)},
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
    files = [resources.files("docqa.chat").joinpath(name) for name in ("chat.css", "pages.css")]
    return "".join(f"<style>{file.read_text(encoding='utf-8')}</style>" for file in files)


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        font=[gr.themes.Font(name) for name in SYSTEM_FONTS],
        font_mono=[gr.themes.Font(name) for name in SYSTEM_MONOSPACE_FONTS],
    )


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
    policy = Middleware(ContentSecurityPolicyMiddleware)
    if host not in LOOPBACK:
        return [policy]
    # a page from elsewhere must not reach the chat by making its own name point at this machine
    return [Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"]), policy]


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


def _wait(chat: gr.Blocks) -> None:
    try:
        while chat.is_running:
            time.sleep(0.2)
    finally:
        chat.close(verbose=False)
