import hashlib
import os
import resource
import socket
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docqa import CorpusNotFoundError, DocumentReadError, SkippedDocument, corpus
from docqa.corpus import FileState, Listing, digest, list_corpus, read_bytes

SUFFIXES = frozenset({".md", ".txt"})


def listed(folder: Path) -> Listing:
    return list_corpus(folder, SUFFIXES, {})


def digests(folder: Path) -> dict[str, str]:
    return {path: file.digest for path, file in listed(folder).files.items()}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(folder: Path, path: str, text: str = "words") -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def reasons(folder: Path) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in listed(folder).skipped}


def test_files_are_listed_by_posix_path_in_order_with_their_digests(tmp_path: Path) -> None:
    for path in ("b.txt", "a.md", "deep/er/c.md", "deep/a.txt"):
        write(tmp_path, path, path)
    listing = listed(tmp_path)
    paths = ["a.md", "b.txt", "deep/a.txt", "deep/er/c.md"]
    assert [(path, file.digest) for path, file in listing.files.items()] == [(path, sha(path)) for path in paths]
    assert listing.skipped == ()


def test_the_digest_is_the_sha_256_of_the_bytes() -> None:
    assert digest(b"words") == sha("words")


@pytest.mark.parametrize("name", ["A.MD", "b.Txt"])
def test_suffixes_are_known_in_upper_case_too(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert list(listed(tmp_path).files) == [name]


def test_an_empty_corpus_is_no_error(tmp_path: Path) -> None:
    listing = listed(tmp_path)
    assert (listing.files, listing.skipped) == ({}, ())


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda path: None, "corpus'; create it"),
        (lambda path: path.write_text("a file"), "corpus' is no folder; give the folder"),
    ],
    ids=["missing", "a file"],
)
def test_a_corpus_that_is_no_folder_is_an_error_that_names_it(tmp_path: Path, make, remedy: str) -> None:
    make(tmp_path / "corpus")
    with pytest.raises(CorpusNotFoundError, match=remedy) as caught:
        listed(tmp_path / "corpus")
    assert caught.value.corpus_dir == tmp_path / "corpus"


@pytest.mark.parametrize("path", [".hidden.md", ".git/a.md", "deep/.b.txt", "deep/.cache/er/c.md", ".DS_Store"])
def test_hidden_files_and_folders_are_no_part_of_the_corpus(tmp_path: Path, path: str) -> None:
    write(tmp_path, path)
    listing = listed(tmp_path)
    assert (listing.files, listing.skipped) == ({}, ())


@pytest.mark.parametrize(
    "name",
    [
        "with spaces.md",
        'it\'s "quoted".md',
        "a\nnew line.md",
        "tab\there.txt",
        "Отчёт.md",
        "日本語.txt",
        "é.md",
        "e\u0301.md",
        "100%.md",
        "#hash?.md",
        "back\\slash.md",
        "a.b.c.md",
        "😀.md",
        "-rf.md",
        "<script>.md",
    ],
)
def test_odd_names_are_listed_as_they_are(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"folder {name}/{name}")
    listing = listed(tmp_path)
    path = f"folder {name}/{name}"
    assert (digests(tmp_path), listing.skipped) == ({path: sha("words")}, ())
    assert read_bytes(tmp_path, path) == b"words"


@pytest.mark.parametrize("name", [b"caf\xe9.md", b"caf\xe9/plain.md"], ids=["file", "folder"])
def test_a_name_that_is_no_text_is_skipped(tmp_path: Path, name: bytes) -> None:
    file = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    os.makedirs(os.path.dirname(file), exist_ok=True)  # noqa: PTH103, PTH120
    with open(file, "wb") as handle:  # noqa: PTH123
        handle.write(b"words")
    listing = listed(tmp_path)
    assert listing.files == {}
    assert [skipped.reason for skipped in listing.skipped] == ["its name is not valid text; rename it"]


@pytest.mark.parametrize(("name", "suffix"), [("a.pdf", ".pdf"), ("b.md.bak", ".bak"), ("c.DOCX", ".DOCX")])
def test_an_unknown_suffix_is_skipped_with_the_known_ones_named(tmp_path: Path, name: str, suffix: str) -> None:
    write(tmp_path, name)
    assert reasons(tmp_path) == {
        name: f"docqa does not read {suffix}; save it in a format it reads, as .docx, .html or .txt"
    }


