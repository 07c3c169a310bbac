"""Attacks on every route of a running chat: nobody is let in, nothing outside the corpus is read, nothing breaks."""

import asyncio
import ipaddress
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio.routes import App
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import docqa
from conftest import FakeEmbedder
from docqa.chat.guarding import events
from docqa.chat.guarding.passwords import write_hash
from docqa.chat.guarding.routes import CALL, DATA, JOIN, LOGIN, LOGOUT, ROUTES, UPLOAD, find_route
from serving import INSIDE, OUTSIDE, PASSWORD, Chat, chat_in, complete, exchange, request

EXAMPLES = int(os.environ.get("DOCQA_FUZZ_EXAMPLES", "60"))
"""How many inputs are tried in each fuzz test."""

WITHOUT_END = 60
"""Seconds; a chat of these tests waits for one, and only where it waits for ever does a busy machine take as many."""

PATHS = {route.name: route.name.replace("{id}", "a1").replace("{file}", "index.js") for route in ROUTES}
WRITES = [JOIN, CALL, UPLOAD]
DEEP = "/../" * 12
TRAVERSALS = [
    f"{DEEP}etc/passwd",
    "/..%2f" * 12 + "etc/passwd",
    "/%2e%2e" * 12 + "/etc/passwd",
    "/%252e%252e%252f" * 8 + "etc/passwd",
    "/..%5c" * 8 + "etc%5cpasswd",
    "/..\\" * 8 + "etc\\passwd",
    "/....//" * 8 + "etc/passwd",
    "/..;/" * 8 + "etc/passwd",
    "/%c0%ae%c0%ae/" * 8 + "etc/passwd",
    "/%uff0e%uff0e/" * 8 + "etc/passwd",
    "/%ef%bc%8e%ef%bc%8e/" * 8 + "etc/passwd",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/file:///etc/passwd",
    "/etc/passwd%00.js",
    "/%00",
    "/index.js%00/../../secret.txt",
    "/index.js/../../../secret.txt",
    "/./././secret.txt",
    "/~root/.bashrc",
    "/C:%5cWindows%5cwin.ini",
    "/proc/self/environ",
]
PREFIXES = [
    "",
    "/assets",
    "/static",
    "/static/js",
    "/config",
    "/docqa/documents",
    "/gradio_api/file=",
    "/gradio_api/file",
    "/gradio_api/proxy=http://127.0.0.1:1",
    "/gradio_api/heartbeat",
    "/gradio_api/call/retrieve",
    "/gradio_api/stream",
    "/svelte",
    "/gradio_api/custom_component/1/client/component",
    "/favicon.ico",
]
HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:7860",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1#evil.example",
    "127.0.0.1/evil.example",
    "127.0.0.1, evil.example",
    "127.0.0.1 evil.example",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "2130706433",
    "0x7f.1",
    "127.1",
    "169.254.169.254",
    "[",
    "",
]
ORIGINS = [
    ("Origin: http://evil.example",),
    ("Origin: null",),
    ("Origin: http://127.0.0.1.evil.example",),
    ("Origin: http://127.0.0.1:1",),
    ("Origin: http://127.0.0.1@evil.example",),
    ("Origin: file://",),
    ("Origin: http://[",),
    ("Sec-Fetch-Site: cross-site",),
    ("Sec-Fetch-Site: same-site",),
    ("Sec-Fetch-Site: cross-site", "Origin: http://127.0.0.1"),
    ("Sec-Fetch-Site: anything",),
]
METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "GETS", "get"]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    with chat_in(tmp_path_factory.mktemp("open")) as served:
        yield served
        assert "Traceback" not in served.log


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    folder = tmp_path_factory.mktemp("closed")
    write_hash(folder / "anna.hash", PASSWORD)
    with chat_in(folder, password=folder / "anna.hash") as served:
        yield served
        assert "Traceback" not in served.log


def own(chat: Chat, *headers: str, method: str = "GET", path: str = "/", body: bytes = b"") -> bytes:
    return request(method, path, *headers, host=f"127.0.0.1:{chat.port}", body=body)


def methods_of(path: str) -> list[str]:
    route = find_route(path)
    assert route and route.methods - {"HEAD"}
    return sorted(route.methods - {"HEAD"})


