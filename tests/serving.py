"""A chat in a process of its own, and requests to it as an attacker writes them: byte by byte."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVER = """
import functools, sys, time
from pathlib import Path
from conftest import FakeEmbedder
from docqa.chat import build_chat, launch, serving
from docqa.chat.guarding import connections, conversations, events
from docqa.chat.guarding.passwords import Accounts
from docqa.chat.library import Library
from docqa.syncing import sync

folder, port, password, seconds = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
connections.MOST_SECONDS = conversations.UNREAD_SECONDS = 1.0
serving.BodyLimitMiddleware = functools.partial(serving.BodyLimitMiddleware, most_seconds=1.0)
embedder, retriever = FakeEmbedder(), Library.retriever

def slow(self):
    time.sleep(seconds)
    return retriever(self)

Library.retriever = slow
exec(sys.argv[5])
places = {"corpus_dir": folder / "corpus", "embeddings_dir": folder / "embeddings"}
sync(*places.values(), embedder=embedder)
accounts = Accounts.read([f"{user}:{password}" for user in ("anna", "bob")]) if password else None
chat = build_chat(**places, embedder=embedder, feedback_file=folder / "feedback.jsonl", with_login=bool(accounts))
launch(chat, port=port, accounts=accounts, log="requests")
"""

PASSWORD = "correct horse battery"
INSIDE, OUTSIDE = "heron4711", "osprey0815"
"""Words of a document that only those may read who are let in, and of a file that nobody may read."""


@dataclass(frozen=True)
class Chat:
    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def chat_in(folder: Path, *, password: Path | None = None, seconds: float = 0.0, change: str = "") -> Iterator[Chat]:
    """Serve a chat with one document; every question takes some seconds. A ``change`` of limits is run before."""
    (folder / "corpus").mkdir()
    (folder / "corpus" / "birds.txt").write_text(f"The word of the day is {INSIDE}. Herons fish in shallow water.")
    (folder / "secret.txt").write_text(OUTSIDE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", SERVER, str(folder), str(port), str(password or ""), str(seconds), change]
    environment = os.environ | {"PYTHONPATH": paths}
    with (folder / "log").open("w") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
        chat = Chat(folder, port, process)
        try:
            deadline = time.monotonic() + 120
            while "docqa chat: " not in chat.log:
                assert process.poll() is None and time.monotonic() < deadline, chat.log
                time.sleep(0.1)
            yield chat
        finally:
            process.send_signal(signal.SIGKILL)


def exchange(chat: Chat, request: bytes, *, seconds: float = 10.0) -> tuple[int, bytes]:
    """Send bytes and return the status and all that comes back; status 0 if the connection is closed without a word."""
    with socket.create_connection(("127.0.0.1", chat.port), timeout=seconds) as connection:
        received = b""
        try:
            connection.sendall(request)
            while part := connection.recv(65536):
                received += part
                if complete(received):
                    break
        except ConnectionError:
            pass
    status = received.split(b" ", 2)[1] if received.startswith(b"HTTP/") else b"0"
    return int(status), received


def complete(received: bytes) -> bool:
    """Tell whether a response is there, or enough of one without a length."""
    head, found, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(found) and len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n") or b"text/event-stream" in head


def request(method: str, path: str | bytes, *headers: str, host: str | None = "127.0.0.1", body: bytes = b"") -> bytes:
    """Write a request as it is given, however wrong it is."""
    target = path.encode() if isinstance(path, str) else path
    lines = [f"Host: {host}"] if host is not None else []
    lines += [*headers, f"Content-Length: {len(body)}"] if method != "GET" or body else headers
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + "\r\n".join([*lines, "", ""]).encode() + body