def test_a_file_without_a_suffix_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "Makefile")
    assert reasons(tmp_path) == {
        "Makefile": "docqa does not read files without a suffix; save it in a format it reads, as .docx, .html or .txt"
    }


def test_an_empty_file_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "")
    assert listed(tmp_path).skipped == (SkippedDocument("a.md", "the file is empty"),)


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "")
    write(tmp_path, "b.md")
    write(tmp_path, "c.exe")
    write(tmp_path, "d.md")
    assert list(listed(tmp_path).files) == ["b.md", "d.md"]
    assert sorted(reasons(tmp_path)) == ["a.md", "c.exe"]


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "MAX_BYTES", 1_000_000)
    write(tmp_path, "fits.txt", "a" * 1_000_000)
    write(tmp_path, "large.txt", "a" * 2_600_000)
    write(tmp_path, "one more.txt", "a" * 1_000_001)
    assert list(listed(tmp_path).files) == ["fits.txt"]
    found = reasons(tmp_path)
    assert found["large.txt"] == "3 MB is more than the 1 MB docqa reads; divide it"
    assert "more than the 1 MB" in found["one more.txt"]


def test_a_huge_file_is_skipped_without_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(200_000_000)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reasons(tmp_path) == {"huge.txt": "200 MB is more than the 50 MB docqa reads; divide it"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 25_000  # kB


def test_the_reason_of_a_file_just_above_the_limit_does_not_contradict_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "MAX_BYTES", 1_000_000)
    write(tmp_path, "a.txt", "a" * 1_000_001)
    assert not reasons(tmp_path)["a.txt"].startswith("1 MB is more than the 1 MB")


@pytest.mark.parametrize("target", ["real.md", "folder"])
def test_a_link_within_the_corpus_is_not_followed(tmp_path: Path, target: str) -> None:
    write(tmp_path, "real.md")
    write(tmp_path, "folder/inner.md")
    (tmp_path / "link.md").symlink_to(tmp_path / target)
    assert list(listed(tmp_path).files) == ["folder/inner.md", "real.md"]
    assert reasons(tmp_path) == {
        "link.md": "a symbolic link is not followed; what it points to is read in its own place"
    }


@pytest.mark.parametrize("target", ["secret.md", "folder"])
def test_a_link_out_of_the_corpus_is_not_followed_and_said_to_lead_out(tmp_path: Path, target: str) -> None:
    write(tmp_path, "outside/secret.md", "a secret")
    write(tmp_path, "outside/folder/secret.md", "a secret")
    write(tmp_path, "corpus/a.md")
    (tmp_path / "corpus" / "link.md").symlink_to(tmp_path / "outside" / target)
    assert list(listed(tmp_path / "corpus").files) == ["a.md"]
    assert reasons(tmp_path / "corpus") == {
        "link.md": "a symbolic link is not followed; it points out of the corpus, copy the file"
    }


@pytest.mark.parametrize("target", ["gone.md", "link.md", "."], ids=["broken", "itself", "the corpus"])
def test_a_link_that_leads_nowhere_or_in_a_circle_is_skipped(tmp_path: Path, target: str) -> None:
    (tmp_path / "link.md").symlink_to(target)
    write(tmp_path, "a.md")
    assert list(listed(tmp_path).files) == ["a.md"]
    assert reasons(tmp_path)["link.md"].startswith("a symbolic link is not followed")


def test_a_corpus_folder_that_is_a_link_itself_is_read(tmp_path: Path) -> None:
    write(tmp_path, "real/a.md")
    (tmp_path / "corpus").symlink_to(tmp_path / "real")
    assert digests(tmp_path / "corpus") == {"a.md": sha("words")}


def test_a_pipe_is_skipped_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert reasons(tmp_path) == {"pipe.md": "not a regular file"}


def test_a_folder_named_like_a_document_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "notes.md/a.md")
    assert list(listed(tmp_path).files) == ["notes.md/a.md"]


def test_a_file_the_system_refuses_to_read_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")
    write(tmp_path, "b.md")
    opened = os.open

    def refuse(path: str | Path, *flags: int, **within: int) -> int:
        if path == "a.md":
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *flags, **within)

    monkeypatch.setattr(os, "open", refuse)
    assert list(listed(tmp_path).files) == ["b.md"]
    assert reasons(tmp_path) == {"a.md": "the system refuses: Permission denied"}