def refused(chat: Chat, sent: bytes, *, statuses: range = range(400, 500)) -> str:
    """Send an attack and return why it did not fail; empty when it did."""
    status, received = exchange(chat, sent)
    leaked = [word for word in (OUTSIDE, "root:x:0", "PATH=") if word.encode() in received]
    return f"{sent[:120]!r} → {status} {leaked}" if leaked or status not in statuses else ""


def none_succeed(attacks: list[str]) -> None:
    assert [attack for attack in attacks if attack] == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_path_leads_out_of_the_chat(chat: Chat, prefix: str) -> None:
    absolute = f"{prefix}{chat.folder}/secret.txt"
    none_succeed([refused(chat, own(chat, path=path)) for path in [absolute, *(prefix + path for path in TRAVERSALS)]])


@pytest.mark.parametrize("path", ["http://evil.example/", "http://127.0.0.1:1/config", "//evil.example/", "*", "?x"])
def test_no_target_leads_elsewhere(chat: Chat, path: str) -> None:
    none_succeed([refused(chat, own(chat, path=path))])


def test_the_login_is_no_route_where_there_is_none(chat: Chat) -> None:
    attacks = [own(chat, method=method, path=path) for path in (LOGIN, LOGOUT) for method in ("GET", "POST")]
    none_succeed([refused(chat, attack, statuses=range(404, 405)) for attack in attacks])


@pytest.mark.parametrize("path", PATHS.values())
def test_no_route_answers_to_another_name(chat: Chat, path: str) -> None:
    for method in methods_of(path):
        attacks = [request(method, path, host=host) for host in HOSTS]
        attacks += [request(method, path, host=None), request(method, path, "Host: evil.example")]
        none_succeed([refused(chat, attack, statuses=range(400, 401)) for attack in attacks])


@pytest.mark.parametrize("path", PATHS.values())
def test_no_route_serves_pages_of_other_sites(closed: Chat, path: str) -> None:
    for method in methods_of(path):
        attacks = [own(closed, *headers, method=method, path=path) for headers in ORIGINS]
        none_succeed([refused(closed, attack, statuses=range(403, 404)) for attack in attacks])


@pytest.mark.parametrize("path", PATHS.values())
def test_no_route_has_other_methods_or_forms(chat: Chat, path: str) -> None:
    attacks = [own(chat, method=method, path=path) for method in METHODS]
    preflight = ("Access-Control-Request-Method: POST", "Origin: http://evil.example")
    attacks += [own(chat, *preflight, method="OPTIONS", path=path)]
    attacks += [own(chat, "Content-Type: multipart/form-data; boundary=x", method="POST", path=path, body=b"--x--")]
    attacks += [own(chat, "X-HTTP-Method-Override: DELETE", method="PUT", path=path)]
    none_succeed([refused(chat, attack) for attack in attacks])


def test_a_link_from_elsewhere_may_be_followed(chat: Chat) -> None:
    link = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert exchange(chat, own(chat, *link))[0] == 200
    assert exchange(chat, own(chat, *link[:2], "Sec-Fetch-Dest: iframe"))[0] == 403


def test_no_route_of_gradio_is_open_but_those_the_page_needs(chat: Chat) -> None:
    async def gradios() -> set[str]:  # a coroutine, since Gradio would make a loop of its own
        app = App.create_app(gr.Blocks(analytics_enabled=False))
        return {re.sub(r"{[^}]*}", "a1", path) for path in app.openapi()["paths"]}

    paths = asyncio.run(gradios())
    foreign = sorted(path for path in paths if find_route(path) is None)
    assert {"/gradio_api/upload", "/gradio_api/file=a1", "/gradio_api/proxy=a1", "/monitoring"} <= set(foreign)
    attacks = [own(chat, method=method, path=path) for path in foreign for method in ("GET", "POST")]
    none_succeed([refused(chat, attack, statuses=range(404, 405)) for attack in attacks])


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -5",
        "Content-Length: 5, 6",
        "Content-Length: x",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 0\r\n folded: yes\r\n\x01: x",
        "X: a\x00b",
        "X" * 100_000 + ": x",
        "X: " + "x" * 100_000,
        "\r\n".join(f"X-{number}: {'x' * 100}" for number in range(2_000)),
    ],
)
def test_requests_whose_end_is_unclear_are_refused(chat: Chat, head: str) -> None:
    smuggled = b"0\r\n\r\n" + own(chat, path="/config")
    attack = f"POST {JOIN} HTTP/1.1\r\nHost: 127.0.0.1:{chat.port}\r\n{head}\r\n\r\n".encode() + smuggled
    status, received = exchange(chat, attack)
    assert 400 <= status < 500
    # where no body is announced, what follows is the next request, and no good one
    assert set(re.findall(rb"HTTP/1.1 (.)", received)) == {b"4"} and b'"components"' not in received


