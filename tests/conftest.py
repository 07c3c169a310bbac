"""Shared parts of the tests: a fake embedder that records its work, a small corpus, the real embedder."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import docqa
from docqa import Embeddings, PassageEmbeddings, SentenceTransformerEmbedder, Span
from docqa.types import QueryEmbeddings, TokenEmbeddings

os.environ["HF_HUB_OFFLINE"] = "1"

SHARED = Path(__file__).parents[2] / "shared"
"""Real documents and questions beside the project and no part of it; tests of them are skipped where it is absent."""

WORD = re.compile(r"\w+|[^\w\s]")

CAKE = "# Baking\n\nA sponge cake needs eggs, sugar and flour. It bakes for forty minutes.\n\nBread needs yeast.\n"
BRIDGE = "The old bridge crosses the river Tay. It was built in 1887 by William Arrol.\n\nTrains cross it every hour.\n"
BEES = (
    "---\ntitle: Keeping bees\n---\n\n## Honey\n\nBees make honey from nectar.\n\n## Swarms\n\nA swarm leaves in May.\n"
)


class FakeEmbedder:
    """Embed deterministically without a model: a text's embedding is the sum of its words' pseudo-random embeddings.

    ``embedded`` records every passage it was asked to embed.
    """

    def __init__(self, name: str = "fake", *, dimension: int = 64, max_tokens: int = 254) -> None:
        self.name = name
        self.digest = hashlib.sha256(name.encode()).hexdigest()
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.embedded: list[str] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(WORD.findall(text)) for text in texts]

    def embed_passages(self, texts: Sequence[str], sentences: Sequence[Sequence[Span]]) -> PassageEmbeddings:
        self.embedded += texts
        parts = [text[span.start : span.end] for text, spans in zip(texts, sentences, strict=True) for span in spans]
        counts = np.array([len(WORD.findall(part)) for part in parts], np.int64)
        return PassageEmbeddings(self._embed(texts), self._embed(parts), self._tokens(" ".join(parts)), counts)

    def embed_query(self, query: str) -> QueryEmbeddings:
        return QueryEmbeddings(self._embed([query])[0], self._tokens(query))

    def _tokens(self, text: str) -> TokenEmbeddings:
        words = WORD.findall(text.lower())
        ids = np.array([int.from_bytes(hashlib.sha256(word.encode()).digest()[:2]) for word in words], np.int32)
        rows = np.array([self._word(word) for word in words], np.float32).reshape(-1, self.dimension)
        return TokenEmbeddings(ids, rows)

    def _embed(self, texts: Sequence[str]) -> Embeddings:
        rows = np.array([self._embed_one(text) for text in texts], np.float32).reshape(-1, self.dimension)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _embed_one(self, text: str) -> Embeddings:
        words = WORD.findall(text.lower()) or [""]
        return np.sum([self._word(word) for word in words], axis=0)

    def _word(self, word: str) -> Embeddings:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        return np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)


Figures = Callable[[str, str], None]
"""Notes what a reliability test measured, for the table at the end."""
MEASURED = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the reliability tests in full, for half an hour or more")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if measured := config.stash.get(MEASURED, {}):
        terminalreporter.section("reliability, in full" if config.getoption("--soak") else "reliability, in short")
        for name, figure in measured.items():
            terminalreporter.write_line(f"{name:<80}  {figure}")


@pytest.fixture
def soak(pytestconfig: pytest.Config) -> bool:
    """Tell whether the reliability tests are to run in full."""
    return bool(pytestconfig.getoption("--soak"))


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash.setdefault(MEASURED, {}).__setitem__


@pytest.fixture
def fake() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Make a corpus of three documents."""
    return write_corpus(tmp_path / "corpus", {"cake.md": CAKE, "bridge.txt": BRIDGE, "notes/bees.md": BEES})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "embeddings"


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """Make a folder where flushing takes no time, if there is one: in memory, which outlives a process as disks do."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = memory / f"docqa-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def write_corpus(folder: Path, documents: dict[str, str]) -> Path:
    for path, text in documents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return folder


def is_gone(process: int) -> bool:
    """Tell whether a process has ended; where nobody waits for it, as in some containers, its entry stays."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the fast forms of models where they are gone after the tests."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["DOCQA_CACHE"] = str(folder)
    return folder


PROMPTS = {"query": "query: ", "document": "passage: "}


def make_tiny(
    folder: Path,
    *,
    include_prompt: bool = True,
    out_features: int | None = None,
    pooling: str = "mean",
    family: str = "Bert",
) -> Path:
    """Make a model of two small layers with random weights and prompts."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

    torch.manual_seed(7)
    letters = [*"abcdefghijklmnopqrstuvwxyz.,:?!"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", "passage", "bees", "honey", "make", *letters]
    vocabulary += [f"##{letter}" for letter in letters]
    parts = folder.with_name(folder.name + "-parts")
    parts.mkdir(parents=True)
    (parts / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast(str(parts / "vocab.txt"), model_max_length=40).save_pretrained(parts)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        pad_token_id=0,
    )
    getattr(transformers, f"{family}Model")(config).save_pretrained(parts)
    transformer = Transformer(str(parts), max_seq_length=40)
    modules = [transformer, Pooling(32, pooling_mode=pooling, include_prompt=include_prompt)]
    if out_features:
        modules.append(Dense(32, out_features))
    SentenceTransformer(modules=modules, prompts=PROMPTS, device="cpu").save(str(folder))
    shutil.rmtree(parts)
    return folder


@pytest.fixture(scope="session")
def embedder() -> SentenceTransformerEmbedder:
    """Share the real model among the tests that need it."""
    return SentenceTransformerEmbedder()


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory, embedder: SentenceTransformerEmbedder) -> Path:
    """Index the documents of two shared sets of questions, once for all tests that ask them."""
    corpus, store = tmp_path_factory.mktemp("shared-corpus"), tmp_path_factory.mktemp("shared-store")
    for name in ("squad", "chunking"):
        folder = SHARED / "eval" / name / "documents"
        if not folder.exists():
            pytest.skip(f"the question set {name} is not beside the project")
        for file in folder.iterdir():
            (corpus / file.name).write_bytes(file.read_bytes())
    docqa.sync(corpus, store, embedder=embedder)
    return store


@pytest.fixture
def words() -> Callable[[Sequence[str]], list[int]]:
    """Count tokens as words and punctuation marks."""
    return FakeEmbedder().count_tokens