def test_a_folder_the_system_refuses_to_list_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "closed/a.md")
    write(tmp_path, "open/a.md")
    scan = os.scandir

    def refuse(folder: Path) -> Any:
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(listed(tmp_path).files) == ["open/a.md"]
    assert reasons(tmp_path) == {"closed": "the system refuses: Permission denied"}


def test_a_file_that_vanished_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DocumentReadError, match=r"cannot read 'gone\.md': the file vanished") as caught:
        read_bytes(tmp_path, "gone.md")
    assert caught.value.path == "gone.md"


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.corpus.SETTLED", -1)
    file = tmp_path / "a.md"
    file.write_text("words")
    known = listed(tmp_path).files
    assert known == {"a.md": FileState(sha("words"), 5, file.stat().st_ctime_ns)}
    claimed = {"a.md": replace(known["a.md"], digest="as it was")}
    assert list_corpus(tmp_path, SUFFIXES, claimed).files == claimed


def test_a_file_of_the_same_size_and_time_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.corpus.SETTLED", -1)
    for name, text in (("a.md", "words"), ("b.md", "WORDS")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    known = listed(tmp_path).files
    time.sleep(0.02)
    (tmp_path / "a.md").rename(tmp_path / "c")
    (tmp_path / "b.md").rename(tmp_path / "a.md")
    (tmp_path / "c").rename(tmp_path / "b.md")
    found = list_corpus(tmp_path, SUFFIXES, known).files
    assert [found["a.md"].digest, found["b.md"].digest] == [sha("WORDS"), sha("words")]


def test_a_file_changed_a_moment_ago_is_read_again_next_time(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("words")
    known = listed(tmp_path).files
    assert known["a.md"].changed == 0
    (tmp_path / "a.md").write_text("WORDS")
    assert list_corpus(tmp_path, SUFFIXES, known).files["a.md"].digest == sha("WORDS")


@pytest.mark.parametrize(
    "path", ["../out/secret.md", "/etc/hostname", "notes/../../out/secret.md", "./a.md", "", "a.md\0", ".hidden.md"]
)
def test_what_is_no_documents_path_is_not_read(tmp_path: Path, path: str) -> None:
    for name in ("out/secret.md", "corpus/a.md", "corpus/.hidden.md"):
        write(tmp_path, name)
    with pytest.raises(DocumentReadError, match="that is no document's path"):
        read_bytes(tmp_path / "corpus", path)


def test_a_link_that_took_the_place_of_a_file_or_folder_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "out/secret.md")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.md").symlink_to(tmp_path / "out" / "secret.md")
    (tmp_path / "corpus" / "notes").symlink_to(tmp_path / "out")
    for path in ("a.md", "notes/secret.md"):
        with pytest.raises(DocumentReadError, match="it stands behind a link, which is not followed"):
            read_bytes(tmp_path / "corpus", path)


def test_a_pipe_or_socket_that_took_the_place_of_a_file_does_not_block(tmp_path: Path, monkeypatch) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.md")
        for name in ("pipe.md", "socket.md"):
            with pytest.raises(DocumentReadError, match=r"not a regular file|system refuses"):
                read_bytes(tmp_path, name)
        assert reasons(tmp_path) == dict.fromkeys(("pipe.md", "socket.md"), "not a regular file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
def test_a_device_is_skipped(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "zero.md", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no device may be made here")
    assert reasons(tmp_path) == {"zero.md": "not a regular file"}


def test_links_in_a_circle_of_folders_end(tmp_path: Path) -> None:
    write(tmp_path, "one/a.md")
    write(tmp_path, "two/b.md")
    (tmp_path / "one" / "two").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "one").symlink_to(tmp_path / "one")
    (tmp_path / "two" / "up").symlink_to("..")
    assert list(listed(tmp_path).files) == ["one/a.md", "two/b.md"]
    assert sorted(reasons(tmp_path)) == ["one/two", "two/one", "two/up"]


def test_twins_that_differ_in_case_or_unicode_form_only_are_two_documents(tmp_path: Path) -> None:
    names = ["A.md", "a.md", "e\u0301.md", "\u00e9.md", "p\u0430y.md", "pay.md"]
    for name in names:
        write(tmp_path, name, name)
    if len(list(tmp_path.iterdir())) < len(names):
        pytest.skip("this file system takes some of them for the same")
    assert digests(tmp_path) == {name: sha(name) for name in sorted(names)}
    assert {path: read_bytes(tmp_path, path).decode() for path in names} == {name: name for name in names}
