"""Isolation: whatever a reader does to its process, the file is skipped with the reason and all else goes on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest

import docqa
import faulty_reader
from conftest import FakeEmbedder, is_gone, write_corpus
from docqa import CorpusError, Document, isolation
from docqa.corpus import digest, read_bytes
from docqa.isolation import Unread, process, read_isolated
from docqa.isolation.process import Failure, ReadingProcess
from docqa.reading import read_document
from docqa.store import read_manifest
from test_reading_hostile import FILES
from test_syncing import contents


def processes(parent: int | None = None) -> list[int]:
    """List the processes that read for a parent, by default this one, with what they started, zombies too."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            number, above = int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (ValueError, OSError):
            continue
        found[number] = above
    families = {parent or os.getpid()}
    while more := {number for number, above in found.items() if above in families} - families:
        families |= more
    return sorted(families - {parent or os.getpid()})


def strays() -> list[Path]:
    """List what a reader of these tests started, wherever it hangs in the tree by now."""
    found, command = [], f"sleep\0{faulty_reader.long(os.getpid())}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes() == command:
                found.append(folder)
    return found


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = processes()
    yield
    assert processes() == before
    deadline = time.monotonic() + 5  # killed, but perhaps not yet gone
    while strays() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert strays() == []


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "READER", "faulty_reader.read")


def read_all(folder: Path, texts: dict[str, str]) -> dict[str, Document | Unread]:
    write_corpus(folder, texts)
    with read_isolated(folder, list(texts)) as outcomes:
        return dict(zip(texts, outcomes, strict=True))


def reason(folder: Path, text: str) -> tuple[str, bool]:
    """Return why a file was not read, and whether its bytes are to blame; the one after it is read."""
    found = read_all(folder, {"a.csv": text, "b.csv": "sound", "c.csv": "sound"})
    assert all(isinstance(found[path], Document) for path in ("b.csv", "c.csv"))
    outcome = found["a.csv"]
    assert isinstance(outcome, Unread)
    assert outcome.digest in (None, digest(text.encode()))
    return outcome.reason, outcome.digest is not None


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("exit", "its reader stopped unexpectedly (exit status 3); save it in another format"),
        ("segfault", "its reader stopped unexpectedly (SIGSEGV); save it in another format"),
        ("panic", "its reader stopped unexpectedly (Panic: no way); save it in another format"),
        ("leave", "its reader stopped unexpectedly (SystemExit: 0); save it in another format"),
        ("fail", "its reader stopped unexpectedly (IndexError: list index out of range); save it in another format"),
        ("refuse", "it is bad ?"),
        (
            "unstorable",
            "its reader stopped unexpectedly (UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' "
            "in position 28: surrogates not allowed); save it in another format",
        ),
        ("fill", "reading it needs more than 300 MiB; divide it"),
        ("mistake", "reading it needs more than 300 MiB; divide it"),
        ("write", "its reader stopped unexpectedly (OSError: [Errno 27] File too large); save it in another format"),
        ("childhang", "reading it took more than 6 s by the clock; sync again"),
        ("hang", "reading it took more than 6 s by the clock; sync again"),
        ("spin", "reading it took more than 2 s; divide it"),
    ],
)
def test_what_fails_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, words: str
) -> None:
    monkeypatch.setattr(process, "SECONDS", 2)
    monkeypatch.setattr(process, "PATIENCE", 30 if act == "spin" else 3)
    monkeypatch.setattr(process, "MEMORY", 300 * 2**20)
    assert reason(tmp_path, act) == (words, "clock" not in words)


@pytest.mark.usefixtures("faulty")
def test_a_file_whose_parser_is_missing_is_tried_again_once_it_is_there(tmp_path: Path) -> None:
    words = "its reader cannot be loaded (No module named 'no_such_parser'); reinstall docqa"
    assert reason(tmp_path, "miss") == (words, False)


@pytest.mark.usefixtures("faulty")
def test_the_readers_alone_are_loaded(tmp_path: Path) -> None:
    assert (
        reason(tmp_path, "loaded torch faiss scipy transformers gradio docqa.syncing docqa.reading")[0]
        == "docqa.reading"
    )


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("act", ["shout", "child"])
def test_what_does_no_harm_is_read(tmp_path: Path, act: str) -> None:
    assert isinstance(read_all(tmp_path, {"a.csv": act})["a.csv"], Document)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("act", ["exit", "segfault", "panic", "fill"])
