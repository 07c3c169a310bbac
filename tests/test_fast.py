"""The fast form of a model: as near to the model as it is said to be, or not used."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import docqa
from conftest import make_tiny
from docqa import SentenceTransformerEmbedder, Span
from docqa.chunking import split_sentences
from docqa.embedding import caching, exporting, fast, graphs, sentence_transformer
from docqa.embedding import reference as reference_model
from docqa.embedding.caching import digest_files, find_entry
from docqa.embedding.onnx_runtime import OnnxModel
from docqa.embedding.reference import ReferenceModel
from docqa.types import PassageEmbeddings

TEXTS = [
    "Honey is made by bees from the nectar of flowers. They keep it in combs of wax.",
    "The Forth Bridge is a railway bridge. It was opened in 1890, after eight years of work.",
    "The company may end the contract with three months' notice. Notice has to be given in writing.",
    "Chlorophyll absorbs red and blue light, so that leaves look green.",
    "The café's “old” bridge — 1887 — crosses the Tay. 今日は晴れです。Привет, мир. 😀 naïve e\u0301tude",
    "Invoices are due within 30 days. After that, interest of 5 % is charged.",
    "Tiny.",
    "word " * 400 + "end.",
]
QUERIES = [
    "Who makes honey?",
    "railway bridge",
    "How can the contract be ended?",
    "why are leaves green?",
    "late payment",
]


@pytest.fixture(scope="session")
def reference() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(fast=False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCQA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.WARNING, "docqa"):
        yield caplog


def embed(embedder: SentenceTransformerEmbedder, texts: list[str]) -> PassageEmbeddings:
    return embedder.embed_passages(texts, [split_sentences(text) for text in texts])


def models(cache: Path) -> list[Path]:
    return sorted((cache / "models").glob("*"))


def test_the_default_model_has_a_fast_form(embedder: SentenceTransformerEmbedder) -> None:
    assert isinstance(embedder._model, OnnxModel)


def test_the_fast_form_is_near_to_the_model(
    embedder: SentenceTransformerEmbedder, reference: SentenceTransformerEmbedder
) -> None:
    found, expected = embed(embedder, TEXTS), embed(reference, TEXTS)
    assert_array_equal(found.tokens.ids, expected.tokens.ids)
    assert_array_equal(found.token_counts, expected.token_counts)
    assert (found.passages * expected.passages).sum(axis=1).min() > 0.99
    assert (found.sentences * expected.sentences).sum(axis=1).min() > 0.98
    rows = [
        tokens.rows / np.linalg.norm(tokens.rows, axis=1, keepdims=True) for tokens in (found.tokens, expected.tokens)
    ]
    assert (rows[0] * rows[1]).sum(axis=1).mean() > 0.98


def test_the_fast_form_ranks_as_the_model_does(
    embedder: SentenceTransformerEmbedder, reference: SentenceTransformerEmbedder
) -> None:
    scores = [
        np.array([one.embed_query(query).query for query in QUERIES]) @ embed(one, TEXTS).passages.T
        for one in (embedder, reference)
    ]
    assert_allclose(scores[0], scores[1], atol=0.03)
    assert scores[0].argmax(axis=1).tolist() == scores[1].argmax(axis=1).tolist() == [0, 1, 2, 3, 5]


def test_the_fast_form_has_the_models_settings(
    embedder: SentenceTransformerEmbedder, reference: SentenceTransformerEmbedder
) -> None:
    assert (embedder.dimension, embedder.max_tokens) == (reference.dimension, reference.max_tokens) == (384, 254)
    assert embedder.digest == reference.digest
    assert embedder.count_tokens([*TEXTS, ""]) == reference.count_tokens([*TEXTS, ""])


def test_a_texts_embeddings_depend_on_the_text_alone(embedder: SentenceTransformerEmbedder) -> None:
    together = embed(embedder, TEXTS)
    sentence, token = 0, 0
    for number, text in enumerate(TEXTS):
        alone = embed(embedder, [text])
        assert_array_equal(together.passages[number], alone.passages[0])
        assert_array_equal(together.sentences[sentence : sentence + len(alone.sentences)], alone.sentences)
        assert_array_equal(together.tokens.rows[token : token + len(alone.tokens)], alone.tokens.rows)
        sentence, token = sentence + len(alone.sentences), token + len(alone.tokens)


def test_an_index_made_with_either_form_is_asked_with_the_other(
    corpus: Path, tmp_path: Path, embedder: SentenceTransformerEmbedder, reference: SentenceTransformerEmbedder
) -> None:
    for number, (syncing, asking) in enumerate([(embedder, reference), (reference, embedder)]):
        docqa.sync(corpus, tmp_path / str(number), embedder=syncing)
        retriever = docqa.Retriever.open(tmp_path / str(number), embedder=asking)
        assert retriever.ask("Who built the bridge?").quotes[0].text.endswith("It was built in 1887 by William Arrol.")


def test_what_is_known_is_embedded_without_torch(tiny: Path, embedder: SentenceTransformerEmbedder) -> None:
    embedder.embed_query("made once")
    SentenceTransformerEmbedder(str(tiny)).embed_query("made once")
    script = """
