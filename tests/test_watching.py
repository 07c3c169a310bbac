"""Watching: changes of real files are embedded once they rest, whatever way they were saved, and nothing stops it."""

import dataclasses
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import watchfiles

import docqa
from conftest import BEES, CAKE, FakeEmbedder, is_gone, write_corpus
from docqa import watching
from docqa.apart import sync_apart
from docqa.corpus import list_corpus
from docqa.errors import DocqaError, DocumentReadError, StoreError, StoreLockedError
from docqa.machine import NICENESS
from docqa.store import read_manifest, write_lock
from docqa.types import Progress, SyncReport
from docqa.watching import Watcher

LONG = 120
"""Seconds that nothing takes, even on a machine that is busy with other things."""


class Watch:
    """A watcher at work, and what it reports."""

    def __init__(self, corpus: Path, store: Path, embedder: docqa.Embedder) -> None:
        self.reports: queue.Queue[SyncReport] = queue.Queue()
        self.watcher = Watcher(corpus, store, sync=partial(docqa.sync, embedder=embedder), on_report=self.reports.put)

    def next(self) -> dict[str, tuple[str, ...]]:
        """Wait for the next report and say what it says has changed."""
        diff = self.reports.get(timeout=LONG).diff
        found = {"added": diff.added, "changed": diff.changed, "removed": diff.removed}
        return {word: paths for word, paths in found.items() if paths}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "QUIET", 0.4)
    monkeypatch.setattr(watching, "WAIT_FOR_OTHERS", 0.1)
    monkeypatch.setattr(watching, "TICK_MS", 100)


@pytest.fixture
def watch(corpus: Path, store: Path, fake: FakeEmbedder) -> Iterator[Watch]:
    """Watch a corpus that is indexed already."""
    docqa.sync(corpus, store, embedder=fake)
    watch = Watch(corpus, store, fake)
    with watch.watcher.in_background():
        write_corpus(corpus, {"first.md": "It has begun."})
        assert watch.next() == {"added": ("first.md",)}
        yield watch


def rename(file: Path, text: str) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.replace(file)


def keep_backup(file: Path, text: str) -> None:
    """Save as vim does."""
    swap = file.with_name(f".{file.name}.swp")
    swap.write_bytes(b"b0VIM")
    file.rename(file.with_name(f"{file.name}~"))
    file.write_text(text)
    swap.unlink()


def truncate(file: Path, text: str) -> None:
    with file.open("w") as handle:
        handle.flush()
        handle.write(text)


def delete_first(file: Path, text: str) -> None:
    file.unlink()
    file.write_text(text)


@pytest.mark.parametrize("save", [rename, keep_backup, truncate, delete_first])
def test_a_document_that_an_editor_saves_is_embedded(
    save: Callable[[Path, str], None], watch: Watch, corpus: Path, store: Path, fake: FakeEmbedder
):
    save(corpus / "cake.md", CAKE.replace("forty", "fifty"))
    assert watch.next() == {"changed": ("cake.md",)}
    hits = docqa.Retriever.open(store, embedder=fake).retrieve("It bakes for fifty minutes.", 1)
    assert "fifty minutes" in hits[0].passage.text


def test_deleted_and_moved_documents_and_folders(watch: Watch, corpus: Path):
    (corpus / "cake.md").unlink()
    assert watch.next() == {"removed": ("cake.md",)}
    (corpus / "notes").rename(corpus / "bees")
    assert watch.next() == {"added": ("bees/bees.md",), "removed": ("notes/bees.md",)}
    shutil.rmtree(corpus / "bees")
    assert watch.next() == {"removed": ("bees/bees.md",)}


def test_many_new_files_are_few_syncs(watch: Watch, corpus: Path):
    shutil.copytree(
        write_corpus(corpus.parent / "many", {f"{n}.md": f"File {n}." for n in range(100)}), corpus / "many"
    )
    found = [watch.next()]
    while sum(len(report["added"]) for report in found) < 100:
        found.append(watch.next())
    assert len(found) <= 2
    assert {path for report in found for path in report["added"]} == {f"many/{n}.md" for n in range(100)}