def test_nothing_follows_a_request_whose_length_is_said_twice(chat: Chat) -> None:
    head = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    attack = f"POST {JOIN} HTTP/1.1\r\nHost: 127.0.0.1:{chat.port}\r\n{head}".encode() + own(chat, path="/healthz")
    with socket.create_connection(("127.0.0.1", chat.port), timeout=10) as connection:
        connection.sendall(attack)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"400"]


def test_long_targets_and_bodies_are_refused(chat: Chat) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = f"POST {JOIN} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    none_succeed([refused(chat, own(chat, path="/" + "a" * 100_000))])
    none_succeed(
        [
            refused(chat, attack, statuses=range(413, 414))
            for attack in (
                own(chat, method="POST", path=JOIN, body=b"x" * 256_001),
                own(chat, method="POST", path=CALL, body=b"x" * 256_001),
                head + chunk * 5,
            )
        ]
    )


def test_what_is_slow_is_not_waited_for(chat: Chat) -> None:
    host = f"Host: 127.0.0.1:{chat.port}\r\n"
    unfinished = {
        "nothing": b"",
        "part of a line": b"GET / HT",
        "part of the headers": f"GET / HTTP/1.1\r\n{host}".encode(),
        "a second request": own(chat, path="/healthz") + b"GET / HT",
        "part of a body": f"POST {JOIN} HTTP/1.1\r\n{host}Content-Length: 100\r\n\r\nx".encode(),
        "part of a chunk": f"POST {JOIN} HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n10\r\nx".encode(),
    }

    def is_closed(sent: bytes) -> bool:
        with socket.create_connection(("127.0.0.1", chat.port), timeout=WITHOUT_END) as connection:
            connection.sendall(sent)
            try:
                while connection.recv(65536):
                    pass
            except TimeoutError:
                return False
        return True

    with ThreadPoolExecutor(len(unfinished)) as pool:
        closed = dict(zip(unfinished, pool.map(is_closed, unfinished.values()), strict=True))
    assert closed == dict.fromkeys(unfinished, True)


def test_drops_that_keep_coming_do_not_hold_a_connection(chat: Chat) -> None:
    with socket.create_connection(("127.0.0.1", chat.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(30):
                time.sleep(0.2)
                connection.sendall(b"X: y\r\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /nothing HTTP/1.1\r\nHost: {own}", 404),
        ("PUT / HTTP/1.1\r\nHost: {own}", 405),
        ("POST / HTTP/1.1\r\nHost: evil.example", 400),
        ("POST /logout HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example", 403),
        ("GET /config HTTP/1.1\r\nHost: {own}", 401),
        ("GET /healthz HTTP/1.1\r\nHost: {own}", 200),
    ],
)
def test_a_body_that_comes_after_its_answer_is_not_waited_for(closed: Chat, head: str, status: int) -> None:
    sent = head.format(own=f"127.0.0.1:{closed.port}") + "\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", closed.port), timeout=10) as connection:
        connection.sendall(sent.encode())
        assert connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())
        with pytest.raises(ConnectionError):
            for _ in range(30):
                time.sleep(0.2)
                connection.sendall(b"x")