import sys
from docqa import SentenceTransformerEmbedder, Span
for name in ("all-MiniLM-L6-v2", sys.argv[1]):
    embedder = SentenceTransformerEmbedder(name)
    embedder.embed_query("bees")
    embedder.embed_passages(["bees make honey", "honey"], [[Span(0, 4)], []])
    print(embedder.dimension, embedder.max_tokens, embedder.count_tokens(["bees"]))
print({"torch", "transformers", "sentence_transformers", "onnx"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script, str(tiny)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["384 254 [1]", "32 36 [1]", "set()"], done.stderr


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("family", ["Bert", "Roberta", "XLMRoberta"])
def test_prompts_poolings_and_families(tmp_path: Path, own_cache: Path, pooling: str, family: str) -> None:
    folder = str(make_tiny(tmp_path / "model", pooling=pooling, family=family))
    quick, right = SentenceTransformerEmbedder(folder), SentenceTransformerEmbedder(folder, fast=False)
    assert isinstance(quick._model, OnnxModel)
    found, expected = (embed(one, ["bees make honey.", "make honey, bees! a b c"]) for one in (quick, right))
    assert_array_equal(found.tokens.ids, expected.tokens.ids)
    assert (found.passages * expected.passages).sum(axis=1).min() > 0.99
    pair = [one.embed_query("make bees?") for one in (quick, right)]
    assert float(pair[0].query @ pair[1].query) > 0.99
    assert pair[0].tokens.ids.tolist() == pair[1].tokens.ids.tolist()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pooling": "lasttoken"}, "its pooling is lasttoken"),
        ({"include_prompt": False}, "its pooling leaves the prompt out"),
        ({"out_features": 32}, "its parts are Transformer, Pooling, Dense"),
        ({"family": "MPNet"}, "its architecture is MPNetModel"),
    ],
)
def test_a_model_of_another_kind_is_left_to_torch_and_this_is_remembered(
    tmp_path: Path,
    own_cache: Path,
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    reason: str,
) -> None:
    folder = str(make_tiny(tmp_path / "model", **options))  # type: ignore[arg-type]
    assert isinstance(SentenceTransformerEmbedder(folder)._model, ReferenceModel)
    monkeypatch.setattr(fast, "export", None)
    assert isinstance(SentenceTransformerEmbedder(folder)._model, ReferenceModel)
    line = f"the model '{folder}' is computed by torch, several times slower: it has no fast form, for {reason}"
    assert said.messages == [line, line]


def test_a_graph_that_is_too_large_is_not_tried_again(
    tiny: Path, own_cache: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST_BYTES", 10_000)
    for _ in range(2):
        assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, ReferenceModel)
        monkeypatch.setattr(fast, "export", None)
    assert [line.rpartition(", for ")[2] for line in said.messages] == ["its weights are too large for one file"] * 2