class Grows(threading.Event):
    """Grows a file whenever somebody waits to see whether it does."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file, self.growing = file, True

    def wait(self, timeout: float | None = None) -> bool:
        if self.growing:
            with self.file.open("a") as handle:
                handle.write("More and more.\n")
        return self.is_set()


@pytest.mark.parametrize("name", ["growing.md", "cake.md"])
def test_a_file_that_still_grows_is_left_for_the_next_time(
    name: str, corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
):
    docqa.sync(corpus, store, embedder=fake)
    monkeypatch.setattr(watching, "PATIENCE", 0)
    watcher = Watch(corpus, store, fake).watcher
    watcher._stop = growth = Grows(corpus / name)
    (corpus / name).write_text("")
    assert watcher._embed_changes() is None  # nothing but that file
    write_corpus(corpus, {"whole.md": "It is whole."})
    report = watcher._embed_changes()
    assert (report.diff.added, report.diff.changed, report.diff.removed) == (("whole.md",), (), ())
    assert report.skipped == ()
    if name == "cake.md":
        found = docqa.Retriever.open(store, embedder=fake).document("cake.md")
        assert "forty minutes" in found.text  # as it was
    growth.growing = False
    report = watcher._embed_changes()
    assert report.diff.added + report.diff.changed == (name,)
    assert watcher._embed_changes() is None


def test_files_that_rest_wait_some_time_for_others(corpus: Path, store: Path, fake: FakeEmbedder):
    watcher = Watch(corpus, store, fake).watcher
    watcher._stop = growth = Grows(corpus / "growing.md")
    waited = growth.wait

    def wait(timeout: float | None = None) -> bool:
        growth.growing = (corpus / "growing.md").stat().st_size < 50 if (corpus / "growing.md").exists() else True
        return waited(timeout)

    growth.wait = wait
    report = watcher._embed_changes()
    assert report.diff.added == ("bridge.txt", "cake.md", "growing.md", "notes/bees.md")


def test_an_error_is_said_once_and_the_next_change_is_embedded(
    watch: Watch, corpus: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    tries: queue.Queue[bool] = queue.Queue()

    def fail(*arguments: Any, **settings: Any) -> SyncReport:
        tries.put(True)
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(watch.watcher, "_sync", fail)
        for n in range(2):
            write_corpus(corpus, {f"{n}.md": "New."})
            tries.get(timeout=LONG)
    assert watch.watcher.problem == "the disk is full"
    write_corpus(corpus, {"2.md": "New."})
    found = watch.next()
    assert found == {"added": ("0.md", "1.md", "2.md")}
    assert watch.watcher.problem == ""
    assert caplog.messages == ["the disk is full"]


def test_an_error_that_nobody_expected_ends_nothing_either(
    watch: Watch, corpus: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(watching, "LOOK_AGAIN", 0.1)
    real, calls = watch.watcher._sync, iter([True])

    def fail_once(*arguments: Any, **settings: Any) -> SyncReport:
        return 1 / 0 if next(calls, False) else real(*arguments, **settings)

    monkeypatch.setattr(watch.watcher, "_sync", fail_once)
    with caplog.at_level(logging.WARNING):
        write_corpus(corpus, {"new.md": "New."})
        assert watch.next() == {"added": ("new.md",)}  # by itself, for the cause may be gone
    assert caplog.messages == ["cannot sync: ZeroDivisionError: division by zero"]


def test_another_sync_is_waited_out(
    watch: Watch, corpus: Path, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    real, tried = watch.watcher._sync, threading.Semaphore(0)

    def sync(*arguments: Any, **settings: Any) -> SyncReport:
        try:
            return real(*arguments, **settings)
        finally:
            tried.release()

    monkeypatch.setattr(watch.watcher, "_sync", sync)
    with write_lock(store):
        write_corpus(corpus, {"new.md": "New."})
        for _ in range(2):
            assert tried.acquire(timeout=LONG)
        assert watch.reports.empty()
    assert watch.next() == {"added": ("new.md",)}
    assert caplog.messages == []


def test_a_sync_of_this_process_is_waited_for(watch: Watch, corpus: Path):
    with watch.watcher.turn:
        write_corpus(corpus, {"new.md": "New."})
        with pytest.raises(queue.Empty):
            watch.reports.get(timeout=1)
    assert watch.next() == {"added": ("new.md",)}


def test_a_corpus_that_was_emptied_is_not_forgotten(
    watch: Watch, corpus: Path, store: Path, monkeypatch: pytest.MonkeyPatch
):
    said: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(watching.logger, "warning", lambda message, *given: said.put(message % given))
    shutil.rmtree(corpus / "notes")
    for file in [*corpus.iterdir()]:
        file.unlink()
    assert said.get(timeout=LONG) == (
        f"no documents in '{corpus}'; copy files that docqa reads into it; the index keeps its documents (4), "
        "'docqa sync --force' would empty it"
    )
    assert len(read_manifest(store).documents) == 4
    write_corpus(corpus, {"notes/bees.md": BEES})
    assert watch.next() == {"removed": ("bridge.txt", "cake.md", "first.md")}
    assert said.empty()


def test_another_folder_in_the_place_of_the_corpus_is_watched(watch: Watch, corpus: Path, tmp_path: Path):
    corpus.rename(tmp_path / "away")
    write_corpus(corpus, {"cake.md": CAKE})
    assert watch.next() == {"removed": ("bridge.txt", "first.md", "notes/bees.md")}
    write_corpus(corpus, {"new.md": "New."})
    assert watch.next() == {"added": ("new.md",)}


def test_a_corpus_that_is_a_link_is_watched_wherever_it_leads(
    corpus: Path, store: Path, fake: FakeEmbedder, tmp_path: Path
):
    link = tmp_path / "link"
    link.symlink_to(corpus)
    watch = Watch(link, store, fake)
    with watch.watcher.in_background():
        assert watch.next() == {"added": ("bridge.txt", "cake.md", "notes/bees.md")}
        other = write_corpus(tmp_path / "other", {"cake.md": CAKE})
        (tmp_path / "next").symlink_to(other)
        (tmp_path / "next").replace(link)
        assert watch.next() == {"removed": ("bridge.txt", "notes/bees.md")}
        write_corpus(other, {"new.md": "New."})
        assert watch.next() == {"added": ("new.md",)}


def test_a_document_that_cannot_be_read_is_not_tried_again_and_again(
    watch: Watch, corpus: Path, monkeypatch: pytest.MonkeyPatch
):
    looks = threading.Semaphore(0)
    real = watching.diff

    def look(*folders: Path) -> docqa.CorpusDiff:
        looks.release()
        return real(*folders)

    def refuse(corpus_dir: Path, path: str) -> bytes:
        raise DocumentReadError(path, "the system refuses")

    monkeypatch.setattr("docqa.isolation.read_bytes", refuse)
    monkeypatch.setattr(watching, "LOOK_AGAIN", 0)
    monkeypatch.setattr(watching, "diff", look)
    write_corpus(corpus, {"new.md": "New."})
    assert [one.path for one in watch.reports.get(timeout=LONG).skipped] == ["new.md"]
    for _ in range(4):
        assert looks.acquire(timeout=LONG)
    assert watch.reports.empty()


def test_where_the_system_gives_no_signs_files_are_looked_through(
    corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    real = watchfiles.watch

    def refuse(*folders: Path, force_polling: bool | None, **settings: Any) -> Any:
        if not force_polling:
            raise OSError("OS file watch limit reached.")
        return real(*folders, force_polling=True, **settings)

    monkeypatch.setattr(watchfiles, "watch", refuse)
    watch = Watch(corpus, store, fake)
    with watch.watcher.in_background():
        assert watch.next() == {"added": ("bridge.txt", "cake.md", "notes/bees.md")}
        write_corpus(corpus, {"new.md": "New."})
        assert watch.next() == {"added": ("new.md",)}
    limit = f"the system cannot watch '{corpus}' (OS file watch limit reached.); it is looked through every second"
    assert caplog.messages == [limit]


class Slow(FakeEmbedder):
    """Embeds only when it is let, and says when it begins."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may = threading.Event(), threading.Event()

    def embed_passages(self, texts: Any, sentences: Any) -> docqa.PassageEmbeddings:
        self.begun.set()
        assert self.may.wait(LONG)
        return super().embed_passages(texts, sentences)


