"""Serving the chat: on this machine only unless told otherwise, and nothing but the chat."""

import asyncio
import errno
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from docqa.chat.guarding.bodies import BodyLimitMiddleware
from docqa.chat.guarding.connections import BACKLOG, PunctualProtocol, allow_open_files
from docqa.chat.guarding.conversations import Conversations
from docqa.chat.guarding.events import EventsMiddleware
from docqa.chat.guarding.headers import SecurityHeadersMiddleware
from docqa.chat.guarding.health import Health, StoppingMiddleware, health_routes
from docqa.chat.guarding.hosts import EVERYWHERE, LOOPBACK, HostNames, OwnHostMiddleware, OwnPageMiddleware, is_loopback
from docqa.chat.guarding.login import Login, LoginMiddleware, login_routes
from docqa.chat.guarding.observing import Log, LogLevel, Measurements, ObservingMiddleware
from docqa.chat.guarding.passwords import Accounts
from docqa.chat.guarding.rates import Allowance, RateLimitMiddleware
from docqa.chat.guarding.routes import KnownRoutesMiddleware
from docqa.chat.receiving import Chat
from docqa.corpus import MAX_BYTES
from docqa.errors import PortInUseError, ServingError, UnprotectedHostError

MOST_PAGES = 500
"""How many pages' conversations are kept; the oldest is forgotten."""
SECONDS_TO_FINISH = 30
"""How long answers in flight may take when the chat is stopped."""

SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
SYSTEM_MONOSPACE_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def launch(
    chat: Chat,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    accounts: Accounts | None = None,
    allowed_hosts: Sequence[str] = (),
    insecure: bool = False,
    log: LogLevel | None = None,
    open_browser: bool = False,
) -> None:
    """Serve the chat until it is interrupted; answers in flight are finished.

    Args:
        chat: what ``build_chat`` made.
        host: the address to listen on.
        port: the port to listen on.
        accounts: who may log in; None where everyone who reaches the chat may use it.
        allowed_hosts: the names under which a proxy on this machine serves the chat; it is then believed what it says
            of the client's address and of https.
        insecure: whether other machines may reach a chat without a login.
        log: what to log, if anything: every request, and the questions too.
        open_browser: whether to open the page.

    Raises:
        PortInUseError: the port is taken.
        UnprotectedHostError: other machines would reach a chat without a login.
    """
    check_host(host, allowed_hosts, protected=accounts is not None or insecure)
    check_port(host, port)
    allow_open_files()
    health = Health(chat.library)
    config = uvicorn.Config(
        _guard(chat, health, HostNames.of(host, allowed_hosts), accounts, log),
        host=host,
        port=port,
        http=PunctualProtocol,
        ws="none",
        log_level="error",
        server_header=False,
        proxy_headers=bool(allowed_hosts),
        forwarded_allow_ips=list(LOOPBACK),
        backlog=BACKLOG,
        timeout_graceful_shutdown=5,
    )
    with _ended_by_sigterm():
        ChatServer(config, chat, health, open_browser=open_browser).run()


class ChatServer(uvicorn.Server):
    """Serves a chat, and finishes what was begun before it stops."""

    def __init__(self, config: uvicorn.Config, chat: Chat, health: Health, *, open_browser: bool) -> None:
        super().__init__(config)
        self._chat = chat
        self._health = health
        self._open_browser = open_browser

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        url = local_url(self.config.host, self.config.port)
        sys.stderr.write(f"docqa chat: {url}  (Ctrl+C stops it)\n")
        sys.stderr.flush()
        self._health.warm_up()
        if self._open_browser:
            # a browser of the terminal stays until it is closed
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, finish what was begun, end the streams of open pages, then stop."""
        self._health.stopping = True
        for server in self.servers:
            server.close()
        deadline = time.monotonic() + SECONDS_TO_FINISH
        while _at_work(self._chat) and time.monotonic() < deadline and not self.force_exit:
            await asyncio.sleep(0.05)
        self._chat.library.stopping.set()
        await asyncio.sleep(0.2)  # for the last words to be sent
        self._chat.app.stop_event.set()
        self._chat.is_running = False
        for connection in list(self.server_state.connections):
            connection.transport.close()  # Gradio's streams would go on; what is buffered is still sent
        await super().shutdown(sockets)
        if self.force_exit:  # a second Ctrl+C, after which uvicorn lets the application be broken off, and shows where
            await self.lifespan.shutdown()


def _at_work(chat: Chat) -> bool:
    return bool(len(chat._queue)) or any(chat._queue.active_jobs)


def _guard(chat: Chat, health: Health, hosts: HostNames, accounts: Accounts | None, log: LogLevel | None) -> ASGIApp:
    """Put the page behind everything that guards it; what comes last here meets a request first."""
    login = Login(accounts) if accounts else None
    measurements = _measure(chat)
    observers: list[Measurements | Log] = [measurements, *([Log(log)] if log else [])]
    chat.observers = [observer.answered for observer in observers]
    routes = [*health_routes(health, measurements), *(login_routes(login) if login else [])]
    app: ASGIApp = _application(chat, routes, with_login=login is not None)
    app = EventsMiddleware(app, _inputs(chat), Conversations(chat._queue))
    app = BodyLimitMiddleware(app)
    app = StoppingMiddleware(app, health)
    app = RateLimitMiddleware(app, Allowance())
    app = LoginMiddleware(app, login) if login else app
    app = OwnPageMiddleware(app)
    app = KnownRoutesMiddleware(app, with_login=login is not None)
    app = OwnHostMiddleware(app, hosts)
    app = SecurityHeadersMiddleware(app)
    return ObservingMiddleware(app, [observer.served for observer in observers])


def _inputs(chat: Chat) -> dict[int, int]:
    """Return how many values each event takes that Python, not the page itself, deals with."""
    return {number: len(event.inputs) for number, event in chat.fns.items() if event.fn and not event.js}


def _measure(chat: Chat) -> Measurements:
    measurements = Measurements()
    measurements.watch("docqa_queue_length", "Events that wait for their turn", lambda: len(chat._queue))
    measurements.watch_index(lambda: chat.library.overview().summary)
    return measurements


def _application(chat: Chat, routes: Sequence[BaseRoute], *, with_login: bool) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes += [*routes, *chat.own_routes]
    chat.state_session_capacity = MOST_PAGES  # before it is mounted, which is when Gradio reads it
    chat._queue.ANALYTICS_MAX_EVENTS = 0  # else a table of all events, up to 10,000, is made after every one
    gr.mount_gradio_app(
        app,
        chat,
        path="/",
        theme=_theme(),
        head=_head(with_login=with_login),
        max_file_size=MAX_BYTES,
        show_error=False,
        run_history=False,
        footer_links=[],
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
    )
    chat.is_running = True  # else Gradio sends no signs of life through its streams
    return app


def _head(*, with_login: bool) -> str:
    if not with_login:
        return _style()
    script = resources.files("docqa.chat.guarding").joinpath("login.js").read_text(encoding="utf-8")
    return f"{_style()}<script>{script}</script>"


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


def local_url(host: str, port: int) -> str:
    """Return the address of the page for a browser on this machine."""
    name = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"


def check_host(host: str, allowed_hosts: Sequence[str] = (), *, protected: bool) -> None:
    """Check that a chat others can reach is protected.

    Raises:
        UnprotectedHostError: it is not.
    """
    if not protected and (allowed_hosts or not is_loopback(host)):
        raise UnprotectedHostError(allowed_hosts[0] if allowed_hosts else host)


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


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave the process in the usual way after SIGTERM, which uvicorn raises again once it has stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread only
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