def test_a_model_whose_embeddings_are_cut_is_not_tried_again(
    tmp_path: Path, own_cache: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tiny(tmp_path / "model")
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "truncate_dim": 16}))
    for _ in range(2):
        assert isinstance(SentenceTransformerEmbedder(str(folder))._model, ReferenceModel)
        monkeypatch.setattr(fast, "export", None)
    assert [line.rpartition(", for ")[2] for line in said.messages] == ["its embeddings are cut to 16 numbers"] * 2


@pytest.mark.parametrize("file", ["vocab.txt", "merges.txt", "sentencepiece.bpe.model"])
def test_other_words_of_the_tokenizer_make_another_fast_form(tmp_path: Path, own_cache: Path, file: str) -> None:
    folder = make_tiny(tmp_path / "model")
    before = SentenceTransformerEmbedder(str(folder))
    before.embed_query("bees")
    (folder / file).write_text("[PAD]\n[UNK]\nother")
    after = SentenceTransformerEmbedder(str(folder))
    after.embed_query("bees")
    assert len(models(own_cache)) == 2
    assert before.digest == after.digest


def test_a_tokenizer_without_a_limit(tiny: Path) -> None:
    model = ReferenceModel(tiny, "tiny").model
    model.max_seq_length = None
    model.tokenizer.model_max_length = int(1e30)
    assert reference_model._settings(model, "tiny").limit == 2**31 - 1