def test_a_watch_that_is_stopped_interrupts_its_sync(corpus: Path, store: Path, fake: FakeEmbedder):
    docqa.sync(corpus, store, embedder=fake)
    before = read_manifest(store).generation
    write_corpus(corpus, {"new.md": "New."})
    slow = Slow()
    watch = Watch(corpus, store, slow)
    with ExitStack() as stack:
        stack.enter_context(watch.watcher.in_background())
        assert slow.begun.wait(LONG)
        watch.watcher.stop()
        slow.may.set()
    assert watch.reports.empty()
    assert read_manifest(store).generation == before
    assert docqa.sync(corpus, store, embedder=fake).diff.added == ("new.md",)
    assert fake.embedded.count("New.") == 0  # that much was kept


def test_the_marks_of_files_open_in_word_are_no_documents(corpus: Path):
    write_corpus(corpus, {"~$report.docx": "owner", "report~.md": "A report."})
    found = list_corpus(corpus, frozenset({".docx", ".md"}), {})
    assert [*found.files] == ["cake.md", "notes/bees.md", "report~.md"]
    assert [one.path for one in found.skipped] == ["bridge.txt"]


def test_the_command_line_syncs_after_every_change_until_it_is_interrupted(corpus: Path, store: Path):
    folders = ["--corpus", str(corpus), "--embeddings", str(store)]
    command = [sys.executable, "-m", "docqa", "sync", "--watch", *folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("3 added, 0 changed, 0 removed, 0 unchanged; 4 of 4 passages")
            write_corpus(corpus, {"new.md": "Something is new."})
            assert process.stdout.readline().startswith("1 added, 0 changed, 0 removed, 3 unchanged; 1 of 5 passages")
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
            process.send_signal(signal.SIGINT)
            assert process.wait(LONG) == 0
            assert (process.stdout.read(), process.stderr.read()) == ("", "")
        finally:
            process.kill()


def test_a_sync_apart_does_what_a_sync_does(corpus: Path, store: Path, tmp_path: Path):
    write_corpus(corpus, {"empty.md": ""})
    told: list[tuple[int, int, str]] = []
    report = sync_apart(corpus, store, leave=["cake.md"], progress=lambda *how_far: told.append(how_far))
    other = docqa.sync(corpus, tmp_path / "other", leave=["cake.md"])
    assert dataclasses.replace(report, seconds=0) == dataclasses.replace(other, seconds=0)
    assert told[0] == (0, 0, "reading")
    assert docqa.Retriever.open(store).retrieve("Bees make honey.", 1)[0].passage.document == "notes/bees.md"


def test_a_sync_apart_says_what_stops_it(corpus: Path, store: Path, tmp_path: Path):
    with write_lock(store), pytest.raises(StoreLockedError):
        sync_apart(corpus, store)
    with pytest.raises(DocqaError, match="^cannot load the model 'no-model'"):
        sync_apart(corpus, store, model="no-model")


def test_a_sync_apart_has_a_low_priority_and_ends_at_once(corpus: Path, store: Path):
    niceness: list[int] = []

    def stop(*_: Any) -> None:
        (process,) = children()
        if os.getpriority(os.PRIO_PROCESS, process) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS:
            niceness.append(process)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        sync_apart(corpus, store, progress=stop)
    assert len(niceness) == 1
    assert children() == []
    assert docqa.sync(corpus, store).diff.added == ("bridge.txt", "cake.md", "notes/bees.md")


def test_a_sync_apart_that_is_killed_is_said_and_made_again(
    corpus: Path, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(watching, "LOOK_AGAIN", 0.1)
    killed, reports = threading.Event(), queue.Queue[SyncReport]()

    def kill_once(*folders: Path, progress: Progress, **settings: Any) -> SyncReport:
        def kill(*how_far: Any) -> None:
            progress(*how_far)
            if not killed.is_set():
                killed.set()
                os.kill(children()[0], signal.SIGKILL)

        return sync_apart(*folders, progress=kill, **settings)

    with Watcher(corpus, store, sync=kill_once, on_report=reports.put).in_background():
        assert reports.get(timeout=LONG).diff.added == ("bridge.txt", "cake.md", "notes/bees.md")
    assert caplog.messages == ["the sync ended before it was done (SIGKILL); the index is as before"]


def test_a_sync_apart_ends_with_the_process_that_waits_for_it(corpus: Path, store: Path):
    write_corpus(corpus, {f"{n}.md": f"Number {n}. {CAKE}" for n in range(2_000)})
    script = "import sys; from docqa.apart import sync_apart; sync_apart(*sys.argv[1:], progress=print)"
    with subprocess.Popen([sys.executable, "-u", "-c", script, corpus, store], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0 0 reading\n"
        (apart,) = children(process.pid)
        process.kill()
    deadline = time.monotonic() + LONG
    while not is_gone(apart) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_gone(apart)


def children(parent: int | None = None) -> list[int]:
    """List the processes that sync for a process and have not ended."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # one that ends meanwhile
            _, _, after_name = (process / "stat").read_text().rpartition(") ")
            if int(after_name.split()[1]) == (parent or os.getpid()):
                found += [int(process.name)] * (b"docqa.apart" in (process / "cmdline").read_bytes())
    return found