def test_a_body_that_comes_a_little_after_its_answer_costs_no_connection(chat: Chat) -> None:
    with socket.create_connection(("127.0.0.1", chat.port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(own(chat, method="POST", path="/nothing", body=b"x" * 10)[:-5])
            received = b""
            while not complete(received):
                received += connection.recv(65536)
            assert received.startswith(b"HTTP/1.1 404 ")
            time.sleep(0.2)
            connection.sendall(b"x" * 5)


# Too many connections, or such as do not get on: each chat has smaller limits.


@contextmanager
def silent(chat: Chat, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", chat.port), timeout=10)) for _ in range(count)
        ]


def test_what_is_not_read_is_not_kept(tmp_path: Path) -> None:
    with (
        chat_in(tmp_path, change="connections.MOST_SECONDS_UNREAD = 1.0") as chat,
        socket.create_connection(("127.0.0.1", chat.port), timeout=10) as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = own(chat, path="/assets/nothing.js") * 100
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):  # until the server reads no more, for nobody reads what it says
            while True:
                connection.sendall(request)
        with pytest.raises(ConnectionError):
            for _ in range(30):
                time.sleep(0.2)
                with suppress(TimeoutError):
                    connection.sendall(b"x")


def test_silent_connections_are_refused_when_there_are_too_many(tmp_path: Path) -> None:
    change = "connections.MOST_CONNECTIONS, connections.MOST_SECONDS = 20, 60.0"
    with chat_in(tmp_path, change=change) as chat, httpx.Client(base_url=chat.url) as client:
        assert client.get("/healthz").text == "alive"
        with silent(chat, 60) as connections:
            assert [connection.recv(65536)[:12] for connection in connections[19:]] == [b"HTTP/1.1 503"] * 41
            assert client.get("/healthz").text == "alive"  # who is in is not put out
            with suppress(httpx.TransportError):
                assert httpx.get(chat.url + "/healthz").text.startswith("there are too many connections")
        time.sleep(0.5)
        assert httpx.get(chat.url + "/healthz").text == "alive"


def test_one_address_cannot_take_all_connections(tmp_path: Path) -> None:
    # this machine is not counted, unless told so
    change = "connections.MOST_OF_ONE, connections.MOST_SECONDS, connections.is_counted = 5, 60.0, lambda network: True"
    with chat_in(tmp_path, change=change) as chat, silent(chat, 8) as connections:
        assert [connection.recv(65536)[:12] for connection in connections[5:]] == [b"HTTP/1.1 503"] * 3
        with pytest.raises(TimeoutError):
            connections[4].settimeout(0.5)
            connections[4].recv(1)


EDITS = "build_chat = functools.partial(build_chat, allow_edits=True); from docqa.chat import receiving; "


@contextmanager
def stalled_uploads(chat: Chat, address: str, count: int) -> Iterator[list[socket.socket]]:
    """Begin to upload documents from an address, and send no more."""
    begun = own(chat, method="POST", path=f"{UPLOAD}?name=stalled.md", body=b"x" * 1000)[:-900]
    with ExitStack() as stack:
        yield [stack.enter_context(sending(chat, address, begun)) for _ in range(count)]


@contextmanager
def sending(chat: Chat, address: str, request: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", chat.port), timeout=10, source_address=(address, 0)) as connection:
        connection.sendall(request)
        yield connection


def test_uploads_that_stall_hold_up_only_their_own_client(tmp_path: Path) -> None:
    change = EDITS + "receiving.MOST_SECONDS_SILENT = 60.0"
    with chat_in(tmp_path, change=change) as chat, stalled_uploads(chat, "127.0.0.2", 8):
        status, said = exchange(chat, own(chat, method="POST", path=f"{UPLOAD}?name=new.md", body=b"New."))
        assert (status, said.endswith(b'{"path":"new.md","problem":""}')) == (200, True)


def test_an_upload_that_stalls_is_cut_off_and_those_behind_it_go_on(tmp_path: Path) -> None:
    change = EDITS + "receiving.MOST_SECONDS_SILENT = 1.0"
    with chat_in(tmp_path, change=change) as chat, stalled_uploads(chat, "127.0.0.1", 1) as (connection,):
        status, _ = exchange(chat, own(chat, method="POST", path=f"{UPLOAD}?name=new.md", body=b"New."))
        assert status == 200
        said = connection.recv(65536)
        assert said.startswith(b"HTTP/1.1 408")
        assert b"the file took too long to arrive; add it again" in said
        assert sorted(path.name for path in (tmp_path / "corpus").iterdir()) == ["birds.txt", "new.md"]


def test_a_chat_that_began_without_an_index_is_ready_once_there_is_one(tmp_path: Path) -> None:
    with chat_in(tmp_path, change="sync = lambda *folders, embedder: None") as chat:
        assert httpx.get(chat.url + "/readyz").text == "there is no index yet"
        docqa.sync(tmp_path / "corpus", tmp_path / "embeddings", embedder=FakeEmbedder())
        deadline = time.monotonic() + 30
        while (answer := httpx.get(chat.url + "/readyz")).status_code != 200:
            assert answer.text == "the model is not loaded yet"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer.text == "ready"


def test_connections_do_not_take_all_files(tmp_path: Path) -> None:
    change = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); connections.MOST_SECONDS = 60.0"
    with chat_in(tmp_path, change=f"{change}; serving.BACKLOG = 16") as chat:
        with silent(chat, 400):
            time.sleep(0.5)
        time.sleep(0.5)
        assert httpx.get(chat.url + "/healthz").text == "alive"
        assert "out of system resource" not in chat.log


TORN = """
import io, os
reader, writer = os.pipe()
{close}
class Torn(io.TextIOWrapper):
    def write(self, text):
        return (before if text.startswith("docqa chat: ") else super()).write(text)
before, sys.stderr = sys.stderr, Torn(open(writer, "wb", 0), write_through=True)
"""


@pytest.mark.parametrize("close", ["", "os.close(reader)"], ids=["unread", "broken"])
def test_a_log_that_nobody_reads_does_not_halt_the_chat(tmp_path: Path, close: str) -> None:
    with chat_in(tmp_path, change=TORN.format(close=close)) as chat, httpx.Client(base_url=chat.url) as client:
        statuses = {client.get(f"/{number}").status_code for number in range(1_000)}
        assert (statuses, client.get("/healthz").text) == ({404}, "alive")


def test_what_proxies_say_is_not_believed(chat: Chat) -> None:
    forged = ("X-Forwarded-Host: evil.example", "X-Gradio-Server: http://evil.example", "X-Forwarded-Proto: https")
    for path in ("/", "/config"):
        status, received = exchange(chat, own(chat, *forged, path=path))
        assert (status, b"evil.example" in received, b"https://127" in received) == (200, False, False)


def test_every_response_carries_the_security_headers(chat: Chat) -> None:
    for path in ("/", "/config", "/nothing", "/healthz", "/theme.css"):
        headers = httpx.get(chat.url + path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin" and "camera=()" in headers["permissions-policy"]
        assert ("cache-control" in headers and headers["cache-control"] == "no-store") is (path != "/theme.css")
        assert "server" not in headers


def test_a_client_that_asks_too_much_is_told_when_to_come_back(tmp_path: Path) -> None:
    with chat_in(tmp_path) as chat, httpx.Client(base_url=chat.url) as client:
        event = event_named(client, "export") | {"session_hash": "much", "data": [None]}
        answers = [client.post(JOIN, json=event) for _ in range(150)]
        limited = [answer for answer in answers if "That was a lot" in answer.text]
        assert {answer.status_code for answer in answers} <= {200, 429, 503} and limited
        assert limited[0].json() == {"detail": "That was a lot at once; try again in a second."}
        assert limited[0].headers["retry-after"] == "1"
        assert client.get("/healthz").status_code in (200, 429)


# Conversations: whose they are, and what waits in them.


def join(client: httpx.Client, name: str, session: str, *data: object) -> httpx.Response:
    """Send an event of the page by its name."""
    return client.post(JOIN, json=event_named(client, name) | {"session_hash": session, "data": data or [None]})


def event_named(client: httpx.Client, name: str) -> dict[str, object]:
    numbers = {event["api_name"]: event["id"] for event in client.get("/config").json()["dependencies"]}
    return {"fn_index": numbers[name], "trigger_id": None, "event_data": None}


def stream(client: httpx.Client, path: str, **query: str) -> str:
    return client.get(path, params=query).text


UNREAD_FOR_LONG = "conversations.UNREAD_SECONDS = 60.0"


def test_what_a_client_does_not_read_is_bounded(tmp_path: Path) -> None:
    with chat_in(tmp_path, change=UNREAD_FOR_LONG) as chat, httpx.Client(base_url=chat.url) as client:
        answers = [join(client, "ask", f"s{number % 5}", None, "Who fishes?", True) for number in range(20)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200] * events.MOST_UNREAD + [429] * (20 - events.MOST_UNREAD)
        assert answers[-1].json() == {"detail": "Much that you asked is still waiting; try again when it is answered."}
        assert answers[-1].headers["retry-after"] == "5"
        assert client.post(CALL, json={"data": ["Who fishes?", 1]}).status_code == 429
        assert INSIDE in stream(client, DATA, session_hash="s0")  # four are read
        assert [join(client, "ask", "s0", None, "And who?", True).status_code for _ in range(5)] == [200] * 4 + [429]


def test_what_a_client_does_not_read_is_dropped_and_it_is_told(tmp_path: Path) -> None:
    with chat_in(tmp_path) as chat, httpx.Client(base_url=chat.url) as client:
        assert join(client, "ask", "old", None, "Who fishes?", True).status_code == 200
        call = client.post(CALL, json={"data": ["Who fishes?", 1]}).json()["event_id"]
        time.sleep(1.5)
        assert join(client, "ask", "new", None, "Who fishes?", True).status_code == 200
        assert INSIDE in stream(client, DATA, session_hash="new")
        assert client.get(f"{CALL}/{call}").status_code == 404
        assert client.get(DATA, params={"session_hash": "old"}).status_code == 404


def test_calls_that_nobody_reads_are_bounded_too(tmp_path: Path) -> None:
    with chat_in(tmp_path, change=UNREAD_FOR_LONG) as chat, httpx.Client(base_url=chat.url) as client:
        answers = [client.post(CALL, json={"data": ["Who fishes?", 1]}) for _ in range(20)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200] * events.MOST_UNREAD + [429] * (20 - events.MOST_UNREAD)
        assert INSIDE in stream(client, f"{CALL}/{answers[0].json()['event_id']}")
        assert client.post(CALL, json={"data": ["Who fishes?", 1]}).status_code == 200


def test_a_page_may_open_a_stream_for_what_it_has_read(chat: Chat) -> None:
    # its events may be read while it still asks for a stream of theirs; a refusal would leave it without one for ever
    with httpx.Client(base_url=chat.url) as client:
        assert client.get(DATA, params={"session_hash": "unheard-of"}).status_code == 404
        assert join(client, "ask", "page", None, "Who fishes?", True).status_code == 200
        assert INSIDE in stream(client, DATA, session_hash="page")
        with client.stream("GET", DATA, params={"session_hash": "page"}) as opened:
            assert opened.status_code == 200
            assert join(client, "ask", "page", None, "Who fishes there?", True).status_code == 200
            assert "Who fishes there?" in "".join(opened.iter_text())


def test_streams_that_break_off_leave_nothing_to_count(tmp_path: Path) -> None:
    with chat_in(tmp_path, seconds=0.3, change=UNREAD_FOR_LONG) as chat:
        for number in range(events.MOST_UNREAD + 4):
            with httpx.Client(base_url=chat.url) as client:
                assert join(client, "ask", f"s{number}", None, "Who fishes?", True).status_code == 200
                with client.stream("GET", DATA, params={"session_hash": f"s{number}"}) as heard:
                    next(heard.iter_lines())


def test_a_conversation_is_shown_to_nobody_else(closed: Chat) -> None:
    with httpx.Client(base_url=closed.url) as anna, httpx.Client(base_url=closed.url) as bob:
        for client, user in ((anna, "anna"), (bob, "bob")):
            client.post(LOGIN, data={"username": user, "password": PASSWORD})
        assert join(anna, "ask", "annas", None, "Where is my cat?", True).status_code == 200
        assert bob.get(DATA, params={"session_hash": "annas"}).status_code == 404
        assert "Where is my cat?" in stream(anna, DATA, session_hash="annas")
        assert join(bob, "export", "annas").status_code == 404
        assert bob.get("/gradio_api/heartbeat/annas").status_code == 404
        call = anna.post(CALL, json={"data": ["Who fishes?", 1]}).json()["event_id"]
        assert bob.get(f"{CALL}/{call}").status_code == 404
        assert INSIDE in stream(anna, f"{CALL}/{call}")
        # logging in again does not end a conversation
        anna.post(LOGIN, data={"username": "anna", "password": PASSWORD})
        assert join(anna, "export", "annas").status_code == 200
        assert "Where is my cat" in stream(anna, DATA, session_hash="annas")


def test_a_user_who_logs_in_again_has_asked_what_was_asked(tmp_path: Path) -> None:
    write_hash(tmp_path / "hash", PASSWORD)
    change = "from docqa.chat.guarding import rates; serving.Allowance = lambda: rates.Allowance(100.0, 0.1)"
    with chat_in(tmp_path, password=tmp_path / "hash", change=change) as chat:
        statuses = []
        for user in ("anna", "anna", "bob"):
            with httpx.Client(base_url=chat.url) as client:
                client.post(LOGIN, data={"username": user, "password": PASSWORD})
                statuses.append([client.get("/config").status_code for _ in range(60)].count(429))
        assert statuses == [0, 20, 0]


# Without a login.

FORGED = [
    (),
    ("Cookie: docqa-session=",),
    ("Cookie: docqa-session=a",),
    ("Cookie: docqa-session=" + "0" * 64,),
    ("Cookie: docqa-session=\"'; DROP TABLE sessions",),
    ("Cookie: access-token=unsecure; access-token-unsecure=x",),
    ("Authorization: Basic YW5uYTphbm5h",),
    ("Authorization: Bearer x",),
    ("X-Forwarded-User: anna", "Remote-User: anna", "X-Forwarded-For: 127.0.0.1"),
]


@pytest.mark.parametrize("path", [path for name, path in PATHS.items() if find_route(path).access == "users"])
def test_no_route_lets_anyone_in_without_a_login(closed: Chat, path: str) -> None:
    for headers in FORGED:
        for method in methods_of(path):
            status, received = exchange(closed, own(closed, *headers, method=method, path=path, body=b"{}"))
            assert status == 401 and received.endswith(b'{"detail":"log in first"}')
        assert refused(closed, own(closed, *headers, "Accept: text/html", path=path), statuses=range(303, 406)) == ""


def test_browsers_are_led_to_the_login(closed: Chat) -> None:
    answer = httpx.get(closed.url, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, LOGIN)
    assert INSIDE not in httpx.get(closed.url + LOGIN).text


def test_only_health_can_be_asked_by_everyone(closed: Chat) -> None:
    deadline = time.monotonic() + 20
    while httpx.get(closed.url + "/readyz").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [httpx.get(closed.url + path).text for path in ("/healthz", "/readyz")] == ["alive", "ready"]
    assert "docqa_index_passages 1.0" in httpx.get(closed.url + "/metrics").text


# Whatever comes, it is answered, and never by an error of the server's own.

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["turn", "rank", "page", "document", "vote", "question", "x"]
SESSIONS = st.sampled_from(["a1", "b2", "", "../x"])
EVENTS = st.fixed_dictionaries(
    {"fn_index": st.integers(0, 28), "session_hash": SESSIONS, "data": st.lists(VALUES, max_size=3)},
    optional={
        "trigger_id": st.integers() | st.none(),
        "event_data": st.none() | st.dictionaries(st.sampled_from(NAMES), VALUES),
        "event_id": st.text(max_size=8),
        "batched": st.booleans(),
        "simple_format": st.booleans(),
    },
)
BODIES = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode())
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


CALLS = count(1)
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Takes no time to make, as all of this system's would; nothing here is encrypted."""


def answered(chat: Chat, method: str, path: str, body: bytes = b"", **query: str) -> None:
    # a client of its own each time, as if from another machine: one asks no more than a few times a second, and the
    # connection before may have been closed for good reason
    address = str(ipaddress.ip_address("127.1.0.0") + next(CALLS) % 2**20)
    for _ in range(50):
        with (
            httpx.Client(transport=httpx.HTTPTransport(NO_CERTIFICATES, local_address=address), params=query) as client,
            client.stream(method, chat.url + path, content=body) as answer,
        ):
            status = answer.status_code
        if status not in (429, 503):
            break
        time.sleep(0.3)
    assert status < 500, f"{method} {path} {body!r} {query!r}: {status}"


@FUZZ
@given(EVENTS)
def test_any_event_is_answered(chat: Chat, event: dict[str, object]) -> None:
    answered(chat, "POST", JOIN, json.dumps(event).encode())


@FUZZ
@given(st.lists(VALUES, max_size=3))
def test_any_call_of_the_api_is_answered(chat: Chat, data: list[object]) -> None:
    answered(chat, "POST", CALL, json.dumps({"data": data}).encode())


@FUZZ
@given(st.sampled_from(sorted(PATHS.values())), BODIES)
def test_any_body_is_answered(chat: Chat, path: str, body: bytes) -> None:
    for method in methods_of(path):
        answered(chat, method, path, body if method == "POST" else b"")


@FUZZ
@given(st.sampled_from(sorted(PATHS.values())), st.text(max_size=20))
def test_any_query_is_answered(chat: Chat, path: str, text: str) -> None:
    for name in ("session_hash", "name", "page", "deep_link", "__theme"):
        answered(chat, methods_of(path)[0], path, **{name: text})