def test_a_graph_that_computes_something_else_is_not_trusted(
    tiny: Path, own_cache: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_graph = exporting.write_graph

    def spoil(shape: object, weights: dict[str, np.ndarray], *, compact: bool) -> bytes:
        name = "embeddings.word_embeddings.weight"
        rolled = np.roll(weights[name], 1, axis=0)
        return write_graph(shape, {**weights, name: rolled}, compact=compact)  # type: ignore[arg-type]

    monkeypatch.setattr(exporting, "write_graph", spoil)
    embedder = SentenceTransformerEmbedder(str(tiny))
    assert isinstance(embedder._model, ReferenceModel)
    (line,) = said.messages
    assert "away from the right one" in line or "with the right one" in line
    (entry,) = models(own_cache)
    assert sorted(path.name for path in entry.iterdir()) == ["digests.json", "refusal.txt"]


def test_numbers_that_are_none_are_not_trusted(
    tiny: Path, own_cache: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_cosine", lambda *_: float("nan"))
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, ReferenceModel)
    assert "a cosine of nan" in said.messages[0]


def test_a_failing_export_leaves_the_model_to_torch_and_is_tried_again(
    tiny: Path, own_cache: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise MemoryError("no memory\nat all")

    with monkeypatch.context() as broken:
        broken.setattr(exporting, "write_graph", fail)
        embedder = SentenceTransformerEmbedder(str(tiny))
        assert isinstance(embedder._model, ReferenceModel)
    assert [line.rpartition(", for ")[2] for line in said.messages] == ["MemoryError: no memory"]
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, OnnxModel)


@pytest.mark.parametrize("file", ["graph.onnx", "tokenizer.json", "settings.json", "digests.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_noticed_and_made_anew(tiny: Path, own_cache: Path, file: str, damage: str) -> None:
    before = SentenceTransformerEmbedder(str(tiny)).embed_query("bees").query
    (entry,) = models(own_cache)
    data = bytearray((entry / file).read_bytes())
    if damage == "remove":
        (entry / file).unlink()
    else:
        data[len(data) // 2] ^= 1
        (entry / file).write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    assert find_entry(f"models/{entry.name}") is None
    assert_array_equal(SentenceTransformerEmbedder(str(tiny)).embed_query("bees").query, before)
    assert models(own_cache) == [entry]
    assert find_entry(f"models/{entry.name}") is not None


def test_what_this_runtime_cannot_load_is_made_anew(tiny: Path, own_cache: Path) -> None:
    SentenceTransformerEmbedder(str(tiny)).embed_query("bees")
    (entry,) = models(own_cache)
    files = {name: path.read_bytes() for name, path in (find_entry(f"models/{entry.name}") or {}).items()}
    caching.save_entry(f"models/{entry.name}", {**files, "graph.onnx": b"of another age"})
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, OnnxModel)
    found = find_entry(f"models/{entry.name}") or {}
    assert {name: path.read_bytes() for name, path in found.items()} == files


def test_a_cache_that_cannot_be_written_to_costs_only_time(
    tiny: Path, tmp_path: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DOCQA_CACHE", str(tmp_path / "file" / "cache"))
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, OnnxModel)
    reason = "Not a directory; set DOCQA_CACHE to a folder that you alone can write to"
    assert said.messages == [f"the fast form of the model '{tiny}' is made in every run, not kept: {reason}"]


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_cache_that_others_can_write_to_is_not_trusted(
    tiny: Path, own_cache: Path, said: pytest.LogCaptureFixture, mode: int
) -> None:
    SentenceTransformerEmbedder(str(tiny)).embed_query("bees")
    (entry,) = models(own_cache)
    own_cache.chmod(mode)
    assert find_entry(f"models/{entry.name}") is None
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, OnnxModel)
    assert f"not kept: others may write into '{own_cache}'; set DOCQA_CACHE" in said.text
    assert len(said.messages) == 1


def test_a_cache_of_another_user_is_not_trusted(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cache.mkdir()
    status, other = own_cache.stat(), os.geteuid() + 1
    for owner, is_trusted in ((0, True), (os.geteuid(), True), (other, False)):
        theirs = os.stat_result([status.st_mode, 0, 0, 1, owner, status.st_gid, 0, 0, 0, 0])
        with monkeypatch.context() as changed:
            changed.setattr(Path, "stat", lambda _, theirs=theirs: theirs)
            if is_trusted:
                assert caching.cache_folder() == own_cache
            else:
                with pytest.raises(PermissionError, match="belongs to another user"):
                    caching.cache_folder()


def test_a_user_without_a_home_has_no_cache(
    tiny: Path, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DOCQA_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, OnnxModel)
    assert ["this user has no home folder" in line for line in said.messages] == [True]


@pytest.mark.parametrize(
    ("mask", "folder", "file"), [(0o022, 0o755, 0o644), (0o002, 0o755, 0o644), (0o077, 0o700, 0o600)]
)
def test_what_is_cached_may_be_read_by_all_unless_the_user_says_otherwise(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, mask: int, folder: int, file: int
) -> None:
    monkeypatch.setattr(caching, "SETTLED", -1)
    before = os.umask(mask)
    try:
        caching.save_entry("models/one", {"graph": b"1"})
        find_entry("models/one")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (own_cache, *own_cache.rglob("*")) if path.is_dir()}
    assert modes == {folder}
    assert {path.stat().st_mode & 0o777 for path in own_cache.rglob("*") if path.is_file()} == {file}


def test_several_may_save_the_same_at_once(own_cache: Path) -> None:
    def save(number: int) -> None:
        for _ in range(20):
            caching.save_entry("models/one", {"graph": b"1", "other": b"2"})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save, range(4)))
    assert set(find_entry("models/one") or {}) == {"graph", "other"}
    assert [path.name for path in models(own_cache)] == ["one"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching, "SETTLED", -1)
    monkeypatch.setattr(os, "fsync", fail)
    (tmp_path / "weights").write_bytes(b"some weights")
    digest_files([tmp_path / "weights"])
    assert list(own_cache.iterdir()) == []


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from docqa import SentenceTransformerEmbedder
from docqa.embedding import caching

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "rename":
    Path.rename = die
else:
    replacing = caching.replacing

    class Half:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            die()

    @contextmanager
    def replacing_half(path, **options):
        with replacing(path, **options) as file:
            yield Half(file) if path.name == sys.argv[2] else file

    caching.replacing = replacing_half