def test_what_fails_once_only_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setattr(process, "MEMORY", 300 * 2**20)
    found = read_all(tmp_path / "corpus", {"a.csv": f"once {tmp_path}/mark {act}"})
    assert isinstance(found["a.csv"], Document)


def test_the_faulty_reader_sets_every_field() -> None:
    document = faulty_reader.read("a.csv", b"partly sound", "d")
    for value in (
        document,
        document.blocks[0],
        document.pages[0],
    ):  # so that the next test notices a field that is not carried over
        assert [field.name for field in fields(value) if getattr(value, field.name) == field.default] == []


@pytest.mark.usefixtures("faulty")
def test_results_come_in_order_and_unchanged(tmp_path: Path) -> None:
    texts = {
        f"{i:02}.csv": f"once {tmp_path}/{i} exit" if i % 5 == 0 else f"partly sound {i} ü\u2028\ud7ff"
        for i in range(20)
    }
    found = read_all(tmp_path / "corpus", texts)
    assert found == {
        path: faulty_reader.read(path, text.encode(), digest(text.encode())) for path, text in texts.items()
    }


def kill_reporting(folder: Path) -> threading.Thread:
    """Kill the process that leaves its number in a folder, as soon as it does."""

    def kill() -> None:
        while not (numbers := list(folder.glob("*"))):
            time.sleep(0.01)
        os.kill(int(numbers[0].name), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.mark.usefixtures("faulty")
def test_a_killed_reader_stops_no_sync(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    texts = {f"{i}.csv": f"Words of file {i}." for i in range(9)}
    corpus = write_corpus(tmp_path / "corpus", texts | {"4.csv": f"report {tmp_path}/mark"})
    killing = kill_reporting(tmp_path / "mark")
    report = docqa.sync(corpus, store, embedder=fake)
    killing.join()
    assert [(one.path, one.reason) for one in report.skipped] == [
        ("4.csv", "its reader stopped unexpectedly (killed); sync again")
    ]
    assert report.diff.added == tuple(path for path in texts if path != "4.csv")
    assert docqa.diff(corpus, store).added == ("4.csv",)
    process.READER = "docqa.reading.read_document"  # the fixture's monkeypatch undoes it
    write_corpus(corpus, {"4.csv": "{\\rtf1 Mended words.}"})
    report = docqa.sync(corpus, store, embedder=fake)
    assert (report.diff.added, report.skipped) == (("4.csv",), ())


@pytest.mark.usefixtures("faulty")
def test_a_killed_reader_is_tried_again_at_the_next_sync(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.csv": f"once {tmp_path}/mark kill", "b.csv": "Words."})
    assert [one.path for one in docqa.sync(corpus, store, embedder=fake).skipped] == ["a.csv"]
    report = docqa.sync(corpus, store, embedder=fake)
    assert (report.diff.added, report.skipped) == (("a.csv",), ())


@pytest.mark.usefixtures("faulty")
def test_bytes_that_crash_are_not_read_again(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.csv": "segfault", "b.csv": "Words."})
    first = docqa.sync(corpus, store, embedder=fake)
    assert read_manifest(store).refused == {"a.csv": digest(b"segfault")}
    again = docqa.sync(corpus, store, embedder=fake)
    assert (again.skipped, again.embedded) == (first.skipped, 0)


@pytest.mark.usefixtures("faulty")
def test_only_some_documents_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"{i}.txt" for i in range(40)]
    for path in paths:
        (tmp_path / path).write_text("Words.")
    read: list[str] = []

    def noted(corpus_dir: Path, path: str) -> bytes:
        read.append(path)
        return read_bytes(corpus_dir, path)

    monkeypatch.setattr(isolation, "read_bytes", noted)
    monkeypatch.setattr(isolation, "_most_processes", lambda: 2)
    with read_isolated(tmp_path, paths) as outcomes:
        for taken, outcome in enumerate(outcomes):
            assert isinstance(outcome, docqa.Document)
            time.sleep(0.002)
            assert len(read) <= taken + 2 * isolation.AHEAD
    assert sorted(read) == sorted(paths)


def test_an_interrupted_sync_leaves_no_process(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.csv": "hang", "b.csv": "hang", "c.csv": "exit"})

    def interrupt(done: int, total: int, activity: str) -> None:
        while len(processes()) < min(2, isolation._most_processes()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        docqa.sync(corpus, store, embedder=fake, progress=interrupt)
    assert not (store / "manifest.json").exists()


SYNC = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background without
from docqa.isolation import process, read_isolated
from pathlib import Path
process.READER = "faulty_reader.read"
with read_isolated(Path(sys.argv[1]), ["a.csv", "b.csv"]) as outcomes:
    list(outcomes)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_readers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    write_corpus(tmp_path, {"a.csv": f"report {tmp_path}/a", "b.csv": "spin"})
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen([sys.executable, "-c", SYNC, tmp_path], env=os.environ | {"PYTHONPATH": path}, stderr=-3)
    while not list(tmp_path.glob("a/*")):
        time.sleep(0.01)
    children = processes(parent.pid)
    assert children
    parent.send_signal(number)
    assert parent.wait(20) != 0
    deadline = time.monotonic() + 10
    while not all(map(is_gone, children)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_reading_apart_gives_the_same_documents(tmp_path: Path) -> None:
    for suffix, data in FILES.items():
        (tmp_path / f"a{suffix}").write_bytes(data)
    paths = sorted(f"a{suffix}" for suffix in FILES)
    with read_isolated(tmp_path, paths) as outcomes:
        assert list(outcomes) == [
            read_document(path, data, digest(data)) for path in paths for data in [(tmp_path / path).read_bytes()]
        ]


def test_a_sync_from_a_thread_equals_another(tmp_path: Path, fake: FakeEmbedder) -> None:
    pages = {f"{i}.html": f"<h1>Page {i}</h1><p>Words of page {i}.</p>" for i in range(6)}
    corpus = write_corpus(tmp_path / "corpus", {**pages, "a.txt": "Text.", "bad.docx": "x"})
    threads = [
        threading.Thread(target=docqa.sync, args=(corpus, tmp_path / name), kwargs={"embedder": FakeEmbedder()})
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    docqa.sync(corpus, tmp_path / "three", embedder=fake)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")


def test_plain_text_starts_no_process(
    corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    write_corpus(corpus, {"bad.docx": "no zip", "nul.txt": "\0", "gone.py": "x = 1"})
    monkeypatch.setattr(subprocess, "Popen", start)
    assert docqa.sync(corpus, store, embedder=fake).passages == 5
    assert docqa.sync(corpus, store, embedder=fake).embedded == 0


@pytest.mark.parametrize(
    ("cpus", "gib", "files", "expected"),
    [
        (1, 64, 20, 1),
        (4, 64, 20, 4),
        (16, 64, 20, 8),
        (16, 64, 3, 3),
        (8, 1.9, 20, 1),
        (8, 3.8, 20, 1),
        (8, 7.7, 20, 2),
    ],
)
def test_processors_and_memory_say_how_many_processes_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpus: int, gib: float, files: int, expected: int
) -> None:
    made: list[ReadingProcess] = []

    class Counted(ReadingProcess):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(isolation, "ReadingProcess", Counted)
    monkeypatch.setattr(isolation, "usable_cpus", lambda: cpus)
    monkeypatch.setattr(isolation, "usable_memory", lambda: int(gib * 2**30))
    corpus = write_corpus(tmp_path / "corpus", {f"{number}.txt": "Words." for number in range(files)})
    with read_isolated(corpus, [f"{number}.txt" for number in range(files)]) as outcomes:
        assert [outcome.text for outcome in outcomes if isinstance(outcome, Document)] == ["Words."] * files
    assert len(made) == expected


def test_an_unforeseen_error_of_a_plain_reader_stops_nothing(
    corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, data: bytes, digest: str) -> Document:
        if path == "cake.md":
            raise RuntimeError("unforeseen")
        return read_document(path, data, digest)

    monkeypatch.setattr(docqa.isolation, "read_document", fail)
    assert docqa.sync(corpus, store, embedder=fake).skipped == ()  # apart, the reader is sound


def test_the_name_of_a_file_does_not_steer_the_terminal_through_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: str, data: bytes, digest: str) -> Document:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(docqa.isolation, "read_document", fail)
    name = "a\x1b]0;owned\x07.txt"
    read_all(tmp_path, {name: "Words."})
    assert ["\x1b" in record.getMessage() for record in caplog.records] == [False]


def test_a_sync_with_nothing_new_starts_no_process(
    tmp_path: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.html": "<p>Words.</p>"})
    docqa.sync(corpus, store, embedder=fake)
    monkeypatch.setattr(process, "READER", "nothing.read")
    assert docqa.sync(corpus, store, embedder=fake).diff.unchanged == ("a.html",)


def test_readers_that_cannot_be_loaded_are_no_fault_of_the_files(
    tmp_path: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.html": "<p>Words.</p>"})
    monkeypatch.setattr(process, "READER", "nothing.read")
    with pytest.raises(CorpusError, match=r"the process that reads documents does not start \(exit status 1\)"):
        docqa.sync(corpus, store, embedder=fake)
    assert "No module named 'nothing'" in capfd.readouterr().err
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CorpusError, match="no process to read documents can be started: No such file"):
        docqa.sync(corpus, store, embedder=fake)


GOOD = {
    "title": "T",
    "text": "Words.",
    "blocks": [["paragraph", 0, 6, [], ""]],
    "pages": [[0, 1, False]],
    "unread": "",
    "author": "Ann",
    "date": "",
}

WRONG_BLOCKS = [
    ["paragraph", 0, 7, [], ""],
    ["paragraph", -1, 6, [], ""],
    ["paragraph", 0.0, 6, [], ""],
    ["paragraph", 0, 6, [3], ""],
    ["paragraph", 0, 6, ["\ud800"], ""],
    ["paragraph", 0, 6, [], 3],
    ["paragraph", 0, 6],
    ["evil", 0, 6, [], ""],
    [["paragraph"], 0, 6, [], ""],
]


@pytest.mark.parametrize(
    "reply",
    [
        *(None, 3, "text", [], {}, {"text": "x"}),
        *(GOOD | {"title": "\ud800"}, GOOD | {"text": "\ud800 no"}),
        *(GOOD | {"title": 3}, GOOD | {"text": ["x"]}, GOOD | {"blocks": []}),
        *(GOOD | {"pages": [[0.0, 1, False]]}, GOOD | {"pages": [[0, "1", False]]}, GOOD | {"pages": [[0, 1, 0]]}),
        *(GOOD | {"pages": [[0, 1]]}, GOOD | {"pages": [0]}, GOOD | {"unread": 3}, GOOD | {"author": ["Ann"]}),
        *(GOOD | {"blocks": [block]} for block in WRONG_BLOCKS),
    ],
)
def test_an_answer_that_is_none_is_not_believed(reply: object) -> None:
    with pytest.raises(process.MALFORMED):
        process._outcome(json.loads(json.dumps(reply)), "a", "d")


def test_an_answer_that_is_one_is_believed() -> None:
    assert isinstance(process._outcome(json.loads(json.dumps(GOOD)), "a", "d"), Document)


@pytest.mark.parametrize("answer", [b"", b"\0", b"\xff" * 9, (2**62).to_bytes(8) + b"x", (3).to_bytes(8) + b"{}}"])
def test_a_process_that_answers_anything_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    script = tmp_path / "worker.py"
    ready = (2).to_bytes(8) + b"{}"
    script.write_text(f"import os\nos.write(1, {ready + answer!r})\nos.read(0, 99999)\n")
    monkeypatch.setattr(process.worker, "__file__", str(script))
    reading = ReadingProcess()
    outcome = reading.read("a.csv", b"x", "d")
    reading.close()
    assert isinstance(outcome, Failure)
    assert "its reader stopped unexpectedly" in outcome.reason


def test_a_closed_process_starts_no_more() -> None:
    reading = ReadingProcess()
    reading.close()
    with pytest.raises(CorpusError):
        reading.read("a.csv", b"x", "d")
