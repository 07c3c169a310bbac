"""The command line as a user meets it: what it prints, where, and its exit codes."""

import errno
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import docqa
from conftest import write_corpus
from docqa.answering import UNCALIBRATED
from docqa.cli import _is_said, _parser, main
from docqa.printing import print_answer, print_hit
from docqa.reading import read_document
from docqa.store import Manifest, check, read_manifest, write_lock
from docqa.types import Answer, Chunking

QUESTION = "When was the bridge built?"
NO_INDEX = "docqa: no index in 'none'; run 'docqa sync --embeddings none' to build it\n"


@pytest.fixture
def folders(corpus: Path, store: Path) -> list[str]:
    return ["--corpus", str(corpus), "--embeddings", str(store)]


@pytest.fixture
def synced(folders: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["sync", *folders]) == 0
    capsys.readouterr()
    return folders


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "docqa", *arguments], capture_output=True, text=True, cwd=cwd)


def test_sync_says_what_it_did(folders: list[str], capsys: pytest.CaptureFixture[str], corpus: Path) -> None:
    (corpus / "photo.jpg").write_bytes(b"x")
    assert main(["sync", *folders]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("3 added, 0 changed, 0 removed, 0 unchanged; 4 of 4 passages embedded in ")
    assert err == "skipped photo.jpg: docqa does not read .jpg; save it in a format it reads, as .docx, .html or .txt\n"


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second page of one document be damaged."""

    def read_most(path: str, data: bytes, digest: str) -> docqa.Document:
        return replace(read_document(path, data, digest), unread="page 2 is damaged" if path == "cake.md" else "")

    monkeypatch.setattr("docqa.isolation.read_document", read_most)


@pytest.mark.usefixtures("damaged")
def test_what_is_skipped_is_said_in_full_once(
    folders: list[str], capsys: pytest.CaptureFixture[str], corpus: Path
) -> None:
    def said() -> list[str]:
        assert main(["sync", *folders]) == 0
        return capsys.readouterr().err.splitlines()

    write_corpus(corpus, {"a.txt": "", "b.txt": ""})
    empty = "skipped {}: the file is empty"
    assert said() == [empty.format("a.txt"), empty.format("b.txt"), "read in part cake.md: page 2 is damaged"]
    still = "2 files still skipped, 1 file still read in part; 'docqa status' lists them"
    assert said() == [still]
    write_corpus(corpus, {"c.txt": ""})
    assert said() == [empty.format("c.txt"), still]
    for name in ("a.txt", "b.txt", "c.txt"):
        (corpus / name).unlink()
    assert said() == ["1 file still read in part; 'docqa status' lists it"]


@pytest.mark.usefixtures("damaged")
def test_status_tells_what_is_read_in_part_from_what_is_skipped(
    folders: list[str], capsys: pytest.CaptureFixture[str], corpus: Path
) -> None:
    write_corpus(corpus, {"a.txt": ""})
    main(["sync", *folders])
    capsys.readouterr()
    assert main(["status", *folders]) == 0
    assert capsys.readouterr().out.splitlines()[5:] == [
        "skipped    a.txt: the file is empty",
        "read in part cake.md: page 2 is damaged",
    ]


def test_sync_json(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync", *folders, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.pop("seconds") > 0
    assert report == {
        "diff": {"added": ["bridge.txt", "cake.md", "notes/bees.md"], "changed": [], "removed": [], "unchanged": []},
        "skipped": [],
        "passages": 4,
        "embedded": 4,
    }


def test_ask_quotes(synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", *synced[2:], *QUESTION.split()]) == 0
    out, err = capsys.readouterr()
    assert "built in 1887 by William Arrol.”\n  — bridge, line 1 (bridge.txt)\n" in out
    assert err == ""


def test_ask_without_an_answer(synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", *synced[2:], "Who won the world cup in 1990?"]) == 4
    out, _ = capsys.readouterr()
    assert out.startswith("These documents do not answer this. The closest passages:\n\n1. ")


def test_a_confidence_that_was_not_calibrated_is_said_to_be_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    for calibrated, note in ((True, ""), (False, UNCALIBRATED + "\n")):
        print_answer(Answer("why?", (), (), 0.0, "unanswered", calibrated=calibrated))
        assert capsys.readouterr() == ("These documents do not answer this.\n\n", note)


def test_ask_json(synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", *synced[2:], "--json", "-k", "2", QUESTION]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["query"], answer["answered"], len(answer["hits"])) == (QUESTION, True, 2)
    assert answer["quotes"][0] == {
        "document": "bridge.txt",
        "span": [38, 76],
        "text": "It was built in 1887 by William Arrol.",
        "citation": "bridge, line 1",
    }
    assert 0.5 < answer["confidence"] <= 1


def test_retrieve_json(synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrieve", *synced[2:], "--json", "-k", "1", "honey"]) == 0
    (hit,) = json.loads(capsys.readouterr().out)
    assert hit.pop("score") > 0
    assert hit == {
        "rank": 1,
        "document": "notes/bees.md",
        "title": "Keeping bees",
        "headings": ["Honey"],
        "locator": "§ Honey, line 7",
        "span": [39, 67],
        "text": "Bees make honey from nectar.",
        "evidence": [[39, 67]],
    }


def test_status_tells_what_is_kept_and_rollback_returns_to_it(
    synced: list[str], capsys: pytest.CaptureFixture[str], corpus: Path
) -> None:
    (corpus / "new.txt").write_text("New.")
    assert main(["sync", *synced]) == 0
    capsys.readouterr()
    assert main(["status", *synced, "--verify"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^size       \d\.\d MB, every byte as it was written$", out, re.MULTILINE)
    kept = r"20\S+ \S+ \S+: 3 documents, 4 passages, \d\.\d MB, model all-MiniLM-L6-v2\n"
    assert re.search(f"^previous   {kept}", out, re.MULTILINE)
    assert main(["rollback", *synced[2:]]) == 0
    assert re.fullmatch(f"back to {kept}", capsys.readouterr().out)
    assert main(["status", *synced, "--json"]) == 3
    status = json.loads(capsys.readouterr().out)
    assert (status["documents"], status["previous"]["documents"], status["diff"]["added"]) == (3, 4, ["new.txt"])


def test_status_fresh_and_stale(
    synced: list[str], capsys: pytest.CaptureFixture[str], corpus: Path, store: Path
) -> None:
    assert main(["status", *synced]) == 0
    assert capsys.readouterr().out.startswith("documents  3\npassages   4\nmodel      all-MiniLM-L6-v2\nsynced     20")
    (corpus / "cake.md").write_text("New.")
    assert main(["status", *synced]) == 3
    out, err = capsys.readouterr()
    assert "changed    cake.md\n" in out
    assert err == f"the index is stale; run 'docqa sync --embeddings {store}'\n"
    assert main(["status", *synced, "--json"]) == 3
    status = json.loads(capsys.readouterr().out)
    assert (status["stale"], status["diff"]["changed"], status["documents"]) == (True, ["cake.md"], 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ask", "--embeddings", "none", "x"], 1, NO_INDEX),
        (["status", "--embeddings", "none"], 1, NO_INDEX),
        (["sync", "--corpus", "none"], 1, "docqa: no corpus folder at 'none'; create it and copy documents into it\n"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", " "], "the query is blank; ask a question"),
        (["ask", "-k", "0", "bridge"], "k must be at least 1, not 0"),
        (["sync", "--size", "3"], "passage size must be at least 8 tokens, not 3"),
    ],
)
def test_usage_errors(
    synced: list[str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *(synced if arguments[0] == "sync" else synced[2:])]) == 2
    assert capsys.readouterr() == ("", f"docqa: {message}\n")


def test_an_unknown_model(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync", *folders, "--model", "no/such-model"]) == 1
    assert capsys.readouterr().err.startswith(
        "docqa: cannot load the model 'no/such-model': it is neither a folder nor"
    )


def test_a_second_sync(synced: list[str], store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with write_lock(store):
        assert main(["sync", *synced]) == 1
    assert "another sync is writing" in capsys.readouterr().err


def test_documents_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_corpus(
        tmp_path / "corpus", {"evil\x1b[2J.txt": "The \x1b[31mred \x1b[1m\x1b]0;owned\x07 bridge\u202e fell."}
    )
    folders = ["--embeddings", str(tmp_path / "store")]
    assert main(["sync", "--corpus", str(corpus), *folders]) == 0
    main(["retrieve", *folders, "bridge"])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert "\u202e" not in out + err
    assert "bridge" in out


ESCAPES = (
    "\x1b]8;;http://evil.example\x1b\\link\x1b]52;c;eA==\x07 \x9b2J \x9d0;owned\x9c "
    "\x08\x08 \x1b[1A\r\u202e\u2066\U000e0041"
)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_escape_sequence_reaches_the_terminal_from_any_verb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    names = [f"bridge{ESCAPES}.txt".replace("/", ""), f"skipped{ESCAPES}.bin".replace("/", "")]
    corpus = write_corpus(tmp_path / "corpus", dict.fromkeys(names, f"The old bridge {ESCAPES} fell in 1887."))
    folders = ["--embeddings", str(tmp_path / "store")]
    verbs = [["sync"], ["status"], ["ask", "When did the old bridge fall?"], ["retrieve", ESCAPES], ["ask", ESCAPES]]
    for verb in verbs:
        where = ["--corpus", str(corpus)] if verb[0] in ("sync", "status") else []
        main([*verb, *where, *folders, *options])
    shown = "".join(capsys.readouterr())
    assert "bridge" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", shown)


def test_a_quote_cannot_look_like_having_another_citation(capsys: pytest.CaptureFixture[str]) -> None:
    words = "True. " * 13 + "” — Trusted handbook, page 1 (handbook.pdf) 桥 " + "x" * 300 + " — Trusted"
    quote = docqa.Quote("notes.md", docqa.Span(0, len(words)), words, "Notes, line 1")
    print_answer(docqa.Answer("Why?", (quote,), (), 0.9, "answered"))
    first, *more, citation, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("  “True. ")
    assert more and all(line.startswith("   ") for line in more)
    assert citation == "  — Notes, line 1 (notes.md)"
    assert max(map(len, [first, *more])) <= 50  # some characters are two columns wide


def test_evidence_is_bold_on_a_terminal_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = "Before\x1b[1m it. The\x0e bridge fell. After."
    start = text.index("The")
    span = docqa.Span(10 + start, 10 + text.index(" After"))
    passage = docqa.Passage("a.md", "A", (), docqa.Span(10, 10 + len(text)), "line 1", text, (span,))
    print_hit(docqa.Hit(passage, 1.0, 1, (span,)))
    assert "Before⟨U+001B⟩[1m it. \x1b[1mThe⟨U+000E⟩ bridge fell.\x1b[0m After." in capsys.readouterr().out


def test_settings_from_the_environment(corpus: Path, store: Path, tmp_path: Path) -> None:
    environment = os.environ | {"DOCQA_CORPUS": str(corpus), "DOCQA_EMBEDDINGS": str(store)}
    command = [sys.executable, "-m", "docqa", "sync"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert (store / "manifest.json").exists()
    model = subprocess.run(
        [sys.executable, "-m", "docqa", "ask", "x"], env=environment | {"DOCQA_MODEL": "other"}, capture_output=True
    )
    assert model.returncode == 1
    assert b"made with the model 'all-MiniLM-L6-v2', not with 'other'" in model.stderr


@pytest.mark.parametrize("verb", ["sync", "ask", "retrieve", "status", "chat"])
def test_every_help_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([verb, "--help"])
    assert exit_.value.code == 0
    assert f"example: docqa {verb}" in capsys.readouterr().out.splitlines()[-1]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"docqa {docqa.__version__}\n"


def test_a_reader_that_stops_early(synced: list[str]) -> None:
    command = f"{sys.executable} -m docqa retrieve --json {' '.join(synced[2:])} bridge | head -c 5"
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("[\n  {", "")


def test_what_is_not_said_of_the_chunking_stays(synced: list[str], store: Path) -> None:
    assert main(["sync", *synced, "--size", "40"]) == 0
    assert main(["sync", *synced, "--overlap", "1"]) == 0
    assert read_manifest(store).chunking == Chunking(40, 1)
    assert main(["sync", *synced, "--size", "50"]) == 0
    assert read_manifest(store).chunking == Chunking(50, 1)


def test_status_notices_damage(synced: list[str], store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(store.glob("*/texts.sqlite")).write_bytes(b"x")
    assert main(["status", *synced]) == 1
    remedy = f"run 'docqa sync --embeddings {store}' to rebuild it"
    assert f"texts.sqlite is not as it was written; {remedy}" in capsys.readouterr().err


def test_status_tells_of_the_index_that_a_sync_has_put_in_place_meanwhile(
    synced: list[str],
    store: Path,
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check_and_sync(embeddings: Path) -> Manifest:
        manifest = check(embeddings)
        (corpus / "cake.md").unlink()
        docqa.sync(corpus, embeddings)
        assert not (embeddings / manifest.generation).exists()
        return manifest

    monkeypatch.setattr("docqa.cli.check", check_and_sync)
    assert main(["status", *synced, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["documents"] == 2
    assert [document["path"] for document in status["indexed"]] == ["bridge.txt", "notes/bees.md"]


@pytest.mark.parametrize(
    ("given", "said", "own", "allowed"),
    [
        ([], "", True, True),
        ([], "", False, False),
        (["--allow-edits"], "no", False, True),
        (["--no-allow-edits"], "yes", True, False),
        ([], "Yes", False, True),
        ([], "0", True, False),
    ],
)
def test_documents_can_be_changed_in_the_chat_where_only_this_machine_reaches_it_unless_told_otherwise(
    given: list[str], said: str, own: bool, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCQA_ALLOW_EDITS", said)
    option = _parser().parse_args(["chat", *given]).allow_edits
    assert _is_said(option, "DOCQA_ALLOW_EDITS", otherwise=own) is allowed


@pytest.mark.parametrize(
    ("given", "said", "watched"), [([], "", False), ([], "yes", True), (["--no-watch"], "yes", False)]
)
def test_the_chat_watches_when_it_is_told_to(
    given: list[str], said: str, watched: bool, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCQA_WATCH", said)
    watched_by: list[object] = []
    watching: list[bool] = []

    def launch(*arguments: object, **settings: object) -> None:
        watching.append("docqa-watching" in [thread.name for thread in threading.enumerate()])
        raise KeyboardInterrupt

    monkeypatch.setattr("docqa.chat.build_chat", lambda **settings: watched_by.append(settings["watcher"]))
    monkeypatch.setattr("docqa.chat.launch", launch)
    assert main(["chat", *folders, "--port", "0", *given]) == 0
    assert watching == [watched]
    assert (watched_by != [None]) == watched
    assert "docqa-watching" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Collect the chats that would be launched."""
    chats: list[object] = []
    monkeypatch.setattr("docqa.chat.build_chat", lambda **settings: "the chat")
    monkeypatch.setattr("docqa.chat.launch", lambda chat, **settings: chats.append(chat))
    return chats


ANSWERED_MEANWHILE = "; questions are answered from the index as it is\n"


def test_the_chat_answers_from_the_index_while_another_sync_writes(
    synced: list[str], store: Path, launched: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    with write_lock(store):
        assert main(["chat", *synced, "--port", "0"]) == 0
    said = capsys.readouterr().err
    assert launched == ["the chat"]
    assert said.startswith(f"docqa: another sync is writing '{store}' (process {os.getpid()} on ")
    assert said.endswith(ANSWERED_MEANWHILE)


def test_the_chat_answers_from_the_index_when_the_disk_is_full(
    synced: list[str],
    corpus: Path,
    launched: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (corpus / "new.md").write_text("New.")
    monkeypatch.setattr("docqa.syncing.Texts.add", fail)
    assert main(["chat", *synced, "--port", "0"]) == 0
    said = capsys.readouterr().err
    assert launched == ["the chat"]
    assert "No space left on device; the previous index is intact" in said
    assert said.endswith(ANSWERED_MEANWHILE)


def test_the_chat_answers_from_the_index_when_the_corpus_is_gone(
    synced: list[str], corpus: Path, launched: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(corpus)
    assert main(["chat", *synced, "--port", "0"]) == 0
    assert launched == ["the chat"]
    assert capsys.readouterr().err.endswith(ANSWERED_MEANWHILE)


@pytest.mark.parametrize("damaged", [False, True])
def test_the_chat_does_not_start_when_it_can_neither_sync_nor_open_an_index(
    damaged: bool,
    request: pytest.FixtureRequest,
    folders: list[str],
    store: Path,
    launched: list[object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if damaged:
        request.getfixturevalue("synced")
        next(store.glob("*/texts.sqlite")).write_bytes(b"x")
    with write_lock(store):
        assert main(["chat", *folders, "--port", "0"]) == 1
    assert launched == []
    assert capsys.readouterr().err.endswith("; wait until it has finished, then try again\n")


def test_a_setting_that_is_neither_yes_nor_no(
    synced: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCQA_ALLOW_EDITS", "maybe")
    assert main(["chat", *synced, "--port", "0"]) == 2
    assert (
        "DOCQA_ALLOW_EDITS must be one of 1, true, yes, on, 0, false, no, off, not 'maybe'" in capsys.readouterr().err
    )


@pytest.mark.parametrize("port", ["99999", "-5", "http"])
def test_a_port_that_is_none(synced: list[str], port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["chat", *synced, "--port", port])
    assert exit_.value.code == 2
    assert f"a port is a number from 0 to 65535, not '{port}'" in capsys.readouterr().err


def test_a_port_in_use_is_said_before_the_sync(folders: list[str], store: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = run("chat", *folders, "--port", port)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"docqa: cannot serve the chat on 127.0.0.1, port {port}: something else uses the port; " in result.stderr
    assert not store.exists()


def test_a_host_that_is_not_this_machine(folders: list[str]) -> None:
    result = run("chat", *folders, "--host", "nosuch.invalid", "--insecure")
    assert result.returncode == 1
    assert result.stderr.startswith("docqa: cannot serve the chat on nosuch.invalid, port 7860: ")


def test_a_query_that_is_no_text(synced: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", *synced[2:], "\udcff\udcfe what"]) == 4