SentenceTransformerEmbedder(sys.argv[1]).embed_query("bees")
"""


@pytest.mark.parametrize("moment", ["graph.onnx", "digests.json", "rename"])
def test_an_interrupted_export_leaves_nothing_that_is_trusted(tiny: Path, own_cache: Path, moment: str) -> None:
    command = [sys.executable, "-c", KILLED, str(tiny), moment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = models(own_cache)
    assert left.name.startswith(".new-")
    long_ago = time.time() - 2 * caching.ABANDONED
    os.utime(left, (long_ago, long_ago))
    assert isinstance(SentenceTransformerEmbedder(str(tiny))._model, OnnxModel)
    (entry,) = models(own_cache)
    assert set(find_entry(f"models/{entry.name}") or {}) == {"graph.onnx", "tokenizer.json", "settings.json"}


@pytest.mark.parametrize(
    ("flags", "compact"),
    [
        ("flags : fpu sse4_2 avx2 avx512f", False),
        ("flags : fpu avx2 avx_vnni", True),
        ("flags : avx512f avx512_vnni", True),
        ("Features : fp asimd asimddp", True),
        ("Features : fp asimd", False),
    ],
)
def test_bytes_are_multiplied_where_the_processor_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, compact: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(fast, "PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr(sys, "platform", "linux")
    assert fast.multiplies_bytes() is compact


def test_a_processor_that_cannot_multiply_bytes_has_the_models_own_embeddings(
    reference: SentenceTransformerEmbedder, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags : fpu sse4_2 avx2")
    monkeypatch.setattr(fast, "PROCESSOR", tmp_path / "cpuinfo")
    embedder = SentenceTransformerEmbedder()
    assert isinstance(embedder._model, OnnxModel)
    found, expected = embed(embedder, TEXTS), embed(reference, TEXTS)
    assert_allclose(found.passages, expected.passages, atol=1e-5)
    assert_allclose(found.sentences, expected.sentences, atol=1e-5)
    (entry,) = models(own_cache)
    assert b"DynamicQuantizeMatMul" not in (entry / "graph.onnx").read_bytes()


def test_a_gpu_embeds_passages_and_not_queries(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_transformer, "has_gpu", lambda: True)
    embedder = SentenceTransformerEmbedder(str(tiny))
    assert isinstance(embedder._passage_model, ReferenceModel)
    assert isinstance(embedder._model, OnnxModel)
    expected = SentenceTransformerEmbedder(str(tiny), fast=False).embed_passages(["bees"], [[Span(0, 4)]])
    assert_array_equal(embedder.embed_passages(["bees"], [[Span(0, 4)]]).passages, expected.passages)


def test_beside_a_gpu_a_model_is_loaded_once(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_transformer, "has_gpu", lambda: True)
    embedder = SentenceTransformerEmbedder(str(make_tiny(tmp_path / "model", family="MPNet")))
    assert embedder._model is embedder._passage_model


def test_a_large_file_is_read_once_and_again_when_it_changed(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "SETTLED", -1)
    file = tmp_path / "weights"
    file.write_bytes(b"some weights")
    times = file.stat()
    (digest,) = digest_files([file])
    with monkeypatch.context() as blind:
        blind.setattr(caching.hashlib, "file_digest", None)
        assert digest_files([file]) == [digest]
    file.write_bytes(b"more weights")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # of the same size and time, as an archive unpacks it
    assert digest_files([file]) != [digest]


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path, own_cache: Path) -> None:
    (tmp_path / "weights").write_bytes(b"some weights")
    digest_files([tmp_path / "weights"])
    assert not (own_cache / "files.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "[1]", '{"a": 1}', "\x00"])
def test_a_damaged_memory_of_digests_is_forgotten(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(caching, "SETTLED", -1)
    own_cache.mkdir()
    file = tmp_path / "weights"
    file.write_bytes(b"")
    (own_cache / "files.json").write_text(content.replace("a", str(file)))
    assert digest_files([file]) == ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
    assert list(json.loads((own_cache / "files.json").read_bytes())) == [str(file)]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DOCQA_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/docqa"),
        ({"XDG_CACHE_HOME": ""}, "/home/user/.cache/docqa"),
    ],
)
def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str) -> None:
    monkeypatch.delenv("DOCQA_CACHE")
    monkeypatch.setenv("HOME", "/home/user")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert caching.cache_folder() == Path(folder)
