"""With the network cut off, everything works."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import write_corpus

SCRIPT = """
import socket, sys

def refuse(self, address, *rest):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "localhost", "::1"):
        print("CONNECTED", address, flush=True)
        raise OSError("the network is cut off")
    return connect(self, address, *rest)

def refuse_name(host, *rest, **options):
    if host not in (None, "", b"", "127.0.0.1", "localhost", "::1", "0.0.0.0"):
        print("LOOKED UP", host, flush=True)
        raise OSError("the network is cut off")
    return look_up(host, *rest, **options)

connect, look_up = socket.socket.connect, socket.getaddrinfo
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse_name
"""

ENGINE = """
import docqa
docqa.sync(sys.argv[1], sys.argv[2])
print(docqa.ask("When was the bridge built?", embeddings_dir=sys.argv[2]).quotes[0].text)
"""

CHAT = """
import threading
from gradio_client import Client
import docqa
from docqa.chat import build_chat, launch

docqa.sync(sys.argv[1], sys.argv[2])
page = build_chat(corpus_dir=sys.argv[1], embeddings_dir=sys.argv[2])
threading.Thread(target=launch, args=[page], kwargs={"port": int(sys.argv[3])}, daemon=True).start()
for attempt in range(100):
    try:
        client = Client(f"http://127.0.0.1:{sys.argv[3]}", verbose=False)
        break
    except Exception:
        import time
        time.sleep(0.2)
print(client.predict("When was the bridge built?", 1, api_name="/retrieve")[0]["text"])
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", {"bridge.txt": "The bridge was built in 1887."})


def run(script: str, *arguments: str) -> list[str]:
    """Run a script in a process that cannot reach beyond this machine; list what it printed."""
    # without HF_HUB_OFFLINE: docqa itself has to keep quiet
    environment = {"PATH": "/usr/bin:/bin", "DOCQA_CACHE": f"{arguments[1]}-cache"}
    command = [sys.executable, "-c", SCRIPT + script, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.splitlines() if not line.startswith("docqa chat:")]


def test_sync_and_ask_without_a_network(corpus: Path, store: Path) -> None:
    assert run(ENGINE, str(corpus), str(store)) == ["The bridge was built in 1887."]


def test_chat_without_a_network(corpus: Path, store: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run(CHAT, str(corpus), str(store), str(port)) == ["The bridge was built in 1887."]
