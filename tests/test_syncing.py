"""Syncing: what is embedded, what is kept, and that an incremental sync equals a fresh one."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import docqa
from conftest import BEES, BRIDGE, CAKE, FakeEmbedder, write_corpus
from docqa import (
    Chunking,
    CorpusDiff,
    PassageEmbeddings,
    SentenceTransformerEmbedder,
    SkippedDocument,
    building,
    isolation,
)
from docqa.corpus import read_bytes
from docqa.durable import note_damage
from docqa.reading import read_document
from docqa.store import open_generation, read_manifest, read_previous, roll_back, write_lock
from docqa.terms import index_terms

ALL = ("bridge.txt", "cake.md", "notes/bees.md")
CAKE_TEXT = "A sponge cake needs eggs, sugar and flour. It bakes for forty minutes.\n\nBread needs yeast."


def contents(store: Path) -> dict[str, object]:
    """Everything a generation holds, in a form that can be compared."""
    generation = open_generation(store)
    rows = range(len(generation.index))
    return {
        "documents": {path: generation.texts.document(path) for path in generation.manifest.documents},
        "passages": [generation.texts.passage(row) for row in rows],
        "embeddings": [generation.index.embeddings(row).passages.tobytes() for row in rows],
        "sentences": [generation.index.embeddings(row).sentences.tobytes() for row in rows],
        "tokens": [generation.index.embeddings(row).tokens.rows.tobytes() for row in rows],
        "files": {name: digest for name, digest in generation.manifest.files.items() if name != "texts.sqlite"},
        "skipped": generation.manifest.skipped,
    }


def test_first_sync_embeds_everything(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    report = docqa.sync(corpus, store, embedder=fake)
    assert report.diff == CorpusDiff(ALL, (), (), ())
    assert (report.passages, report.embedded, report.skipped) == (4, 4, ())
    assert sorted(fake.embedded) == sorted(
        [BRIDGE.strip(), CAKE_TEXT, "Honey\n\nBees make honey from nectar.", "Swarms\n\nA swarm leaves in May."]
    )


def test_second_sync_does_nothing_and_loads_no_model(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    manifest = (store / "manifest.json").read_bytes()

    class Unloadable(FakeEmbedder):
        def __getattribute__(self, name: str) -> object:
            assert name in {"name", "digest"}, f"the model was asked for {name}"
            return super().__getattribute__(name)

    idle = Unloadable.__new__(Unloadable)
    object.__setattr__(idle, "__dict__", fake.__dict__ | {"embedded": []})
    report = docqa.sync(corpus, store, embedder=idle)
    assert report.diff == CorpusDiff((), (), (), ALL)
    assert (report.passages, report.embedded) == (4, 0)
    assert (store / "manifest.json").read_bytes() == manifest


def test_one_edited_document_of_fifty_is_embedded_alone(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    texts = {
        f"{i:02}.txt": f"Document number {i} tells of topic {i * 7}.\n\nIt has two paragraphs.\n" for i in range(50)
    }
    corpus = write_corpus(tmp_path / "corpus", texts)
    docqa.sync(corpus, store, embedder=fake)
    before = open_generation(store)
    kept = {before.texts.passage(row).document: before.index.embeddings(row) for row in range(len(before.index))}
    fake.embedded.clear()

    (corpus / "17.txt").write_text("Now it tells of gardening.\n")
    report = docqa.sync(corpus, store, embedder=fake)

    assert fake.embedded == ["Now it tells of gardening."]
    assert report.diff.changed == ("17.txt",)
    assert (report.passages, report.embedded) == (50, 1)
    after = open_generation(store)
    for row in range(len(after.index)):
        path = after.texts.passage(row).document
        if path != "17.txt":
            assert after.index.embeddings(row).passages.tobytes() == kept[path].passages.tobytes()
            assert after.index.embeddings(row).sentences.tobytes() == kept[path].sentences.tobytes()


def test_the_terms_of_what_is_kept_are_copied_unless_the_index_is_damaged(
    corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    extracted: list[str] = []

    def extract(passage: docqa.Passage) -> list[str]:
        extracted.append(passage.document)
        return index_terms(passage)

    docqa.sync(corpus, store, embedder=fake)
    monkeypatch.setattr(building, "index_terms", extract)
    (corpus / "cake.md").write_text("A cake needs mangroves and honey.")
    docqa.sync(corpus, store, embedder=fake)
    assert extracted == ["cake.md"]
    extracted.clear()
    (store / read_manifest(store).generation / "terms/pairs.npy").unlink()
    (corpus / "cake.md").write_text("A cake needs nothing.")
    docqa.sync(corpus, store, embedder=fake)
    assert extracted == ["bridge.txt", "cake.md", "notes/bees.md", "notes/bees.md"]


def test_an_edit_embeds_only_the_passages_it_touches(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    fake.embedded.clear()
    (corpus / "notes/bees.md").write_text(BEES.replace("in May", "in June"))
    report = docqa.sync(corpus, store, embedder=fake)
    assert fake.embedded == ["Swarms\n\nA swarm leaves in June."]
    assert report.diff.changed == ("notes/bees.md",)


def test_a_renamed_document_is_not_embedded_again(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    fake.embedded.clear()
    (corpus / "bridge.txt").rename(corpus / "tay.txt")
    report = docqa.sync(corpus, store, embedder=fake)
    assert fake.embedded == []
    assert (report.diff.added, report.diff.removed) == (("tay.txt",), ("bridge.txt",))
    assert {hit.passage.document for hit in docqa.Retriever.open(store, embedder=fake).retrieve("bridge", 9)} == {
        "tay.txt",
        "cake.md",
        "notes/bees.md",
    }


def test_a_removed_document_leaves_no_trace(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    (corpus / "bridge.txt").unlink()
    docqa.sync(corpus, store, embedder=fake)
    files = [path for path in store.rglob("*") if path.is_file()]
    assert store / "manifest.json" in files
    assert [path for path in files if b"bridge" in path.read_bytes()] == []


def test_incremental_sync_equals_a_fresh_one(corpus: Path, store: Path, tmp_path: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    (corpus / "cake.md").write_text(CAKE.replace("forty", "fifty"))
    (corpus / "bridge.txt").unlink()
    (corpus / "alps.txt").write_text("The Alps are high.")
    docqa.sync(corpus, store, embedder=fake)
    docqa.sync(corpus, tmp_path / "fresh", embedder=fake)
    assert contents(store) == contents(tmp_path / "fresh")


NAMES = st.sampled_from(["a.txt", "b.md", "c.txt", "sub/d.md", "ünïcode 'x'.txt"])
TEXTS = st.sampled_from(
    [CAKE, BRIDGE, BEES, "# Only a heading\n", '---\ntitle: "\\ud800"\n---\nOne.', "\x00", "", "One. Two!\n\nThree?"]
)
EDITS = st.lists(st.dictionaries(NAMES, st.one_of(st.none(), TEXTS), min_size=1), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_any_history_of_edits_ends_like_a_fresh_sync(edits: list[dict[str, str | None]], tmp_path: Path) -> None:
    for name in ("corpus", "store", "fresh"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for edit in edits:
        for path, text in edit.items():
            if text is None:
                (corpus / path).unlink(missing_ok=True)
            else:
                write_corpus(corpus, {path: text})
        try:
            docqa.sync(corpus, tmp_path / "store", embedder=FakeEmbedder())
        except docqa.EmptyCorpusError:
            assert not any(re.search(r"\w", path.read_text()) for path in corpus.rglob("*") if path.is_file())
            return
        assert not docqa.diff(corpus, tmp_path / "store")
    docqa.sync(corpus, tmp_path / "fresh", embedder=FakeEmbedder())
    assert contents(tmp_path / "store") == contents(tmp_path / "fresh")


def test_diff_before_and_after_a_sync(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    assert docqa.diff(corpus, store) == CorpusDiff(ALL, (), (), ())
    docqa.sync(corpus, store, embedder=fake)
    assert docqa.diff(corpus, store) == CorpusDiff((), (), (), ALL)
    (corpus / "cake.md").write_text("New.")
    (corpus / "bridge.txt").unlink()
    (corpus / "z.txt").write_text("New too.")
    assert docqa.diff(corpus, store) == CorpusDiff(("z.txt",), ("cake.md",), ("bridge.txt",), ("notes/bees.md",))


def test_what_cannot_be_read_is_skipped_reported_and_not_stale(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    write_corpus(corpus, {"bad.txt": "\x00\x00", "empty.md": "", "photo.jpg": "x"})
    report = docqa.sync(corpus, store, embedder=fake)
    assert [skipped.path for skipped in report.skipped] == ["bad.txt", "empty.md", "photo.jpg"]
    assert "NUL" in report.skipped[0].reason
    assert report.skipped[1].reason == "the file is empty"
    assert ".jpg" in report.skipped[2].reason
    assert report.diff.added == ALL
    assert not docqa.diff(corpus, store)
    again = docqa.sync(corpus, store, embedder=fake)
    assert (again.skipped, again.embedded) == (report.skipped, 0)


def test_pages_that_cannot_be_read_are_reported_again_and_again(
    corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_most(path: str, data: bytes, digest: str) -> docqa.Document:
        unread = "page 2 is damaged" if path == "cake.md" else ""
        return replace(read_document(path, data, digest), unread=unread)

    monkeypatch.setattr("docqa.isolation.read_document", read_most)
    expected = (SkippedDocument("cake.md", "page 2 is damaged", in_part=True),)
    first, second = (docqa.sync(corpus, store, embedder=fake) for _ in range(2))
    assert (first.skipped, first.newly_skipped) == (expected, expected)
    assert (second.skipped, second.newly_skipped) == (expected, ())
    (corpus / "new.txt").write_text("New words.")
    report = docqa.sync(corpus, store, embedder=fake)
    assert (report.skipped, report.diff.unchanged) == (expected, ALL)


def test_what_was_skipped_before_is_no_news(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    def news(**options: bool) -> list[str]:
        return [one.path for one in docqa.sync(corpus, store, embedder=fake, **options).newly_skipped]

    write_corpus(corpus, {"bad.txt": "\x00\x00", "photo.jpg": "x"})
    assert news() == ["bad.txt", "photo.jpg"]
    assert news() == []
    assert news(force=True) == []
    write_corpus(corpus, {"scan.jpg": "x", "new.txt": "New words."})
    assert news() == ["scan.jpg"]
    write_corpus(corpus, {"bad.txt": "\x00 changed, and as bad"})
    assert news() == ["bad.txt"]
    write_corpus(corpus, {"bad.txt": ""})
    assert news() == ["bad.txt"]
    assert news() == []


def test_a_skipped_file_that_is_mended_is_added(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    write_corpus(corpus, {"bad.txt": "\x00"})
    docqa.sync(corpus, store, embedder=fake)
    (corpus / "bad.txt").write_text("Good now.")
    report = docqa.sync(corpus, store, embedder=fake)
    assert (report.diff.added, report.skipped, fake.embedded[-1]) == (("bad.txt",), (), "Good now.")


def test_a_document_that_turns_unreadable_is_removed_and_reported(
    corpus: Path, store: Path, fake: FakeEmbedder
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    (corpus / "cake.md").write_bytes(b"\x00")
    report = docqa.sync(corpus, store, embedder=fake)
    assert (report.diff.changed, report.diff.removed) == ((), ("cake.md",))
    assert [skipped.path for skipped in report.skipped] == ["cake.md"]
    assert open_generation(store).manifest.documents.keys() == {"bridge.txt", "notes/bees.md"}


def test_an_edit_that_makes_a_document_unreadable_can_be_rolled_back_until_its_file_is_gone(
    corpus: Path, store: Path, fake: FakeEmbedder
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    (corpus / "cake.md").write_bytes(b"\x00")
    docqa.sync(corpus, store, embedder=fake)
    assert "cake.md" in roll_back(store).documents
    docqa.sync(corpus, store, embedder=fake)
    previous = read_previous(store)
    assert previous
    assert "cake.md" in previous.documents
    (corpus / "cake.md").unlink()
    docqa.sync(corpus, store, embedder=fake)
    assert read_previous(store) is None


def test_a_file_that_vanishes_during_the_sync_is_skipped(
    corpus: Path, store: Path, fake: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(corpus_dir: Path, path: str) -> bytes:
        (corpus / "cake.md").unlink(missing_ok=True)
        return read_bytes(corpus_dir, path)

    monkeypatch.setattr(isolation, "read_bytes", vanish)
    report = docqa.sync(corpus, store, embedder=fake)
    assert report.diff.added == ("bridge.txt", "notes/bees.md")
    assert [(skipped.path, "vanished" in skipped.reason) for skipped in report.skipped] == [("cake.md", True)]


def test_missing_corpus(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    with pytest.raises(docqa.CorpusNotFoundError, match="no corpus folder at '.*nowhere'; create it"):
        docqa.sync(tmp_path / "nowhere", store, embedder=fake)
    assert not store.exists()


def test_an_empty_corpus_is_said_to_be_empty(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(
        docqa.EmptyCorpusError, match="no documents in '.*corpus'; copy files that docqa reads into it$"
    ):
        docqa.sync(tmp_path / "corpus", store, embedder=fake)


def test_an_emptied_corpus_loses_no_index_unless_forced(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    before = contents(store)
    shutil.rmtree(corpus)
    corpus.mkdir()
    kept = r"the index keeps its documents \(3\), 'docqa sync --force' would empty it"
    with pytest.raises(docqa.EmptyCorpusError, match=kept):
        docqa.sync(corpus, store, embedder=fake)
    assert contents(store) == before
    report = docqa.sync(corpus, store, embedder=fake, force=True)
    assert (report.passages, report.diff.removed) == (0, ALL)
    answer = docqa.Retriever.open(store, embedder=fake).ask("Anything?")
    assert (answer.hits, answer.quotes, answer.answered, answer.confidence) == ((), (), False, 0.0)


def test_documents_that_cannot_be_read_any_more_empty_no_index_unless_forced(
    corpus: Path, store: Path, fake: FakeEmbedder
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    before = contents(store)
    for path in ALL:
        (corpus / path).write_bytes(b"")
    (corpus / "chat.png").touch()
    kept = r"no documents in .* but files that are skipped \(bridge.txt: the file is empty; .*; 1 more\); .* \(3\), "
    with pytest.raises(docqa.EmptyCorpusError, match=kept):
        docqa.sync(corpus, store, embedder=fake)
    assert contents(store) == before
    assert docqa.sync(corpus, store, embedder=fake, force=True).diff.removed == ALL


def test_a_corpus_of_files_that_docqa_does_not_read_names_them(tmp_path: Path, store: Path, fake: FakeEmbedder) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"README": "Words.", "chat.png": "x"})
    with pytest.raises(
        docqa.EmptyCorpusError, match=r"skipped \(README: .*; chat.png: .*\); copy files that docqa reads"
    ):
        docqa.sync(corpus, store, embedder=fake)


def test_a_size_beyond_the_models_is_said_to_be_cut(
    corpus: Path, store: Path, fake: FakeEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    docqa.sync(corpus, store, embedder=fake, chunking=Chunking(100_000, 0))
    assert caplog.messages == [f"passages of 100000 tokens are cut to {fake.max_tokens}: the model reads no more"]


def test_an_index_within_the_corpus_is_refused(corpus: Path, fake: FakeEmbedder) -> None:
    with pytest.raises(docqa.StoreError, match="the index cannot be within the documents' folder"):
        docqa.sync(corpus, corpus / "embeddings", embedder=fake)


def test_another_model_than_the_stores(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    other = FakeEmbedder("other")
    with pytest.raises(docqa.IndexMismatchError, match="made with the model 'fake.*'docqa sync --force --model other"):
        docqa.sync(corpus, store, embedder=other)
    with pytest.raises(docqa.IndexMismatchError):
        docqa.Retriever.open(store, embedder=other)
    assert other.embedded == []
    assert docqa.Retriever.open(store, embedder=fake).retrieve("honey", 1)[0].passage.document == "notes/bees.md"


def test_force_changes_the_model(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    other = FakeEmbedder("other", dimension=32)
    report = docqa.sync(corpus, store, embedder=other, force=True)
    assert (report.embedded, len(other.embedded)) == (4, 4)
    assert docqa.Retriever.open(store, embedder=other).summary.model == "other"


def test_another_chunking_divides_anew_and_is_remembered(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    report = docqa.sync(corpus, store, embedder=fake, chunking=Chunking(10))
    assert report.diff.unchanged == ALL
    assert report.passages > 4
    assert max(fake.count_tokens([passage.text for passage in all_passages(store)])) <= 10
    assert docqa.sync(corpus, store, embedder=fake).embedded == 0
    assert open_generation(store).manifest.chunking == Chunking(10)


def all_passages(store: Path) -> list[docqa.Passage]:
    generation = open_generation(store)
    return [generation.texts.passage(row) for row in range(len(generation.index))]


def test_passages_fit_the_model(corpus: Path, store: Path) -> None:
    small = FakeEmbedder(max_tokens=9)
    docqa.sync(corpus, store, embedder=small)
    assert max(small.count_tokens([passage.text for passage in all_passages(store)])) <= 9


def test_a_second_sync_while_one_writes(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    with write_lock(store), pytest.raises(docqa.StoreLockedError, match="another sync is writing"):
        docqa.sync(corpus, store, embedder=fake)
    assert docqa.sync(corpus, store, embedder=fake).embedded == 0


def spoil_rows(embeddings: PassageEmbeddings) -> PassageEmbeddings:
    return replace(embeddings, passages=embeddings.passages[:-1])


def spoil_values(embeddings: PassageEmbeddings) -> PassageEmbeddings:
    return replace(embeddings, sentences=np.full_like(embeddings.sentences, np.nan))


def spoil_tokens(embeddings: PassageEmbeddings) -> PassageEmbeddings:
    return replace(embeddings, token_counts=embeddings.token_counts + 1)


@pytest.mark.parametrize("spoil", [spoil_rows, spoil_values, spoil_tokens])
def test_an_embedder_that_errs_loses_nothing(
    corpus: Path, store: Path, fake: FakeEmbedder, spoil: Callable[[PassageEmbeddings], PassageEmbeddings]
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    before = contents(store)

    class Faulty(FakeEmbedder):
        def embed_passages(self, *arguments: object) -> PassageEmbeddings:
            return spoil(super().embed_passages(*arguments))  # type: ignore[arg-type]

    (corpus / "new.txt").write_text("Something new.")
    with pytest.raises(docqa.EmbeddingError, match="the model 'fake' gave embeddings"):
        docqa.sync(corpus, store, embedder=Faulty())
    assert contents(store) == before


def test_an_interrupted_sync_loses_nothing(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    before = contents(store)

    def interrupt(done: int, total: int, activity: str) -> None:
        raise KeyboardInterrupt

    (corpus / "new.txt").write_text("Something new.")
    with pytest.raises(KeyboardInterrupt):
        docqa.sync(corpus, store, embedder=fake, progress=interrupt)
    assert contents(store) == before
    assert docqa.sync(corpus, store, embedder=fake).diff.added == ("new.txt",)


def test_progress_counts_documents_then_passages(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    seen: list[tuple[int, int, str]] = []
    docqa.sync(corpus, store, embedder=fake, progress=lambda *state: seen.append(state))
    assert seen == [*((done, 3, "reading") for done in range(4)), (0, 4, "embedding"), (4, 4, "embedding")]


@pytest.mark.parametrize(
    ("name", "embedded"),
    [("passages.faiss", 0), ("token_frequency.npy", 0), ("terms/pairs.npy", 0), ("tokens.npy", 4), ("texts.sqlite", 4)],
)
def test_a_damaged_store_is_rebuilt_from_what_is_sound(
    corpus: Path, store: Path, fake: FakeEmbedder, name: str, embedded: int
) -> None:
    docqa.sync(corpus, store, embedder=fake)
    before = contents(store)
    damaged = next(store.glob(f"generation-*/{name}"))
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(docqa.CorruptIndexError, match=f"{name} is not as it was written; run 'docqa sync --embeddings"):
        docqa.Retriever.open(store, embedder=fake)
    assert docqa.sync(corpus, store, embedder=fake).embedded == embedded
    assert contents(store) == before
    assert read_previous(store) is None


def test_damage_that_cannot_be_told_is_embedded_anew(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    note_damage(store / read_manifest(store).generation, "something is wrong")
    assert docqa.sync(corpus, store, embedder=fake).embedded == 4


def test_a_damaged_store_that_is_made_anew_is_not_kept(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    next(store.glob("generation-*/passages.faiss")).write_bytes(b"")
    docqa.sync(corpus, store, embedder=FakeEmbedder("other"), force=True)
    assert read_previous(store) is None


def test_a_rebuilt_store_keeps_its_settings(
    corpus: Path, store: Path, fake: FakeEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    docqa.sync(corpus, store, embedder=fake, chunking=Chunking(10, 1))
    next(store.glob("*/texts.sqlite")).unlink()
    report = docqa.sync(corpus, store, embedder=fake)
    assert open_generation(store).manifest.chunking == Chunking(10, 1)
    assert report.embedded == report.passages
    assert "could not be used (texts.sqlite cannot be read: No such file or directory) and is rebuilt" in caplog.text
    with pytest.raises(docqa.IndexMismatchError):
        docqa.sync(corpus, store, embedder=FakeEmbedder("other"))


def test_a_store_of_an_older_version_is_made_anew_with_its_settings(
    corpus: Path, store: Path, fake: FakeEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    docqa.sync(corpus, store, embedder=fake, chunking=Chunking(10))
    older = json.loads((store / "manifest.json").read_text()) | {"format": 3}
    (store / "manifest.json").write_text(json.dumps(older))
    with pytest.raises(
        docqa.CorruptIndexError, match=r"made it \(format 3, not 5\); run 'docqa sync --embeddings .*' to rebuild it"
    ):
        docqa.Retriever.open(store, embedder=fake)
    with pytest.raises(docqa.ModelNotFoundError, match="cannot load the model 'fake'"):
        docqa.sync(corpus, store)
    assert docqa.sync(corpus, store, embedder=fake).diff.added == ALL
    assert open_generation(store).manifest.chunking == Chunking(10)
    assert "another version of docqa made it (format 3, not 5)) and is rebuilt" in caplog.text


def test_other_weights_under_the_same_name_are_another_model(corpus: Path, store: Path, fake: FakeEmbedder) -> None:
    docqa.sync(corpus, store, embedder=fake)
    other = FakeEmbedder()
    other.digest = "other"
    with pytest.raises(docqa.IndexMismatchError, match="made with other weights of the model 'fake'"):
        docqa.sync(corpus, store, embedder=other)
    with pytest.raises(docqa.IndexMismatchError, match="made with other weights of the model 'fake'"):
        docqa.Retriever.open(store, embedder=other)


@pytest.mark.parametrize("text", ["???", "…", "😀", "\u200b"])
def test_a_file_without_a_word_is_skipped_and_stops_nothing(
    corpus: Path, store: Path, embedder: SentenceTransformerEmbedder, text: str
) -> None:
    (corpus / "marks.txt").write_text(text)
    report = docqa.sync(corpus, store, embedder=embedder)
    assert report.diff.added == ALL
    assert [(skipped.path, skipped.reason) for skipped in report.skipped] == [
        ("marks.txt", "the file holds no words, only marks")
    ]
    assert not docqa.diff(corpus, store)
